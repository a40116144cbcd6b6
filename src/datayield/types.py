"""The nouns. This module imports nothing of ours; every other module speaks in these words."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

RECIPE = 1
"""Raised by hand when results of unchanged parameters are meant to change (part of every cell)."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A named, labelled text collection: a pool and a fixed test set.

    `labels` and `test_labels` are indices into `classes`. `units[i]` is the same number for pool
    texts that are duplicates of each other. `digest` is the hash of everything above.
    """

    name: str
    family: str
    classes: tuple[str, ...]
    texts: Sequence[str]  # pool, index = id; read when indexed (text.Column)
    labels: Ints  # (pool,)
    units: Ints  # (pool,)
    test_texts: Sequence[str]
    test_labels: Ints  # (test,)
    digest: str
    beside: Sequence[str] = ()  # texts without labels that no draw holds; id = pool + place

    @property
    def test_digest(self) -> str:
        """Identifies the test set that hits are aligned with."""
        return f"{self.digest[:16]}:{len(self.test_texts)}"


@dataclass(frozen=True, slots=True)
class Pool:
    """The texts of a pool without labels: what acquisition may look at."""

    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Sample:
    """The n labelled texts of one draw, as pool ids; validation lies inside n."""

    train: Ints  # ids, in draw order
    validation: Ints  # ids, in draw order
    rest: Ints  # ids whose labels are not paid for
    drawn: Ints  # (pool,) the whole draw
    validates: NDArray[np.int8]  # (pool,) 1 where that text validates at some budget

    @property
    def readable(self) -> Ints:
        """Ids that validate at no budget of this draw, sorted: what pretraining reads."""
        return np.sort(self.drawn[self.validates == 0])


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """What a network or a linear model is fitted on.

    `targets` are distributions over classes, rows sum to 1; `weights` are finite and >= 0;
    `parents[i]` is the pool id from which text i derives (its own id for an original).
    `difficulty[i]` in (0, 1] is the share of rows that are no harder; set by curricula alone.
    """

    texts: tuple[str, ...]
    targets: NDArray[np.float32]  # (rows, classes)
    weights: NDArray[np.float32]  # (rows,)
    parents: Ints  # (rows,)
    difficulty: Floats | None = None  # (rows,)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Ints) -> "TrainingSet":
        """The given rows, in the given order, repeats allowed."""
        return TrainingSet(
            tuple(self.texts[i] for i in rows),
            self.targets[rows],
            self.weights[rows],
            self.parents[rows],
            None if self.difficulty is None else self.difficulty[rows],
        )


@dataclass(frozen=True, slots=True)
class Past:
    """What `present` may know about the training so far.

    `probabilities[i]` is the model's latest distribution for training row i, taken when the row was
    presented (before the update); NaN while it was never presented.
    """

    round: int  # 0, 1, ...
    progress: float  # updates made / updates in all, in [0, 1)
    batch: int  # examples per update
    probabilities: NDArray[np.float32]  # (rows, classes)


@dataclass(frozen=True, slots=True)
class Parts:
    """What a fitted model predicts by, as plain values that can be written to a file."""

    kind: str  # "network", or the baseline's name: which reader they are for
    words: tuple[str, ...]  # the vocabulary in the order of its numbers
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Settings:
    """One architecture's resolved settings: everything that training reads besides data and seed."""

    cell: str = "lstm"  # "lstm" or "gru"
    embedding: int = 128
    hidden: int = 64  # per direction
    layers: int = 1
    bidirectional: bool = True
    pooling: str = "max_mean"  # or "last"
    word_dropout: float = 0.05
    embedding_dropout: float = 0.5
    dropout: float = 0.5
    embedding_scale: float = 0.1  # random embeddings are uniform in +-scale
    normalised: bool = False  # embeddings scaled to mean 0, variance 1 over the training tokens
    learning_rate: float = 0.015
    weight_decay: float = 0.01
    optimizer: str = "adamw"  # or "sgd"
    decay: bool = True  # the rate falls linearly to zero; or stays
    batch: int = 32
    clip: float = 1.0  # global gradient norm
    min_count: int = 1  # words rarer than this in the training set become <unk>
    max_tokens: int = 64  # the rest of a text is not read
    updates: int = 200
    rounds: int = 20  # a round is updates / rounds; `present` is asked before each
    evaluations: int = 5  # rounds after which the validation part is scored for the history
    weight_dropout: float = 0.0  # of hidden-to-hidden weights (DropConnect), one mask per batch
    ema: int = 0  # the model is the mean of the weights over about so many updates; 0: the last

    LATER: ClassVar[tuple[str, ...]] = ("weight_dropout", "ema")
    """Settings that `told` leaves out where they are off."""

    @classmethod
    def of(cls, values: Mapping[str, Any]) -> Self:
        """From a mapping; what it leaves out has its default; unknown names raise TypeError."""
        return cls(**values)

    def told(self) -> dict[str, Any]:
        """What a cell's identity says of these settings: `of` gives the same settings back.

        A setting that came after cells had been computed is told only where it does something, so
        that those cells keep their keys.
        """
        silent = [n for n in self.LATER if not getattr(self, n)]
        return {k: v for k, v in asdict(self).items() if k not in silent}


