"""Which of the paid labels to train on. Scores come from helpers that saw these labels alone."""

from collections.abc import Callable
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield import near, text
from datayield.dynamics import map_of
from datayield.errors import UserError
from datayield.strategies.base import (
    Desk,
    Kind,
    Knob,
    Prepare,
    Strategy,
    check_number,
    check_one_of,
    check_share,
)
from datayield.types import Floats, Ints, TrainingSet

Score: TypeAlias = Callable[[TrainingSet, Desk], Floats]  # larger: kept first; shape (rows,)

RUNS, EARLY = 10, 0.1  # EL2N: helpers, and the share of a training that each makes
SHORT_RUNS = f"{RUNS} helper trainings of {EARLY:.0%} of the updates each"
STRATA = 50  # CCS
FOLDS = 3  # cross-fitted probabilities


def _kept(score: Score, keep: float) -> Prepare:
    """Keep the share of rows with the largest scores, at least one; ties at random."""

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        values = score(training_set, desk)
        order = np.lexsort((desk.rng.random(len(values)), -values))
        return training_set.take(np.sort(order[: count_of(keep, len(values))]))

    return prepare


def count_of(keep: float, rows: int) -> int:
    """How many rows a kept share is, at least 1."""
    return max(1, round(keep * rows))


def _selection(
    name: str,
    summary: str,
    prepare: Prepare,
    keep: float,
    source: str,
    compute: str,
    space: tuple[Knob, ...] = (),
    control: bool = False,
) -> Strategy:
    # The kept share is declared, never searched: the control keeps the same (METHODS 1).
    check_share("keep", keep)
    return Strategy(
        name,
        summary,
        role="control" if control else "strategy",
        prepare=prepare,
        space=space,
        control="" if control else "random",
        compute=compute,
        effort=1.0 if control else 2.0,
        source=source,
    )


def random(keep: float = 0.7) -> Strategy:
    """A random share of the training labels (control of every selection)."""
    return _selection(
        "random",
        "a random share of the labels",
        _kept(lambda rows, desk: desk.rng.random(len(rows)), keep),
        keep,
        "",
        "",
        control=True,
    )


def el2n(keep: float = 0.7) -> Strategy:
    """The hardest rows by EL2N: |p - onehot(y)| early in training, mean of ten short runs.

    Args:
        keep: share of the training labels, in (0, 1].
    """
    return _selection(
        "el2n",
        "the labels with the largest error early in training",
        _kept(error_norm, keep),
        keep,
        "Paul et al. 2021, arXiv 2107.07075",
        SHORT_RUNS,
    )


def el2n_easy(keep: float = 0.7) -> Strategy:
    """As `el2n`, the easiest rows."""
    return _selection(
        "el2n_easy",
        "the labels with the smallest error early in training",
        _kept(lambda rows, desk: -error_norm(rows, desk), keep),
        keep,
        "Paul et al. 2021, arXiv 2107.07075",
        SHORT_RUNS,
    )


def error_norm(rows: TrainingSet, desk: Desk) -> Floats:
    """EL2N per row."""
    total = np.zeros(len(rows))
    for _ in range(RUNS):
        p = desk.fit(rows, share=EARLY).predict(rows.texts)
        total += np.linalg.norm(p - rows.targets, axis=1)
    return total / RUNS


def forgetting(keep: float = 0.7) -> Strategy:
    """The rows that a training forgets most often: right when presented, wrong the next time.

    Rows that it never gets right count as forgotten infinitely often.
    """

    def score(rows: TrainingSet, desk: Desk) -> Floats:
        shown = desk.fit(rows).shown
        return forgotten(shown.rows, shown.correct, len(rows))

    return _selection(
        "forgetting",
        "the labels that a training forgets most often",
        _kept(score, keep),
        keep,
        "Toneva et al. 2019, arXiv 1812.05159",
        "a helper training",
    )


def forgotten(rows: Ints, correct: NDArray[np.bool_], count: int) -> Floats:
    """Changes from right to wrong between a row's presentations; never right: infinity, (count,)."""
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
    """The rows whose probability of their label varies most while training (ambiguous).

    Args:
        keep: share of the training labels, in (0, 1]; the source's third.
        easy: of those kept, the share taken from the most confident instead, in [0, 1]; 0.1 to 0.2
            in the source, 0 for ambiguous rows alone.
    """
    check_number("easy", easy, 0, 1)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        shown = desk.fit(training_set).shown
        confidence, variability = map_of(shown.rows, shown.gold, len(training_set))
        count = count_of(keep, len(training_set))
        sure = np.argsort(-confidence, kind="stable")[: int(easy * count)]
        others = np.argsort(-variability, kind="stable")
        unsure = others[~np.isin(others, sure)][: count - len(sure)]
        return training_set.take(np.sort(np.concatenate([sure, unsure])))

    return _selection(
        "data_map",
        "the labels that a training is least settled about, with a few easy ones",
        prepare,
        keep,
        "Swayamdipta et al. 2020, arXiv 2009.10795",
        "a helper training",
        space=(Knob("easy", 0.0, 0.2),),
    )


