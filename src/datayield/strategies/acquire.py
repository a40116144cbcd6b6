"""Which texts to label: `k_center`."""

import numpy as np
from numpy.typing import NDArray

from datayield import text
from datayield.strategies.base import Desk, Strategy
from datayield.thesaurus import STOP_WORDS
from datayield.types import Ints, Pool


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
        source="Gonzalez 1985; Sener & Savarese 2018, arXiv 1708.00489",
    )


def text_vectors(texts: tuple[str, ...], desk: Desk) -> NDArray[np.float32]:
    """Mean of the vectors of a text's distinct words but stop words, unit length, (texts, dims).

    A text without a known word is the zero vector.
    """
    lines = [sorted(set(text.tokens(t)) - STOP_WORDS) for t in texts]
    words = sorted({w for line in lines for w in line})
    place = {w: i for i, w in enumerate(words)}
    vectors = np.nan_to_num(desk.facts.vectors(words))
    sums = np.stack([vectors[[place[w] for w in line]].sum(0) for line in lines])
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
