"""Finds trainings that collapsed, by the texts that they held out inside the n labels."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan, sqrt
from typing import Any

from scipy.stats import norm

from datayield.analysis.statements import ArmDescription

LARGE = 0.1  # accuracy below the baseline's up to which nothing is said


@dataclass(frozen=True, slots=True)
class CollapsedTraining:
    """A training whose held-out texts are predicted far worse than by the baseline on the same sample."""

    arm: str
    n: int
    draw: int
    accuracy: float  # validation accuracy of the arm
    baseline: float  # that of the baseline


def collapsed(
    lines: Iterable[Mapping[str, Any]],
    arms: Mapping[str, ArmDescription],
    baseline: str,
    level: float,
) -> tuple[CollapsedTraining, ...]:
    """Return the trainings of strategies that collapsed; the test set is not read.

    A training collapsed if its validation accuracy lies at least LARGE below that of the baseline in the
    same draw and seed, and a z test of two shares, one-sided and Bonferroni-corrected over all trainings
    that hold texts out, rejects that it is as good. Trainings that hold out no text are not judged.

    Args:
        lines: rows of one corpus (schema core.tables.CELLS).
        arms: their descriptions; controls, checks, blends and simple baselines are not judged.
        baseline: arm.
        level: 1 - level is the probability that a sound study has such a training.
    """
    scored = [x for x in lines if x["n_validation"] and not isnan(x["validation_accuracy"])]
    known = {(x["n"], x["draw"], x["seed"]): x for x in scored if x["arm"] == baseline}
    pairs = [
        (x, known[x["n"], x["draw"], x["seed"]])
        for x in scored
        if (x["n"], x["draw"], x["seed"]) in known
        and arms[x["arm"]].role == "strategy"
        and not arms[x["arm"]].members
    ]
    critical = norm.isf((1 - level) / max(len(pairs), 1))
    return tuple(
        CollapsedTraining(
            x["arm"], x["n"], x["draw"], x["validation_accuracy"], b["validation_accuracy"]
        )
        for x, b in pairs
        if _fall(x, b) >= max(LARGE, critical * _deviation(x, b))
    )


def _fall(x: Mapping[str, Any], baseline: Mapping[str, Any]) -> float:
    return float(baseline["validation_accuracy"] - x["validation_accuracy"])


def _deviation(x: Mapping[str, Any], baseline: Mapping[str, Any]) -> float:
    """Return the standard deviation of the difference, as if the two read different texts."""
    shares = x["validation_accuracy"], baseline["validation_accuracy"]
    return sqrt(sum(p * (1 - p) for p in shares) / x["n_validation"])
