"""Which texts to label: those that cover the pool."""

import heapq
from array import array
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import sparse

from datayield import seeds, text
from datayield.strategies.base import Desk, Strategy
from datayield.thesaurus import STOP_WORDS
from datayield.types import Floats, Ints, Pool

NEIGHBOURS = 20  # facility_location: similarities kept per text
BLOCK = 512  # rows of similarities held at once
EXACT = 50_000  # facility_location: up to so many texts all similarities are looked at
PROBES, ROUNDS = 32, 8  # above: cells that are looked into, and rounds of k-means


def k_center() -> Strategy:
    """Greedy farthest first: each label goes to the text farthest from all labelled ones.

    Distances are Euclidean between text vectors: the mean of a text's word vectors (label-free),
    scaled to unit length. Starts from the labelled texts of the draw.
    """

    def acquire(pool: Pool, labels: int, desk: Desk) -> Ints:
        points = text_vectors(pool.texts, desk)
        chosen, _ = farthest_first(points, desk.labelled, desk.candidates, labels)
        return chosen

    return Strategy(
        "k_center",
        "labels the texts that lie farthest from those already labelled",
        facts=("vectors",),
        acquire=acquire,
        compute="distances of the pool to each label",
        effort=1.2,
        source="Gonzalez 1985; Sener & Savarese 2018, arXiv 1708.00489",
    )


def text_vectors(texts: Sequence[str], desk: Desk) -> NDArray[np.float32]:
    """Mean of the vectors of a text's distinct words but stop words, unit length, (texts, dims).

    A text without a known word is the zero vector.
    """
    words = sorted({w for t in texts for w in text.tokens(t)} - STOP_WORDS)
    vectors = desk.facts.vectors(words)
    known = np.flatnonzero(~np.isnan(vectors).any(1))
    place = {words[i]: number for number, i in enumerate(known)}
    columns, ends = array("i"), array("q", [0])
    for line in texts:
        columns.extend(sorted({place[w] for w in text.tokens(line) if w in place}))
        ends.append(len(columns))
    ones = np.ones(len(columns), np.float32)
    shape = (len(texts), len(known))
    sums = sparse.csr_matrix((ones, np.asarray(columns), np.asarray(ends)), shape) @ vectors[known]
    lengths = np.linalg.norm(sums, axis=1, keepdims=True)
    out: NDArray[np.float32] = (sums / np.maximum(lengths, 1e-9)).astype(np.float32)
    return out


def farthest_first(
    points: NDArray[np.float32], start: Ints, candidates: Ints, count: int
) -> tuple[Ints, NDArray[np.float32]]:
    """`count` distinct rows: `start`, then always the candidate farthest from all chosen.

    Returns:
        ids: (count,), start first.
        gaps: per added row its distance to the chosen ones; never increases.
    """
    chosen, gaps = list(start), []
    left = np.setdiff1d(candidates, start)
    own = points[left]
    squared = (own * own).sum(1)
    nearest = np.full(len(left), np.inf, np.float32)

    def approach(row: int) -> None:
        other = points[row]
        distance = squared + (other * other).sum() - 2 * (own @ other)
        np.minimum(nearest, np.maximum(distance, 0.0), out=nearest)

    for row in start:
        approach(int(row))
    for _ in range(count - len(start)):
        best = int(nearest.argmax())
        chosen.append(left[best])
        gaps.append(nearest[best])
        approach(int(left[best]))
        nearest[best] = -1.0  # never again
    return np.array(chosen, np.int64), np.sqrt(np.array(gaps, np.float32))


def facility_location() -> Strategy:
    """Lazy greedy: each label goes to the text that raises sum_i max_j s(i, j) the most.

    s is the cosine of text vectors (see `k_center`), zero but for each text's nearest neighbours.
    """

    def acquire(pool: Pool, labels: int, desk: Desk) -> Ints:
        points = text_vectors(pool.texts, desk)
        similar = nearest(points)
        return lazy_greedy(similar, desk.labelled, desk.candidates, labels)[0]

    return Strategy(
        "facility_location",
        "labels the texts that stand for most of the others",
        facts=("vectors",),
        acquire=acquire,
        compute="similarities of the pool with itself",
        effort=1.2,
        source="Mirzasoleiman et al. 2013; Wei et al. 2015, submodularity in data subset selection",
    )


