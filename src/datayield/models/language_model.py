"""Builds the network of a language model from the classifier's embedding and first layer.

It has two tasks, each in both reading directions. "next": predict the next word (Howard & Ruder
2018, arXiv 1801.06146, without its general-domain stage). "again": after the whole text predict it
a second time from its beginning (the sequence autoencoder of Dai & Le 2015, arXiv 1511.01432, whose
decoder shares the encoder's weights). Its training uses the dropouts of AWD-LSTM (Merity et al. 2017,
arXiv 1708.02182) in ULMFiT's strengths: of whole words, of embedding dimensions and output units for
a whole text, and of single hidden-to-hidden weights.

Axes: B texts, T tokens, H hidden width per direction, V words.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import cast

import torch
from torch import nn
from torch.nn import functional

from datayield.core.types import Settings
from datayield.models.classifier import Classifier, flip, inside
from datayield.models.encoding import PAD, UNKNOWN

FREQUENT = 2000  # words in the head of the adaptive softmax; the others share a narrower tail
INPUT, OUTPUT, WEIGHTS, WORDS = 0.25, 0.1, 0.2, 0.02  # dropouts (Howard & Ruder 2018)


class LanguageModelNetwork(nn.Module):
    """Embedding and first layer of a classifier, with one softmax for both directions."""

    def __init__(self, settings: Settings, words: int) -> None:
        super().__init__()
        one_layer = replace(settings, layers=1, word_dropout=0.0, weight_dropout=WEIGHTS)
        self.words = words
        self.body = Classifier(one_layer, words, 2)
        self.softmax = nn.AdaptiveLogSoftmaxWithLoss(
            settings.hidden, words, [min(FREQUENT, words // 2)], div_value=2.0
        )

    def states(self, ids: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        """Read texts: (B, T) -> per direction (B, T, H) in its reading order."""
        x = self.body.embed(ids, lengths)
        if not self.training:
            return self.body.directions(x, lengths)
        kept = functional.dropout(torch.ones(self.words), WORDS)
        x = x * kept[ids][:, :, None]
        forward, *backward = cast(nn.ModuleList, self.body.recurrent[0])
        return [self._through(forward, x), *(self._through(b, flip(x, lengths)) for b in backward)]

    def _through(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Run one direction in training, with one output mask per text: (B, T, E) -> (B, T, H)."""
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
        """Return log p(w | left) + log p(w | right) - log p(w) at P places, (P, V), up to a constant.

        Args:
            ids: (B, T) word numbers.
            lengths: (B,) tokens of each text.
            row: (P,) number of the text of each place.
            t: (P,) position of each place in its text.
            unigram: (V,) log p(w); also used where there is no word to the left or right.
        """
        with torch.no_grad():
            states = self.states(ids, lengths)
            total = (1 - len(states)) * unigram.expand(len(row), -1)
            # Places as each direction counts them: its first, its second, ... word.
            for direction, place in zip(states, (t, lengths[row] - 1 - t), strict=False):
                predicted = self.softmax.log_prob(direction[row, (place - 1).clamp_min(0)])
                total = total + torch.where((place > 0)[:, None], predicted, unigram)
            return total


def _next(
    network: LanguageModelNetwork, ids: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor | None:
    """Return the mean loss of every word but the first of each reading direction."""
    if ids.shape[1] < 2:
        return None
    known = inside(lengths, ids.shape[1])[:, 1:]
    words = (ids, _reversed(ids, lengths))
    states = network.states(ids, lengths)
    return _loss(
        network, [(s[:, :-1], w[:, 1:], known) for s, w in zip(states, words, strict=False)]
    )


def _again(
    network: LanguageModelNetwork, ids: torch.Tensor, lengths: torch.Tensor
) -> torch.Tensor | None:
    """Return the mean loss of every word when a text is read and then predicted from its beginning."""
    width = ids.shape[1]
    t = torch.arange(2 * width - 1)[None]
    twice = ids.gather(1, (t % lengths[:, None]).clamp(max=width - 1))
    total = 2 * lengths - 1
    twice = torch.where(t < total[:, None], twice, PAD)
    parts = []
    for s, w in zip(network.states(twice, total), (ids, _reversed(ids, lengths)), strict=False):
        # Word k of the second reading is predicted at the place before it.
        where = (lengths[:, None] - 1 + torch.arange(width)[None]).clamp(max=2 * width - 2)
        at = s.gather(1, where[:, :, None].expand(-1, -1, s.shape[2]))
        parts.append((at, w, inside(lengths, width)))
    return _loss(network, parts)


TASKS: dict[str, Callable[..., torch.Tensor | None]] = {"next": _next, "again": _again}


def _reversed(ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    return flip(ids[:, :, None], lengths)[:, :, 0]


def _loss(
    network: LanguageModelNetwork, parts: Sequence[tuple[torch.Tensor, torch.Tensor, torch.Tensor]]
) -> torch.Tensor | None:
    """Return the mean loss over known words; None if there are none.

    Args:
        network: the network, for its softmax.
        parts: per direction states (B, T, H), words (B, T), mask of the words that count (B, T).
    """
    states = torch.cat([s[k & (w != UNKNOWN)] for s, w, k in parts])
    words = torch.cat([w[k & (w != UNKNOWN)] for _, w, k in parts])
    if not len(words):
        return None
    loss: torch.Tensor = network.softmax(states, words).loss
    return loss
