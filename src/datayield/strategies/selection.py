"""Chooses the paid labels to train on; scores come from helpers that saw only these labels."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError
from datayield.core.types import Floats, Ints, TrainingSet
from datayield.models.dynamics import map_of
from datayield.strategies.base import (
    Kind,
    Strategy,
    StrategyContext,
    Transform,
    TunableArgument,
    check_number,
    check_one_of,
    check_share,
)

Score: TypeAlias = Callable[[TrainingSet, StrategyContext], Floats]
"""(training set, context) -> (rows,); the rows with the largest scores are kept."""

RUNS, EARLY = 10, 0.1  # EL2N: number of helpers, and the share of a training that each runs
SHORT_RUNS = f"{RUNS} helper trainings of {EARLY:.0%} of the updates each"
STRATA = 50  # of CCS
FOLDS = 3  # for the probabilities of models that did not see a row


def _kept(score: Score, keep: float) -> Transform:
    """Return a transform that keeps the share of rows with the largest scores; ties at random."""

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        values = score(training_set, context)
        order = np.lexsort((context.rng.random(len(values)), -values))
        return training_set.take(np.sort(order[: count_of(keep, len(values))]))

    return transform


def count_of(keep: float, rows: int) -> int:
    """Return the number of rows that a share is, at least 1."""
    return max(1, round(keep * rows))


def _selection(
    name: str,
    summary: str,
    title: str,
    transform: Transform,
    keep: float,
    source: str,
    compute: str,
    space: tuple[TunableArgument, ...] = (),
    control: bool = False,
) -> Strategy:
    # The kept share is not tunable, because the control must keep the same share (METHODS 1).
    check_share("keep", keep)
    return Strategy(
        name,
        summary,
        title,
        role="control" if control else "strategy",
        transform=transform,
        space=space,
        control="" if control else "random",
        compute=compute,
        effort=1.0 if control else 2.0,
        source=source,
    )


def random(keep: float = 0.7) -> Strategy:
    """Keep a random share of the training labels (control of every selection)."""
    return _selection(
        "random",
        "keeps a random share of the labels",
        "a random share of the labels",
        _kept(lambda rows, context: context.rng.random(len(rows)), keep),
        keep, "", "", control=True,
    )  # fmt: skip


def el2n(keep: float = 0.7) -> Strategy:
    """Keep the hardest rows by EL2N: |p - onehot(y)| early in training, mean of ten short runs.

    Args:
        keep: share of the training labels, in (0, 1].
    """
    return _selection(
        "el2n",
        "keeps the labels with the largest error early in training",
        "the hardest labels (EL2N)",
        _kept(error_norm, keep),
        keep, "Paul et al. 2021, arXiv 2107.07075", SHORT_RUNS,
    )  # fmt: skip


def el2n_easy(keep: float = 0.7) -> Strategy:
    """Keep the easiest rows by the score of `el2n`."""
    return _selection(
        "el2n_easy",
        "keeps the labels with the smallest error early in training",
        "the easiest labels (EL2N)",
        _kept(lambda rows, context: -error_norm(rows, context), keep),
        keep, "Paul et al. 2021, arXiv 2107.07075", SHORT_RUNS,
    )  # fmt: skip


def error_norm(rows: TrainingSet, context: StrategyContext) -> Floats:
    """Return the EL2N score of each row, (rows,)."""
    total = np.zeros(len(rows))
    for _ in range(RUNS):
        p = context.fit(rows, share=EARLY).predict(rows.texts)
        total += np.linalg.norm(p - rows.targets, axis=1)
    return total / RUNS


def forgetting(keep: float = 0.7) -> Strategy:
    """Keep the rows that a training forgets most often: first right, wrong at the next presentation.

    Rows that are never right count as forgotten infinitely often.
    """

    def score(rows: TrainingSet, context: StrategyContext) -> Floats:
        seen = context.fit(rows).presentations
        return forgotten(seen.rows, seen.correct, len(rows))

    return _selection(
        "forgetting",
        "keeps the labels that a training forgets most often",
        "often forgotten labels",
        _kept(score, keep),
        keep,
        "Toneva et al. 2019, arXiv 1812.05159",
        "a helper training",
    )


def forgotten(rows: Ints, correct: NDArray[np.bool_], count: int) -> Floats:
    """Count each row's changes from right to wrong, (count,); infinity for rows that are never right.

    Args:
        rows: (presentations,) row numbers in the order of presentation.
        correct: (presentations,) whether the label was predicted.
        count: number of rows.
    """
    events = np.zeros(count)
    last = np.zeros(count, bool)
    ever = np.zeros(count, bool)
    for row, right in zip(rows, correct, strict=True):
        events[row] += last[row] and not right
        last[row] = right
        ever[row] |= right
    events[~ever] = np.inf
    return events


def data_map(keep: float = 1 / 3, easy: float = 0.1) -> Strategy:
    """Keep the ambiguous rows, whose predicted probability of their label varies most in training.

    Args:
        keep: share of the training labels, in (0, 1]; a third in the source.
        easy: share of the kept labels that are the most confident ones instead, in [0, 1]; 0.1 to
            0.2 in the source.
    """
    check_number("easy", easy, 0, 1)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        seen = context.fit(training_set).presentations
        confidence, variability = map_of(seen.rows, seen.p_label, len(training_set))
        count = count_of(keep, len(training_set))
        sure = np.argsort(-confidence, kind="stable")[: int(easy * count)]
        others = np.argsort(-variability, kind="stable")
        unsure = others[~np.isin(others, sure)][: count - len(sure)]
        return training_set.take(np.sort(np.concatenate([sure, unsure])))

    return _selection(
        "data_map",
        "keeps the labels whose predictions vary most in training, and a few easy ones",
        "ambiguous labels (data map)",
        transform,
        keep,
        "Swayamdipta et al. 2020, arXiv 2009.10795",
        "a helper training",
        space=(TunableArgument("easy", 0.0, 0.2),),
    )


def ccs(keep: float = 0.5, hardest: float = 0.1) -> Strategy:
    """Drop the hardest rows and keep rows of every difficulty (coverage-centric selection).

    The kept rows come evenly from strata of the EL2N score.

    Args:
        keep: share of the training labels, in (0, 1].
        hardest: share of the labels that is dropped first, in [0, 1 - keep].
    """
    check_share("keep", keep)
    check_number("hardest", hardest, 0, 1 - keep + 1e-9)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        scores = error_norm(training_set, context)
        count = count_of(keep, len(scores))
        return training_set.take(np.sort(stratified(scores, count, hardest, context.rng)))

    return _selection(
        "ccs",
        "keeps labels of every difficulty evenly, without the hardest",
        "labels of every difficulty",
        transform,
        keep,
        "Zheng et al. 2023, arXiv 2210.15809",
        SHORT_RUNS,
        space=(TunableArgument("hardest", 0.0, min(0.3, 1 - keep)),),
    )


def stratified(scores: Floats, count: int, hardest: float, rng: np.random.Generator) -> Ints:
    """Drop the hardest share, then choose `count` rows from STRATA strata of equal width.

    Small strata come first; each gives an even part of the rows still missing, or all it has.
    """
    dropped = min(int(hardest * len(scores)), len(scores) - count)
    left = np.argsort(scores, kind="stable")[: len(scores) - dropped]
    edges = np.linspace(scores[left].min(), scores[left].max(), STRATA + 1)
    stratum = np.clip(np.searchsorted(edges, scores[left], side="right") - 1, 0, STRATA - 1)
    groups = [left[stratum == k] for k in range(STRATA)]
    groups = sorted((g for g in groups if len(g)), key=len)
    chosen: list[Ints] = []
    wanted = count
    for place, group in enumerate(groups):
        share = min(len(group), wanted // (len(groups) - place))
        chosen.append(rng.permutation(group)[:share])
        wanted -= share
    return np.concatenate(chosen)


def clean(kind: Kind = "linear") -> Strategy:
    """Leave out labels that models of the other folds contradict confidently (confident learning).

    Args:
        kind: kind of these models, "linear" or "network".
    """
    check_one_of("kind", kind, ("linear", "network"))

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        labels = training_set.targets.argmax(1)
        p = out_of_fold(training_set, context, kind)
        kept = np.setdiff1d(np.arange(len(labels)), confident_errors(p, labels))
        return training_set.take(kept)

    return Strategy(
        "clean",
        "leaves out labels that models trained on the other labels contradict",
        "doubtful labels left out",
        version=2,
        transform=transform,
        compute=f"{FOLDS} {kind} fits, each on two thirds of the labels",
        source="Northcutt et al. 2021, arXiv 1911.00068 (prune by noise rate)",
    )


def out_of_fold(rows: TrainingSet, context: StrategyContext, kind: Kind) -> NDArray[np.float32]:
    """Return the probabilities of every row by a helper that did not see it, (rows, classes).

    Raises:
        UserError: if there are fewer rows than folds.
    """
    if len(rows) < FOLDS:
        raise UserError(
            f"models of other labels need at least {FOLDS} training labels, and {len(rows)} are left."
            " Use a larger budget, or keep a larger share of the labels."
        )
    labels = rows.targets.argmax(1)
    order = np.lexsort((context.rng.random(len(labels)), labels))
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % FOLDS
    out = np.empty(rows.targets.shape, np.float32)
    for k in range(FOLDS):
        helper = context.fit(rows.take(np.flatnonzero(fold != k)), kind)
        held_out = np.flatnonzero(fold == k)
        if len(held_out):
            out[held_out] = helper.predict([rows.texts[i] for i in held_out])
    return out


def confident_errors(p: NDArray[np.float32], labels: Ints) -> Ints:
    """Return the rows whose label is wrong by confident learning (prune by noise rate).

    t_j = mean p_j over rows labelled j. A row labelled i counts for the class j with the largest
    p_j among those with p_j >= t_j. The counts, calibrated to the label counts, are the joint Q;
    for each i != j the round(n Q_ij) rows with the largest p_j - p_i are wrong, except those whose
    label has the largest probability: no model contradicts them.

    Args:
        p: (rows, classes) probabilities.
        labels: (rows,) class indices.
    """
    rows, classes = p.shape
    present = np.bincount(labels, minlength=classes)
    limits = np.array([p[labels == j, j].mean() if present[j] else np.inf for j in range(classes)])
    above = np.where(p >= limits, p, -1.0)
    counted = above.max(1) >= 0
    joint = np.zeros((classes, classes))
    np.add.at(joint, (labels[counted], above[counted].argmax(1)), 1)
    empty = (joint.sum(1) == 0) & (present > 0)
    joint[empty, empty] = 1
    sums = np.maximum(joint.sum(1, keepdims=True), 1)
    estimated = joint / sums * present[:, None]  # each row sums to its label count
    wrong: set[int] = set()
    for i in range(classes):
        labelled = np.flatnonzero(labels == i)
        for j in range(classes):
            if i != j and (count := round(estimated[i, j])):
                margin = p[labelled, j] - p[labelled, i]
                wrong |= set(labelled[np.argsort(-margin, kind="stable")[:count]].tolist())
    contradicted = [row for row in sorted(wrong) if p[row].argmax() != labels[row]]
    # A training set cannot be empty: if every label is contradicted, all of them stay.
    return np.array(contradicted if len(contradicted) < rows else [], np.int64)
