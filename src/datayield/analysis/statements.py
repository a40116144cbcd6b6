"""Defines the statements about arms of one corpus that the report prints, one dataclass each.

Scores, differences and shares are fractions of 1 (0.02 is two percentage points); `n` and every other
number of labels is what was paid for; times are in seconds. None stands for "not known".
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

from datayield.analysis.extrapolate import Extrapolation
from datayield.analysis.intervals import Interval
from datayield.analysis.multipliers import LabelRange
from datayield.analysis.shared_multiplier import SharedMultiplier

Role: TypeAlias = Literal["plain", "baseline", "strategy", "control", "check"]


@dataclass(frozen=True, slots=True)
class ExpectedResult:
    """The known result of a control or check: equal to another arm, or worth so many labels."""

    arm: str | None = None
    multiplier: float | None = None  # data multiplier against the arm's own baseline


@dataclass(frozen=True, slots=True)
class TunedCounterpart:
    """The same arm with searched settings."""

    arm: str
    alone: bool  # whether only the settings differ


@dataclass(frozen=True, slots=True)
class ArmDescription:
    """One arm as study.json describes it."""

    role: Role
    title: str = ""  # a few words for readers; "": its name
    summary: str = ""  # one line
    expected: ExpectedResult | None = None
    control: str | None = None  # arm that shows what else could explain a gain
    tuned: TunedCounterpart | None = None  # None: the arm itself is tuned, or cannot be
    members: tuple[str, ...] = ()  # arms whose probabilities it pools
    outside: bool = False  # whether it has read other text than the corpus
    cheap_labels: int = 0  # labels of a cheaper source that it uses at most


@dataclass(frozen=True, slots=True)
class FailedCell:
    """A planned cell without a result."""

    arm: str
    n: int
    draw: int
    seed: int
    error: str


@dataclass(frozen=True, slots=True)
class UnbalancedArm:
    """An arm at a budget that has fewer draws than the study."""

    arm: str
    n: int
    draws: int
    of: int


@dataclass(frozen=True, slots=True)
class ArmScore:
    """The scores of one arm at one budget, mean over draws and seeds."""

    arm: str
    n: int
    score: Interval  # of the metric that leads
    accuracy: Interval
    macro_f1: Interval
    validation: float | None  # mean score on validation labels
    cells: int


@dataclass(frozen=True, slots=True)
class LabelSaving:
    """1 - 1 / multiplier: the share of the baseline's labels that an arm saves; below 0: it costs more."""

    point: float | None
    low: float | None
    high: float | None


@dataclass(frozen=True, slots=True)
class ArmMultiplier:
    """The number of labels of a baseline one label of an arm is worth at n labels."""

    arm: str
    n: int
    baseline: str
    multiplier: LabelRange  # point, low and high as multiples of n; `measured` in labels
    saving: LabelSaving


@dataclass(frozen=True, slots=True)
class ArmSharedMultiplier:
    """One data multiplier of an arm for all its budgets together."""

    arm: str
    baseline: str
    multiplier: SharedMultiplier
    saving: LabelSaving


@dataclass(frozen=True, slots=True)
class ControlCheck:
    """A control or check: its known result and the measured one."""

    arm: str
    n: int
    expected_arm: str  # the arm that it must equal, or whose labels the multiplier counts
    expected_multiplier: float | None  # None: the difference from `expected_arm` must be 0
    measured: Interval | LabelRange  # a difference, or a multiplier
    same_settings: bool  # False: a search of its own chose other settings, so it need not be equal
    holds: bool | None  # whether the interval contains the expected value; None: no interval


@dataclass(frozen=True, slots=True)
class ControlDifference:
    """A strategy minus its control at one budget."""

    arm: str
    n: int
    control: str
    difference: Interval  # simultaneous over the rows of the budget (Bonferroni)
    visible: float | None  # smallest difference that such a study tells apart in 80 % of cases


@dataclass(frozen=True, slots=True)
class Interaction:
    """The gain of a composition beyond the sum of its parts' gains."""

    arm: str
    n: int
    interaction: Interval


@dataclass(frozen=True, slots=True)
class TargetLabels:
    """The number of labels at which an arm's curve reaches the target score."""

    arm: str
    target: float
    derived: bool  # True: no target was set; the largest multiple of 0.05 that the baseline reaches
    labels: LabelRange


@dataclass(frozen=True, slots=True)
class NextLabels:
    """The gain of `more` labels on top of `have`: two-sided inside the curve, a lower bound beyond."""

    arm: str
    have: int
    more: int
    estimate: float | None = None
    low: float | None = None
    high: float | None = None  # None beyond the curve
    reason: str | None = None


