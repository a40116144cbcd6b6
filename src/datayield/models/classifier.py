"""Builds the network: embedding → LSTM or GRU → masked pooling → linear (METHODS 3).

Axes: B texts, T tokens (padding on the right), E embedding, H hidden width per direction, D
directions, C classes. The result for a text does not depend on its padding or on the other texts of
its batch: each direction reads only real tokens. The backward direction reads every text reversed by
its own length; that needs no packing, so that the CPU's fused kernels can be used.
"""

from collections.abc import Mapping
from typing import Any, cast

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield.core import seeds
from datayield.core.types import Settings
from datayield.models.device import array, recurrent_precision, tensor
from datayield.models.encoding import PAD, UNKNOWN, Encoded, Vocabulary, by_length, padded
from datayield.models.topic_encoder import TopicEncoder

SCORING_TOKENS = 8192  # padded tokens per batch when nothing is learnt
NEGATIVE = -1e30  # value of padding in a maximum: below every activation


def inside(lengths: torch.Tensor, width: int) -> torch.Tensor:
    """Return a mask (B, T) that is True for real tokens."""
    return torch.arange(width)[None, :] < lengths[:, None]


def flip(x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    """Reverse each text by its own length; padding keeps its place. (B, T, F) -> (B, T, F)."""
    t = torch.arange(x.shape[1])[None, :]
    source = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)
    places = (source + torch.arange(len(x))[:, None] * x.shape[1]).flatten()
    flipped: torch.Tensor = Swap.apply(x.reshape(-1, x.shape[2]), places)  # type: ignore[no-untyped-call]
    return flipped.view_as(x)


