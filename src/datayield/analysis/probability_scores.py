"""Scores the class probabilities of one cell: log loss, Brier score, calibration error, reliability.

Probabilities are arrays (m test texts, classes) in [0, 1] of any float type; `truth` is the class
index of every text, (m,). They are taken as stored: float16, not scaled to sum to 1 again.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

from datayield.analysis.intervals import Interval
from datayield.analysis.probability_statements import ReliabilityBin
from datayield.analysis.shares import counted_share
from datayield.core.types import Floats, Ints

BINS = 15  # of equal width over [0, 1] (Guo et al. 2017, arXiv 1706.04599)
SMALLEST = 2.0**-24  # the smallest step of float16; below it a stored probability is 0

ProbabilityArray = NDArray[np.floating[Any]]


def log_losses(probabilities: ProbabilityArray, truth: Ints) -> Floats:
    """Return -log p of every text's label in nats, (m,); their mean is the log loss.

    A stored 0 stands for anything below float16's smallest step, 2^-24, and is counted as that step:
    no text costs more than 16.6.
    """
    given = probabilities[np.arange(len(truth)), truth].astype(np.float64)
    losses: Floats = -np.log(np.clip(given, SMALLEST, 1.0))
    return losses


def brier_scores(probabilities: ProbabilityArray, truth: Ints) -> Floats:
    """Return the squared error of every text, summed over classes, (m,), each in [0, 2].

    Their mean is the Brier score in its original form (Brier 1950), also for two classes, where some
    programs print half of it.
    """
    errors = probabilities.astype(np.float64)
    errors[np.arange(len(truth)), truth] -= 1
    scores: Floats = np.square(errors).sum(1)
    return scores


@dataclass(frozen=True, slots=True)
class TopClass:
    """The most probable class of every test text: how sure the model is of it, and whether it is right."""

    confidence: Floats  # (m,) in [0, 1]
    right: Floats  # (m,) 0 or 1

    @property
    def excess(self) -> Floats:
        """Confidence minus right, (m,) in [-1, 1]; its mean is the overconfidence."""
        return self.confidence - self.right

    @property
    def bins(self) -> Ints:
        """The bin of every text, (m,): bin b is (b / BINS, (b + 1) / BINS], and 0 lies in the first."""
        found: Ints = np.clip(np.ceil(self.confidence * BINS).astype(np.int64) - 1, 0, BINS - 1)
        return found


def top_class(probabilities: ProbabilityArray, truth: Ints) -> TopClass:
    """Return the most probable class of every text; the first one among equals."""
    first = probabilities.argmax(1)
    confidence = probabilities[np.arange(len(truth)), first].astype(np.float64)
    return TopClass(confidence, (first == truth).astype(np.float64))


def uncorrected_error(top: TopClass) -> float:
    """Return the expected calibration error as usually computed, in [0, 1] (Guo et al. 2017).

    It is the mean over texts of |mean confidence - share right| of the text's bin. With few texts it
    is too large: chance alone moves every bin, and only distances are added.
    """
    gaps = _by_bin(top.bins, top.excess)
    return float(np.abs(gaps).sum() / len(top.right))


def calibration_errors(top: TopClass) -> Floats:
    """Return the expected calibration error as one value per text, (m,), for the two-way interval.

    The error is corrected for chance in every bin: from |gap| goes what a normal deviation of the
    bin's size adds to it on average (the debiased estimate of Kumar, Liang & Ma 2019, arXiv
    1909.10155, with the folded normal's mean in closed form in place of their resampling). What is
    left: with few texts an error near 0 is still overstated, at 0 by 0.47 standard errors of each bin
    (0.80 without the correction; `error_by_luck` gives the sum); where the bins' gaps exceed half a
    standard error it is within a tenth of one. The mean may lie slightly below 0.

    Value i is the jackknife's m·E - (m - 1)·E without text i, which needs only the sums of the bin of i,
    shifted so that the mean is E itself.
    """
    bins, excess, size = top.bins, top.excess, len(top.right)
    by_chance, squares = top.confidence * (1 - top.confidence), excess**2
    gap, expected, seen = (_by_bin(bins, x) for x in (excess, by_chance, squares))
    whole = _corrected(gap, expected, seen)
    without = _corrected(gap[bins] - excess, expected[bins] - by_chance, seen[bins] - squares)
    values = whole[bins] - without
    shifted: Floats = values - values.mean() + whole.sum() / size
    return shifted


def _by_bin(bins: Ints, values: Floats) -> Floats:
    """Return the sum of the values in every bin, (BINS,)."""
    sums: Floats = np.bincount(bins, values, BINS).astype(np.float64)
    return sums


def _corrected(gap: Floats, expected: Floats, seen: Floats) -> Floats:
    """Return 2 |gap| - E|N(|gap|, v)| for sums over bins, v the larger of both variances.

    Args:
        gap: sum of confidence minus right.
        expected: sum of confidence · (1 - confidence), the variance if the probabilities are true.
        seen: sum of squares of confidence minus right.
    """
    size, deviation = np.abs(gap), np.sqrt(np.maximum(np.maximum(expected, seen), 0.0))
    z = size / np.where(deviation > 0, deviation, 1.0)
    added = deviation * np.sqrt(2 / np.pi) * np.exp(-(z**2) / 2) - 2 * size * ndtr(-z)
    found: Floats = size - np.where(deviation > 0, added, 0.0)
    return found


def error_by_luck(top: TopClass) -> float:
    """Return the corrected error, in [0, 1], that is expected if all top probabilities are true.

    Each bin's gap is then normal with the variance sum of p (1 - p), and 2|g| - E|N(|g|, v)| has the
    mean (2 - sqrt 2) · sqrt(2 v / pi).
    """
    variance = _by_bin(top.bins, top.confidence * (1 - top.confidence))
    deviation = np.sqrt(np.maximum(variance, 0.0))
    return float((2 - np.sqrt(2)) * np.sqrt(2 / np.pi) * deviation.sum() / len(top.right))


def down_to_zero(error: Interval, by_luck: float) -> Interval:
    """Return the interval of a corrected error, begun at 0 where it holds what luck alone shows.

    The correction leaves the error of true probabilities above 0 (`calibration_errors`). An interval that
    holds `by_luck` therefore agrees with true probabilities, and must hold their error, which is 0.
    """
    if error.low is None or not 0 < error.low <= by_luck:
        return error
    return replace(error, low=0.0)


def reliability(
    by_draw: Sequence[Sequence[TopClass]], interval: Callable[[Floats], Interval]
) -> tuple[ReliabilityBin, ...]:
    """Return the bins that hold texts: what an arm says and how often it is right there.

    Args:
        by_draw: the cells of each draw, all of the same m test texts.
        interval: gives the interval of values (draws, m). The share right of a bin is a ratio of two
            means; its values are linearised, so that they are means over texts again.
    """
    places = [[cell.bins for cell in cells] for cells in by_draw]

    def mean(b: int, values: Callable[[TopClass], Floats]) -> Floats:
        """Return values inside the bin, 0 outside, seeds averaged, (draws, m)."""
        return np.array(
            [
                np.mean([values(c) * (p == b) for c, p in zip(cells, own, strict=True)], axis=0)
                for cells, own in zip(by_draw, places, strict=True)
            ]
        )

    held = sorted({int(b) for own in places for p in own for b in np.unique(p)})
    found = []
    for b in held:
        inside = mean(b, lambda cell: np.ones_like(cell.right))
        says = float(mean(b, lambda cell: cell.confidence).mean() / inside.mean())
        part, whole = mean(b, lambda cell: cell.right), float(inside.mean())
        share = part.mean() / whole
        right = interval(share + (part - share * inside) / whole)
        right = counted_share(right, float(inside.sum(1).mean()))
        found.append(ReliabilityBin(b / BINS, (b + 1) / BINS, says, right, whole))
    return tuple(found)
