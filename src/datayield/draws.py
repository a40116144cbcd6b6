"""Which texts are labelled: nested stratified draws, with validation inside n.

A draw is one permutation of the pool. Its first n texts are the sample of size n, so the sample of
500 lies inside the sample of 2,000, and every arm sees the same texts. The part (train or
validation) and the tuning fold are properties of a text's place in the permutation, so they are
nested too: a text that validates at n = 500 validates at n = 2,000.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datayield import seeds, table
from datayield.errors import UserError
from datayield.types import Corpus, Ints, Sample

VALIDATION_SHARE = 5  # one in five of each class validates
FOLDS = 3
FOLDS_UP_TO = 200  # labels; above, tuning uses the validation part
TUNING_DRAW = -1  # a draw that is never scored on the test set

# One record batch per draw, its texts in drawing order: a cell maps the batch and reads its beginning.
DRAWS = pa.schema(
    [
        ("draw", pa.int16()),
        ("id", pa.int64()),
        ("validates", pa.int8()),  # 1: never trained on in this draw
        ("fold", pa.int8()),  # 0, 1, 2: serves tuning alone, at n <= 200
    ]
)


def permutation(corpus: Corpus, draw: int, seed: int, sampling: str) -> tuple[Ints, Ints, Ints]:
    """One draw of the whole pool.

    Units (groups of duplicates) are drawn whole: their members follow each other. Stratified: in
    every prefix each class has its share of units within one; iid: units in random order.

    Returns:
        ids: (pool,) every pool id once, in drawing order.
        validates: (pool,) 1 where the text belongs to validation. Of each class the 3rd, 8th,
            13th, ... unit validates, so a class with fewer than 3 examples stays in training.
        folds: (pool,) 0, 1 or 2, balanced within each class.
    """
    rng = seeds.rng(seed, "draw", corpus.name, corpus.digest, draw)
    _, first, unit, sizes = np.unique(
        corpus.units, return_index=True, return_inverse=True, return_counts=True
    )
    shuffled = rng.permutation(len(first))  # below, arrays of units are in this order
    label = corpus.labels[first][
        shuffled
    ]  # a unit with two labels counts for its first text's class
    place = np.empty(len(first))  # share of its class drawn when this unit is drawn, in (0, 1)
    rank = np.empty(len(first), np.int64)  # 0 for the first unit of its class
    for c in range(len(corpus.classes)):
        own = label == c
        rank[own] = np.arange(own.sum())
        place[own] = (rank[own] + rng.random()) / max(own.sum(), 1)
    turn = np.arange(len(first)) if sampling == "iid" else np.argsort(place)  # all places differ
    order, rank = shuffled[turn], rank[turn]
    members, starts, size = np.argsort(unit, kind="stable"), np.cumsum(sizes) - sizes, sizes[order]
    ids = members[np.repeat(starts[order] - np.cumsum(size) + size, size) + np.arange(len(unit))]
    validates = np.repeat(rank % VALIDATION_SHARE == 2, size).astype(np.int64)
    return ids, validates, np.repeat(rank % FOLDS, size)


def tabulate(
    corpus: Corpus, draws: Iterable[int], seed: int, sampling: str
) -> Iterator[pa.RecordBatch]:
    """The draws of a corpus (schema DRAWS)."""
    for draw in draws:
        ids, validates, folds = permutation(corpus, draw, seed, sampling)
        columns = np.full(len(ids), draw), ids, validates, folds
        yield pa.record_batch(
            [pa.array(c, f.type, safe=True) for c, f in zip(columns, DRAWS, strict=True)], DRAWS
        )


class Draws:
    """The draws of one corpus."""

    def __init__(self, drawn: Iterable[pa.RecordBatch]) -> None:
        self._drawn = {batch["draw"][0].as_py(): batch for batch in drawn if len(batch)}

    @classmethod
    def load(cls, path: Path) -> "Draws":
        """Map the file that the subsample stage wrote."""
        return cls(table.read_mapped(path, DRAWS).to_batches())

    def __contains__(self, draw: object) -> bool:
        return draw in self._drawn

    def batch(self, draw: int) -> pa.RecordBatch:
        """One draw (schema DRAWS).

        Raises:
            UserError: when it is not in the table.
        """
        if draw not in self._drawn:
            raise UserError(
                f"draw {draw} was not made (known: {sorted(self._drawn, key=str)}). Run `dvc repro`."
            )
        return self._drawn[draw]

    def sample(self, draw: int, n: int) -> Sample:
        """The first n texts of a draw.

        Raises:
            UserError: when the draw is not in the table or n exceeds the pool.
        """
        ids, validates = self._column(draw, "id"), self._column(draw, "validates")
        if n > len(ids):
            raise UserError(f"a sample of {n} labels was asked of a pool of {len(ids)} texts")
        held = validates[:n] == 1
        return Sample(ids[:n][~held], ids[:n][held], ids[n:], ids, validates)

    def _column(self, draw: int, name: str) -> NDArray[Any]:
        found: NDArray[Any] = self.batch(draw)[name].to_numpy()  # a view of the file
        return found

    def first(self, draw: int, n: int) -> Ints:
        """The ids of the first n texts of a draw, in draw order."""
        return self._column(draw, "id")[:n]

    def folds(self, draw: int, n: int) -> list[tuple[Ints, Ints]]:
        """(training ids, held-out ids) per fold of the n labels; for tuning at n <= FOLDS_UP_TO."""
        ids, fold = self.first(draw, n), self._column(draw, "fold")[:n]
        return [(ids[fold != f], ids[fold == f]) for f in range(FOLDS)]


def checked(path: Path, corpus: Corpus, draws: Iterable[int], seed: int, sampling: str) -> Draws:
    """The draws of a file, each compared with what the seed makes.

    Raises:
        UserError: when a draw is missing or is another one.
    """
    try:
        drawn = Draws.load(path)
        for draw in draws:
            if draw not in drawn:
                raise ValueError(f"draw {draw} is not in it")
            found = drawn.batch(draw)
            found.validate(full=True)
            (made,) = tabulate(corpus, [draw], seed, sampling)
            if not found.equals(made):
                raise ValueError(f"draw {draw} is not the one that the study's seed makes")
    except table.UNREADABLE as e:
        raise table.damaged(path, str(e)) from e
    return drawn


def thin_classes(corpus: Corpus, n: int) -> str | None:
    """A sentence if n labels hold fewer than three of a class, so that none of it validates."""
    shares = np.bincount(corpus.labels, minlength=len(corpus.classes)) / len(corpus.labels)
    short = [corpus.classes[c] for c in np.flatnonzero(shares * n < 3)]
    if not short:
        return None
    named = ", ".join(short[:5]) + (" ..." if len(short) > 5 else "")
    return f"at {n} labels there are fewer than 3 examples of {named}; none of them validates"
