"""Computes word vectors of the texts of a pool, and the nearest words of every word.

Word vectors are PPMI-SVD: positive pointwise mutual information of words within a window, context
counts raised to 0.75, truncated SVD, U * sqrt(S) (Levy, Goldberg & Dagan 2015).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy import sparse
from scipy.sparse.linalg import svds

from datayield.core import seeds, tables
from datayield.text import sequences, tokens

WINDOW = 2
CONTEXT_POWER = 0.75
MIN_COUNT = 3
MOST_WORDS = 20_000
NEIGHBOURS = 10

_STOP_WORDS = """
a about above after again against all am an and any are as at be because been before being below
between both but by can cannot could did do does doing down during each few for from further had has
have having he her here hers herself him himself his how i if in into is it its itself just me more
most my myself no nor not now of off on once only or other our ours ourselves out over own same she
should so some such than that the their theirs them themselves then there these they this those
through to too under until up very was we were what when where which while who whom why will with
would you your yours yourself yourselves
"""
STOP_WORDS = frozenset(_STOP_WORDS.split())

_SCHEMA = pa.schema(
    [
        ("word", pa.string()),
        ("count", pa.int64()),
        ("neighbours", pa.list_(pa.string())),  # nearest first; empty for stop words and marks
        ("vector", pa.list_(pa.float32())),
    ]
)


@dataclass(frozen=True, slots=True)
class WordVectors:
    """Words with their counts and vectors, most frequent first."""

    words: tuple[str, ...]
    counts: NDArray[np.int64]  # (words,)
    vectors: NDArray[np.float32]  # (words, dimensions)


@dataclass(frozen=True, slots=True)
class Neighbours:
    """A thesaurus: the nearest words of every word."""

    near: dict[str, tuple[str, ...]]

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Return the nearest words, nearest first; none for an unknown word."""
        return self.near.get(word, ())

    @classmethod
    def load(cls, path: Path) -> "Neighbours":
        """Read the neighbours that `save_vectors` wrote."""
        rows = tables.read_table(path, _SCHEMA)
        pairs = zip(rows["word"].to_pylist(), rows["neighbours"].to_pylist(), strict=True)
        return cls({word: tuple(near) for word, near in pairs if near})


def vectors(texts: Sequence[str], dimensions: int, seed: int) -> WordVectors:
    """Return word vectors of the texts of a pool; labels are not used.

    Args:
        texts: of the pool.
        dimensions: of the vectors; fewer if the vocabulary is small.
        seed: for the start vector of the decomposition.
    """
    counted = tokens.counts(texts)
    ranked = sorted(counted.items(), key=lambda item: (-item[1], item[0]))[:MOST_WORDS]
    words = tuple(w for w, c in ranked if c >= MIN_COUNT)
    if len(words) < 3:  # nothing to decompose
        return WordVectors((), np.empty(0, np.int64), np.empty((0, dimensions), np.float32))
    counts = np.array([counted[w] for w in words], np.int64)
    together = _cooccurrences(texts, {w: i for i, w in enumerate(words)})
    k = min(dimensions, len(words) - 1)
    start = seeds.rng("svd", seed).standard_normal(len(words))
    u, s, _ = svds(_ppmi(together), k=k, v0=start)
    order = np.argsort(-s)
    u, s = u[:, order], s[order]
    # The sign of a singular vector is arbitrary: its largest entry is made positive.
    signs = np.sign(u[np.abs(u).argmax(0), np.arange(k)])
    # Further digits differ between processors, whose kernels add in other orders.
    return WordVectors(words, counts, (u * signs * np.sqrt(s)).round(5).astype(np.float32))


def _cooccurrences(texts: Sequence[str], numbers: dict[str, int]) -> sparse.csr_matrix:
    """Return symmetric counts, (words, words), of words within WINDOW places of each other in a text."""
    size = len(numbers)
    total = sparse.csr_matrix((size, size))
    for piece in sequences.pieces(texts):
        total = total + _counted(piece, numbers)
    return (total + total.T).tocsr()


def _counted(lines: list[str], numbers: dict[str, int]) -> sparse.csr_matrix:
    """Return counts, (words, words), of words at most WINDOW places before others."""
    gap = [-1] * WINDOW  # between texts, so that no window reaches across
    flat = np.array(
        [i for t in lines for i in (*(numbers.get(w, -1) for w in tokens.tokens(t)), *gap)],
        np.int32,
    )
    pairs = []
    for distance in range(1, WINDOW + 1):
        near = np.stack([flat[:-distance], flat[distance:]])
        pairs.append(near[:, (near >= 0).all(0)])
    places = np.concatenate(pairs, 1)
    shape = (len(numbers), len(numbers))
    return sparse.coo_matrix((np.ones(places.shape[1]), tuple(places)), shape=shape).tocsr()


def _ppmi(together: sparse.csr_matrix) -> sparse.csr_matrix:
    """Return max(0, log p(w, c) / (p(w) p_0.75(c))), sparse; the counts are overwritten."""
    word = np.asarray(together.sum(1)).ravel()
    context = np.asarray(together.sum(0)).ravel() ** CONTEXT_POWER
    total = together.data.sum()
    p_word, p_context = word / word.sum(), context / context.sum()
    for row in range(together.shape[0]):  # in place: there are tens of millions of numbers
        part = slice(together.indptr[row], together.indptr[row + 1])
        expected = p_word[row] * p_context[together.indices[part]]
        values = np.log(together.data[part] / total / expected)
        together.data[part] = np.maximum(values, 0.0)
    return together


def neighbours(embedded: WordVectors) -> list[list[str]]:
    """Return, for each word, its NEIGHBOURS nearest words by cosine; none for stop words and non-words.

    Cosines are compared to six decimals, because further digits differ between processors; among equals
    the more frequent word comes first.
    """
    usable = np.array([tokens.is_word(w) and w not in STOP_WORDS for w in embedded.words], bool)
    ids = np.flatnonzero(usable)
    near: list[list[str]] = [[] for _ in embedded.words]
    if len(ids) < 2:
        return near
    vectors = embedded.vectors[ids].astype(np.float64)
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    k = min(NEIGHBOURS, len(ids) - 1)
    for start in range(0, len(ids), 1024):
        block = (unit[start : start + 1024] @ unit.T).round(6)
        block[np.arange(len(block)), np.arange(start, start + len(block))] = -2.0
        best = np.argsort(-block, axis=1, kind="stable")[:, :k]
        for row, columns in enumerate(best):
            near[ids[start + row]] = [embedded.words[ids[c]] for c in columns]
    return near


def save_vectors(embedded: WordVectors, path: Path) -> None:
    """Write vectors with their neighbours."""
    rows = {
        "word": list(embedded.words),
        "count": embedded.counts,
        "neighbours": neighbours(embedded),
        "vector": list(embedded.vectors),
    }
    tables.write_table(pa.table(rows, _SCHEMA), path)


def load_vectors(path: Path) -> WordVectors:
    """Read the vectors that `save_vectors` wrote."""
    rows = tables.read_table(path, _SCHEMA)
    flat = rows["vector"].combine_chunks().flatten().to_numpy()
    stacked = flat.reshape(len(rows), -1) if len(rows) else np.empty((0, 0), np.float32)
    return WordVectors(tuple(rows["word"].to_pylist()), rows["count"].to_numpy(), stacked)
