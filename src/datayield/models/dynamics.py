"""Computes training dynamics: one line per text of a training (the data map)."""

from typing import TYPE_CHECKING

import numpy as np

from datayield.core.metrics import most_voted
from datayield.core.types import Dynamics, Floats, Ints

if TYPE_CHECKING:
    from datayield.models.hooks import Presentations


def dynamics_of(presentations: "Presentations", parents: Ints) -> Dynamics | None:
    """Return the dynamics of every text that was presented; None if no presentation was recorded.

    Args:
        presentations: every presentation of a training.
        parents: (rows,) pool id of every training row; a variant counts for its text.
    """
    if not len(presentations.rows):
        return None
    ids, texts = np.unique(parents[presentations.rows], return_inverse=True)
    times = np.bincount(texts)
    confidence, variability = map_of(texts, presentations.p_label, len(ids))
    correct = presentations.correct
    correctness = np.bincount(texts, correct) / times
    votes = np.ones(int((~correct).sum()))
    confused_with = most_voted(texts[~correct], presentations.predicted[~correct], votes, len(ids))
    return Dynamics(ids, times, confidence, variability, correctness, confused_with)


def map_of(rows: Ints, p_label: Floats, count: int) -> tuple[Floats, Floats]:
    """Return mean and standard deviation of p(label) over the presentations of each row.

    Args:
        rows: (presentations,) row numbers.
        p_label: (presentations,) probabilities.
        count: number of rows; both results have the shape (count,).
    """
    times = np.maximum(np.bincount(rows, minlength=count), 1)
    mean = np.bincount(rows, p_label, minlength=count) / times
    square = np.bincount(rows, p_label**2, minlength=count) / times
    return mean, np.sqrt(np.maximum(square - mean**2, 0))
