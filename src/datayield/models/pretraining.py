"""Trains language models of unlabelled texts, stores them in `state/pretrained/`, replaces words.

Axes: B texts, T tokens, V words.
"""

import sys
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield.core import seeds
from datayield.core.types import RECIPE, Ints, Settings
from datayield.models import pretrained_files
from datayield.models.classifier import initialise
from datayield.models.device import array, configured, tensor
from datayield.models.encoding import (
    PAD,
    UNKNOWN,
    Encoded,
    Vocabulary,
    by_length,
    encode,
    numbered,
    padded,
    row_stream,
)
from datayield.models.language_model import INPUT, TASKS, LanguageModelNetwork

VERSION = 2  # raised, with the versions of the strategies that use them, when models are to change
MIN_COUNT = 2  # rarer words are unknown: one occurrence teaches nothing about a word
SHAPE = (
    "cell", "embedding", "hidden", "bidirectional", "embedding_scale", "max_tokens", "normalised"
)  # fmt: skip
BATCH = 32
RATE = 0.004
SCORED = 1024  # padded tokens of a batch when words are replaced
PREDICTED = 256  # places whose words are predicted at once
Arrays: TypeAlias = Mapping[str, NDArray[np.float32]]


@dataclass(frozen=True, slots=True)
class PretrainedLanguageModel:
    """A finished language model."""

    settings: Settings
    vocabulary: Vocabulary
    counts: Ints  # (V,) occurrences in the texts
    arrays: Arrays  # parameters of network and softmax, by name
    tokens: int  # tokens that the training read
    seconds: float  # time of the training
    loss: float  # mean loss per word in the last pass, in nats
    name: str = ""  # of its file in `state/pretrained/`; "" while it is not stored

    @property
    def words(self) -> tuple[str, ...]:
        """The vocabulary, special words first."""
        return self.vocabulary.words

    @property
    def weights(self) -> Arrays:
        """The parameters that a classifier starts from, by the classifier's names."""
        body = {k.removeprefix("body."): v for k, v in self.arrays.items()}
        return {k: v for k, v in body.items() if k.startswith(("embedding.", "recurrent.0."))}

    def save(self, path: Path) -> None:
        """Write one safetensors file with the arrays; its metadata hold vocabulary and cost."""
        arrays: dict[str, NDArray[Any]] = {**self.arrays, "counts": self.counts}
        metadata = {
            "words": self.words,
            "tokens": self.tokens,
            "seconds": self.seconds,
            "loss": self.loss,
        }
        pretrained_files.save_arrays(arrays, metadata, path)

    @classmethod
    def load(cls, path: Path, settings: Settings) -> "PretrainedLanguageModel":
        """Read a model that `save` stored.

        Raises:
            UserError: if the file is damaged.
        """
        arrays, metadata = pretrained_files.load_arrays(path)
        try:
            counts, words = arrays.pop("counts"), tuple(metadata["words"])
            costs = metadata["tokens"], metadata["seconds"], metadata["loss"]
        except (KeyError, TypeError) as e:
            raise pretrained_files.damaged_error(path, e) from e
        vocabulary = Vocabulary.listed(words)
        return cls(settings, vocabulary, counts, arrays, *costs, name=path.stem)

    def infill(
        self, lines: Sequence[Sequence[str]], drawn: Sequence[Mapping[int, float]]
    ) -> list[list[str]]:
        """Return the texts with the words at some places replaced by words from p(w | left, right).

        The two directions are combined as log p(w | left) + log p(w | right) - log p(w). A word is
        never replaced by itself or by an unknown word. Places beyond `max_tokens` keep their word.

        Args:
            lines: the words of each text; equal texts are read once.
            drawn: per text, place -> a number in [0, 1); the new word is the first one whose
                cumulative probability is above the number.
        """
        distinct = list(dict.fromkeys(tuple(x) for x in lines))
        number = {line: i for i, line in enumerate(distinct)}
        waiting: dict[tuple[int, int], list[tuple[int, float]]] = {}
        for i, (line, places) in enumerate(zip(lines, drawn, strict=True)):
            for t, u in places.items():
                waiting.setdefault((number[tuple(line)], t), []).append((i, u))
        out = [list(line) for line in lines]
        for read_as, t, cumulative in self._distributions(distinct, waiting):
            for i, u in waiting[read_as, t]:
                word = int(np.searchsorted(cumulative, u * cumulative[-1], side="right"))
                out[i][t] = self.words[word]
        return out

    def _distributions(
        self, lines: Sequence[Sequence[str]], places: Collection[tuple[int, int]]
    ) -> Iterator[tuple[int, int, NDArray[np.float64]]]:
        """Yield (line, place, cumulative weight of every word (V,)) for the places that are read."""
        network = LanguageModelNetwork(self.settings, len(self.vocabulary))
        network.load_state_dict({k: tensor(v) for k, v in self.arrays.items()})
        if self.settings.normalised:
            network.body.normalise_by(tensor(self.counts).float())
        network.eval()
        unigram = tensor((self.counts + 1) / (self.counts + 1).sum()).log().float()
        encoded = encode([" ".join(x) for x in lines], self.vocabulary, self.settings.max_tokens)
        by_line: dict[int, list[int]] = {}
        for line, t in sorted(places):
            if t < encoded.lengths[line]:
                by_line.setdefault(line, []).append(t)
        for rows in by_length(encoded.lengths, SCORED):
            ids, lengths = padded(encoded, rows)
            pairs = [(row, t) for row, line in enumerate(rows) for t in by_line.get(int(line), ())]
            for start in range(0, len(pairs), PREDICTED):
                row, t = tensor(np.array(pairs[start : start + PREDICTED])).T
                logs = network.around(ids, lengths, row, t, unigram)
                logs[:, [PAD, UNKNOWN]] = -torch.inf
                logs[torch.arange(len(row)), ids[row, t]] = -torch.inf
                sums = array(logs.double().softmax(1).cumsum(1))
                for r, place, cumulative in zip(row.tolist(), t.tolist(), sums, strict=True):
                    yield int(rows[r]), place, cumulative


