"""Defines what a strategy may change in a training: its schedule, its objective and its start."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import Floats, Ints, TrainingProgress, TrainingSet

if TYPE_CHECKING:
    import torch

    from datayield.models.classifier import Classifier
    from datayield.models.encoding import Batch
    from datayield.models.token_states import TokenStates


@dataclass(frozen=True, slots=True)
class Presentations:
    """Every presentation of a training row in order, with its prediction before the update."""

    rows: Ints  # (presentations,) row numbers
    p_label: Floats  # (presentations,) predicted probability of the row's label
    correct: NDArray[np.bool_]  # (presentations,) whether the label was predicted
    predicted: Ints  # (presentations,) class of the largest probability


NOTHING_SHOWN = Presentations(
    np.empty(0, np.int64), np.empty(0), np.empty(0, bool), np.empty(0, np.int64)
)

Schedule = Callable[[TrainingSet, TrainingProgress, np.random.Generator], Ints | None]

Objective = Callable[
    ["Classifier", "Batch", "Sequence[Batch]", Any, np.random.Generator],
    "tuple[torch.Tensor, Any]",
]


@dataclass(frozen=True, slots=True)
class Start:
    """The first weights of a network, by parameter name, and the words of its vocabulary."""

    weights: Mapping[str, NDArray[np.float32]]
    vocabulary: tuple[str, ...]
    tuning: "FineTuning | None" = None
    states: "TokenStates | None" = None  # read in place of words; the vocabulary is then SPECIAL
    frozen: tuple[str, ...] = ()  # parts that never learn; see FineTuning for their names


@dataclass(frozen=True, slots=True)
class FineTuning:
    """The rates at which a pretrained network learns from labels.

    Parts are "embedding", "recurrent.0" (the lowest layer), "recurrent.1", ..., "linear".
    """

    rates: Mapping[str, float]  # part -> factor of the learning rate
    begins: Mapping[str, float]  # part -> share of training before which it does not learn
    rise: float = 0.1  # share of training in which the rate rises; then it falls linearly
    ratio: float = 32.0  # highest over lowest rate

    def slope(self, progress: float) -> float:
        """Return the factor of the rate at a share of training in [0, 1): from 1/ratio up to 1 and back."""
        up = progress / self.rise if progress < self.rise else (1 - progress) / (1 - self.rise)
        return (1 + up * (self.ratio - 1)) / self.ratio


def cross_entropy(logits: "torch.Tensor", targets: "torch.Tensor") -> "torch.Tensor":
    """Return -sum p log q per example, p the target distribution: (B, C), (B, C) -> (B,)."""
    return -(targets * logits.log_softmax(1)).sum(1)
