"""Defines the statements about differences between arms and their baselines, with the claims they carry.

Differences are fractions of 1 (0.02 is two percentage points). None stands for "not known".
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from datayield.analysis.intervals import Interval
from datayield.analysis.visible_difference import VarianceComponents

Verdict: TypeAlias = Literal["helps", "harms", "no gain of a point", "undecided"]


@dataclass(frozen=True, slots=True)
class Claim:
    """The result of one test about an arm; the tests of a corpus are a family and share one level."""

    verdict: Verdict
    p: float  # Holm's, over the family
    interval: Interval  # simultaneous over the family
    tests: int  # of the family
    visible: float | None  # smallest true difference that such a study claims in 80 % of cases
    more_draws: int | None  # that decide if the estimate stands; None: decided, or no number does


@dataclass(frozen=True, slots=True)
class ArmDifference:
    """An arm minus its baseline at one budget, paired by draw and test text."""

    arm: str
    n: int
    baseline: str
    difference: Interval  # of this arm by itself
    claim: Claim | None = None  # of strategies and simple baselines, where there is an interval


@dataclass(frozen=True, slots=True)
class MeanDifference:
    """An arm minus its baseline, averaged over budgets, paired by draw and test text."""

    arm: str
    budgets: tuple[int, ...]
    baseline: str
    difference: Interval
    claim: Claim | None = None


@dataclass(frozen=True, slots=True)
class BudgetComponents:
    """The variance components of differences to one baseline; a later study is planned from them."""

    baseline: str
    budgets: tuple[int, ...]  # several: of the mean over them
    draws: int
    texts: int  # test texts
    tests: int  # of the corpus's family
    components: VarianceComponents
    visible: float | None  # smallest visible difference of this study
