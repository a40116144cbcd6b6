"""Adds texts without labels, labelled by a model that was trained on the paid labels."""

from collections.abc import Callable, Sequence

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
    parse_teacher,
    trainings,
)


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
    check_one_of("kind", kind, ("network", "linear"))
    return Strategy(
        "self_training",
        "adds unlabelled texts with confident predictions as labels, in rounds",
        "self-training",
        transform=_in_rounds(rounds, threshold, lambda context, rows: context.fit(rows, kind)),
        unlabelled=True,
        space=(TunableArgument("threshold", 0.6, 0.99),),
        compute="up to two helper trainings per round, and one more",
        effort=1.5 * (rounds + 1) + 1.5 * rounds,
        version=3,
        source="Scudder 1965; Xie et al. 2020, arXiv 1911.04252 (noised student, balanced classes)",
    )


def self_training_blend(
    teacher: str = "blend(lstm:plain, tfidf)", rounds: int = 2, threshold: float = 0.8
) -> Strategy:
    """Add unlabelled texts with the labels that a confident blend predicts, in rounds.

    As `self_training`, with another arm as teacher. A mean of probabilities is less sure than a network,
    hence the smaller threshold.

    Args:
        teacher: an arm that gives probabilities; its strategies have their default arguments.
        rounds: largest number of rounds, 1 to 5.
        threshold: smallest probability of a pseudo-label, in (0, 1].
    """
    arm = parse_teacher(teacher)
    return Strategy(
        "self_training_blend",
        f"adds unlabelled texts with confident predictions of {arm} as labels, in rounds",
        "self-training with a blend",
        transform=_in_rounds(rounds, threshold, lambda context, rows: context.fit_arm(rows, arm)),
        unlabelled=True,
        teacher=arm,
        space=(TunableArgument("threshold", 0.5, 0.99),),
        compute="up to two trainings of its teacher per round, and one more",
        effort=1.5 + 1.5 * (2 * rounds + 1) * trainings(arm),
        version=2,
        source="Scudder 1965; Xie et al. 2020, arXiv 1911.04252 (noised student, balanced classes)",
    )


def _in_rounds(
    rounds: int, threshold: float, fit: Callable[[StrategyContext, TrainingSet], Fitted]
) -> Transform:
    """Return the transform that adds the pseudo-labels of a teacher that learns from its own."""
    check_count("rounds", rounds, 1, 5)
    check_share("threshold", threshold)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        texts, ids = context.unlabelled, context.unlabelled_ids

        def grown(labelled: TrainingSet, teacher: Fitted) -> TrainingSet:
            """Return the labelled rows and the texts that the teacher is sure of."""
            p = teacher.predict(texts)
            return _with_pseudo_labels(labelled, texts, ids, confident(p, threshold), p)

        held_out = rows_to_choose_by(training_set, context)
        seen, unseen = (training_set.take(np.flatnonzero(rows)) for rows in (~held_out, held_out))
        teacher = fit(context, seen)
        scores = [accuracy_on(teacher, unseen)]
        for _ in range(rounds):
            teacher = fit(context, grown(seen, teacher))
            scores.append(accuracy_on(teacher, unseen))
        current = training_set
        for _ in range(int(np.argmax(scores))):  # the first among equals
            current = grown(training_set, fit(context, current))
        return current

    return transform


def rows_to_choose_by(training_set: TrainingSet, context: StrategyContext) -> NDArray[np.bool_]:
    """Return the rows, (rows,), on which a number of rounds is chosen: the first fold that is there.

    A training that predicts a held-out fold has only the other four.
    """
    folds = context.folds(training_set)
    first: NDArray[np.bool_] = folds == folds[folds >= 0].min()
    return first


def accuracy_on(teacher: Fitted, rows: TrainingSet) -> float:
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
