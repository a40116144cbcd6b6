"""When an example is shown: curricula and their controls."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from datayield.strategies.base import (
    Desk,
    Knob,
    Prepare,
    Present,
    Strategy,
    check_count,
    check_share,
)
from datayield.strategies.select import FOLDS, out_of_fold
from datayield.types import Floats, Ints, Past, TrainingSet

Measure = Callable[[TrainingSet, Desk], Floats]


def competence(pace: float = 0.5) -> Strategy:
    """Short texts first, longer ones as competence grows with the square root of progress.

    c(t) = min(1, sqrt(t (1 - c0^2) / T + c0^2)), c0 = max(0.01, batch / rows); batches are drawn
    uniformly from the rows whose difficulty CDF is at most c(t).

    Args:
        pace: T as a share of all updates, in (0, 1].
    """
    return _curriculum(
        "competence",
        "short texts first, all from the middle of the training on",
        _length,
        pace,
        source="Platanios et al. 2019, arXiv 1903.09848",
    )


def competence_rarity(pace: float = 0.5) -> Strategy:
    """As `competence`; a text is harder the rarer its words: the sum of -log p(word)."""
    return _curriculum(
        "competence_rarity",
        "texts of frequent words first, all from the middle of the training on",
        lambda rows, desk: desk.facts.difficulty("rarity", rows.parents),
        pace,
        source="Platanios et al. 2019, arXiv 1903.09848",
    )


def competence_loss(pace: float = 0.5) -> Strategy:
    """As `competence`; a text is harder the larger the loss of models that did not see it."""
    return _curriculum(
        "competence_loss",
        "texts that other labels explain first, all from the middle of the training on",
        _cross_fitted_loss,
        pace,
        compute=f"{FOLDS} linear fits",
        source="Hacohen & Weinshall 2019, arXiv 1904.03626 (cross-fitted inside the labels)",
    )


def baby_steps(buckets: int = 5, pace: float = 0.5) -> Strategy:
    """Buckets of rising length are added one after the other, in equal steps.

    Args:
        buckets: how many.
        pace: share of the training by which all are in, in (0, 1].
    """
    check_count("buckets", buckets, 1, 1000)
    check_share("pace", pace)

    def present(training_set: TrainingSet, past: Past, rng: np.random.Generator) -> Ints | None:
        step = min(buckets, int(past.progress / pace * buckets) + 1)
        if step == buckets or training_set.difficulty is None:
            return None
        return np.flatnonzero(training_set.difficulty <= step / buckets + 1e-9)

    return Strategy(
        "baby_steps",
        "buckets of short texts first, longer ones added step by step",
        facts=("difficulties",),
        space=(Knob("pace", 0.2, 1.0),),
        prepare=_ranked(_length),
        present=present,
        ranks=True,
        control="random_order",
        source="Bengio et al. 2009; Spitkovsky et al. 2010; Cirik et al. 2016, arXiv 1611.06204",
    )


def self_paced(first: float = 0.5, pace: float = 0.5) -> Strategy:
    """The texts with the smallest current loss, more of them as the training goes on.

    A row is shown while its loss, when it was last presented, lies among the smallest share; the
    share grows linearly from `first` to all. Rows that were never presented are shown.

    Args:
        first: share at the start, in (0, 1].
        pace: share of the training by which all are in, in (0, 1].
    """
    check_share("first", first)
    check_share("pace", pace)

    def present(training_set: TrainingSet, past: Past, rng: np.random.Generator) -> Ints | None:
        share = first + (1 - first) * past.progress / pace
        gold = (past.probabilities * training_set.targets).sum(1)
        known = ~np.isnan(gold)
        if share >= 1 or not known.any():
            return None
        limit = np.quantile(-np.log(np.maximum(gold[known], 1e-12)), share)
        loss = -np.log(np.maximum(np.where(known, gold, 1.0), 1e-12))
        return np.flatnonzero(loss <= limit)

    return Strategy(
        "self_paced",
        "texts with a small loss first, all from the middle of the training on",
        space=(Knob("first", 0.3, 0.9), Knob("pace", 0.2, 1.0)),
        present=present,
        source="Kumar et al. 2010, NeurIPS",
    )


def anti(pace: float = 0.5) -> Strategy:
    """The same pacing, longest first (control)."""
    return _curriculum(
        "anti",
        "the curriculum reversed: long texts first, the same pacing",
        lambda training_set, desk: -_length(training_set, desk),
        pace,
        control=True,
    )


def random_order(pace: float = 0.5) -> Strategy:
    """The same pacing, difficulty drawn at random (control)."""
    return _curriculum(
        "random_order",
        "the curriculum's pacing with a random order",
        lambda training_set, desk: desk.rng.random(len(training_set)),
        pace,
        control=True,
    )


def _length(training_set: TrainingSet, desk: Desk) -> Floats:
    return desk.facts.difficulty("length", training_set.parents)


def _cross_fitted_loss(training_set: TrainingSet, desk: Desk) -> Floats:
    p = out_of_fold(training_set, desk, "linear")
    gold = (p * training_set.targets).sum(1).astype(np.float64)
    losses: Floats = -np.log(np.maximum(gold, 1e-12))
    return losses


def _curriculum(
    name: str,
    summary: str,
    measure: Measure,
    pace: float,
    control: bool = False,
    compute: str = "",
    source: str = "",
) -> Strategy:
    check_share("pace", pace)
    return Strategy(
        name,
        summary,
        role="control" if control else "strategy",
        facts=("difficulties",),
        space=(Knob("pace", 0.2, 1.0),),
        prepare=_ranked(measure),
        present=_up_to_competence(pace),
        ranks=True,
        control="" if control else "random_order",
        compute=compute,
        source=source,
    )


def _ranked(measure: Measure) -> Prepare:
    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        values = measure(training_set, desk)
        # Ties are broken at random: a CDF with large steps would start with nothing to show.
        order = np.lexsort((desk.rng.random(len(values)), values))
        difficulty = np.empty(len(values))
        difficulty[order] = np.arange(1, len(values) + 1) / len(values)
        return replace(training_set, difficulty=difficulty)

    return prepare


def _up_to_competence(pace: float) -> Present:
    def present(training_set: TrainingSet, past: Past, rng: np.random.Generator) -> Ints | None:
        rows = len(training_set)
        start = max(0.01, min(1.0, past.batch / rows))
        grown = np.sqrt(past.progress * (1 - start**2) / pace + start**2)
        if grown >= 1 or training_set.difficulty is None:
            return None
        return np.flatnonzero(training_set.difficulty <= max(grown, 1 / rows))

    return present