def ccs(keep: float = 0.5, hardest: float = 0.1) -> Strategy:
    """Coverage-centric: without the hardest rows, evenly from strata of the EL2N score.

    Args:
        keep: share of the training labels, in (0, 1].
        hardest: share dropped first, in [0, 1 - keep].
    """
    check_share("keep", keep)
    check_number("hardest", hardest, 0, 1 - keep + 1e-9)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        scores = error_norm(training_set, desk)
        count = count_of(keep, len(scores))
        return training_set.take(np.sort(stratified(scores, count, hardest, desk.rng)))

    return _selection(
        "ccs",
        "labels of every difficulty alike, without the hardest",
        prepare,
        keep,
        "Zheng et al. 2023, arXiv 2210.15809",
        SHORT_RUNS,
        space=(Knob("hardest", 0.0, min(0.3, 1 - keep)),),
    )


def stratified(scores: Floats, count: int, hardest: float, rng: np.random.Generator) -> Ints:
    """`count` rows: the hardest share dropped, then STRATA equal-width strata, smallest first.

    A stratum gives an even part of what is still wanted, or all it has; the rest is passed on.
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


def dedup(similarity: float = 0.8) -> Strategy:
    """One row of every group of duplicates: the same text, or near by character 5-grams.

    Args:
        similarity: Jaccard similarity from which on texts are near duplicates.
    """
    check_share("similarity", similarity)

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        keys = [text.key(t) for t in training_set.texts]
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        rows = list(first.values())
        gone = {rows[j] for _, j in near.pairs(list(first), similarity)}
        return training_set.take(np.array(sorted(set(rows) - gone), np.int64))

    return Strategy(
        "dedup",
        "one text of every group of exact or near duplicates",
        prepare=prepare,
        compute="MinHash of the training texts",
        source="Broder 1997 (MinHash); Lee et al. 2022, arXiv 2107.06499",
    )


def clean(kind: Kind = "linear") -> Strategy:
    """Confident learning: leaves out labels that other folds' models contradict confidently.

    Args:
        kind: of the models that judge, "linear" or "network".
    """
    check_one_of("kind", kind, ("linear", "network"))

    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        labels = training_set.targets.argmax(1)
        p = out_of_fold(training_set, desk, kind)
        kept = np.setdiff1d(np.arange(len(labels)), confident_errors(p, labels))
        return training_set.take(kept)

    return Strategy(
        "clean",
        "without the labels that models of the other labels contradict",
        prepare=prepare,
        compute=f"{FOLDS} fits of other labels ({kind})",
        source="Northcutt et al. 2021, arXiv 1911.00068 (prune by noise rate)",
    )


def out_of_fold(rows: TrainingSet, desk: Desk, kind: Kind) -> NDArray[np.float32]:
    """Probabilities of every row by a helper that did not see it, (rows, classes).

    Raises:
        UserError: with fewer rows than folds.
    """
    if len(rows) < FOLDS:
        raise UserError(
            f"models of other labels need at least {FOLDS} training labels, and {len(rows)} are left."
            " Pay for more labels, or keep a larger share of them."
        )
    labels = rows.targets.argmax(1)
    order = np.lexsort((desk.rng.random(len(labels)), labels))
    fold = np.empty(len(labels), np.int64)
    fold[order] = np.arange(len(labels)) % FOLDS
    out = np.empty(rows.targets.shape, np.float32)
    for k in range(FOLDS):
        helper = desk.fit(rows.take(np.flatnonzero(fold != k)), kind)
        held = np.flatnonzero(fold == k)
        if len(held):
            out[held] = helper.predict([rows.texts[i] for i in held])
    return out


def confident_errors(p: NDArray[np.float32], labels: Ints) -> Ints:
    """Rows whose label is wrong by confident learning, prune by noise rate.

    t_j = mean p_j over rows labelled j. A row labelled i counts for the class j with the largest
    p_j among those with p_j >= t_j. The counts, calibrated to the label counts, are the joint Q;
    of each off-diagonal (i, j) the round(n Q_ij) rows with the largest p_j - p_i are wrong.
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
    estimated = joint / sums * present[:, None]  # rows sum to the label counts, all to `rows`
    wrong: set[int] = set()
    for i in range(classes):
        own = np.flatnonzero(labels == i)
        for j in range(classes):
            if i != j and (count := round(estimated[i, j])):
                margin = p[own, j] - p[own, i]
                wrong |= set(own[np.argsort(-margin, kind="stable")[:count]].tolist())
    keep_some = len(wrong) < rows
    return np.array(sorted(wrong), np.int64) if keep_some else np.empty(0, np.int64)
