"""What a strategy is: one record, five verbs, one desk (docs/adding-a-strategy.md).

Every way of using the data sits at one of five places; a verb left None means "as plain does".
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield.errors import UserError
from datayield.types import Floats, Ints, Past, Pool, TrainingSet

if TYPE_CHECKING:  # torch is imported by the objectives that need it, never by this module
    import torch

    from datayield.encode import Batch
    from datayield.model import Classifier

READ_ONCE = "a language model of the pool, trained once for all cells of a draw"  # see Desk.reader
Role: TypeAlias = Literal["plain", "strategy", "control", "check"]
Need: TypeAlias = Literal["validation", "dropout", "reader"]
Kind: TypeAlias = Literal["network", "linear"]


class Facts(Protocol):
    """The tables that the data stages made, label-free, read-only."""

    def variants(self, ids: Ints) -> list[tuple[str, ...]]:
        """Per id the rewritten texts that the augment stage made for this strategy."""

    def difficulty(self, name: str, ids: Ints) -> Floats:
        """Per id a difficulty ("length", "rarity"); larger is harder. Shape (ids,)."""

    def vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Word vectors, shape (words, dimensions); NaN rows for unknown words."""


@dataclass(frozen=True, slots=True)
class Shown:
    """What a training showed, in order: row, p(its label) and what was said of it, before the update."""

    rows: Ints  # (presentations,)
    gold: Floats  # (presentations,)
    correct: NDArray[np.bool_]  # (presentations,)
    said: Ints  # (presentations,) the class of the largest probability


NOTHING_SHOWN = Shown(np.empty(0, np.int64), np.empty(0), np.empty(0, bool), np.empty(0, np.int64))


@dataclass(frozen=True, slots=True)
class Fitted:
    """What a helper fit gives back."""

    predict: Callable[[Sequence[str]], NDArray[np.float32]]  # -> (texts, classes), rows sum to 1
    shown: Shown  # empty for linear helpers
    sample: Callable[[Sequence[str], int], NDArray[np.float32]] | None = None
    """(texts, passes) -> (passes, texts, classes) with dropout on; None for linear helpers."""


class Desk(Protocol):
    """Everything a strategy may reach while one cell is prepared. Built by `run`."""

    @property
    def rng(self) -> np.random.Generator:
        """Random numbers of this cell and this strategy."""

    @property
    def facts(self) -> Facts:
        """Only the tables named in `Strategy.facts`; others raise."""

    @property
    def classes(self) -> int:
        """Number of classes."""

    @property
    def unlabelled(self) -> Sequence[str]:
        """Pool texts whose labels are not paid for (never test texts); reading them is accounted.

        Of a large pool the 50,000 that the draw would label next.
        """

    @property
    def labelled(self) -> Ints:
        """Pool ids whose labels are paid for and may train."""

    @property
    def candidates(self) -> Ints:
        """Pool ids that may be asked for: all but the validation part and its duplicates."""

    def ask(self, ids: Ints) -> Ints:
        """The labels of these pool ids, shape (ids,). Charged; raises beyond the budget."""

    @property
    def unlabelled_ids(self) -> Ints:
        """The pool ids of `unlabelled`, in the same order."""

    def validation_accuracy(self, fitted: Fitted) -> float:
        """The accuracy of a helper on the validation part (its labels are paid for); NaN without."""

    def reader(self, task: str, passes: int) -> "Reader":
        """The language model of this corpus and draw ("next" or "again"), trained once for all cells.

        It reads every text of the pool but the draw's validation texts; its whole cost is charged to
        each cell that uses it.
        """

    def fit(self, training_set: TrainingSet, kind: Kind = "network", share: float = 1.0) -> Fitted:
        """Train a helper on what is given, for a share of the cell's updates; its cost is charged."""


Acquire = Callable[[Pool, int, Desk], Ints]
Prepare = Callable[[TrainingSet, Desk], TrainingSet]
Pretrain = Callable[[Sequence[str], Mapping[str, int], Desk], "Start"]
Present = Callable[[TrainingSet, Past, np.random.Generator], Ints | None]
Objective = Callable[
    ["Classifier", "Batch", "Sequence[Batch]", Any, np.random.Generator],
    "tuple[torch.Tensor, Any]",
]


@dataclass(frozen=True, slots=True)
class Start:
    """Where a network starts instead of at random: weights by parameter name, and their words."""

    weights: Mapping[str, NDArray[np.float32]]
    vocabulary: tuple[str, ...]
    tuning: "FineTuning | None" = None


@dataclass(frozen=True, slots=True)
class FineTuning:
    """How a network that was read in before goes on to learn from labels.

    Parts are "embedding", "recurrent.0" (the lowest layer), "recurrent.1", ..., "linear".
    """

    rates: Mapping[str, float]  # part -> factor of the learning rate
    begins: Mapping[str, float]  # part -> share of training before which it does not move
    rise: float = 0.1  # share of training in which the rate rises; then it falls linearly
    ratio: float = 32.0  # highest over lowest rate

    def slope(self, progress: float) -> float:
        """The slanted triangle at a share of training in [0, 1): from 1/ratio to 1 and back."""
        up = progress / self.rise if progress < self.rise else (1 - progress) / (1 - self.rise)
        return (1 + up * (self.ratio - 1)) / self.ratio


