"""Holds the texts of all networks of a stack on the device."""

from collections.abc import Sequence

import numpy as np
import torch

from datayield.core.types import Ints, TrainingSet
from datayield.models.device import tensor
from datayield.models.encoding import PAD, Encoded
from datayield.models.stacked import STACK_SIZE


class StackedTexts:
    """The texts of all networks on the device, and an empty text for idle places."""

    def __init__(self, encoded: Sequence[Encoded], sets: Sequence[TrainingSet] = ()) -> None:
        """Copy texts to the device.

        Args:
            encoded: the texts of each network.
            sets: per network the training set, if the texts train; else ().
        """
        ends = np.cumsum([0, *(len(e.flat) for e in encoded)])
        self.first = np.cumsum([0, *(len(e) for e in encoded)])
        self.lengths_of = [e.lengths for e in encoded]
        starts = [e.starts + end for e, end in zip(encoded, ends[:-1], strict=True)]
        self.lengths = np.concatenate([*self.lengths_of, [1]])
        self._flat = tensor(np.concatenate([*(e.flat for e in encoded), [PAD]]))
        self._starts = tensor(np.concatenate([*starts, [ends[-1]]]))
        self._on_device = tensor(self.lengths)
        if sets:
            self.weights = np.concatenate([*(s.weights for s in sets), [0]]).astype(np.float32)
            idle = np.zeros((1, sets[0].targets.shape[1]), np.float32)
            self.targets = tensor(np.concatenate([*(s.targets for s in sets), idle]))

    def numbers(self, rows: Sequence[Ints], size: int) -> Ints:
        """Number each network's rows among all texts, (K, size), filled up with the empty text."""
        out = np.full((STACK_SIZE, size), self.first[-1])
        for k, of_network in enumerate(rows):
            out[k, : len(of_network)] = of_network + self.first[k]
        return out

    def read(self, rows: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """Read texts: (..., B) row numbers -> ids (..., width, B), lengths (..., B)."""
        lengths = self._on_device[rows]
        t = torch.arange(width)[:, None]
        inside = t < lengths[..., None, :]
        where = torch.where(inside, self._starts[rows][..., None, :] + t, 0)
        return torch.where(inside, self._flat[where], PAD), lengths
