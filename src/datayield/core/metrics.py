"""Scores predictions. A metric is the function, a score is its value."""

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import Floats, Ints


def accuracy(predicted: Ints, labels: Ints) -> float:
    """Return the share of equal entries, in [0, 1]; NaN without entries."""
    return float(np.mean(predicted == labels)) if len(labels) else float("nan")


def macro_f1(predicted: Ints, labels: Ints, classes: int) -> float:
    """Return the mean of 2TP / (2TP + FP + FN) over the classes that occur in `labels`, in [0, 1].

    A class that occurs and is never predicted counts 0. NaN without labels.
    """
    if not len(labels):
        return float("nan")
    return macro_f1_of_counts(confusion(predicted, labels, classes))


def macro_f1_of_counts(counts: NDArray[np.int64] | Floats) -> float:
    """Return macro-F1 of counts (true classes, predicted classes) over the classes that occur."""
    f1 = 2 * np.diag(counts) / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return float(f1[counts.sum(1) > 0].mean())


DOMINANT = 0.6  # share of the largest class above which macro-F1 is the main metric


def lead_metric(wanted: str, majority: float) -> str:
    """Return the main metric, "accuracy" or "macro_f1"; "auto" decides by the share of the largest class."""
    if wanted == "auto":
        return "macro_f1" if majority > DOMINANT else "accuracy"
    return wanted


def confusion(predicted: Ints, labels: Ints, classes: int) -> NDArray[np.int64]:
    """Return counts, (classes, classes): rows are true classes, columns predicted ones."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)


def most_voted(items: Ints, classes: Ints, votes: Floats, count: int) -> Ints:
    """Return the class with the most votes per item, the first among equals; -1: none, (count,).

    Args:
        items: (votes,) index of an item, below `count`.
        classes: (votes,) class that each vote names.
        votes: (votes,) weight of each.
        count: number of items.
    """
    pairs, where = np.unique(np.stack([items, classes]), axis=1, return_inverse=True)
    total = np.bincount(where.ravel(), votes, pairs.shape[1])
    order = np.lexsort((pairs[1], -total, pairs[0]))
    named, first = np.unique(pairs[0][order], return_index=True)
    winners = np.full(count, -1)
    winners[named] = pairs[1][order][first]
    return winners
