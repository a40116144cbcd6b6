"""Decides when an example is shown: curricula and their controls."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from datayield.core.types import Floats, Ints, TrainingProgress, TrainingSet
from datayield.models.hooks import Schedule
from datayield.strategies.base import (
    Strategy,
    StrategyContext,
    Transform,
    TunableArgument,
    check_count,
    check_share,
)
from datayield.strategies.selection import FOLDS, out_of_fold

Measure = Callable[[TrainingSet, StrategyContext], Floats]


def competence(pace: float = 0.5) -> Strategy:
    """Show short texts first, longer ones as competence grows with the square root of progress.

    c(t) = min(1, sqrt(t (1 - c0^2) / T + c0^2)), c0 = max(0.01, batch / rows); batches are drawn
    uniformly from the rows whose difficulty CDF is at most c(t).

    Args:
        pace: T as a share of all updates, in (0, 1].
    """
    return _curriculum(
        "competence",
        "shows short texts first, all texts from the middle of the training",
        "short texts first",
        _length,
        pace,
        source="Platanios et al. 2019, arXiv 1903.09848",
    )


def competence_rarity(pace: float = 0.5) -> Strategy:
    """Order texts as `competence` does, by rarity: the sum of -log p(word) over the words."""
    return _curriculum(
        "competence_rarity",
        "shows texts of frequent words first, all texts from the middle of the training",
        "frequent words first",
        lambda rows, context: context.precomputed.difficulty("rarity", rows.parents),
        pace,
        source="Platanios et al. 2019, arXiv 1903.09848",
    )


def competence_loss(pace: float = 0.5) -> Strategy:
    """Order texts as `competence` does, by the loss of linear models that did not see them."""
    return _curriculum(
        "competence_loss",
        "shows texts that a linear model predicts well first, all texts from the middle of the training",
        "easy texts first",
        _cross_fitted_loss,
        pace,
        compute=f"{FOLDS} linear fits",
        source="Hacohen & Weinshall 2019, arXiv 1904.03626 (cross-fitted inside the labels)",
    )


def baby_steps(buckets: int = 5, pace: float = 0.5) -> Strategy:
    """Add buckets of longer and longer texts one after the other, in equal steps.

    Args:
        buckets: number of buckets.
        pace: share of the training after which all buckets are shown, in (0, 1].
    """
    check_count("buckets", buckets, 1, 1000)
    check_share("pace", pace)

    def schedule(
        training_set: TrainingSet, past: TrainingProgress, rng: np.random.Generator
    ) -> Ints | None:
        step = min(buckets, int(past.progress / pace * buckets) + 1)
        if step == buckets or training_set.difficulty is None:
            return None
        return np.flatnonzero(training_set.difficulty <= step / buckets + 1e-9)

    return Strategy(
        "baby_steps",
        "shows a bucket of short texts first and adds buckets of longer texts in steps",
        "short texts first, in steps",
        precomputed=("difficulties",),
        space=(TunableArgument("pace", 0.2, 1.0),),
        transform=_ranked(_length),
        schedule=schedule,
        ranks=True,
        control="random_order",
        source="Bengio et al. 2009; Spitkovsky et al. 2010; Cirik et al. 2016, arXiv 1611.06204",
    )


def self_paced(first: float = 0.5, pace: float = 0.5) -> Strategy:
    """Show the texts with the smallest current loss, and more of them as the training goes on.

    A row is shown if its loss at its last presentation is among the smallest; the share of rows that
    are shown grows linearly from `first` to 1. Rows that were never presented are shown.

    Args:
        first: share of the rows that is shown at the start, in (0, 1].
        pace: share of the training after which all rows are shown, in (0, 1].
    """
    check_share("first", first)
    check_share("pace", pace)

    def schedule(
        training_set: TrainingSet, past: TrainingProgress, rng: np.random.Generator
    ) -> Ints | None:
        share = first + (1 - first) * past.progress / pace
        p_label = (past.probabilities * training_set.targets).sum(1)
        known = ~np.isnan(p_label)
        if share >= 1 or not known.any():
            return None
        limit = np.quantile(-np.log(np.maximum(p_label[known], 1e-12)), share)
        loss = -np.log(np.maximum(np.where(known, p_label, 1.0), 1e-12))
        return np.flatnonzero(loss <= limit)

    return Strategy(
        "self_paced",
        "shows texts with a small loss first, all texts from the middle of the training",
        "texts with a small loss first",
        space=(TunableArgument("first", 0.3, 0.9), TunableArgument("pace", 0.2, 1.0)),
        schedule=schedule,
        source="Kumar et al. 2010, NeurIPS",
    )


def anti(pace: float = 0.5) -> Strategy:
    """Show long texts first, with the pacing of `competence` (control)."""
    return _curriculum(
        "anti",
        "shows long texts first, with the curriculum's pacing",
        "long texts first",
        lambda training_set, context: -_length(training_set, context),
        pace,
        control=True,
    )


def random_order(pace: float = 0.5) -> Strategy:
    """Show texts in a random order, with the pacing of `competence` (control)."""
    return _curriculum(
        "random_order",
        "shows texts in a random order, with the curriculum's pacing",
        "paced in random order",
        lambda training_set, context: context.rng.random(len(training_set)),
        pace,
        control=True,
    )


def _length(training_set: TrainingSet, context: StrategyContext) -> Floats:
    return context.precomputed.difficulty("length", training_set.parents)


def _cross_fitted_loss(training_set: TrainingSet, context: StrategyContext) -> Floats:
    p = out_of_fold(training_set, context, "linear")
    p_label = (p * training_set.targets).sum(1).astype(np.float64)
    losses: Floats = -np.log(np.maximum(p_label, 1e-12))
    return losses


def _curriculum(
    name: str,
    summary: str,
    title: str,
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
        title,
        role="control" if control else "strategy",
        precomputed=("difficulties",),
        space=(TunableArgument("pace", 0.2, 1.0),),
        transform=_ranked(measure),
        schedule=_up_to_competence(pace),
        ranks=True,
        control="" if control else "random_order",
        compute=compute,
        source=source,
    )


def _ranked(measure: Measure) -> Transform:
    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        values = measure(training_set, context)
        # Ties are broken at random: with large steps in the CDF the first rounds would show no row.
        order = np.lexsort((context.rng.random(len(values)), values))
        difficulty = np.empty(len(values))
        difficulty[order] = np.arange(1, len(values) + 1) / len(values)
        return replace(training_set, difficulty=difficulty)

    return transform


def _up_to_competence(pace: float) -> Schedule:
    def schedule(
        training_set: TrainingSet, past: TrainingProgress, rng: np.random.Generator
    ) -> Ints | None:
        rows = len(training_set)
        start = max(0.01, min(1.0, past.batch / rows))
        grown = np.sqrt(past.progress * (1 - start**2) / pace + start**2)
        if grown >= 1 or training_set.difficulty is None:
            return None
        return np.flatnonzero(training_set.difficulty <= max(grown, 1 / rows))

    return schedule
