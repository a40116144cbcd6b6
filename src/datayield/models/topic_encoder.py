"""Turns texts into the features of a variational topic model, which a classifier reads (`topic_model` trains it).

Axes: B texts, T tokens, V words, H hidden width, K topics.
"""

from collections.abc import Mapping
from typing import Any

import torch
from numpy.typing import NDArray
from torch import nn
from torch.nn import functional

PREFIX = "features."
KNOWN = 2  # number of the first word; before it come padding and <unk>


class TopicEncoder(nn.Module):
    """Reads a text as a bag of words: how likely each topic is, and the hidden layer that tells it.

    Its parameters learn from unlabelled texts and stay as they are in a classifier.
    """

    def __init__(self, words: int, hidden: int, topics: int) -> None:
        super().__init__()
        self.words = nn.Embedding(words, hidden)
        self.hidden = nn.Linear(hidden, hidden)
        self.mean = nn.Linear(hidden, topics)
        self.centre = nn.Parameter(torch.zeros(hidden + topics), requires_grad=False)
        self.spread = nn.Parameter(torch.ones(hidden + topics), requires_grad=False)

    @classmethod
    def like(cls, arrays: Mapping[str, NDArray[Any]], words: int) -> "TopicEncoder | None":
        """Return an encoder without weights of the shape of a network's arrays; None if they have none."""
        if PREFIX + "mean.weight" not in arrays:
            return None
        topics, hidden = arrays[PREFIX + "mean.weight"].shape
        return cls(words, hidden, topics)

    @property
    def width(self) -> int:
        """The number of features of a text: H + K."""
        return len(self.centre)

    def hidden_layer(self, ids: torch.Tensor) -> torch.Tensor:
        """Read texts: word numbers (B, T) -> (B, H); padding and unknown words count nothing."""
        known = (ids >= KNOWN)[:, :, None]
        total = (self.words(ids) * known).sum(1) / known.sum(1).clamp_min(1)
        layer: torch.Tensor = functional.softplus(self.hidden(functional.softplus(total)))
        return layer

    def raw(self, ids: torch.Tensor) -> torch.Tensor:
        """Return hidden layer and shares of the topics, (B, H + K)."""
        layer = self.hidden_layer(ids)
        return torch.cat([layer, self.mean(layer).softmax(1)], 1)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Return the features of texts, (B, H + K): mean 0 and variance 1 over the pool; no gradient."""
        with torch.no_grad():
            return (self.raw(ids) - self.centre) / self.spread
