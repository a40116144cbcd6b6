"""Tables → arrays: one value per draw and test text for every arm and budget."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import numpy as np

from datayield import records
from datayield.errors import UserError
from datayield.types import Floats, Ints

Metric: TypeAlias = Literal["accuracy", "macro_f1"]


@dataclass(frozen=True, slots=True)
class Measured:
    """One arm at one budget, seeds averaged; `values` are what all comparisons are made of."""

    draws: tuple[int, ...]
    hits: Floats  # (draws, test texts) correctness, in [0, 1]; its mean is the accuracy
    f1: Floats  # (draws, test texts) jackknife values; their mean is the macro-F1
    validation: Floats  # (draws,) of the metric that leads; NaN where nothing validates
    cells: int
    metric: Metric = "accuracy"

    @property
    def values(self) -> Floats:
        """(draws, test texts): their mean is the score of the metric that leads."""
        return self.hits if self.metric == "accuracy" else self.f1


Scores = dict[tuple[str, int], Measured]


def gather(lines: Iterable[dict[str, Any]], truth: Ints, metric: Metric) -> Scores:
    """(arm, n) → Measured from the rows of one corpus's `cells.parquet`.

    Args:
        lines: the rows.
        truth: class index of every test text, in test order.
        metric: the one that leads.

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
            " and cannot be paired. Run `dvc repro` to compute them anew."
        )
    return {k: _measured(by_draw, truth, metric) for k, by_draw in grouped.items()}


def _measured(by_draw: dict[int, list[dict[str, Any]]], truth: Ints, metric: Metric) -> Measured:
    draws = tuple(sorted(by_draw))

    def of(value: Callable[[dict[str, Any]], Any]) -> Floats:
        return np.array([np.mean([value(line) for line in by_draw[d]], axis=0) for d in draws])

    return Measured(
        draws,
        of(lambda line: records.unpack_hits(line["hits"], line["test_size"])),
        of(lambda line: f1_values(records.unpack_predicted(line["predicted"]), truth)),
        of(lambda line: line[f"validation_{metric}"]),
        sum(len(lines) for lines in by_draw.values()),
        metric,
    )


def f1_values(predicted: Ints, truth: Ints) -> Floats:
    """Macro-F1 as one value per test text, so that the two-way interval applies to it, (texts,).

    Value i is the jackknife's m·F − (m − 1)·F without text i, shifted so that the mean is F itself.
    """
    classes = int(max(predicted.max(), truth.max())) + 1
    counts = np.zeros((classes, classes))
    np.add.at(counts, (truth, predicted), 1)
    whole = _macro_f1(counts)
    without = np.full((classes, classes), whole)  # by the true and the predicted class left out
    for t, p in zip(*np.nonzero(counts), strict=True):
        counts[t, p] -= 1
        without[t, p] = _macro_f1(counts)
        counts[t, p] += 1
    size = len(truth)
    values = size * whole - (size - 1) * without[truth, predicted]
    shifted: Floats = values - values.mean() + whole
    return shifted


def _macro_f1(counts: Floats) -> float:
    """As `score.macro_f1`, from the counts of true × predicted."""
    f1 = 2 * np.diag(counts) / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return float(f1[counts.sum(1) > 0].mean())


def mean_known(values: Floats | Sequence[float]) -> float | None:
    """The mean without NaN (not measured); None where nothing is left."""
    found = np.asarray(values, np.float64)
    known = found[~np.isnan(found)]
    return float(known.mean()) if len(known) else None


def paired(a: Measured, b: Measured) -> tuple[Floats, Floats]:
    """Values of both on the draws that both have, (D, m) each; D may be 0."""
    common = [d for d in a.draws if d in b.draws]
    return (
        a.values[[a.draws.index(d) for d in common]],
        b.values[[b.draws.index(d) for d in common]],
    )


def curve_of(scores: Scores, arm: str, draws: tuple[int, ...]) -> dict[int, Floats]:
    """The learning curve of an arm on the given draws: budgets at which all of them were run."""
    found = {}
    for (name, n), m in scores.items():
        if name == arm and set(draws) <= set(m.draws):
            found[n] = m.values[[m.draws.index(d) for d in draws]]
    return dict(sorted(found.items()))
