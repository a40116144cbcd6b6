"""Texts without labels learn from a teacher that the labels taught: `distil`, `self_training`."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from datayield.strategies.base import (
    Desk,
    Kind,
    Knob,
    Strategy,
    check_count,
    check_one_of,
    check_share,
)
from datayield.types import Ints, TrainingSet


def distil(texts: int = 4000) -> Strategy:
    """A linear teacher, fitted on the same labels, gives soft labels to unlabelled pool texts.

    The network learns from both; the teacher's rows weigh as much in all as the labelled ones.

    Args:
        texts: how many unlabelled texts at most, drawn at random.
    """
    check_count("texts", texts, 1, 10**9)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        unlabelled, ids = desk.unlabelled, desk.unlabelled_ids
        chosen = np.sort(desk.rng.permutation(len(ids))[:texts])
        lines = tuple(unlabelled[i] for i in chosen)
        soft = desk.fit(training_set, "linear").predict(lines)
        weight = len(training_set) / len(lines)
        return TrainingSet(
            (*training_set.texts, *lines),
            np.concatenate([training_set.targets, soft / soft.sum(1, keepdims=True)]),
            np.concatenate([training_set.weights, np.full(len(lines), weight, np.float32)]),
            np.concatenate([training_set.parents, ids[chosen]]),
        )

    return Strategy(
        "distil",
        "a TF-IDF model's soft labels for unlabelled texts, learnt beside the labels",
        prepare=prepare,
        unlabelled=True,
        compute="a linear fit",
        effort=1.3,
        source="Hinton et al. 2015, arXiv 1503.02531",
    )


def self_training(rounds: int = 2, threshold: float = 0.9, kind: Kind = "network") -> Strategy:
    """Texts without labels get the label of a confident teacher; a fresh student learns from all.

    Round r's teacher learns from the labels and the pseudo-labels of round r - 1. Of every class
    the same number of texts is taken, the most confident first, all with p >= threshold. The round
    whose teacher does best on the validation part (paid for) gives the final training set; the
    student is trained from scratch, with dropout as its noise.

    Args:
        rounds: at most, 1 to 5.
        threshold: smallest probability of a pseudo-label, in (0, 1].
        kind: of the teachers, "network" or "linear".
    """
    check_count("rounds", rounds, 1, 5)
    check_share("threshold", threshold)
    check_one_of("kind", kind, ("network", "linear"))

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        texts, ids = desk.unlabelled, desk.unlabelled_ids
        judged = []
        current = training_set
        for _ in range(rounds + 1):
            teacher = desk.fit(current, kind)
            judged.append((desk.validation_accuracy(teacher), current))
            p = teacher.predict(texts)
            current = _with_pseudo_labels(training_set, texts, ids, confident(p, threshold), p)
        best = max(range(len(judged)), key=lambda r: judged[r][0])  # the first among equals
        return judged[best][1]

    return Strategy(
        "self_training",
        "confident predictions for unlabelled texts are learnt as labels, in rounds",
        prepare=prepare,
        unlabelled=True,
        needs=("validation",),
        space=(Knob("threshold", 0.6, 0.99),),
        compute="a teacher's training for each round and one more",
        effort=1.5 * (rounds + 1),
        source="Scudder 1965; Xie et al. 2020, arXiv 1911.04252 (noised student, balanced classes)",
    )


def confident(p: NDArray[np.float32], threshold: float) -> Ints:
    """Rows to take: of every class as many as the rarest has, p >= threshold, surest first.

    Classes that no row is confident of are left out of the balance.
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
