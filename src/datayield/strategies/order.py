"""When an example is shown: the competence curriculum and its controls."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from datayield.strategies.base import Desk, Knob, Prepare, Present, Strategy
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


def _curriculum(
    name: str, summary: str, measure: Measure, pace: float, control: bool = False, source: str = ""
) -> Strategy:
    return Strategy(
        name,
        summary,
        role="control" if control else "strategy",
        facts=("difficulties",),
        space=(Knob("pace", 0.2, 1.0),),
        prepare=_ranked(measure),
        present=_up_to_competence(pace),
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
