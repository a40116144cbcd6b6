"""Defines a strategy: one record with up to six verbs (docs/adding-a-strategy.md).

Each verb changes one step of a cell; a verb that is None leaves the step as in `plain`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield.core.arm import WEIGHTED, Arm, Member
from datayield.core.errors import UserError
from datayield.core.types import Floats, Ints, Pool, TrainingSet
from datayield.models.hooks import Objective, Presentations, Schedule, Start
from datayield.models.settings import ARCHITECTURES
from datayield.strategies.pool_models import LanguageModel, TopicModel

if TYPE_CHECKING:
    from datayield.models.token_states import TokenStates

READ_ONCE = "a language model of the pool, trained once for all cells of a draw"
Role: TypeAlias = Literal["plain", "strategy", "control", "check"]
Need: TypeAlias = Literal["dropout", "language_model"]
Kind: TypeAlias = Literal["network", "linear"]


class PrecomputedTables(Protocol):
    """The tables of the data stages; none of them holds a label."""

    def variants(self, ids: Ints) -> list[tuple[str, ...]]:
        """Return per id the variants that the augment stage made for this strategy."""

    def difficulty(self, name: str, ids: Ints) -> Floats:
        """Return the difficulty "length" or "rarity" of each id; larger is harder. Shape (ids,)."""

    def vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return word vectors, (words, dimensions); the rows of unknown words are NaN."""

    def embeddings(self, table: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return what a model from outside makes of texts, or of words of the pool: (texts, dimensions).

        Args:
            table: "outside-encoder", "outside-static", or "outside-static-words", whose rows of unknown
                words are NaN.
            texts: texts of the corpus, or words of its pool.
        """

    def token_states(self) -> "TokenStates":
        """Return the states of a sentence encoder at every token of every text of the corpus."""

    def noisy_labels(self, ids: Ints) -> Ints:
        """Return the noisy label of each id, -1 without one; (ids,)."""

    def synonyms(self) -> "Synonyms":
        """Return the words with similar vectors as a thesaurus; it is part of the table "vectors"."""


@dataclass(frozen=True, slots=True)
class Fitted:
    """A helper model that was trained inside a strategy."""

    predict: Callable[[Sequence[str]], NDArray[np.float32]]
    """texts -> (texts, classes), rows sum to 1."""
    presentations: Presentations  # empty for linear helpers
    sample: Callable[[Sequence[str], int], NDArray[np.float32]] | None = None
    """(texts, passes) -> (passes, texts, classes) under dropout; None for linear helpers."""


class StrategyContext(Protocol):
    """Everything that a strategy may use while one cell is prepared; see `cells.context`."""

    @property
    def rng(self) -> np.random.Generator:
        """The random number generator of this cell and this strategy."""

    @property
    def precomputed(self) -> PrecomputedTables:
        """The tables that `Strategy.precomputed` names; reading another one raises LookupError."""

    @property
    def classes(self) -> int:
        """The number of classes."""

    @property
    def unlabelled(self) -> Sequence[str]:
        """Pool texts whose labels are not paid for, never test texts; the row says how many were read.

        At most 50,000: those that the draw would label next.
        """

    @property
    def labelled(self) -> Ints:
        """The pool ids whose labels are paid for and may train."""

    @property
    def candidates(self) -> Ints:
        """The pool ids that may be labelled: all but the texts of a held-out fold."""

    def reveal_labels(self, ids: Ints) -> Ints:
        """Return the labels of these pool ids, shape (ids,), and charge them to the budget.

        Raises:
            LookupError: beyond the budget, or for a held-out text.
        """

    @property
    def unlabelled_ids(self) -> Ints:
        """The pool ids of `unlabelled`, in the same order."""

    def folds(self, training_set: TrainingSet) -> Ints:
        """Return the fold of every row, (rows,), for choices by cross-validation inside the labels.

        Folds are numbered 0 to 4 and balanced within each class; texts derived from one text share its
        fold. Rows made of texts without labels have -1.
        """

    def language_model(self, task: str, passes: int) -> LanguageModel:
        """Return the language model of this corpus and draw, trained once for all cells.

        It reads every text of the pool and no label; never a test text. Each cell that uses it is
        charged its whole cost.

        Args:
            task: "next" (predict the next word) or "again" (repeat the whole text).
            passes: passes of the training over the texts.
        """

    def topic_model(self, topics: int, passes: int) -> TopicModel:
        """Return the topic model of this corpus, trained once for all cells of all draws.

        It reads every text of the pool and no label; never a test text. Each cell that uses it is
        charged its whole cost.

        Args:
            topics: number of topics.
            passes: passes of the training over the texts.
        """

    def fit(self, training_set: TrainingSet, kind: Kind = "network", share: float = 1.0) -> Fitted:
        """Train a helper on these rows for a share of the cell's updates; the cell pays for it."""

    def fit_arm(self, training_set: TrainingSet, arm: Arm) -> Fitted:
        """Train an arm on these rows, all members of a blend; the cell pays for it.

        Args:
            training_set: the rows.
            arm: the arm of `Strategy.teacher`.
        """


Query = Callable[[Pool, int, StrategyContext], Ints]
Transform = Callable[[TrainingSet, StrategyContext], TrainingSet]
Versions = Callable[[Sequence[str], StrategyContext], Sequence[Sequence[str]]]
Pretrain = Callable[[Sequence[str], Mapping[str, int], StrategyContext], Start]


@dataclass(frozen=True, slots=True)
class RunProtocol:
    """The labels and the seed that a run uses, while its cost is still billed as n labels."""

    labels: int
    seed: int
    permuted: bool = False  # the sample's labels are permuted among its texts
    unused: float = 0.0  # share of the labels that the scored model does not learn from, up to 0.2


@dataclass(frozen=True, slots=True)
class TunableArgument:
    """A tunable argument of a strategy's factory, with its range."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way of using the data.

    Attributes:
        name: unique name, as written in arms; lower-case letters, digits, underscores.
        summary: one line for lists and reports, in lower case, without a full stop.
        title: a few words for reports, read after the architecture: `LSTM + word vectors`; "": its
            name.
        role: "strategy" competes for the highest score; "control" shows what else could explain a
            gain; "check" tests the machinery and must equal `expected`; "plain" is the baseline.
        version: part of a cell's identity; raised by hand when results are meant to change.
        space: the tunable arguments of the factory.
        teacher: the arm, a blend or one that trains, that labels texts for it; what that arm reads and
            needs, it reads and needs too.
        precomputed: the tables that it reads ("variants", "difficulties", "vectors", "noisy", or a key
            of models.settings.OUTSIDE_TABLES); their digests enter the identity of its cells.
        query: chooses the texts to label: (pool, number of labels to train on, context) -> pool
            ids. None: the texts of the draw.
        transform: changes the training set once, before the vocabulary is built: (training set,
            context) -> training set. A derived text keeps the parent that it was made from.
        pretrain: gives first weights: (texts, shape, context) -> Start; shape holds embedding,
            hidden and layers.
        schedule: chooses the rows of the next round: (training set, progress, rng) -> row numbers
            (a row that stands twice is shown twice), or None for all rows.
        objective: computes the loss of a batch: (model, batch, unlabelled batches, state, rng) ->
            (loss per example (B,), state). `state` is None at first and is handed to the next batch.
        versions: rewrites the unlabelled texts for its objective: (texts, context) -> lists of as many
            texts. The objective then gets a batch of each list after that of the texts themselves.
        ratio: unlabelled texts in a batch for each labelled one.
        unlabelled: whether it learns from texts without labels; an arm is refused where there are
            none. An objective then gets an unlabelled batch with each labelled one, and the words
            of these texts join the vocabulary.
        writes: whether its transform adds texts that the corpus does not have; `rewrite` says so too.
        stored_texts: whether its network reads texts of the corpus alone; an arm cannot also write texts.
        cheap_labels: number of labels from a cheaper source that it uses besides the n.
        needs: conditions that are checked before anything runs: "dropout" (a dropout above 0),
            "language_model" (it uses the context's language model, whose shape no search may change).
        ranks: whether it sets the difficulty of each row; an arm has at most one such strategy.
        protocol: changes the labels or the seed of a run.
        pins: labels -> the settings that it fixes at that budget; see types.Settings.
        rewrite: makes the variants of a text in the augment stage.
        tuned: whether its arms may take searched settings; if False they keep those of params.yaml.
        expected: the result that a control or check must equal: {"arm": "plain"} (with the same
            architecture) or {"multiplier": 2.0}.
        control: name of the strategy that shows what else could explain a gain of this one.
        effort: time of a cell relative to a plain one, for predictions before any cell was
            computed; measured with the preset `arms` (benchmarks/effort.py prints it).
        compute: what it computes besides one training, in words; "" for nothing worth naming.
        source: publication that the method comes from.
    """

    name: str
    summary: str
    title: str = ""
    role: Role = "strategy"
    version: int = 1
    space: tuple[TunableArgument, ...] = ()
    teacher: Arm | None = None
    precomputed: tuple[str, ...] = ()
    query: Query | None = None
    transform: Transform | None = None
    pretrain: Pretrain | None = None
    schedule: Schedule | None = None
    objective: Objective | None = None
    versions: Versions | None = None
    ratio: int = 1
    unlabelled: bool = False
    writes: bool = False
    stored_texts: bool = False
    cheap_labels: int = 0
    needs: tuple[Need, ...] = ()
    ranks: bool = False
    protocol: Callable[[RunProtocol], RunProtocol] | None = None
    pins: Callable[[int], Mapping[str, Any]] | None = None
    rewrite: "Rewrite | None" = None
    tuned: bool = True
    expected: Mapping[str, Any] = field(default_factory=dict)
    control: str = ""
    effort: float = 1.0
    compute: str = ""
    source: str = ""


def reads_other_texts(strategy: Strategy) -> bool:
    """Return whether a strategy reads texts of the corpus that are not in its sample."""
    reads = (strategy.unlabelled, strategy.query, strategy.pretrain, strategy.precomputed)
    return any(reads) or "language_model" in strategy.needs


class Synonyms(Protocol):
    """A thesaurus; see datayield.text.word_vectors and datayield.text.wordnet."""

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Return the words that may replace this one; () if there are none."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """The way in which the augment stage makes the variants of one text.

    Attributes:
        variants: number of labels -> most variants of one text that a cell with so many labels uses.
        write: (words, thesaurus, k, rng) -> the words of variant k; they depend on these arguments alone.
        thesaurus: "neighbours" (words with similar vectors, from the corpus's own texts), "wordnet"
            or None; its digest enters the identity of the strategy's cells.
    """

    variants: Callable[[int], int]
    write: Callable[[list[str], Synonyms, int, np.random.Generator], list[str]]
    thesaurus: str | None = None


def check_number(name: str, value: float | None, low: float, high: float) -> None:
    """Raise UserError if an argument of a factory is not a number in [low, high]; None passes."""
    if value is not None and not (
        isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    ):
        raise UserError(f"{name}: wanted a number from {low:g} to {high:g}, got {value!r}")


def check_count(name: str, value: int | None, low: int, high: int) -> None:
    """Raise UserError if an argument is not a whole number in [low, high]; None passes."""
    check_number(name, value, low, high)
    if value is not None and not isinstance(value, int):
        raise UserError(f"{name}: wanted a whole number from {low} to {high}, got {value!r}")


def check_one_of(name: str, value: object, options: Sequence[object]) -> None:
    """Raise UserError if an argument is none of the options."""
    if not any(value == o and type(value) is type(o) for o in options):
        raise UserError(f"{name}: wanted {' or '.join(map(str, options))}, got {value!r}")


def parse_teacher(text: str) -> Arm:
    """Return the arm that an argument `teacher` names; `study.arms` checks the names in it.

    Raises:
        UserError: it is not written as an arm.
    """
    try:
        if not isinstance(text, str) or not text.strip():
            raise ValueError("expected the name of an arm")
        return Arm.named(text.strip())
    except ValueError as e:
        raise UserError(
            f'teacher: wanted an arm such as "blend(lstm:plain, tfidf)", got {text!r}: {e}'
        ) from e


def trainings(arm: Arm) -> int:
    """Return how many networks a teacher trains; a weighted blend trains them twice."""
    members = arm.members or (Member(arm),)
    networks = sum(m.count for m in members if m.arm.architecture in ARCHITECTURES)
    return networks * (2 if arm.architecture == WEIGHTED else 1)


def check_share(name: str, value: float) -> None:
    """Raise UserError if an argument does not lie in (0, 1]."""
    check_number(name, value, 1e-9, 1)