@dataclass(frozen=True, slots=True)
class BoundBeyond:
    """A one-sided lower bound of the score at twice the largest budget."""

    n: int
    low: float
    estimate: float


@dataclass(frozen=True, slots=True)
class ArmExtrapolation:
    """The fitted curve of an arm with its back-tests, and the bound beyond its largest budget."""

    arm: str
    curve: Extrapolation
    beyond: BoundBeyond | None


@dataclass(frozen=True, slots=True)
class Leads:
    """The number of draws in which an arm has the highest validation score, ties counted for it."""

    draws: int
    of: int


@dataclass(frozen=True, slots=True)
class Doubling:
    """The best strategy at n labels against its baseline with twice the labels."""

    arm: str
    baseline: str
    of: int  # strategies considered
    verdict: Literal["arm", "labels", "open"]  # which of the two gains more
    gap: Interval  # strategy minus twice the labels
    gain_arm: float
    gain_labels: Interval


@dataclass(frozen=True, slots=True)
class Recommendation:
    """The best arm by validation at one budget, with its evidence on the test set.

    Everything is simultaneous over the arms considered (Bonferroni), because the best was picked.
    """

    n: int
    arm: str
    of: int  # arms considered
    validation: float  # mean validation score of the picked arm
    level: float  # of each interval against another arm
    score: Interval
    leads: Leads
    within: Interval  # the pick inside each draw minus the baseline: one procedure, no correction
    difference: (
        Interval | None
    )  # minus the study's baseline; None: it is the baseline, or no common draw
    multiplier: LabelRange | None
    behind: tuple[str, ...]  # arms that the test set puts behind the pick
    ahead: tuple[str, ...]
    ties: tuple[str, ...]  # arms that cannot be told apart from the pick
    unknown: tuple[str, ...]  # arms without an interval
    visible: float | None  # difference that sets the pick apart from its ties, in 80 % of studies
    doubling: Doubling | None


@dataclass(frozen=True, slots=True)
class ChangedVerdict:
    """A verdict that changes without one draw."""

    without: int  # the draw
    arm: str
    n: int
    change: Literal["lost", "new", "reversed"]


@dataclass(frozen=True, slots=True)
class ChangedPick:
    """A best arm by validation that changes without one draw."""

    without: int  # the draw
    n: int
    arm: str  # the pick without that draw
    before: str  # the pick with all draws


@dataclass(frozen=True, slots=True)
class Sensitivity:
    """The conclusions that depend on a single draw."""

    draws: tuple[int, ...]
    reason: str | None  # why nothing could be left out
    changed: tuple[ChangedVerdict, ...] = ()
    picks: tuple[ChangedPick, ...] = ()


@dataclass(frozen=True, slots=True)
class RisingArm:
    """An arm whose validation accuracy still rose between the last two evaluations."""

    arm: str
    n: int
    estimate: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class StillRising:
    """The arms whose training may have ended too early."""

    of: int  # arms and budgets with two draws or more
    rows: tuple[RisingArm, ...]


@dataclass(frozen=True, slots=True)
class ArmCost:
    """The mean cost of one cell of an arm at a budget (fields as in core.types.Cost)."""

    arm: str
    n: int
    labels_paid: float
    examples: float
    unlabelled: float
    updates: float
    tokens: float
    helper_fits: float
    prepare_seconds: float
    train_seconds: float
    inference_seconds: float
    cell_seconds: float
    pretrain_seconds: float  # of a language model, in full
    validation_seconds: float  # of the trainings that leave out a fold; inside cell_seconds
    peak_memory_mib: float
    parameters: float
    amortised_pretrain_seconds: (
        float  # the language model's time shared among the cells that use it
    )
    learning_seconds: float  # preparation, training and the share of a language model
    seconds_per_thousand: float  # predictions, by one thread
    exported_mb: float | None  # of the exported model, about; None: a member is missing


@dataclass(frozen=True, slots=True)
class ArchitectureRow:
    """One architecture's plain training at one budget."""

    n: int
    architecture: str
    cell: str  # "lstm" or "gru"
    hidden: int
    layers: int
    bidirectional: bool
    embedding: int
    parameters: float
    train_seconds: float
    inference_seconds: float  # whole test set
    inference_ms_per_text: float
    accuracy: Interval
    macro_f1: Interval
    same_as: str | None = (
        None  # an architecture above with equal answers: one network trained twice
    )


@dataclass(frozen=True, slots=True)
class HistoryPoint:
    """The baseline's training at one evaluation, mean over draws and seeds."""

    n: int
    updates: int
    loss: float | None
    train_accuracy: float | None
    validation_loss: float | None
    validation_accuracy: float | None
