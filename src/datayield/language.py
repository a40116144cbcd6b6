"""The network of a language model, made of the classifier's own embedding and first layer.

Two tasks over one network, each in both reading directions at once. "next": predict the following
word (Howard & Ruder 2018, arXiv 1801.06146, without its general-domain stage). "again": after the
whole text predict it once more from its beginning (the sequence autoencoder of Dai & Le 2015, arXiv
1511.01432, whose decoder shares the encoder's weights). While it is trained, the dropouts are those
of AWD-LSTM (Merity et al. 2017, arXiv 1708.02182) in ULMFiT's strengths: whole words, embedding
dimensions and output units for a whole text, single weights from state to state.

Axes as in `model`: B texts, T tokens, H hidden width per direction, V words.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from datayield.encode import PAD, UNKNOWN
from datayield.model import Classifier, flip, inside
from datayield.types import Settings

FREQUENT = 2000  # words of the softmax's head; the rest share a narrower tail
INPUT, OUTPUT, WEIGHTS, WORDS = 0.25, 0.1, 0.2, 0.02  # dropouts (Howard & Ruder 2018)


class Network(nn.Module):
    """Embedding and first layer of a classifier with one softmax for both directions."""

    def __init__(self, settings: Settings, words: int) -> None:
        super().__init__()
        own = replace(settings, layers=1, word_dropout=0.0, weight_dropout=WEIGHTS)
        self.body = Classifier(own, words, 2)
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            settings.hidden, words, [min(FREQUENT, words // 2)], div_value=2.0
        )

    def states(self, ids: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        """(B, T) -> per direction (B, T, H) in its own reading order."""
        x = self.body.embed(ids, lengths)
        if not self.training:
            return self.body.directions(x, lengths)
        kept = functional.dropout(torch.ones(self.body.embedding.num_embeddings), WORDS)
        x = x * kept[ids][:, :, None]
        forward, *backward = cast(nn.ModuleList, self.body.recurrent[0])
        return [self._through(forward, x), *(self._through(b, flip(x, lengths)) for b in backward)]

    def _through(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """(B, T, E) -> (B, T, H) in training, with one output mask per text."""
        states = self.body.through(layer, x)
        return states * functional.dropout(torch.ones(len(x), 1, states.shape[2]), OUTPUT)

    def around(
        self,
        ids: torch.Tensor,
        lengths: torch.Tensor,
        row: torch.Tensor,
        t: torch.Tensor,
        unigram: torch.Tensor,
    ) -> torch.Tensor:
        """Of P places log p(w | left) + log p(w | right) - log p(w), (P, V), up to a constant.

        Args:
            ids: (B, T).
            lengths: (B,).
            row: (P,) texts.
            t: (P,) places in them.
            unigram: (V,) log p(w), which also stands where nothing is left or right of a place.
        """
        with torch.no_grad():
            states = self.states(ids, lengths)
            total = (1 - len(states)) * unigram.expand(len(row), -1)
            # Places as each direction counts them: its first, its second, ... word.
            for own, place in zip(states, (t, lengths[row] - 1 - t), strict=False):
                said = self.softmax.log_prob(own[row, (place - 1).clamp_min(0)])
                total = total + torch.where((place > 0)[:, None], said, unigram)
            return total


def _next(network: Network, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor | None:
    """Mean loss of every word but the first of each reading direction."""
    if ids.shape[1] < 2:
        return None
    known = inside(lengths, ids.shape[1])[:, 1:]
    own = (ids, _reversed(ids, lengths))
    states = network.states(ids, lengths)
    return _loss(network, [(s[:, :-1], w[:, 1:], known) for s, w in zip(states, own, strict=False)])


def _again(network: Network, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor | None:
    """Mean loss of every word when the text is read once and then predicted from its beginning."""
    width = ids.shape[1]
    t = torch.arange(2 * width - 1)[None]
    twice = ids.gather(1, (t % lengths[:, None]).clamp(max=width - 1))
    total = 2 * lengths - 1
    twice = torch.where(t < total[:, None], twice, PAD)
    parts = []
    for s, w in zip(network.states(twice, total), (ids, _reversed(ids, lengths)), strict=False):
        # Where word k of the second reading is predicted: the place before it.
        where = (lengths[:, None] - 1 + torch.arange(width)[None]).clamp(max=2 * width - 2)
        at = s.gather(1, where[:, :, None].expand(-1, -1, s.shape[2]))
        parts.append((at, w, inside(lengths, width)))
    return _loss(network, parts)


TASKS: dict[str, Callable[..., torch.Tensor | None]] = {"next": _next, "again": _again}


def _reversed(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    return flip(ids[:, :, None], lengths)[:, :, 0]


def _loss(
    network: Network, parts: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
) -> torch.Tensor | None:
    """Mean over the directions' known words; parts are (states (B, T, H), words (B, T), (B, T))."""
    states = torch.cat([s[k & (w != UNKNOWN)] for s, w, k in parts])
    words = torch.cat([w[k & (w != UNKNOWN)] for _, w, k in parts])
    if not len(words):
        return None
    loss: torch.Tensor = network.softmax(states, words).loss
    return loss
