"""Turns tables into arrays: one value per draw and test text for every arm and budget."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from datayield.core import metrics, rows
from datayield.core.errors import UserError
from datayield.core.types import Floats, Ints

Metric: TypeAlias = Literal["accuracy", "macro_f1"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One arm at one budget, seeds averaged; all comparisons are made of `values`."""

    draws: tuple[int, ...]
    hits: Floats  # (draws, test texts) correctness, in [0, 1]; its mean is the accuracy
    f1: Floats  # (draws, test texts) jackknife values; their mean is the macro-F1
    validation: Floats  # (draws,) of the metric that leads; NaN where nothing validates
    cells: int
    metric: Metric = "accuracy"

    @property
    def values(self) -> Floats:
        """Values (draws, test texts) whose mean is the score of the metric that leads."""
        return self.hits if self.metric == "accuracy" else self.f1

    def on(self, draws: Sequence[int]) -> Floats:
        """Return the values on these draws, all of which must be there, (D, texts)."""
        return self.values[[self.draws.index(d) for d in draws]]

    def until(self, end: int) -> "Measured":
        """Return what the draws with a number below `end` measured."""
        kept = [k for k, draw in enumerate(self.draws) if draw < end]
        return Measured(
            tuple(self.draws[k] for k in kept),
            self.hits[kept],
            self.f1[kept],
            self.validation[kept],
            self.cells * len(kept) // len(self.draws),
            self.metric,
        )


Scores = dict[tuple[str, int], Measured]


def gather(lines: Iterable[dict[str, Any]], truth: Ints, metric: Metric) -> Scores:
    """Return (arm, n) → Measured from the rows of one corpus's `cells.parquet`.

    Args:
        lines: the rows.
        truth: class index of every test text, in test order.
        metric: the metric that leads.

    Raises:
        UserError: when the rows were scored on different test sets.
    """
    grouped: dict[tuple[str, int], dict[int, list[dict[str, Any]]]] = {}
    digests = set()
    for line in lines:
        digests.add(line["test_digest"])
        grouped.setdefault((line["arm"], line["n"]), {}).setdefault(line["draw"], []).append(line)
    if len(digests) > 1:
        raise UserError(
            f"the rows were scored on {len(digests)} different test sets ({', '.join(sorted(digests))})"
            " and cannot be paired. Run `dvc repro` to compute them again."
        )
    return {k: _measured(by_draw, truth, metric) for k, by_draw in grouped.items()}


def _measured(by_draw: dict[int, list[dict[str, Any]]], truth: Ints, metric: Metric) -> Measured:
    draws = tuple(sorted(by_draw))

    def of(value: Callable[[dict[str, Any]], Any]) -> Floats:
        return np.array([np.mean([value(line) for line in by_draw[d]], axis=0) for d in draws])

    return Measured(
        draws,
        of(lambda line: rows.unpack_hits(line["hits"], line["test_size"])),
        of(lambda line: f1_values(rows.unpack_predicted(line["predicted"]), truth)),
        of(lambda line: line[f"validation_{metric}"]),
        sum(len(lines) for lines in by_draw.values()),
        metric,
    )


def f1_values(predicted: Ints, truth: Ints) -> Floats:
    """Return macro-F1 as one value per test text, (texts,), so that the two-way interval applies to it.

    Value i is the jackknife's m·F − (m − 1)·F without text i, shifted so that the mean is F itself.
    """
    classes = int(max(predicted.max(), truth.max())) + 1
    counts = np.zeros((classes, classes))
    np.add.at(counts, (truth, predicted), 1)
    whole = metrics.macro_f1_of_counts(counts)
    without = np.full((classes, classes), whole)  # by the true and the predicted class left out
    for t, p in zip(*np.nonzero(counts), strict=True):
        counts[t, p] -= 1
        without[t, p] = metrics.macro_f1_of_counts(counts)
        counts[t, p] += 1
    size = len(truth)
    values = size * whole - (size - 1) * without[truth, predicted]
    shifted: Floats = values - values.mean() + whole
    return shifted


def mean_known(values: Floats | Sequence[float]) -> float | None:
    """Return the mean without NaN (not measured); None where nothing is left."""
    floats = np.asarray(values, np.float64)
    known = floats[~np.isnan(floats)]
    return float(known.mean()) if len(known) else None


def paired(a: Measured, b: Measured) -> tuple[Floats, Floats]:
    """Return the values of both on the draws that both have, (D, m) each; D may be 0."""
    common = [d for d in a.draws if d in b.draws]
    return a.on(common), b.on(common)


def curve_of(scores: Scores, arm: str, draws: Sequence[int]) -> dict[int, Floats]:
    """Return an arm's curve on the given draws: the budgets at which all of them were run; {} without."""
    if not draws:
        return {}
    curve = {
        n: m.on(draws) for (a, n), m in scores.items() if a == arm and set(draws) <= set(m.draws)
    }
    return dict(sorted(curve.items()))


def curve_draws(scores: Scores, arm: str, within: Iterable[int] | None = None) -> tuple[int, ...]:
    """Return the draws on which most of an arm's curve can be read: budgets times draws is largest.

    Args:
        scores: of all arms.
        arm: whose budgets may lack draws.
        within: draws to choose from; None: all.
    """
    kept = None if within is None else set(within)
    sets = [
        set(m.draws) if kept is None else set(m.draws) & kept
        for (a, _), m in scores.items()
        if a == arm
    ]
    if not sets:
        return ()
    options = {tuple(sorted(s)) for s in (*sets, set.intersection(*sets)) if s}
    return min(options, key=lambda d: (-sum(set(d) <= s for s in sets) * len(d), d), default=())
