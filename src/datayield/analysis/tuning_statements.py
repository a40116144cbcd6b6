"""Defines the statements about searches of settings that the report prints, one dataclass each."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from datayield.analysis.intervals import Interval
from datayield.analysis.multipliers import LabelRange

Scalar: TypeAlias = str | bool | int | float


@dataclass(frozen=True, slots=True)
class SearchSummary:
    """One search of settings."""

    arm: str
    n: int
    draw: int  # whose labels it read; -1: a draw that is never scored
    trials: int
    complete: int
    pruned: int
    failed: int
    untuned: float | None  # validation score of the untuned settings
    best: float | None  # best validation score; None: no trial was completed
    errors: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class TypicalNumber:
    """The best values of a real-valued setting over searches."""

    median: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ValueCounts:
    """The best values of any other setting, most frequent first; "off" stands for 0 and null."""

    counts: tuple[tuple[Scalar, int], ...]


@dataclass(frozen=True, slots=True)
class SettingTrend:
    """The best values of one setting by budget."""

    name: str
    chosen: Mapping[int, TypicalNumber | ValueCounts]  # by labels
    rho: float | None  # Spearman's rank correlation with the labels; None below four searches


@dataclass(frozen=True, slots=True)
class ArmSettings:
    """The best settings of one arm."""

    arm: str
    budgets: tuple[int, ...]
    settings: tuple[SettingTrend, ...]


@dataclass(frozen=True, slots=True)
class SettingImportances:
    """The share of the trials' score variance each setting explains, largest first."""

    arm: str
    n: int
    searches: int
    shares: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class TrialCurve:
    """The best validation score against the number of trials."""

    arm: str
    n: int
    searches: int
    scores: tuple[float | None, ...]  # after 1, 2, ... trials


@dataclass(frozen=True, slots=True)
class TuningGain:
    """A tuned arm minus the same arm with untuned settings, on the test set."""

    arm: str
    untuned: str
    n: int
    alone: bool  # whether only the settings differ
    difference: Interval  # simultaneous over the rows of the budget (Bonferroni)
    multiplier: LabelRange | None  # in labels of the untuned arm


@dataclass(frozen=True, slots=True)
class SearchCost:
    """The cost of all searches of one arm at one budget, with their gain."""

    arm: str
    n: int
    searches: int
    trials: int
    pruned: int
    seconds: float
    tokens: int
    updates: int
    cell_seconds: float | None  # of one cell of the arm, for comparison
    labels: int  # read on top of those of the cells
    validation_gain: float | None
    gain: Interval | None  # on the test set


@dataclass(frozen=True, slots=True)
class TuningStatistics:
    """The searches of one corpus, their results and their cost."""

    trials: int  # per search
    scope: Literal["draw", "regime"]
    arms: Literal["own", "shared", "one"]
    prune: bool
    evaluator: str  # of the importances
    searches: tuple[SearchSummary, ...]
    settings: tuple[ArmSettings, ...]
    importances: tuple[SettingImportances, ...]
    by_trials: tuple[TrialCurve, ...]
    gains: tuple[TuningGain, ...]
    cost: tuple[SearchCost, ...]
