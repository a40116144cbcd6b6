"""Scores every class by itself: precision, recall and F1 by budget, confusions, and the last step's gain.

All intervals vary draws and test texts. None decides which arm is better.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

import numpy as np

from datayield.analysis.comparisons import best_simple, picks
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import Interval, holm
from datayield.analysis.probability_findings import by_arm
from datayield.analysis.probability_statements import ClassConfusion, ClassGain, ClassScores
from datayield.analysis.shares import FEWEST, counted_share
from datayield.core.rows import unpack_predicted
from datayield.core.types import Bools, Floats, Ints

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


@dataclass(frozen=True, slots=True)
class ClassPredictions:
    """The predicted classes of a few arms at all of their budgets."""

    n: int  # the largest budget that most compared arms share
    found: Mapping[tuple[str, int], Mapping[int, Ints]]  # (arm, n) -> draw -> (seeds, texts)
    truth: Ints  # (texts,)
    classes: Sequence[str]  # names by index

    @property
    def present(self) -> list[int]:
        """Return the classes that have test texts."""
        present: list[int] = np.unique(self.truth).tolist()
        return present

    def arms(self) -> list[str]:
        """Return the arms in order: the baseline, the best by validation, the best simple baseline."""
        return list(dict.fromkeys(arm for arm, _ in self.found))


def class_predictions(
    lines: Sequence[Mapping[str, Any]], f: Frame, truth: Ints, classes: Sequence[str]
) -> ClassPredictions:
    """Return the predictions of the arms whose single classes are looked at.

    They are the baseline, the best by validation score and the best simple baseline, at the largest
    budget that most arms share and at all smaller ones.

    Args:
        lines: the rows of `cells.parquet`.
        f: the same rows as the other comparisons use them.
        truth: class index of every test text, in test order.
        classes: names by index.
    """
    n, rows = by_arm(lines, f)
    best = [arm for budget, arm, _ in picks(f) if budget == n]
    names = list(dict.fromkeys(a for a in (f.baseline, *best, best_simple(f)) if a in rows))
    found: dict[tuple[str, int], dict[int, list[Ints]]] = {
        (arm, b): {} for arm in names for b in f.budgets(arm) if b <= n
    }
    for x in sorted(lines, key=lambda x: (x["draw"], x["seed"])):
        if (x["arm"], x["n"]) in found:
            own = found[x["arm"], x["n"]].setdefault(x["draw"], [])
            own.append(unpack_predicted(x["predicted"]))
    stacked = {key: {d: np.stack(p) for d, p in own.items()} for key, own in found.items() if own}
    return ClassPredictions(n, stacked, truth, classes)


def by_class(
    lines: Sequence[Mapping[str, Any]], f: Frame, truth: Ints, classes: Sequence[str]
) -> dict[str, Any]:
    """Return the fields of the statistics about single classes; arguments as of `class_predictions`."""
    x = class_predictions(lines, f, truth, classes)
    return {
        "class_scores": class_scores(x, f),
        "class_confusions": class_confusions(x, f),
        "class_gains": class_gains(x, f),
    }


def class_scores(x: ClassPredictions, f: Frame) -> tuple[ClassScores, ...]:
    """Return the scores of every class that has test texts, by arm and budget, the lowest F1 first."""
    found = []
    for (arm, n), draws in x.found.items():
        own = [_class(arm, n, c, draws, x, f) for c in x.present]
        found += sorted(own, key=lambda row: (row.f1.estimate, row.name))
    return tuple(found)


def _values(draws: Mapping[int, Ints], truth: Ints, c: int, kind: Kind) -> Floats:
    """Return `class_values` by draw, seeds averaged, (draws, texts)."""
    return np.array(
        [np.mean([class_values(p, truth, c, kind) for p in own], 0) for own in draws.values()]
    )


def _class(
    arm: str, n: int, c: int, draws: Mapping[int, Ints], x: ClassPredictions, f: Frame
) -> ClassScores:
    """Return the scores of class c by one arm at one budget."""
    every = np.concatenate(list(draws.values()))  # (cells, texts)
    texts = int((x.truth == c).sum())
    others = np.bincount(every[:, x.truth == c].ravel(), minlength=len(x.classes))
    others[c] = 0
    worst = int(others.argmax())

    def scored(kind: Kind, counted: float) -> Interval:
        return counted_share(f.interval(_values(draws, x.truth, c, kind), n), counted)

    return ClassScores(
        arm,
        n,
        x.classes[c],
        texts,
        precision=scored("precision", float((every == c).sum(1).mean())),
        recall=scored("recall", texts),
        f1=scored("f1", texts),
        confused_with=x.classes[worst] if others[worst] else None,
        confused=float(others[worst] / (len(every) * texts)),
    )


def class_confusions(x: ClassPredictions, f: Frame) -> tuple[ClassConfusion, ...]:
    """Return the pairs of classes that each arm confuses at the largest budget, the most texts first.

    A share is counted over the test texts of its class, so that draws and these texts vary.
    """
    found = []
    for arm in x.arms():
        own = []
        draws = x.found.get((arm, x.n), {})
        for c in x.present if draws else ():
            of_class = {d: p[:, x.truth == c] for d, p in draws.items()}
            taken = np.unique(np.concatenate([p.ravel() for p in of_class.values()]))
            own += [_confusion(arm, c, k, of_class, x, f) for k in taken.tolist() if k != c]
        found += sorted(own, key=lambda row: (-row.texts, row.name, row.predicted))
    return tuple(found)


def _confusion(
    arm: str, c: int, other: int, of_class: Mapping[int, Ints], x: ClassPredictions, f: Frame
) -> ClassConfusion:
    """Return how often class c is taken for another one, from the predictions of its texts by draw."""
    taken = np.array([(p == other).mean(0) for p in of_class.values()])  # (draws, texts of c)
    texts = taken.shape[1]
    share = counted_share(f.interval(taken, x.n), texts)
    names = x.classes[c], x.classes[other]
    return ClassConfusion(arm, x.n, *names, texts=float(taken.mean() * texts), share=share)


def class_gains(x: ClassPredictions, f: Frame) -> tuple[ClassGain, ...]:
    """Return the change of each class's F1 over the last step of each arm, the largest first.

    Both budgets are compared on their common draws and the same test texts. The tests of the classes of
    an arm share the level by Holm's method; classes of fewer than FEWEST test texts have none.
    """
    found = []
    for arm in x.arms():
        smaller = [n for a, n in x.found if a == arm and n < x.n]
        if smaller and (arm, x.n) in x.found:
            found += _gains(arm, max(smaller), x, f)
    return tuple(found)


def _gains(arm: str, before: int, x: ClassPredictions, f: Frame) -> list[ClassGain]:
    now, then = x.found[arm, x.n], x.found[arm, before]
    common = sorted(now.keys() & then.keys())
    changes = []
    for c in x.present if common else ():
        values = _values({d: now[d] for d in common}, x.truth, c, "f1") - _values(
            {d: then[d] for d in common}, x.truth, c, "f1"
        )
        changes.append((x.classes[c], _counted_change(f.interval(values, x.n), x.truth == c)))
    tested = [i for i, (_, change) in enumerate(changes) if change.p is not None]
    p_holm = dict(zip(tested, holm([changes[i][1].p or 0.0 for i in tested]), strict=True))
    own = [
        ClassGain(arm, x.n, before, name, change, p_holm.get(i), _verdict(change, p_holm.get(i)))
        for i, (name, change) in enumerate(changes)
    ]
    return sorted(own, key=lambda row: (-row.f1.estimate, row.name))


def _counted_change(change: Interval, of_class: Bools) -> Interval:
    """Return the change without ends and p where the class has too few texts, or where nothing varies."""
    few = of_class.sum() < FEWEST
    if change.low is None or not (few or change.low == change.high):
        return change
    why = f"fewer than {FEWEST} texts" if few else "nothing varies"
    return replace(change, low=None, high=None, p=None, reason=why)


def _verdict(change: Interval, p_holm: float | None) -> Literal["rises", "falls", "undecided"]:
    if p_holm is None or p_holm > 1 - change.level:
        return "undecided"
    return "rises" if change.estimate > 0 else "falls"
