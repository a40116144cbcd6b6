"""Scores every class by itself: precision, recall and F1 of an arm at one budget, with intervals."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, TypeAlias

import numpy as np

from datayield.analysis.comparisons import best_simple, picks
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import Interval
from datayield.analysis.probability_findings import by_arm
from datayield.analysis.probability_statements import ClassScores
from datayield.analysis.shares import counted_share
from datayield.core.rows import unpack_predicted
from datayield.core.types import Floats, Ints

Kind: TypeAlias = Literal["precision", "recall", "f1"]


def class_values(predicted: Ints, truth: Ints, c: int, kind: Kind) -> Floats:
    """Return a score of class c as one value per text, (texts,), so that the two-way interval applies.

    All three are ratios of sums over texts: hits over predictions (precision), over texts of the
    class (recall), over the mean of both (F1); 0 of 0 counts as 0. Value i is the jackknife's
    m·R - (m - 1)·R without text i, shifted so that the mean is R itself.

    Args:
        predicted: class of every text, (texts,).
        truth: class of every text, (texts,).
        c: the class.
        kind: the score.
    """
    given, true = predicted == c, truth == c
    counted = {"precision": 1.0 * given, "recall": 1.0 * true, "f1": (given + 1.0 * true) / 2}[kind]
    hits, size = 1.0 * (given & true), len(truth)
    whole = _ratio(np.array([hits.sum()]), np.array([counted.sum()]))
    values = size * whole - (size - 1) * _ratio(hits.sum() - hits, counted.sum() - counted)
    shifted: Floats = values - values.mean() + whole
    return shifted


def _ratio(part: Floats, whole: Floats) -> Floats:
    """Return part / whole; 0 where the whole is 0."""
    found: Floats = np.where(whole > 0, part / np.where(whole > 0, whole, 1.0), 0.0)
    return found


def class_scores(
    lines: Sequence[Mapping[str, Any]], f: Frame, truth: Ints, classes: Sequence[str]
) -> tuple[ClassScores, ...]:
    """Return the scores of every class that has test texts, the lowest F1 of each arm first.

    The arms are the baseline, the best by validation score and the best simple baseline, at the largest
    budget that most arms share.

    Args:
        lines: the rows of `cells.parquet`.
        f: the same rows as the other comparisons use them.
        truth: class index of every test text, in test order.
        classes: names by index.
    """
    n, rows = by_arm(lines, f)
    best = [arm for budget, arm, _ in picks(f) if budget == n]
    names = dict.fromkeys(a for a in (f.baseline, *best, best_simple(f)) if a in rows)
    found = []
    for arm in names:
        draws = _predictions(rows[arm])
        own = [
            _class(arm, n, c, draws, truth, classes, lambda values: f.interval(values, n))
            for c in np.unique(truth).tolist()
        ]
        found += sorted(own, key=lambda x: (x.f1.estimate, x.name))
    return tuple(found)


def _predictions(lines: Sequence[Mapping[str, Any]]) -> list[list[Ints]]:
    """Return the predicted classes of the cells of one arm at one budget, by draw."""
    by_draw: dict[int, list[Ints]] = {}
    for x in sorted(lines, key=lambda x: (x["draw"], x["seed"])):
        by_draw.setdefault(x["draw"], []).append(unpack_predicted(x["predicted"]))
    return list(by_draw.values())


def _class(
    arm: str,
    n: int,
    c: int,
    draws: Sequence[Sequence[Ints]],
    truth: Ints,
    classes: Sequence[str],
    interval: Callable[[Floats], Interval],
) -> ClassScores:
    """Return the scores of class c by one arm, from its predictions by draw."""
    every = np.concatenate([np.stack(own) for own in draws])  # (cells, texts)
    texts = int((truth == c).sum())
    others = np.bincount(every[:, truth == c].ravel(), minlength=len(classes))
    others[c] = 0
    worst = int(others.argmax())

    def scored(kind: Kind, counted: float) -> Interval:
        values = [np.mean([class_values(p, truth, c, kind) for p in own], 0) for own in draws]
        return counted_share(interval(np.array(values)), counted)

    return ClassScores(
        arm,
        n,
        classes[c],
        texts,
        precision=scored("precision", float((every == c).sum(1).mean())),
        recall=scored("recall", texts),
        f1=scored("f1", texts),
        confused_with=classes[worst] if others[worst] else None,
        confused=float(others[worst] / (len(every) * texts)),
    )
