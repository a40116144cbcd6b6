"""Defines the content of statistics.json: everything that the report prints, as dataclasses.

`read` and `write` are the only doors to the file; docs/statistics.schema.json is made from these classes.
Scores, differences and shares are fractions of 1; times are in seconds; None stands for "not known".
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from datayield.analysis import (
    claim_statements,
    decision_statements,
    probability_statements,
    race_statements,
    statements,
    text_statements,
    tuning_statements,
)
from datayield.analysis.collapses import CollapsedTraining
from datayield.analysis.intervals import Population
from datayield.analysis.label_exchange import LabelExchange
from datayield.analysis.looks import LooksTaken
from datayield.analysis.scores import Metric
from datayield.analysis.typed_json import from_json, to_json
from datayield.core import files
from datayield.core.errors import UserError

VERSION = 10  # of statistics.json; raised when a reader of an older one would misread it


@dataclass(frozen=True, slots=True)
class CorpusStatistics:
    """Everything that the report prints about one corpus."""

    corpus: str
    family: str  # corpora that share texts are one family
    description: str | None
    digest: str  # of the data
    card: tuple[tuple[str, str | int], ...]  # every field of card.json with its path, as printed
    planned: int  # cells
    cells: int  # finished
    missing: tuple[statements.FailedCell, ...]
    notices: tuple[str, ...]
    pool_size: int  # texts
    test_size: int  # texts
    classes: tuple[str, ...]
    majority_share: float  # of the largest class among the test texts
    arms: Mapping[str, statements.ArmDescription]
    metric: Metric  # the one that leads
    settings: str  # digest of all cells' settings
    versions: tuple[str, ...]
    unbalanced: tuple[statements.UnbalancedArm, ...]
    scores: tuple[statements.ArmScore, ...]
    differences: tuple[claim_statements.ArmDifference, ...]
    mean_differences: tuple[claim_statements.MeanDifference, ...]  # over the budgets of an arm
    components: tuple[claim_statements.BudgetComponents, ...]  # from which a later study is planned
    looks: LooksTaken | None  # where draws were added by what earlier ones showed
    race: race_statements.RaceTaken | None  # how many strategies were screened before
    multipliers: tuple[statements.ArmMultiplier, ...]  # against each arm's own plain baseline
    shared_multipliers: tuple[statements.ArmSharedMultiplier, ...]  # one for all budgets of an arm
    best_simple: str | None  # the simple baseline with the highest mean validation score
    multipliers_simple: tuple[statements.ArmMultiplier, ...]  # against `best_simple`
    exchanges: tuple[LabelExchange, ...]  # of clean against noisy labels
    recommended: tuple[statements.Recommendation, ...]  # by budget, ascending
    decision: decision_statements.Decision | None  # None: no budget has a choice
    methods: tuple[decision_statements.MethodRow, ...]  # the largest gain first
    yardstick: decision_statements.Yardstick | None
    sensitivity: statements.Sensitivity
    checks: tuple[statements.ControlCheck, ...]
    interactions: tuple[statements.Interaction, ...]
    against_controls: tuple[statements.ControlDifference, ...]
    target: tuple[statements.TargetLabels, ...]
    extrapolations: tuple[statements.ArmExtrapolation, ...]
    next: tuple[statements.NextLabels, ...]
    architectures: tuple[statements.ArchitectureRow, ...]
    costs: tuple[statements.ArmCost, ...]
    tuning: tuning_statements.TuningStatistics | None
    history: tuple[statements.HistoryPoint, ...]
    rising: statements.StillRising
    collapsed: tuple[CollapsedTraining, ...]  # by arm, budget and draw
    findings: tuple[text_statements.AuditFinding, ...]
    overlap: text_statements.Overlap
    map: text_statements.DataMap
    tested: text_statements.WrongTestTexts
    hard_training_texts: tuple[text_statements.HardTrainingText, ...]
    hard_test_texts: tuple[text_statements.HardTestText, ...]
    probabilities: probability_statements.ProbabilityStatements
    class_scores: tuple[probability_statements.ClassScores, ...]  # of a few arms, by budget
    class_confusions: tuple[probability_statements.ClassConfusion, ...]  # at the largest of these
    class_gains: tuple[probability_statements.ClassGain, ...]  # from the budget before to it


@dataclass(frozen=True, slots=True)
class FamilySummary:
    """A mean over families of corpora with its t interval; p of the hypothesis that it is 0."""

    estimate: float
    low: float | None  # None: the families agree to rounding, and nothing is known of their spread
    high: float | None
    p: float  # then of the sign test


@dataclass(frozen=True, slots=True)
class FamilyDifference:
    """A strategy minus its baseline at one budget or on the mean over budgets, over families."""

    arm: str
    n: int | None  # None: the mean over budgets
    difference: FamilySummary
    by_corpus: tuple[float, ...]  # in the order of AcrossFamilies.corpora
    p_holm: float  # over all tests of these rows
    differs: bool

    @property
    def verdict(self) -> Literal["helps", "harms", "undecided"]:
        """The conclusion of the one test over families."""
        if not self.differs:
            return "undecided"
        return "helps" if self.difference.estimate > 0 else "harms"


@dataclass(frozen=True, slots=True)
class FamilyVerdict:
    """A verdict that changes without one family."""

    arm: str
    n: int | None
    verdict: str  # without the family
    before: str  # with all families


@dataclass(frozen=True, slots=True)
class LeftOutFamily:
    """The verdicts that change when the family of one corpus is left out."""

    without: str  # corpus
    changed: tuple[FamilyVerdict, ...]


@dataclass(frozen=True, slots=True)
class AcrossFamilies:
    """Statements over families of corpora, or the reason why there are none."""

    corpora: tuple[str, ...]  # one per family
    families: int
    method: str
    reason: str | None
    rows: tuple[FamilyDifference, ...] = ()
    sensitivity: tuple[LeftOutFamily, ...] = ()


@dataclass(frozen=True, slots=True)
class PublishedRow:
    """Mean accuracy over the five corpora of the EDA paper."""

    who: str
    ours: bool
    scores: Mapping[str, float]  # by labels; "full": every training text


@dataclass(frozen=True, slots=True)
class StudyStatistics:
    """Everything that the report prints about one study."""

    study: str
    seed: int
    draws: int
    level: float  # of the intervals, e.g. 0.95
    population: Population  # what other draws stand for
    method: str  # of the intervals
    baseline: str  # arm
    texts: Literal["shown", "hidden"]
    corpora: tuple[CorpusStatistics, ...]
    across: AcrossFamilies
    published: tuple[PublishedRow, ...]
    shared_texts: tuple[text_statements.SharedTexts, ...]
    version: int = VERSION


def write(statistics: StudyStatistics, path: Path) -> None:
    """Write statistics.json with a checksum."""
    files.write_json(to_json(statistics), path)


def read(path: Path) -> StudyStatistics:
    """Read statistics.json.

    Raises:
        UserError: the file is missing, damaged or of another version.
    """
    stored = files.read_json(path)
    if stored.get("version") != VERSION:
        raise UserError(
            f"{path} has version {stored.get('version', 1)}, expected {VERSION}. Run `dvc repro` to make it"
            " again."
        )
    try:
        return from_json(StudyStatistics, stored)
    except ValueError as e:
        raise files.damaged_error(path, str(e)) from e