def nearest(points: NDArray[np.float32]) -> sparse.csc_matrix:
    """(N, N) sparse cosines of each row with its NEIGHBOURS nearest and itself; none below zero.

    Above EXACT rows neighbours are looked for among the rows of nearby cells alone (`cells_of`):
    then some are missed, and the work grows as N^1.5.
    """
    everything = np.arange(len(points))
    blocks = [(everything[i : i + BLOCK], everything) for i in range(0, len(points), BLOCK)]
    found = [
        _best(points, own, among)
        for own, among in (blocks if len(points) <= EXACT else cells_of(points))
    ]
    rows, columns, values = (np.concatenate(part) for part in zip(*found, strict=True))
    places = (rows, columns)
    return sparse.csc_matrix((np.maximum(values, 0.0), places), shape=(len(points), len(points)))


def _best(
    points: NDArray[np.float32], own: Ints, among: Ints
) -> tuple[Ints, Ints, NDArray[np.float32]]:
    """Of each own row the NEIGHBOURS nearest of some rows, and itself: rows, columns, cosines."""
    k = min(NEIGHBOURS + 1, len(among))
    block = points[own] @ points[among].T
    block[np.arange(len(own)), np.searchsorted(among, own)] = 1.0
    best = np.argpartition(-block, k - 1, axis=1)[:, :k]
    return np.repeat(own, k), among[best].ravel(), np.take_along_axis(block, best, 1).ravel()


def cells_of(points: NDArray[np.float32]) -> Iterator[tuple[Ints, Ints]]:
    """Every row once, with the rows, itself among them, that may be near it; both ascending.

    About sqrt(N) cells by spherical k-means of a sample; near are the rows of the PROBES cells whose
    centres are nearest to its own cell's (inverted file: Jegou, Douze & Schmid 2011).
    """
    rng = seeds.rng("cells", len(points))
    count = int(np.sqrt(len(points)))
    sample = points[np.sort(rng.permutation(len(points))[: 64 * count])]
    centres = sample[np.sort(rng.permutation(len(sample))[:count])]
    for _ in range(ROUNDS):
        cell = _nearest_centre(sample, centres)
        member = sparse.csr_matrix(
            (np.ones(len(cell), np.float32), (cell, np.arange(len(cell)))), (count, len(cell))
        )
        sums = member @ sample
        length = np.linalg.norm(sums, axis=1, keepdims=True)
        centres = np.where(length > 0, sums / np.maximum(length, 1e-9), centres)
    cell = _nearest_centre(points, centres)
    members = np.split(
        np.argsort(cell, kind="stable"), np.cumsum(np.bincount(cell, minlength=count))[:-1]
    )
    for own, likeness in zip(members, centres @ centres.T, strict=True):
        near = np.argsort(-likeness, kind="stable")[:PROBES]
        among = np.sort(np.concatenate([own, *(members[c] for c in near)]))
        among = among[np.diff(among, prepend=-1) > 0]
        for start in range(0, len(own), BLOCK):
            yield own[start : start + BLOCK], among


def _nearest_centre(points: NDArray[np.float32], centres: NDArray[np.float32]) -> Ints:
    """The centre with the largest cosine, (points,)."""
    parts = [
        (points[i : i + 8 * BLOCK] @ centres.T).argmax(1) for i in range(0, len(points), 8 * BLOCK)
    ]
    return np.concatenate(parts)


def lazy_greedy(
    similar: sparse.csc_matrix, start: Ints, candidates: Ints, count: int
) -> tuple[Ints, Floats]:
    """`count` distinct columns: `start`, then always the one with the largest gain.

    Gains never grow, so a stale gain is an upper bound and most need no second look.

    Returns:
        ids: (count,), start first.
        gains: of the added ones; never increase.
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
