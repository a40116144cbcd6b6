"""Looks up the states of a frozen encoder at every token, which a network reads in place of words."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield.core.types import Ints
from datayield.models.device import array, tensor
from datayield.models.encoding import SPECIAL, Encoded, Vocabulary, encode


@dataclass(frozen=True, slots=True)
class TokenStates:
    """The states of some texts, one text after the other."""

    states: NDArray[np.float16]  # (tokens, dimensions); may be mapped from a file
    starts: Ints  # (texts,) first token of each text
    lengths: Ints  # (texts,) tokens of each text, each >= 1
    rows: Mapping[str, int]  # text -> its place among the texts
    numbers: NDArray[np.int64]  # (tokens,) as the network knows them: the first is len(SPECIAL)

    @classmethod
    def of(cls, texts: Sequence[str], states: NDArray[np.float16], lengths: Ints) -> "TokenStates":
        """Return the states of these texts.

        Args:
            texts: the texts.
            states: (tokens, dimensions), in the order of the texts.
            lengths: (texts,) tokens of each text.
        """
        rows = {text: row for row, text in enumerate(texts)}
        numbers = np.arange(len(states), dtype=np.int64) + len(SPECIAL)
        return cls(states, np.cumsum(lengths) - lengths, lengths, rows, numbers)

    def encode(self, texts: Sequence[str], max_tokens: int) -> Encoded:
        """Return the numbers of the first `max_tokens` tokens of every text.

        Raises:
            LookupError: a text has no states.
        """
        rows = np.array([self.rows[text] for text in texts], np.int64)
        return Encoded(self.numbers, self.starts[rows], np.minimum(self.lengths[rows], max_tokens))


def encode_read(
    texts: Sequence[str], vocabulary: Vocabulary, max_tokens: int, states: TokenStates | None
) -> Encoded:
    """Encode texts as numbers of words, or of their token states where a network reads those."""
    if states is not None:
        return states.encode(texts, max_tokens)
    return encode(texts, vocabulary, max_tokens)


StatesOf: TypeAlias = Callable[[Sequence[str]], TokenStates]


class StateLookup(nn.Module):
    """Returns the states of tokens by their numbers, projected on a network's embedding dimensions.

    The projection, `weight` (embedding, dimensions), is the only parameter; special words are zero.
    """

    def __init__(self, states: TokenStates, dimensions: int) -> None:
        super().__init__()
        self.states = states
        self.weight = nn.Parameter(torch.zeros(dimensions, states.states.shape[1]))

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        """Look up states: (B, T) -> (B, T, E)."""
        numbers = array(ids)
        real = numbers >= len(SPECIAL)
        found = np.zeros((*numbers.shape, self.weight.shape[1]), np.float32)
        found[real] = self.states.states[numbers[real] - len(SPECIAL)]
        projected: torch.Tensor = nn.functional.linear(tensor(found), self.weight)
        return projected
