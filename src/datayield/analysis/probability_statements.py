"""Defines the statements about class probabilities and single classes that the report prints.

They describe arms; no verdict about which arm is better rests on them.
"""

from dataclasses import dataclass
from typing import Literal

from datayield.analysis.intervals import Interval


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """The test texts whose top probability lies in one bin, over all cells of an arm."""

    low: float  # the bin is (low, high]; the first one begins at 0, itself included
    high: float
    says: float  # mean top probability
    right: Interval  # share of these texts that is right
    texts: float  # share of all test texts


@dataclass(frozen=True, slots=True)
class ArmProbabilities:
    """The quality of the class probabilities of one arm at one budget, mean over draws and seeds."""

    arm: str
    n: int
    cells: int  # with probabilities
    of: int  # cells
    log_loss: Interval  # in nats, 0 and more
    brier: Interval  # 0 to 2
    calibration_error: (
        Interval  # 0 to 1, corrected for the luck of few texts; from 0 if it holds by_luck
    )
    uncorrected: float  # the expected calibration error as it is usually computed
    by_luck: float  # the corrected error that true probabilities would show with so many texts
    overconfidence: Interval  # mean top probability minus the share of right answers, -1 to 1
    bins: tuple[ReliabilityBin, ...]  # that hold texts, ascending


@dataclass(frozen=True, slots=True)
class ProbabilityStatements:
    """The probabilities of the arms at the largest budget that most of them share."""

    n: int | None  # None: no cell has probabilities
    arms: tuple[ArmProbabilities, ...]
    without: tuple[str, ...] = ()  # arms at that budget whose cells have none


@dataclass(frozen=True, slots=True)
class ClassScores:
    """The scores of one class by one arm at one budget, mean over draws and seeds.

    The rows of a class and an arm at all budgets are its learning curve.
    """

    arm: str
    n: int
    name: str  # of the class
    texts: int  # test texts of the class
    precision: Interval  # of the texts that the arm gives the class, the share that has it
    recall: Interval  # of the texts of the class, the share that the arm gives it
    f1: Interval  # harmonic mean of both
    confused_with: str | None  # class most often predicted in its place; None: never another
    confused: float  # share of its texts that are given that class, 0 to 1


@dataclass(frozen=True, slots=True)
class ClassConfusion:
    """A class that an arm takes for another one at one budget, mean over draws and seeds."""

    arm: str
    n: int
    name: str  # of the class
    predicted: str  # the class that it is taken for
    texts: float  # test texts per training, above 0
    share: Interval  # of the test texts of the class, 0 to 1


@dataclass(frozen=True, slots=True)
class ClassGain:
    """The change of one class from the budget before to the largest one, as all classes got more labels."""

    arm: str
    n: int  # the largest budget
    before: int  # the budget before
    name: str  # of the class
    f1: Interval  # change, paired by draw and test text
    p_holm: float | None  # over the classes of the arm; None: not tested
    verdict: Literal["rises", "falls", "undecided"]
