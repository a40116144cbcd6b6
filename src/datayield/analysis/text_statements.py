"""Defines the statements about single texts and shared texts that the report prints, one dataclass each."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class MapBin:
    """One bin of the data map: its centre, how many texts it holds, how often their label led."""

    variability: float  # 0 to 0.5
    confidence: float  # 0 to 1
    texts: int
    correctness: float  # 0 to 1


@dataclass(frozen=True, slots=True)
class DataMap:
    """The training dynamics of the baseline at its largest budget."""

    arm: str
    n: int
    draws: int  # with training dynamics; 0: no map
    of: int
    texts: int = 0
    presentations: float = 0.0  # median per text
    always: float = 0.0  # share of texts whose given label led at every presentation
    never: float = 0.0
    bins: tuple[MapBin, ...] = ()


@dataclass(frozen=True, slots=True)
class HardTrainingText:
    """A training text that the baseline did not learn, or was least settled about."""

    list: Literal["not learnt", "ambiguous"]
    id: int  # place in the pool
    label: str
    confused_with: str  # class most often predicted instead of the label; "": none
    confidence: float
    variability: float
    correctness: float
    presentations: int
    text: str | None = None  # None: hidden (analysis.texts)
    split: str = "pool"


@dataclass(frozen=True, slots=True)
class HardTestText:
    """A test text that most arms get wrong."""

    id: int  # place in the test set
    label: str
    confused_with: str
    agree: float  # share of the wrong predictions that name `confused_with`
    arms_wrong: int  # arms that are wrong in most of their cells
    arms: int
    cells_wrong: float  # mean share of wrong cells
    text: str | None = None  # None: hidden (analysis.texts)
    split: str = "test"
    list: str = "test"


@dataclass(frozen=True, slots=True)
class WrongTestTexts:
    """The number of test texts that every arm gets wrong."""

    n: int
    arms: int  # compared; 0: none
    all: int  # texts that all of them get wrong in most cells
    of: int


@dataclass(frozen=True, slots=True)
class AuditFinding:
    """One thing that the audit looked for."""

    what: str
    count: int
    of: int
    examples: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OverlapScore:
    """The mean score on all test texts, and without those that the pool also holds."""

    arm: str
    n: int
    all: float
    without: float


@dataclass(frozen=True, slots=True)
class Overlap:
    """Test texts that the pool also holds, exactly or nearly."""

    texts: int
    of: int
    scores: tuple[OverlapScore, ...]


@dataclass(frozen=True, slots=True)
class SharedTexts:
    """Two corpora that hold texts of the same letters."""

    corpora: tuple[str, str]
    texts: int
    test_in_other: tuple[int, int]  # test texts of each that occur anywhere in the other
    other_class: int | None  # shared texts with another class there; None: other classes
    same_family: bool
    share: float  # of the smaller corpus