@dataclass(frozen=True, slots=True)
class Arm:
    """One way to use the data: `lstm:eda_nn+mixup_word`, `gru:plain`, `tfidf`, `majority`."""

    architecture: str
    strategies: tuple[str, ...] = ()  # canonical order; () for baselines that are no networks

    def __str__(self) -> str:
        return (
            f"{self.architecture}:{'+'.join(self.strategies)}"
            if self.strategies
            else self.architecture
        )


@dataclass(frozen=True, slots=True)
class Cell:
    """One training run with one score: the fields whose hash is the cell's identity.

    `identity` holds what else determines the result: data and draw digests, versions, precision,
    device kind, RECIPE.
    """

    corpus: str
    n: int
    arm: Arm
    draw: int
    seed: int
    settings: dict[str, Any]  # {"model": {...} or {}, "<strategy>": {...}}
    identity: dict[str, Any]


@dataclass(slots=True)
class Account:
    """What one cell cost (METHODS 2.8). The one mutable noun: helpers add to it while they work."""

    labels_paid: int = 0
    examples: int = 0  # distinct labelled training examples the final model saw
    unlabelled: int = 0  # texts used without their labels
    updates: int = 0
    tokens: int = 0  # real tokens seen in training, helpers included
    helper_fits: int = 0
    prepare_seconds: float = 0.0
    train_seconds: float = 0.0  # of a stack: shared equally
    inference_seconds: float = 0.0  # whole test set
    cell_seconds: float = 0.0  # the whole cell in its worker
    pretrain_seconds: float = 0.0  # of a language model that other cells of the draw share
    peak_memory_mib: float = 0.0  # of the worker process, while it computed this cell's lot
    parameters: int = 0  # trained numbers in the final model

    MEASURED: ClassVar[tuple[str, ...]] = (
        "prepare_seconds",
        "train_seconds",
        "inference_seconds",
        "cell_seconds",
        "pretrain_seconds",
        "peak_memory_mib",
    )
    """What differs between two computations of the same cell."""


@dataclass(frozen=True, slots=True)
class Round:
    """One line of the training history."""

    round: int
    updates: int
    learning_rate: float
    loss: float  # mean training loss of the round
    train_accuracy: float  # of the examples as presented, before their update
    validation_loss: float  # NaN in rounds after which it was not measured
    validation_accuracy: float


@dataclass(frozen=True, slots=True)
class Dynamics:
    """How one training went for each text it was shown, measured when presented, before the update.

    A text is a pool text with all its rewritten variants. Arrays are aligned, ids ascend.
    """

    ids: Ints  # (texts,) pool ids
    times: Ints  # (texts,) presentations, at least 1
    confidence: Floats  # (texts,) mean probability of the given label
    variability: Floats  # (texts,) its standard deviation
    correctness: Floats  # (texts,) share of the presentations at which the given label led
    instead: Ints  # (texts,) the class that led most often in its place; -1: none did

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Row:
    """A finished cell: identity, scores, one prediction per test text, account, history.

    `dynamics` are None where nothing was shown (linear arms) or nobody kept them.
    """

    cell: Cell
    key: str  # the cell's hash
    n_train: int
    n_validation: int
    validation_accuracy: float
    validation_macro_f1: float
    accuracy: float
    macro_f1: float
    predicted: Ints  # (test,) class indices in test order
    hits: NDArray[np.bool_]  # (test,)
    test_digest: str
    account: Account
    history: tuple[Round, ...] = field(default=())
    dynamics: Dynamics | None = None


def names_of(kind: type) -> tuple[str, ...]:
    """The field names of a dataclass, in order."""
    return tuple(f.name for f in fields(kind))
