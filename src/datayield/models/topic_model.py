"""Trains a variational topic model of unlabelled texts (VAMPIRE; Gururangan et al. 2019, arXiv 1906.02242).

A text is a bag of words. The encoder tells how likely each topic is; the decoder, starting from the words'
frequencies, must give back the words. Axes: B texts, T tokens, V words, H hidden width, K topics.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield.core import seeds
from datayield.core.types import RECIPE, Ints
from datayield.models import pretrained_files
from datayield.models.device import array, configured, tensor
from datayield.models.encoding import UNKNOWN, Encoded, by_length, padded, row_stream
from datayield.models.pretraining import by_frequency
from datayield.models.topic_encoder import KNOWN, PREFIX, TopicEncoder

VERSION = 1  # raised, with the versions of the strategies that use them, when models are to change
BATCH = 64
RATE = 0.005
MOST_WORDS = (
    10_000  # the most frequent; rarer ones are unknown, so that an update's cost is bounded
)
MOST_UPDATES = 5_000  # of large corpora: 320,000 readings of a text
WARM = 0.5  # share of the training in which the divergence gains its full weight
SCORED = 16_384  # padded tokens of a batch when the features' mean is taken


@dataclass(frozen=True, slots=True)
class PretrainedTopics:
    """A finished topic model."""

    words: tuple[str, ...]  # the vocabulary, special words first
    arrays: Mapping[str, NDArray[np.float32]]  # parameters of the encoder, by a classifier's names
    tokens: int  # tokens that the training read
    seconds: float  # time of the training
    loss: float  # mean loss per word in the last pass, in nats
    name: str = ""  # of its file in `state/pretrained/`; "" while it is not stored

    def save(self, path: Path) -> None:
        """Write one safetensors file with the arrays; its metadata hold vocabulary and cost."""
        metadata = {
            "words": self.words, "tokens": self.tokens, "seconds": self.seconds, "loss": self.loss
        }  # fmt: skip
        pretrained_files.save_arrays(self.arrays, metadata, path)

    @classmethod
    def load(cls, path: Path) -> "PretrainedTopics":
        """Read a model that `save` stored.

        Raises:
            UserError: if the file is damaged.
        """
        arrays, metadata = pretrained_files.load_arrays(path)
        try:
            costs = metadata["tokens"], metadata["seconds"], metadata["loss"]
            return cls(tuple(metadata["words"]), arrays, *costs, name=path.stem)
        except (KeyError, TypeError) as e:
            raise pretrained_files.damaged_error(path, e) from e


class _TopicModel(nn.Module):
    """Encoder and decoder."""

    def __init__(self, counts: Ints, hidden: int, topics: int) -> None:
        super().__init__()
        self.encoder = TopicEncoder(len(counts), hidden, topics)
        self.log_variance = nn.Linear(hidden, topics)
        self.decoder = nn.Linear(topics, len(counts), bias=False)
        self.scale = nn.BatchNorm1d(len(counts))
        self.background = tensor(np.log(counts + 1.0).astype(np.float32))

    def forward(self, ids: torch.Tensor, weight: float) -> torch.Tensor:
        """Return the loss of every text, (B,): its words' and the divergence from the prior.

        Args:
            ids: (B, T) word numbers.
            weight: of the divergence, in [0, 1].
        """
        layer = self.encoder.hidden_layer(ids)
        mean, log_variance = self.encoder.mean(layer), self.log_variance(layer)
        drawn = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        words = self.background + self.scale(self.decoder(drawn.softmax(1)))
        read = words.log_softmax(1).gather(1, ids)  # (B, T)
        of_words = -(read * (ids >= KNOWN)).sum(1)
        divergence = 0.5 * (mean**2 + log_variance.exp() - 1 - log_variance).sum(1)
        loss: torch.Tensor = of_words + weight * divergence
        return loss


def read_topics(
    texts: Sequence[str],
    hidden: int,
    topics: int,
    passes: int,
    max_tokens: int,
    key: tuple[seeds.Key, ...],
) -> PretrainedTopics:
    """Train a topic model.

    Args:
        texts: texts to learn from, at least two.
        hidden: width of the encoder's layers.
        topics: number of topics.
        passes: passes over the texts, as far as MOST_UPDATES allows.
        max_tokens: tokens that are read of a text.
        key: every random number derives from it.
    """
    began = time.perf_counter()
    torch.manual_seed(seeds.integer(*key, "topics"))
    words, encoded, counts = _frequent(texts, max_tokens)
    model = _TopicModel(counts, hidden, topics)
    optimizer = torch.optim.Adam((p for p in model.parameters() if p.requires_grad), RATE)
    stream = row_stream(np.arange(len(texts)), encoded.lengths, BATCH, seeds.rng(*key, "batches"))
    updates = min(MOST_UPDATES, passes * max(1, len(texts) // BATCH))
    losses, tokens = [], 0
    for update in range(updates):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - update / updates)
        rows = next(stream)
        ids, _ = padded(encoded, rows)
        loss = model(ids, min(1.0, update / (WARM * updates))).mean()
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        tokens += int(encoded.lengths[rows].sum())
        losses.append(loss.item() * len(rows) / max(1, int((ids >= KNOWN).sum())))
    _standardise(model.encoder.eval(), encoded)
    arrays = {PREFIX + k: array(v) for k, v in model.encoder.state_dict().items()}
    last = float(np.mean(losses[-max(1, len(texts) // BATCH) :]))
    seconds = time.perf_counter() - began
    return PretrainedTopics(words, arrays, tokens, seconds, last)


def _frequent(texts: Sequence[str], max_tokens: int) -> tuple[tuple[str, ...], Encoded, Ints]:
    """Return the most frequent words, special ones first, the texts encoded in them, and their counts."""
    vocabulary, encoded, counts = by_frequency(texts, max_tokens)
    size = min(len(vocabulary), MOST_WORDS + KNOWN)
    flat = np.where(encoded.flat < size, encoded.flat, UNKNOWN)
    return vocabulary.words[:size], replace(encoded, flat=flat), counts[:size]


def _standardise(encoder: TopicEncoder, encoded: Encoded) -> None:
    """Give the features mean 0 and variance 1 over these texts."""
    total = torch.zeros(encoder.width, dtype=torch.float64)
    squares = torch.zeros_like(total)
    with torch.no_grad():
        for rows in by_length(encoded.lengths, SCORED):
            raw = encoder.raw(padded(encoded, rows)[0]).double()
            total, squares = total + raw.sum(0), squares + (raw**2).sum(0)
        mean = total / len(encoded)
        encoder.centre.copy_(mean)
        encoder.spread.copy_((squares / len(encoded) - mean**2).clamp_min(1e-8).sqrt())


def kept_topics(
    texts: Sequence[str],
    shape: Mapping[str, int],
    passes: int,
    key: tuple[seeds.Key, ...],
    root: Path,
) -> tuple[PretrainedTopics, bool]:
    """Return the topic model from `state/pretrained/`; train and store it first if it is missing.

    Args:
        texts: as in `read_topics`.
        shape: `hidden`, `topics` and `max_tokens` of `read_topics`.
        passes: as in `read_topics`.
        key: as in `read_topics`.
        root: the project folder.

    Returns:
        The model, and whether it was trained now.
    """
    versions: list[Any] = [RECIPE, VERSION, torch.__version__, *configured()]
    identity = [versions, "topics", dict(shape), passes, list(key), list(texts)]
    path, missing = pretrained_files.kept_file(
        identity, root, lambda path: read_topics(texts, **shape, passes=passes, key=key).save(path)
    )
    return PretrainedTopics.load(path), missing
