"""Scores of predictions. A metric is the function, a score its value."""

import numpy as np
from numpy.typing import NDArray

from datayield.types import Ints


def accuracy(predicted: Ints, labels: Ints) -> float:
    """Share of equal entries, in [0, 1]; NaN without any."""
    return float(np.mean(predicted == labels)) if len(labels) else float("nan")


def macro_f1(predicted: Ints, labels: Ints, classes: int) -> float:
    """Mean over the classes that occur in `labels` of 2TP / (2TP + FP + FN), in [0, 1].

    A class that occurs and is never predicted counts 0. NaN without any labels.
    """
    if not len(labels):
        return float("nan")
    counts = confusion(predicted, labels, classes)
    hits = np.diag(counts)
    present = counts.sum(1) > 0
    f1 = 2 * hits / np.maximum(counts.sum(0) + counts.sum(1), 1)
    return float(f1[present].mean())


DOMINANT = 0.6  # share of the largest class from which on macro-F1 leads


def leading(wanted: str, majority: float) -> str:
    """The metric that leads: "accuracy" or "macro_f1"; "auto" decides by the largest class's share."""
    if wanted == "auto":
        return "macro_f1" if majority > DOMINANT else "accuracy"
    return wanted


def confusion(predicted: Ints, labels: Ints, classes: int) -> NDArray[np.int64]:
    """(classes, classes) counts: rows true, columns predicted."""
    flat = np.bincount(labels * classes + predicted, minlength=classes * classes)
    return flat.reshape(classes, classes)