def read(
    texts: Sequence[str], settings: Settings, task: str, passes: int, key: tuple[seeds.Key, ...]
) -> PretrainedLanguageModel:
    """Train a language model.

    Args:
        texts: texts to learn from.
        settings: widths of the classifier that will start from the model.
        task: "next" (predict the next word) or "again" (repeat the whole text).
        passes: passes over the texts.
        key: every random number derives from it.
    """
    began = time.perf_counter()
    torch.manual_seed(seeds.integer(*key, "dropout"))
    vocabulary, encoded, counts = by_frequency(texts, settings.max_tokens)
    network = LanguageModelNetwork(settings, len(vocabulary))
    initialise(network.body, vocabulary, (*key, "init"))
    if settings.normalised:
        network.body.normalise_by(tensor(counts).float())
    optimizer = torch.optim.AdamW(network.parameters(), RATE, weight_decay=0.0, fused=True)
    stream = row_stream(np.arange(len(texts)), encoded.lengths, BATCH, seeds.rng(*key, "batches"))
    per_pass = max(1, len(texts) // BATCH)
    losses, tokens = [], 0
    for update in range(passes * per_pass):
        for group in optimizer.param_groups:
            group["lr"] = RATE * (1 - update / (passes * per_pass))
        rows = next(stream)
        loss = TASKS[task](network.train(), *padded(encoded, rows))
        tokens += int(encoded.lengths[rows].sum())
        if loss is None:
            continue
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(network.parameters(), 1.0)
        optimizer.step()
        losses.append(loss.item())
    arrays = {k: array(v) for k, v in network.state_dict().items()}
    last = float(np.mean(losses[-per_pass:])) if losses else float("nan")
    seconds = time.perf_counter() - began
    return PretrainedLanguageModel(settings, vocabulary, counts, arrays, tokens, seconds, last)


def kept(
    texts: Sequence[str],
    shape: Mapping[str, Any],
    task: str,
    passes: int,
    key: tuple[seeds.Key, ...],
    root: Path,
) -> tuple[PretrainedLanguageModel, bool]:
    """Return the language model from `state/pretrained/`; train and store it first if it is missing.

    Args:
        texts: as in `read`.
        shape: the settings named in SHAPE.
        task: as in `read`.
        passes: as in `read`.
        key: as in `read`.
        root: the project folder.

    Returns:
        The model, and whether it was trained now.
    """
    versions = [RECIPE, VERSION, torch.__version__, *configured()]
    identity = [versions, shape, task, passes, list(key), list(texts)]
    settings = Settings(**shape, embedding_dropout=INPUT)
    path, missing = pretrained_files.kept_file(
        identity, root, lambda path: read(texts, settings, task, passes, key).save(path)
    )
    return PretrainedLanguageModel.load(path, settings), missing


def by_frequency(texts: Sequence[str], max_tokens: int) -> tuple[Vocabulary, Encoded, Ints]:
    """Return vocabulary, encoded texts and counts, with words numbered by frequency.

    The head of the adaptive softmax holds the first words. All tokens of a text are counted, its
    first `max_tokens` are encoded.
    """
    by_name, whole = numbered(texts, sys.maxsize, MIN_COUNT)
    counts = np.bincount(whole.flat, minlength=len(by_name))
    order = np.concatenate([[PAD, UNKNOWN], 2 + np.argsort(-counts[2:], kind="stable")])
    place = np.empty(len(order), np.int64)
    place[order] = np.arange(len(order))
    vocabulary = Vocabulary.listed([by_name.words[i] for i in order])
    encoded = Encoded(place[whole.flat], whole.starts, np.minimum(whole.lengths, max_tokens))
    return vocabulary, encoded, counts[order].astype(np.int64)
