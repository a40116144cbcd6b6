"""Chooses texts to label that cover the pool."""

import heapq
from array import array
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from datayield.core.types import Floats, Ints, Pool
from datayield.models.outside_model import unit_length
from datayield.models.settings import ENCODER, STATIC
from datayield.strategies.base import Strategy, StrategyContext, check_one_of
from datayield.text import tokens
from datayield.text.word_vectors import STOP_WORDS

WORDS = "vectors"  # the word vectors of the corpus
EMBEDDINGS = (WORDS, ENCODER, STATIC)  # what text vectors may be made of
NEIGHBOURS = 20  # facility_location: similarities kept per text
BLOCK = 512  # rows of similarities held at once
BLOCKED = 50_000  # facility_location: largest pool whose neighbours are searched block by block


def k_center(embedding: str = WORDS) -> Strategy:
    """Label always the text that lies farthest from all labelled ones (greedy).

    Distances are Euclidean, between text vectors of unit length: the mean of a text's word vectors (made
    without labels), or the embedding of a model from outside. The first labelled texts are those of the draw.

    Args:
        embedding: "vectors" (of the corpus), "outside-encoder" or "outside-static" (both have read other text).
    """
    check_one_of("embedding", embedding, EMBEDDINGS)

    def query(pool: Pool, labels: int, context: StrategyContext) -> Ints:
        points = text_vectors(pool.texts, context, embedding)
        chosen, _ = farthest_first(points, context.labelled, context.candidates, labels)
        return chosen

    return Strategy(
        "k_center",
        "labels the texts that lie farthest from those already labelled",
        "labels spread over the pool",
        precomputed=(embedding,),
        query=query,
        compute="distances from each labelled text to the pool",
        effort=1.2,
        source="Gonzalez 1985; Sener & Savarese 2018, arXiv 1708.00489",
    )


def text_vectors(
    texts: Sequence[str], context: StrategyContext, embedding: str = WORDS
) -> NDArray[np.float32]:
    """Return a vector of unit length for each text, (texts, dimensions).

    Args:
        texts: texts of the corpus.
        context: its precomputed tables are read.
        embedding: "vectors": the mean of the vectors of the text's distinct words without stop words,
            zero for a text without a known word; else the table of a model from outside.
    """
    if embedding != WORDS:
        return unit_length(context.precomputed.embeddings(embedding, texts))
    words = sorted({w for t in texts for w in tokens.tokens(t)} - STOP_WORDS)
    vectors = context.precomputed.vectors(words)
    known = np.flatnonzero(~np.isnan(vectors).any(1))
    place = {words[i]: number for number, i in enumerate(known)}
    columns, ends = array("i"), array("q", [0])
    for line in texts:
        columns.extend(sorted({place[w] for w in tokens.tokens(line) if w in place}))
        ends.append(len(columns))
    ones = np.ones(len(columns), np.float32)
    shape = (len(texts), len(known))
    sums = sparse.csr_matrix((ones, np.asarray(columns), np.asarray(ends)), shape) @ vectors[known]
    return unit_length(sums)


def farthest_first(
    points: NDArray[np.float32], start: Ints, candidates: Ints, count: int
) -> tuple[Ints, NDArray[np.float32]]:
    """Choose `count` distinct rows: `start`, then always the candidate farthest from all chosen.

    Returns:
        ids: (count,) row numbers, `start` first.
        gaps: (added,) distance of each added row to those chosen before it; never increases.
    """
    chosen, gaps = list(start), []
    left = np.setdiff1d(candidates, start)
    places = points[left]
    squared = (places * places).sum(1)
    nearest = np.full(len(left), np.inf, np.float32)

    def approach(row: int) -> None:
        other = points[row]
        distance = squared + (other * other).sum() - 2 * (places @ other)
        np.minimum(nearest, np.maximum(distance, 0.0), out=nearest)

    for row in start:
        approach(int(row))
    for _ in range(count - len(start)):
        best = int(nearest.argmax())
        chosen.append(left[best])
        gaps.append(nearest[best])
        approach(int(left[best]))
        nearest[best] = -1.0  # below every distance, so that it is not chosen again
    return np.array(chosen, np.int64), np.sqrt(np.array(gaps, np.float32))


