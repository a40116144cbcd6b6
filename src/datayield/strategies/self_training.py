"""Adds texts without labels, labelled by a model that was trained on the paid labels."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import Ints, TrainingSet
from datayield.strategies.base import (
    Fitted,
    Kind,
    Strategy,
    StrategyContext,
    Transform,
    TunableArgument,
    check_count,
    check_one_of,
    check_share,
)

HELD_OUT = 0  # the fold of the labels on which the number of rounds is chosen


def distil(texts: int = 4000) -> Strategy:
    """Add unlabelled pool texts with soft labels of a linear model, fitted on the paid labels.

    The added rows together have the same weight as the labelled ones.

    Args:
        texts: largest number of unlabelled texts, drawn at random.
    """
    return Strategy(
        "distil",
        "adds unlabelled texts with a TF-IDF model's soft labels",
        "TF-IDF as its teacher",
        transform=_with_soft_labels(texts, "linear"),
        unlabelled=True,
        compute="a linear fit",
        effort=1.3,
        source="Hinton et al. 2015, arXiv 1503.02531",
    )


def distil_encoder(texts: int = 4000) -> Strategy:
    """Add unlabelled pool texts with soft labels of a sentence encoder, so that the network learns from it.

    The teacher is logistic regression on the encoder's embeddings, fitted on the paid labels. It has
    read other text; the network that it teaches needs no encoder to predict. Weights as in `distil`.

    Args:
        texts: largest number of unlabelled texts, drawn at random.
    """
    return Strategy(
        "distil_encoder",
        "adds unlabelled texts with soft labels of an encoder that has read other text",
        "an outside encoder as its teacher",
        transform=_with_soft_labels(texts, "encoder"),
        unlabelled=True,
        precomputed=("outside-encoder",),
        compute="a linear fit on embeddings",
        effort=1.3,
        source="Hinton et al. 2015, arXiv 1503.02531",
    )


def _with_soft_labels(texts: int, kind: Kind) -> Transform:
    """Return the transform that adds unlabelled texts with the soft labels of a teacher of this kind."""
    check_count("texts", texts, 1, 10**9)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        unlabelled, ids = context.unlabelled, context.unlabelled_ids
        chosen = np.sort(context.rng.permutation(len(ids))[:texts])
        lines = tuple(unlabelled[i] for i in chosen)
        soft = context.fit(training_set, kind).predict(lines)
        weight = len(training_set) / len(lines)
        return TrainingSet(
            (*training_set.texts, *lines),
            np.concatenate([training_set.targets, soft / soft.sum(1, keepdims=True)]),
            np.concatenate([training_set.weights, np.full(len(lines), weight, np.float32)]),
            np.concatenate([training_set.parents, ids[chosen]]),
        )

    return transform


def self_training(rounds: int = 2, threshold: float = 0.9, kind: Kind = "network") -> Strategy:
    """Add unlabelled texts with the labels that a confident teacher predicts, in rounds.

    The teacher of round r learns from the labels and the pseudo-labels of round r - 1. From every
    class the same number of texts is added, the most confident first, all with p >= threshold. The
    number of rounds is chosen inside the labels: teachers of four fifths of them are scored on the
    fifth that they did not see. The network is then trained from scratch, with dropout as noise.

    Args:
        rounds: largest number of rounds, 1 to 5.
        threshold: smallest probability of a pseudo-label, in (0, 1].
        kind: kind of the teachers, "network" or "linear".
    """
    check_count("rounds", rounds, 1, 5)
    check_share("threshold", threshold)
    check_one_of("kind", kind, ("network", "linear"))

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        texts, ids = context.unlabelled, context.unlabelled_ids

        def grown(labelled: TrainingSet, teacher: Fitted) -> TrainingSet:
            """Return the labelled rows and the texts that the teacher is sure of."""
            p = teacher.predict(texts)
            return _with_pseudo_labels(labelled, texts, ids, confident(p, threshold), p)

        held_out = context.folds(training_set) == HELD_OUT
        seen, unseen = (training_set.take(np.flatnonzero(rows)) for rows in (~held_out, held_out))
        teacher = context.fit(seen, kind)
        scores = [_accuracy(teacher, unseen)]
        for _ in range(rounds):
            teacher = context.fit(grown(seen, teacher), kind)
            scores.append(_accuracy(teacher, unseen))
        current = training_set
        for _ in range(int(np.argmax(scores))):  # the first among equals
            current = grown(training_set, context.fit(current, kind))
        return current

    return Strategy(
        "self_training",
        "adds unlabelled texts with confident predictions as labels, in rounds",
        "self-training",
        transform=transform,
        unlabelled=True,
        space=(TunableArgument("threshold", 0.6, 0.99),),
        compute="up to two helper trainings per round, and one more",
        effort=1.5 * (rounds + 1) + 1.5 * rounds,
        version=2,
        source="Scudder 1965; Xie et al. 2020, arXiv 1911.04252 (noised student, balanced classes)",
    )


def _accuracy(teacher: Fitted, rows: TrainingSet) -> float:
    """Return the share of rows whose label the teacher predicts; NaN without rows."""
    if not len(rows):
        return float("nan")
    return float((teacher.predict(rows.texts).argmax(1) == rows.targets.argmax(1)).mean())


def confident(p: NDArray[np.float32], threshold: float) -> Ints:
    """Return the rows with p >= threshold, the surest first, equally many of each predicted class.

    Classes without such a row are left out.
    """
    guess, sure = p.argmax(1), p.max(1)
    groups = [np.flatnonzero((guess == c) & (sure >= threshold)) for c in range(p.shape[1])]
    groups = [g for g in groups if len(g)]
    if not groups:
        return np.empty(0, np.int64)
    count = min(len(g) for g in groups)
    return np.sort(np.concatenate([g[np.argsort(-sure[g], kind="stable")[:count]] for g in groups]))


def _with_pseudo_labels(
    rows: TrainingSet, texts: Sequence[str], ids: Ints, chosen: Ints, p: NDArray[np.float32]
) -> TrainingSet:
    hard = np.eye(p.shape[1], dtype=np.float32)[p[chosen].argmax(1)]
    return TrainingSet(
        (*rows.texts, *(texts[i] for i in chosen)),
        np.concatenate([rows.targets, hard]),
        np.concatenate([rows.weights, np.ones(len(chosen), np.float32)]),
        np.concatenate([rows.parents, ids[chosen]]),
    )
