"""Adds labels that were bought cheaply next to the paid ones."""

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError
from datayield.core.types import Ints, TrainingSet
from datayield.strategies.base import Strategy, StrategyContext, check_count


def noisy(labels: int = 1000) -> Strategy:
    """Add noisy labels of pool texts: n clean labels and some of a language model or cheap annotators.

    They come from the file that `noisy` names in the corpus's entry in params.yaml, and are those of the
    texts that the draw would label next. How far a noisy label can be trusted is estimated on the
    paid texts that have one too: a row's target is the share of each true class among the paid
    texts with the same noisy label, one more text being counted for the label as given.

    Args:
        labels: largest number of noisy labels.
    """
    check_count("labels", labels, 1, 10**9)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        given = context.precomputed.noisy_labels(context.unlabelled_ids)
        places = np.flatnonzero(given >= 0)[:labels]
        if not len(places):
            raise UserError(
                "noisy: each text with a noisy label has a paid one. Bring noisy labels of other texts."
            )
        own = context.precomputed.noisy_labels(training_set.parents)
        trusted = class_shares(training_set.targets, own)
        texts = context.unlabelled
        return TrainingSet(
            (*training_set.texts, *(texts[i] for i in places)),
            np.concatenate([training_set.targets, trusted[given[places]]]),
            np.concatenate([training_set.weights, np.ones(len(places), np.float32)]),
            np.concatenate([training_set.parents, context.unlabelled_ids[places]]),
        )

    return Strategy(
        "noisy",
        "adds labels of a cheaper source, trusted as far as paid labels confirm them",
        "noisy labels",
        transform=transform,
        unlabelled=True,
        precomputed=("noisy",),
        cheap_labels=labels,
        source="Dawid & Skene 1979 (rates of error against known labels)",
    )


def class_shares(targets: NDArray[np.float32], noisy_labels: Ints) -> NDArray[np.float32]:
    """Return, for each noisy label, the shares of the true classes; (classes, classes), rows sum to 1.

    Args:
        targets: of rows with paid labels, (rows, classes).
        noisy_labels: of the same rows, -1 without one.
    """
    counts = np.eye(targets.shape[1], dtype=np.float64)
    known = noisy_labels >= 0
    np.add.at(counts, noisy_labels[known], targets[known])
    shares: NDArray[np.float32] = (counts / counts.sum(1, keepdims=True)).astype(np.float32)
    return shares
