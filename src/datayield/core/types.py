"""Defines the nouns that every other module uses: corpus, sample, cell, cost, row, ..."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from typing import Any, ClassVar, Self, TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield.core.arm import Arm
from datayield.core.errors import UserError, nearest
from datayield.core.files import digest

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]
Bools: TypeAlias = NDArray[np.bool_]

RECIPE = 2
"""Version of the results, part of every cell; raised by hand when equal parameters shall give others."""


@dataclass(frozen=True, slots=True)
class Corpus:
    """A named, labelled text collection: a pool and a fixed test set.

    `labels` and `test_labels` are indices into `classes`. `duplicate_groups[i]` is the same
    number for pool texts that are duplicates of each other; `blocks[i]` is the same for these, and for the
    texts of one group (one customer, one thread), which no fold parts. `digest` is the hash of everything but
    `name` and `family`. Where `settled` is above 0, the first `settled` texts of the pool come first in every
    draw, and each text's place in pool, test set and draws follows from its own content.
    """

    name: str
    family: str
    classes: tuple[str, ...]
    texts: Sequence[str]  # of the pool, index = id; read from a file when indexed
    labels: Ints  # (pool,)
    duplicate_groups: Ints  # (pool,)
    blocks: Ints  # (pool,); the duplicate groups where the source has no column of groups
    test_texts: Sequence[str]
    test_labels: Ints  # (test,)
    digest: str
    unlabelled: Sequence[
        str
    ] = ()  # texts without labels, never drawn; id = size of the pool + place
    settled: int = 0  # 0: all places were drawn by the seed

    @property
    def test_digest(self) -> str:
        """Identifier of the test set that hits are aligned with."""
        whole = self.digest
        if self.settled:  # the test set may stay while the pool grows
            whole = digest([list(self.test_texts), self.test_labels.tolist()])
        return f"{whole[:16]}:{len(self.test_texts)}"


@dataclass(frozen=True, slots=True)
class Pool:
    """The texts of a pool without labels, which is all that a query may look at."""

    texts: Sequence[str]

    def __len__(self) -> int:
        return len(self.texts)


@dataclass(frozen=True, slots=True)
class Sample:
    """The n labelled texts of one draw, as pool ids.

    All n train the scored model. A training that is validated learns from all but one fold.
    """

    train: Ints  # ids, in draw order
    validation: Ints  # ids that do not train but validate: a held-out fold, or texts that rank arms
    rest: Ints  # ids whose labels are not paid for
    folds: NDArray[
        np.int8
    ]  # (pool,) by id: the fold, 0 to 4, that a text belongs to if it is drawn


@dataclass(frozen=True, slots=True)
class TrainingSet:
    """The texts, targets and weights that a network or a linear model is fitted on.

    `targets` are distributions over classes, rows sum to 1; `weights` are finite and >= 0;
    `parents[i]` is the pool id from which text i derives (its own id for an original).
    `difficulty[i]` in (0, 1] is the share of rows that are no harder; set only by curricula.
    """

    texts: tuple[str, ...]
    targets: NDArray[np.float32]  # (rows, classes)
    weights: NDArray[np.float32]  # (rows,)
    parents: Ints  # (rows,)
    difficulty: Floats | None = None  # (rows,)

    def __len__(self) -> int:
        return len(self.texts)

    def take(self, rows: Ints) -> "TrainingSet":
        """Return the given rows in the given order; a row may occur several times."""
        return TrainingSet(
            tuple(self.texts[i] for i in rows),
            self.targets[rows],
            self.weights[rows],
            self.parents[rows],
            None if self.difficulty is None else self.difficulty[rows],
        )


@dataclass(frozen=True, slots=True)
class TrainingProgress:
    """The training so far, as the `schedule` of a strategy sees it.

    `probabilities[i]` is the model's latest distribution for training row i, taken when the row was
    presented (before the update); NaN while it was never presented.
    """

    round: int  # 0, 1, ...
    progress: float  # updates so far / all updates, in [0, 1)
    batch: int  # examples per update
    probabilities: NDArray[np.float32]  # (rows, classes)


@dataclass(frozen=True, slots=True)
class ModelArrays:
    """The parameters of a fitted model, as plain values that can be written to a file."""

    kind: str  # "network", or the name of the baseline, which decides how they are loaded
    words: tuple[str, ...]  # the vocabulary in the order of its numbers
    arrays: Mapping[str, NDArray[Any]]


@dataclass(frozen=True, slots=True)
class Settings:
    """The resolved settings of an architecture: everything training depends on except data and seed."""

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
    max_tokens: int = 64  # that are read at once
    windows: int = 1  # of max_tokens tokens in which a text is read at most; the rest is not read
    updates: int = 200
    rounds: int = 20  # a round is updates / rounds; a schedule is called before each
    evaluations: int = 5  # rounds after which held-out texts are scored for the history
    weight_dropout: float = 0.0  # of hidden-to-hidden weights (DropConnect), one mask per batch
    ema: int = 0  # the model is the mean of the weights over about so many updates; 0: the last

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Build settings from a mapping; missing names take their default.

        Raises:
            TypeError: for an unknown name.
        """
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings by name, as a cell's identity holds them.

        `windows` is left out at its default, so that cells keep the keys that they had without it.
        """
        values = asdict(self)
        return values if self.windows > 1 else {k: v for k, v in values.items() if k != "windows"}

    @property
    def tokens_read(self) -> int:
        """The largest number of tokens of a text that are read."""
        return self.max_tokens * self.windows


@dataclass(frozen=True, slots=True)
class Cell:
    """One training run with one score: the fields whose hash is the cell's identity.

    `identity` holds everything else that determines the result: data and draw digests, versions, precision,
    device kind, RECIPE.
    """

    corpus: str
    n: int
    arm: Arm
    draw: int
    seed: int
    settings: dict[str, Any]  # {"model": {...} or {}, "<strategy>": {...}}
    identity: dict[str, Any]

    @property
    def key(self) -> str:
        """Identifier of the cell: hash of everything that determines its result, 32 hex digits."""
        content = {
            "corpus": self.corpus,
            "n": self.n,
            "arm": str(self.arm),
            "draw": self.draw,
            "seed": self.seed,
            "settings": self.settings,
            "identity": self.identity,
        }
        return digest(content)[:32]

    @property
    def screening(self) -> bool:
        """Whether its draw screens the strategies of a race; its validation texts lie beyond the n."""
        return "ranking_texts" in self.identity

    @classmethod
    def from_json(cls, values: Mapping[str, Any]) -> Self:
        """Rebuild a cell from the plain dict that `dataclasses.asdict` makes of it; the cell trains."""
        arm = values["arm"]
        return cls(**{**values, "arm": Arm(arm["architecture"], tuple(arm["strategies"]))})


@dataclass(slots=True)
class Cost:
    """The cost of one cell (METHODS 2.8). It is mutable, since helpers add to it while they work."""

    labels_paid: int = 0
    examples: int = 0  # distinct labelled training examples the final model saw
    unlabelled: int = 0  # texts used without their labels
    updates: int = 0
    tokens: int = 0  # real tokens seen in training, helpers included
    helper_fits: int = 0
    prepare_seconds: float = 0.0
    train_seconds: float = 0.0  # for cells trained in a stack: an equal share of its time
    inference_seconds: float = 0.0  # for the whole test set
    cell_seconds: float = 0.0  # the whole cell in its worker
    pretrain_seconds: float = 0.0  # for a language model that other cells of the draw share
    validation_seconds: float = 0.0  # for the trainings that leave out a fold; inside cell_seconds
    peak_memory_mib: float = 0.0  # of the worker process, while it computed this cell's lot
    parameters: int = 0  # trained numbers in the final model
    language_models: str = ""  # names of the stored language models it used, joined by "+"

    MEASURED: ClassVar[tuple[str, ...]] = (
        "prepare_seconds",
        "train_seconds",
        "inference_seconds",
        "cell_seconds",
        "pretrain_seconds",
        "validation_seconds",
        "peak_memory_mib",
    )
    """The fields that differ between two computations of the same cell."""


@dataclass(frozen=True, slots=True)
class Round:
    """One line of the training history."""

    round: int
    updates: int
    learning_rate: float
    loss: float  # mean training loss of the round
    train_accuracy: float  # of the examples as presented, before their update
    validation_loss: (
        float  # of the training without the first held-out fold; NaN where not measured
    )
    validation_accuracy: float


@dataclass(frozen=True, slots=True)
class Dynamics:
    """Training dynamics: for each text, numbers measured at its presentations, before the update.

    A text is a pool text with all its rewritten variants. Arrays are aligned, ids ascend.
    """

    ids: Ints  # (texts,) pool ids
    presentations: Ints  # (texts,) how often the text was presented, at least 1
    confidence: Floats  # (texts,) mean probability of the given label
    variability: Floats  # (texts,) its standard deviation
    correctness: Floats  # (texts,) share of the presentations at which the given label led
    confused_with: Ints  # (texts,) the other class that led most often; -1: none did

    def __len__(self) -> int:
        return len(self.ids)


@dataclass(frozen=True, slots=True)
class Probabilities:
    """Class probabilities of a cell: of its model for the test texts, and out of fold inside n.

    The probabilities of a held-out text come from a training that did not see the text or a duplicate.
    """

    test: NDArray[np.float16]  # (test, classes), in test order
    held_out_ids: Ints  # (held out,) pool ids
    held_out: NDArray[np.float16]  # (held out, classes)


@dataclass(frozen=True, slots=True)
class Row:
    """A finished cell: identity, scores, one prediction per test text, cost, history.

    The model that the test set scores learned from all n labels. The validation scores belong to
    `n_validation` of these n texts, each predicted by a training that left it out; on the screening
    draws of a race they belong to texts beyond the n, which the scored model predicts.
    `dynamics` is None if no text was presented (linear arms) or dynamics were not kept;
    `probabilities` is None for a model that gives none, and in tables of older versions.
    """

    cell: Cell
    key: str  # the cell's hash
    n_train: int  # labelled texts that the scored model learned from
    n_validation: int  # texts behind the validation scores
    validation_accuracy: float
    validation_macro_f1: float
    accuracy: float
    macro_f1: float
    predicted: Ints  # (test,) class indices in test order
    hits: NDArray[np.bool_]  # (test,)
    test_digest: str
    cost: Cost
    history: tuple[Round, ...] = field(default=())
    dynamics: Dynamics | None = None
    probabilities: Probabilities | None = None


def names_of(kind: type) -> tuple[str, ...]:
    """Return the field names of a dataclass, in order."""
    return tuple(f.name for f in fields(kind))


def finished_arm(arm: str, names: Iterable[str]) -> str:
    """Return the arm of this name among arms with finished cells; `lstm` means `lstm:plain`.

    Raises:
        UserError: no arm has this name.
    """
    known = sorted(set(names))
    name = f"{arm}:plain" if f"{arm}:plain" in known else arm
    if name not in known:
        raise UserError(f'no finished cell of an arm "{arm}": {nearest(arm, known)}')
    return name
