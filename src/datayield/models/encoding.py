"""Encodes texts as word numbers and puts them into padded batches."""

import sys
from array import array
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray

from datayield.core.types import Floats, Ints, TrainingSet
from datayield.models.device import tensor
from datayield.text import tokens

PAD, UNKNOWN = 0, 1
SPECIAL = ("<pad>", "<unk>")
WINDOW = 16  # batches that are sorted by length together
BLUR = 0.15  # standard deviation of the noise that is added to log length in that sorting

Turns: TypeAlias = Callable[[int, int], Floats]
"""(update, count) -> a number for each of `count` updates from `update` on; larger: longer texts."""


@lru_cache(maxsize=100_000)
def _tokens(line: str) -> tuple[str, ...]:
    return tuple(map(sys.intern, tokens.tokens(line)))  # one string per word, not per occurrence


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """Words with their numbers; 0 is padding, 1 stands for every unknown word."""

    words: tuple[str, ...]  # SPECIAL first
    numbers: dict[str, int]

    @classmethod
    def of(cls, texts: Iterable[str], min_count: int = 1) -> "Vocabulary":
        """Return the vocabulary of the words that occur at least `min_count` times, sorted."""
        return numbered(texts, 0, min_count)[0]

    @classmethod
    def listed(cls, words: Sequence[str]) -> "Vocabulary":
        """Return a vocabulary of these words in this order; SPECIAL must come first."""
        return cls(tuple(words), {w: i for i, w in enumerate(words)})

    def __len__(self) -> int:
        return len(self.words)


@dataclass(frozen=True, slots=True)
class Encoded:
    """Many texts as one flat array: text i is `flat[starts[i]:starts[i] + lengths[i]]`."""

    flat: NDArray[np.int64]
    starts: Ints  # (texts,)
    lengths: Ints  # (texts,), each >= 1

    def __len__(self) -> int:
        return len(self.starts)

    def split(self, count: int) -> tuple["Encoded", "Encoded"]:
        """Return the first `count` texts and the others; both share the flat array."""
        return (
            Encoded(self.flat, self.starts[:count], self.lengths[:count]),
            Encoded(self.flat, self.starts[count:], self.lengths[count:]),
        )


def numbered(
    texts: Iterable[str], max_tokens: int, min_count: int = 1
) -> tuple[Vocabulary, Encoded]:
    """Return the vocabulary of the texts and the encoded texts, in one pass over them.

    Args:
        texts: texts; each is read once and not kept.
        max_tokens: tokens of a text that are encoded; words are counted in the whole text.
        min_count: a word with fewer occurrences is unknown.
    """
    seen: defaultdict[str, int] = defaultdict()
    seen.default_factory = seen.__len__  # words are numbered as they come, and sorted at the end
    number = seen.__getitem__
    for word in SPECIAL:
        number(word)
    flat, beyond, lengths = array("i"), array("i"), array("q")
    for line in texts:
        words = tokens.tokens(line) or [SPECIAL[UNKNOWN]]
        if len(words) > max_tokens:
            beyond.extend(map(number, words[max_tokens:]))
            words = words[:max_tokens]
        flat.extend(map(number, words))
        lengths.append(len(words))
    first = np.frombuffer(flat, np.int32)
    counts = np.bincount(first, minlength=len(seen))
    counts += np.bincount(np.frombuffer(beyond, np.int32), minlength=len(seen))
    known = (w for w, c in zip(seen, counts.tolist(), strict=True) if c >= min_count)
    vocabulary = Vocabulary.listed((*SPECIAL, *sorted(w for w in known if w not in SPECIAL)))
    get = vocabulary.numbers.get
    renumbered = np.fromiter((get(w, UNKNOWN) for w in seen), np.int64, len(seen))
    sizes = np.frombuffer(lengths, np.int64)
    return vocabulary, Encoded(renumbered[first], np.cumsum(sizes) - sizes, sizes)


def encode(texts: Sequence[str], vocabulary: Vocabulary, max_tokens: int) -> Encoded:
    """Encode the first `max_tokens` tokens of every text; an empty text becomes one <unk>."""
    numbers, flat = vocabulary.numbers, array("q")
    lengths = np.empty(len(texts), np.int64)
    for i, line in enumerate(texts):
        words = [numbers.get(w, UNKNOWN) for w in _tokens(line)[:max_tokens]] or [UNKNOWN]
        flat.extend(words)
        lengths[i] = len(words)
    return Encoded(np.frombuffer(flat, np.int64), np.cumsum(lengths) - lengths, lengths)


@dataclass(frozen=True, slots=True)
class Batch:
    """B texts, right-padded to the longest of them (T)."""

    ids: torch.Tensor  # (B, T) int64
    lengths: torch.Tensor  # (B,) int64
    targets: torch.Tensor  # (B, C) float32, rows sum to 1
    weights: torch.Tensor  # (B,) float32


def padded(encoded: Encoded, rows: Ints) -> tuple[torch.Tensor, torch.Tensor]:
    """Return ids (B, T) and lengths (B,) of the given texts."""
    lengths = encoded.lengths[rows]
    columns = np.arange(int(lengths.max()))
    inside = columns < lengths[:, None]
    where = np.where(inside, encoded.starts[rows][:, None] + columns, 0)
    return tensor(np.where(inside, encoded.flat[where], PAD)), tensor(lengths)


def batch_of(encoded: Encoded, training_set: TrainingSet, rows: Ints) -> Batch:
    """Return the given rows as one batch."""
    ids, lengths = padded(encoded, rows)
    return Batch(
        ids,
        lengths,
        tensor(training_set.targets[rows]),
        tensor(training_set.weights[rows]),
    )


def row_stream(
    rows: Ints,
    lengths: Ints,
    size: int,
    rng: np.random.Generator,
    turns: Turns | None = None,
    update: int = 0,
) -> Iterator[Ints]:
    """Yield batches of rows without end; each pass holds every row once.

    A batch holds texts of similar length: up to WINDOW batches, at most one pass, are sorted by
    length times a random factor (so that batches differ from pass to pass) and then shuffled.

    Args:
        rows: row numbers, repeats allowed.
        lengths: (rows of the training set,) tokens of each row.
        size: rows of a batch; fewer if there are fewer rows.
        rng: random number generator of this training.
        turns: order of short and long batches in a window, in place of shuffling. Trainings side by
            side share it, so that they read long texts at the same updates.
        update: number of the first batch's update, for `turns`.
    """
    size = min(size, len(rows))
    window = int(np.clip(len(rows) // size, 1, WINDOW)) * size
    waiting = rng.permutation(rows)
    while True:
        while len(waiting) < window:
            waiting = np.concatenate([waiting, rng.permutation(rows)])
        chunk, waiting = waiting[:window], waiting[window:]
        blurred = lengths[chunk] * np.exp(BLUR * rng.standard_normal(window))
        batches = chunk[np.argsort(blurred)].reshape(-1, size)
        if turns is None:
            yield from rng.permutation(batches)
        else:
            order = turns(update, len(batches))
            yield from batches[np.argsort(np.argsort(order, kind="stable"))]
            update += len(batches)


def by_length(lengths: Ints, token_budget: int) -> Iterator[Ints]:
    """Yield batches of all rows, ascending in length, each of at most token_budget padded tokens."""
    order = np.argsort(lengths, kind="stable")
    start = 0
    while start < len(order):
        end = start + 1
        while end < len(order) and (end + 1 - start) * lengths[order[end]] <= token_budget:
            end += 1
        yield order[start:end]
        start = end