class Reader(Protocol):
    """A language model of the pool's texts: see datayield.pretrain."""

    @property
    def weights(self) -> Mapping[str, NDArray[np.float32]]:
        """Parameters of embedding and first layer, by name."""

    @property
    def words(self) -> tuple[str, ...]:
        """Its vocabulary, special words first."""

    def fill(
        self, lines: Sequence[Sequence[str]], drawn: Sequence[Mapping[int, float]]
    ) -> list[list[str]]:
        """Texts whose words at the given places are drawn anew.

        `drawn` says per text: place -> a number in [0, 1) that decides the word.
        """


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run works with while the account still bills n: what `plan` may rewrite."""

    labels: int
    seed: int
    permuted: bool = False  # labels of the sample permuted among its texts, validation included
    validates: float = 1.0  # share of the common validation part that is not trained on


@dataclass(frozen=True, slots=True)
class Knob:
    """One tunable argument, declared beside what it tunes."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Strategy:
    """One way of using the data.

    Attributes:
        name: unique, as written in arms; lower-case letters, digits, underscores.
        summary: one line for lists and reports.
        role: "strategy" competes; "control" and "check" must equal what `expected` says.
        version: raised by hand when its results are meant to change (part of a cell's identity).
        space: the tunable arguments of its factory.
        facts: the data tables it reads ("variants", "difficulties", "vectors"); their digests
            enter the identity of its cells.
        acquire: what to label: (pool, labels to train on, desk) -> pool ids. None: the common draw.
        prepare: once, before the vocabulary: (training set, desk) -> training set. May change
            texts; a derived text keeps its parent.
        pretrain: where to start: (texts, shape, desk) -> Start; shape gives embedding, hidden, layers.
        present: what the next round trains on: (training set, past, rng) -> row numbers (repeats
            count twice), or None for all rows. Never new texts.
        objective: how a batch is judged: (model, batch, unlabelled batches, carry, rng) ->
            (loss per example (B,), carry). `carry` starts as None.
        unlabelled: whether it learns from texts without labels, so that there must be some. An
            objective then gets a batch of them beside each labelled one; their words join the
            vocabulary.
        needs: what must be there, or an arm is refused before anything runs: "validation" (a
            validation part to choose by), "dropout" (predictions that vary), "reader" (the desk's
            language model, whose one declared shape no search may change).
        ranks: whether it decides how difficult each row is; an arm has one such strategy.
        plan: rewrites the plan of a run, for checks of the machinery and other protocols.
        pins: labels -> settings that this strategy fixes ({} by default); see types.Settings.
        rewrite: makes the augment stage's variants: (words, synonyms, rng) -> words, with the
            variant's number k; see `augment`.
        tuned: whether searched settings may serve its arms; False: they stay as params.yaml says.
        expected: what a control or check should equal: {"arm": "lstm:plain"} (architecture
            filled in by the study) or {"multiplier": 2.0}.
        control: the strategy that shows what else could explain a gain of this one.
        effort: seconds of a cell over those of a plain one, for predictions before any was computed;
            measured with the preset `arms` (benchmarks/effort.py prints them).
        compute: what it takes beside one training of the regime's updates; "" for nothing worth saying.
        source: where the method comes from.
    """

    name: str
    summary: str
    role: Role = "strategy"
    version: int = 1
    space: tuple[Knob, ...] = ()
    facts: tuple[str, ...] = ()
    acquire: Acquire | None = None
    prepare: Prepare | None = None
    pretrain: Pretrain | None = None
    present: Present | None = None
    objective: Objective | None = None
    unlabelled: bool = False
    needs: tuple[Need, ...] = ()
    ranks: bool = False
    plan: Callable[[Plan], Plan] | None = None
    pins: Callable[[int], Mapping[str, Any]] | None = None
    rewrite: "Rewrite | None" = None
    tuned: bool = True
    expected: Mapping[str, Any] = field(default_factory=dict)
    control: str = ""
    effort: float = 1.0
    compute: str = ""
    source: str = ""


class Synonyms(Protocol):
    """Anything that knows words for words: see datayield.thesaurus and datayield.wordnet."""

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Words that may stand for this one; empty when there is none."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """How the augment stage makes a strategy's variants of one text.

    Attributes:
        variants: labels -> how many variants of a text a cell of so many labels can ask for at most.
        write: (words, thesaurus, k, rng) -> words: variant k, from the given words alone.
        thesaurus: "neighbours" (the corpus's own, from unlabelled text), "wordnet", or None; its
            digest enters the identity of the strategy's cells.
    """

    variants: Callable[[int], int]
    write: Callable[[list[str], Synonyms, int, np.random.Generator], list[str]]
    thesaurus: str | None = None


def check_number(name: str, value: float | None, low: float, high: float) -> None:
    """An argument of a factory lies in [low, high], or is None where that is the default.

    Raises:
        UserError: naming the argument, what was wanted and what came.
    """
    if value is not None and not (
        isinstance(value, (int, float)) and not isinstance(value, bool) and low <= value <= high
    ):
        raise UserError(f"{name}: wanted a number from {low:g} to {high:g}, got {value!r}")


def check_count(name: str, value: int | None, low: int, high: int) -> None:
    """An argument is a whole number in [low, high], or None; errors as `check_number`."""
    check_number(name, value, low, high)
    if value is not None and not isinstance(value, int):
        raise UserError(f"{name}: wanted a whole number from {low} to {high}, got {value!r}")


def check_one_of(name: str, value: object, options: Sequence[object]) -> None:
    """An argument is one of a few values; errors as `check_number`."""
    if not any(value == o and type(value) is type(o) for o in options):
        raise UserError(f"{name}: wanted {' or '.join(map(str, options))}, got {value!r}")


def check_share(name: str, value: float) -> None:
    """An argument lies in (0, 1]; errors as `check_number`."""
    check_number(name, value, 1e-9, 1)