def facility_location(embedding: str = WORDS) -> Strategy:
    """Label always the text that raises sum_i max_j s(i, j) the most (lazy greedy).

    s(i, j) is the cosine of two text vectors (see `k_center`), and zero for texts that are not among
    the nearest neighbours of each other. Every pair of texts is compared, so the work grows with the
    square of the pool; for several hundred thousand texts `k_center` is faster.

    Args:
        embedding: as for `k_center`.
    """
    check_one_of("embedding", embedding, EMBEDDINGS)

    def query(pool: Pool, labels: int, context: StrategyContext) -> Ints:
        points = text_vectors(pool.texts, context, embedding)
        similar = nearest(points)
        return lazy_greedy(similar, context.labelled, context.candidates, labels)[0]

    return Strategy(
        "facility_location",
        "labels the texts that are most similar to the others",
        "labels of typical texts",
        precomputed=(embedding,),
        query=query,
        compute="similarities of all pairs of pool texts",
        effort=1.2,
        source="Mirzasoleiman et al. 2013; Wei et al. 2015, submodularity in data subset selection",
    )


def nearest(points: NDArray[np.float32]) -> sparse.csc_matrix:
    """Return (N, N) sparse cosines of each row with its NEIGHBOURS nearest rows and itself.

    Negative cosines count as zero. Every pair of rows is compared: the work grows as N^2.

    Args:
        points: (N, dimensions) rows of unit length, or zero.
    """
    # Above BLOCKED scikit-learn's search, which is four times as fast. It rounds differently, so
    # that using it for smaller pools would move results.
    blocks = _by_blocks(points) if len(points) <= BLOCKED else _by_search(points)
    rows, columns, values = (np.concatenate(part) for part in zip(*blocks, strict=True))
    places = (rows, columns)
    return sparse.csc_matrix((np.maximum(values, 0.0), places), shape=(len(points), len(points)))


Neighbours: TypeAlias = tuple[Ints, Ints, NDArray[np.floating]]
"""Row numbers, the numbers of rows near them, and the cosines of both: (pairs,) each."""


def _by_blocks(points: NDArray[np.float32]) -> Iterator[Neighbours]:
    k = min(NEIGHBOURS + 1, len(points))
    for start in range(0, len(points), BLOCK):
        rows = np.arange(start, min(start + BLOCK, len(points)))
        block = points[rows] @ points.T
        block[np.arange(len(rows)), rows] = 1.0
        best = np.argpartition(-block, k - 1, axis=1)[:, :k]
        yield np.repeat(rows, k), best.ravel(), np.take_along_axis(block, best, 1).ravel()


def _by_search(points: NDArray[np.float32]) -> Iterator[Neighbours]:
    from sklearn.neighbors import NearestNeighbors  # half a second that every stage would wait for

    # A zero vector has the cosine 0 with every text, but not the largest distance: it is left out.
    known, zero = np.flatnonzero(points.any(1)), np.flatnonzero(~points.any(1))
    yield zero, zero, np.ones(len(zero))
    k = min(NEIGHBOURS + 1, len(known))
    search = NearestNeighbors(n_neighbors=k, algorithm="brute", metric="sqeuclidean")
    search.fit(points[known])
    for start in range(0, len(known), BLOCK):
        rows = known[start : start + BLOCK]
        squared, near = search.kneighbors(points[rows])
        cosines = 1 - squared / 2  # of unit vectors
        yield np.repeat(rows, k), known[near].ravel(), cosines.ravel()


def lazy_greedy(
    similar: sparse.csc_matrix, start: Ints, candidates: Ints, count: int
) -> tuple[Ints, Floats]:
    """Choose `count` distinct columns: `start`, then always the one with the largest gain.

    Gains never grow, so an old gain is an upper bound: only the column on top is computed again.

    Returns:
        ids: (count,) column numbers, `start` first.
        gains: (added,) gain of each added column; never increases.
    """
    covered = np.zeros(similar.shape[0])

    def column(j: int) -> tuple[Ints, Floats]:
        part = slice(similar.indptr[j], similar.indptr[j + 1])
        return similar.indices[part], similar.data[part]

    def gain(j: int) -> float:
        rows, values = column(j)
        return float(np.maximum(values - covered[rows], 0).sum())

    def take(j: int) -> None:
        rows, values = column(j)
        covered[rows] = np.maximum(covered[rows], values)

    for j in start:
        take(int(j))
    chosen, gains = [int(j) for j in start], []
    waiting = [(-gain(int(j)), int(j)) for j in np.setdiff1d(candidates, start)]
    heapq.heapify(waiting)
    while len(chosen) < count:
        _, j = heapq.heappop(waiting)
        now = gain(j)
        if waiting and -now > waiting[0][0]:
            heapq.heappush(waiting, (-now, j))
            continue
        take(j)
        chosen.append(j)
        gains.append(now)
    return np.array(chosen, np.int64), np.array(gains)