def cut(
    x: torch.Tensor, lengths: torch.Tensor, width: int
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Cut texts into windows of `width` tokens: (B, T, F) -> (W, width, F), text by text, in order.

    Returns:
        The windows that hold tokens, their lengths (W,), and the share of its text's tokens that each
        of them holds, (B, W), 0 in the rows of other texts.
    """
    count = -(-x.shape[1] // width)
    whole = nn.functional.pad(x, (0, 0, 0, count * width - x.shape[1]))
    left = (lengths[:, None] - torch.arange(count) * width).flatten()  # tokens from its start on
    filled = left.gt(0).nonzero()[:, 0]
    windows = whole.reshape(len(x) * count, width, -1).index_select(0, filled)
    sizes = left[filled].clamp(max=width)
    own = torch.arange(len(x))[:, None] == filled // count
    return windows, sizes, (own * sizes / lengths[:, None]).to(x.dtype)


def joined(pooled: torch.Tensor, shares: torch.Tensor, maxima: int) -> torch.Tensor:
    """Join the vectors of windows to those of their texts: (W, F) -> (B, F).

    Args:
        pooled: a vector of each window.
        shares: (B, W), as `cut` returns them; a product adds in one order, so results can be repeated.
        maxima: number of the first features that are joined by their maximum; the others by the mean
            over tokens.
    """
    own = shares[:, :, None] > 0
    highest = torch.where(own, pooled[None, :, :maxima], NEGATIVE).amax(1)
    return torch.cat([highest, shares @ pooled[:, maxima:]], 1)


class Swap(torch.autograd.Function):
    """Reorders rows by an order that is its own inverse, so that the gradient is reordered alike.

    PyTorch's general gather would add up gradients one by one; here each has a place of its own.
    """

    @staticmethod
    def forward(ctx: Any, x: torch.Tensor, places: torch.Tensor) -> torch.Tensor:
        """Reorder rows: (N, F), (N,) -> (N, F)."""
        ctx.save_for_backward(places)
        return x.index_select(0, places)

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient of x, which can be differentiated again."""
        (places,) = ctx.saved_tensors
        return Swap.apply(gradients[0], places), None  # type: ignore[no-untyped-call]


class _Moments(torch.autograd.Function):
    """Computes mean and variance of every embedding dimension: (V, E), (V,) -> (E,), (E,).

    With them only the words of a batch are normalised; normalising the whole table would hold
    several arrays of its size in each pass over a batch.
    """

    @staticmethod
    def forward(
        ctx: Any, table: torch.Tensor, shares: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return mean and variance over words that are weighted by `shares`, which sum to 1."""
        mean = shares @ table
        ctx.save_for_backward(table, shares, mean)
        return mean, shares @ (table - mean).square_()

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, None]:
        """Return the gradient of the table."""
        table, shares, mean = ctx.saved_tensors
        of_mean, of_variance = gradients
        # The variance has no gradient through the mean: weighted deviations sum to 0.
        out = (table - mean).mul_(2 * of_variance).add_(of_mean).mul_(shares[:, None])
        return out, None


class Classifier(nn.Module):
    """A recurrent text classifier; objectives may call `embed`, `encode` and `head` separately."""

    def __init__(
        self,
        settings: Settings,
        words: int,
        classes: int,
        embedding: nn.Module | None = None,
        features: TopicEncoder | None = None,
    ) -> None:
        """Build the network; `initialise` gives it its first weights.

        Args:
            settings: widths, depth, dropouts.
            words: size of the vocabulary, including padding and <unk>.
            classes: number of classes, C.
            embedding: word numbers (B, T) -> (B, T, E); None: a table of embeddings of words.
            features: word numbers (B, T) -> what else is known of each text, (B, F), which the output
                layer reads next to the pooled states; None: nothing.
        """
        super().__init__()
        s = self.settings = settings
        self.embedding = embedding or nn.Embedding(words, s.embedding, padding_idx=PAD)
        cell = nn.LSTM if s.cell == "lstm" else nn.GRU
        directions = 2 if s.bidirectional else 1
        widths = [s.embedding] + [s.hidden * directions] * (s.layers - 1)
        self.recurrent = nn.ModuleList(
            nn.ModuleList(cell(width, s.hidden, batch_first=True) for _ in range(directions))
            for width in widths
        )
        pooled = s.hidden * directions * (2 if s.pooling == "max_mean" else 1)
        self.linear = nn.Linear(pooled + (features.width if features else 0), classes)
        self.dropout = nn.Dropout(s.dropout)
        self.features = features
        self.frequency: torch.Tensor | None = None  # (words,), sums to 1; see `normalise_by`

    def normalise_by(self, counts: torch.Tensor) -> None:
        """Normalise embeddings by these word counts (words,) from now on (Miyato et al. 2017)."""
        self.frequency = counts / counts.sum()

    def embed(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Embed word numbers: (B, T) -> (B, T, E), zero at padding.

        Features of whole texts follow as further columns: (B, T, E + F), the same at every token.
        In training, words are first replaced by <unk> (word dropout); embedding dropout then uses
        one mask per text for all its tokens (Gal & Ghahramani 2016).
        """
        s, given = self.settings, ids
        if self.training and s.word_dropout > 0:
            dropped = (torch.rand(ids.shape) < s.word_dropout) & (ids != PAD)
            ids = torch.where(dropped, UNKNOWN, ids)
        embedded: torch.Tensor = self.embedding(ids)
        if self.frequency is not None:
            mean, variance = _Moments.apply(self.embedding.weight, self.frequency)  # type: ignore[no-untyped-call]
            real = (ids != PAD)[:, :, None]
            embedded = (embedded - mean) / (variance + 1e-6).sqrt() * real
        if self.training and s.embedding_dropout > 0:
            mask = torch.ones(len(ids), 1, s.embedding)
            embedded = embedded * nn.functional.dropout(mask, s.embedding_dropout)
        if self.features is None:
            return embedded
        known = self.features(given)[:, None].expand(-1, ids.shape[1], -1)
        return torch.cat([embedded, known * (given != PAD)[:, :, None]], 2)

    def encode(self, embedded: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Read and pool texts: (B, T, E) -> (B, P), before the output dropout.

        A text of more than `max_tokens` tokens is read in windows of as many, each from its own first
        state, and the states of all windows are pooled as those of one text. Features stay as they are.
        """
        s = self.settings
        words = embedded[:, :, : s.embedding]
        if s.windows == 1 or words.shape[1] <= s.max_tokens:
            pooled = self._pooled(words, lengths)
        else:
            windows, sizes, shares = cut(words, lengths, s.max_tokens)
            maxima = s.hidden if s.pooling == "max_mean" else 0
            pooled = [joined(x, shares, maxima) for x in self._pooled(windows, sizes)]
        if self.features is not None:
            pooled.append(embedded[:, 0, s.embedding :])
        return torch.cat(pooled, 1)

    def _pooled(self, embedded: torch.Tensor, lengths: torch.Tensor) -> list[torch.Tensor]:
        """Read texts or windows and pool the states of each direction: (B, T, E) -> (B, P / D) each."""
        states = self.directions(embedded, lengths)
        for number in range(1, self.settings.layers):
            # The layer above reads both directions in the order of the text.
            below = torch.cat([states[0], *(flip(h, lengths) for h in states[1:])], 2)
            states = self.directions(self.dropout(below), lengths, number)
        pool = _last if self.settings.pooling == "last" else _max_mean
        return [pool(h, lengths) for h in states]

    def directions(
        self, x: torch.Tensor, lengths: torch.Tensor, number: int = 0
    ) -> list[torch.Tensor]:
        """Run layer `number`: (B, T, F) -> per direction (B, T, H) in its reading order."""
        forward, *backward = cast(nn.ModuleList, self.recurrent[number])
        return [self.through(forward, x), *(self.through(b, flip(x, lengths)) for b in backward)]

    def through(self, layer: nn.Module, x: torch.Tensor) -> torch.Tensor:
        """Run one direction of a layer: (B, T, F) -> (B, T, H).

        In training a share of its hidden-to-hidden weights is dropped, the same ones for all texts
        and tokens of the batch (DropConnect as in AWD-LSTM, Merity et al. 2018).
        """
        share = self.settings.weight_dropout
        with recurrent_precision():
            if not self.training or share == 0:
                out: torch.Tensor = layer(x)[0]
                return out.to(x.dtype)
            weights = cast(list[torch.Tensor], [*layer.parameters()])  # input, hidden, two biases
            weights[1] = nn.functional.dropout(weights[1], share)
            zero = x.new_zeros(1, len(x), self.settings.hidden)
            # has biases, layers, dropout, training, bidirectional, batch first
            options = (True, 1, 0.0, True, False, True)
            if self.settings.cell == "lstm":
                return torch.lstm(x, (zero, zero), weights, *options)[0].to(x.dtype)
            return torch.gru(x, zero, weights, *options)[0].to(x.dtype)

    def head(self, pooled: torch.Tensor) -> torch.Tensor:
        """Classify pooled vectors: (B, P) -> logits (B, C)."""
        logits: torch.Tensor = self.linear(self.dropout(pooled))
        return logits

    def predicted(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Return class probabilities without dropout and without gradient, in training: (B, T) -> (B, C)."""
        self.eval()
        with torch.no_grad():
            p: torch.Tensor = self(ids, lengths).softmax(1)
        self.train()
        return p

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Classify texts: (B, T) word numbers and (B,) lengths -> logits (B, C)."""
        return self.head(self.encode(self.embed(ids, lengths), lengths))


def _max_mean(states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    real = inside(lengths, states.shape[1])[:, :, None]
    highest = states.masked_fill(~real, NEGATIVE).amax(1)
    mean = (states * real).sum(1) / lengths[:, None]
    return torch.cat([highest, mean], 1)


def _last(states: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    # Each direction is in its own reading order: both end at their last real token.
    return states[torch.arange(len(states)), lengths - 1]


def probabilities(
    model: Classifier, encoded: Encoded, dropout: bool = False
) -> NDArray[np.float32]:
    """Return class probabilities in the order of the texts, (texts, classes).

    Args:
        model: the network.
        encoded: the texts; batches hold texts of similar length.
        dropout: whether dropout is on.
    """
    model.train(dropout)
    out = np.empty((len(encoded), model.linear.out_features), np.float32)
    with torch.no_grad():
        for rows in by_length(encoded.lengths, SCORING_TOKENS):
            out[rows] = array(model(*padded(encoded, rows)).softmax(1))
    return out


def initialise(
    model: Classifier,
    vocabulary: Vocabulary,
    key: tuple[seeds.Key, ...],
    start: Mapping[str, NDArray[np.float32]] | None = None,
) -> None:
    """Set every parameter to its first value, which depends only on key, name and shape.

    An embedding row depends only on key and word, so that arms with different vocabularies start
    with the same rows for the words that they share. Recurrent and linear weights are uniform in
    +-1/sqrt(fan); the forget gate's bias is 1 (Jozefowicz et al. 2015).

    Args:
        model: the network.
        vocabulary: the words of its embedding.
        key: every random number derives from it.
        start: first values by parameter name, in place of random ones.
    """
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if start is not None and name in start:
                parameter.copy_(tensor(start[name]))
            elif name == "embedding.weight":
                rows = seeds.uniform_rows(list(vocabulary.words), parameter.shape[1], *key, name)
                parameter.copy_(tensor(rows * np.float32(model.settings.embedding_scale)))
                parameter[PAD] = 0.0
            else:
                _uniform(model, name, parameter, key)


def _uniform(
    model: Classifier, name: str, parameter: nn.Parameter, key: tuple[seeds.Key, ...]
) -> None:
    hidden = model.settings.hidden
    fan = model.linear.in_features if name.startswith("linear") else hidden
    values = seeds.rng(*key, name, *parameter.shape).uniform(-1.0, 1.0, tuple(parameter.shape))
    parameter.copy_(tensor((values / np.sqrt(fan)).astype(np.float32)))
    if model.settings.cell == "lstm" and "bias_ih" in name:
        parameter[hidden : 2 * hidden] = 1.0


def parts_of(model: Classifier) -> dict[str, list[nn.Parameter]]:
    """Return parameters by part ("embedding", "recurrent.<layer>", "linear"), in the model's order."""
    out: dict[str, list[nn.Parameter]] = {}
    for name, parameter in model.named_parameters():
        first, second, *_ = name.split(".")
        part = f"{first}.{second}" if first == "recurrent" else first
        out.setdefault(part, []).append(parameter)
    return out
