"""Defines the statements of a report's first screen and of the table that compares the methods.

Differences are fractions of 1; None stands for "not known".
"""

from dataclasses import dataclass

from datayield.analysis.claim_statements import Claim
from datayield.analysis.intervals import Interval
from datayield.analysis.multipliers import LabelRange
from datayield.analysis.shared_multiplier import SharedMultiplier
from datayield.analysis.statements import NextLabels


@dataclass(frozen=True, slots=True)
class MethodRow:
    """A strategy or simple baseline in one row: what it gains, what a label is worth, what it costs."""

    arm: str
    baseline: str
    budgets: tuple[int, ...]  # several: the gain is the mean over them
    claim: Claim  # its interval holds with those of all other rows
    multiplier: SharedMultiplier | None  # against the baseline; holds with all other rows
    simple: str | None  # the simple baseline with the longest curve
    multiplier_simple: SharedMultiplier | None  # the same against that one
    time: float | None  # of a training, as a multiple of the baseline's


@dataclass(frozen=True, slots=True)
class Yardstick:
    """The gain of twice the labels for the baseline, on the mean over budgets."""

    baseline: str
    budgets: tuple[int, ...]
    gain: Interval


@dataclass(frozen=True, slots=True)
class Decision:
    """The first things to know with n labels: the method, its score, what more labels buy."""

    n: int  # the largest budget at which methods were compared
    arm: str  # the method to use
    shown: bool  # whether it is shown to beat the baseline; False: it is the baseline
    score: Interval  # mean over the samples of n labels
    spread: float | None  # standard deviation of the score from sample to sample
    gain: Interval | None  # over the baseline at n, or on the mean over budgets; where it is shown
    budgets: tuple[int, ...]  # of the gain
    worth: LabelRange | None  # of a label, in the baseline's; where the gain is that at n
    doubled: Yardstick | None  # what twice the n labels gain the baseline
    ties: tuple[str, ...]  # methods that the test set does not tell apart from it at n
    next: NextLabels | None  # what more labels buy: this arm, or the baseline whose curve is longer
    last: NextLabels | None  # what the last half of the n labels bought the same arm
