"""Draws the texts to label: nested stratified draws, with the folds of cross-validation inside n.

A draw is one permutation of the pool. Its first n texts are the sample of size n, so the sample of
500 lies inside the sample of 2,000, and every arm sees the same texts. All n train the scored model.
The fold is a property of a text's place in the permutation, so folds are nested too: two texts that
share a fold at n = 500 share it at n = 2,000. In a corpus with settled texts the order follows from each
text's own content, and later texts come after all of them, so that the earlier draw begins the later one.
"""

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datayield.core import files, seeds, tables
from datayield.core.errors import UserError
from datayield.core.types import Corpus, Ints, Sample
from datayield.text import tokens

FOLDS = 5
FOLDS_UP_TO = 200  # labels; with more, a trial of tuning holds out one fold instead of each in turn
TUNING_DRAW = -1  # a draw that is never scored on the test set

# One record batch per draw, its texts in drawing order: a cell maps the batch and reads its beginning.
DRAWS = pa.schema(
    [
        ("draw", pa.int16()),
        ("id", pa.int64()),
        ("fold", pa.int8()),  # 0 to 4, the same for a block, balanced within each class
        ("stratum", pa.uint16()),  # class that the fold was balanced in; never seen by an arm
    ]
)


def permutation(corpus: Corpus, draw: int, seed: int, sampling: str) -> tuple[Ints, Ints, Ints]:
    """Draw the whole pool once.

    A duplicate group is drawn whole: its members follow each other. With stratified
    sampling each class has its share of groups within one in every prefix; with iid sampling groups
    come in random order.

    Returns:
        ids: (pool,) every pool id once, in drawing order.
        folds: (pool,) 0 to 4: of each class the 1st, 6th, 11th, ... block has fold 0, and so on; a block
            that holds several duplicate groups counts for the class of the first that is drawn.
        strata: (pool,) the class that each text was counted in.
    """
    return _permutation(corpus, draw, seed, sampling, _prints(corpus))


def _prints(corpus: Corpus) -> list[str]:
    """Return the fingerprint of each duplicate group, (groups,), where draws follow from content."""
    if not corpus.settled:
        return []
    first = np.unique(corpus.duplicate_groups, return_index=True)[1]
    return [tokens.fingerprint(corpus.texts[i]).hex() for i in first]


def _permutation(
    corpus: Corpus, draw: int, seed: int, sampling: str, prints: list[str]
) -> tuple[Ints, Ints, Ints]:
    _, first, unit, sizes = np.unique(
        corpus.duplicate_groups, return_index=True, return_inverse=True, return_counts=True
    )
    if corpus.settled:
        key = (seed, "draw", corpus.name, draw)
        rng, shuffled = seeds.rng(*key), np.argsort(seeds.uniform(prints, *key), kind="stable")
        later = first[shuffled] >= corpus.settled
        parts = [shuffled[~later], shuffled[later]]  # the second part is drawn after the first
    else:
        rng = seeds.rng(seed, "draw", corpus.name, corpus.digest, draw)
        parts = [rng.permutation(len(first))]
    # A unit with two labels counts for its first text's class.
    label = corpus.labels[first]
    turns = [part[_turns(label[part], len(corpus.classes), rng, sampling)] for part in parts]
    order = np.concatenate(turns)
    folds, strata = _folds(label[order], corpus.blocks[first][order])
    members, starts, size = np.argsort(unit, kind="stable"), np.cumsum(sizes) - sizes, sizes[order]
    ids = members[np.repeat(starts[order] - np.cumsum(size) + size, size) + np.arange(len(unit))]
    return ids, np.repeat(folds, size), np.repeat(strata, size)


def _folds(label: Ints, blocks: Ints) -> tuple[Ints, Ints]:
    """Return the fold of each unit, (units,), and the class in which its block was counted, (units,).

    The blocks of each class have the folds in turn.

    Args:
        label: class of each unit, (units,), in drawing order.
        blocks: block of each unit, (units,).
    """
    _, first, unit = np.unique(blocks, return_index=True, return_inverse=True)
    folds = np.empty(len(first), np.int64)
    for c in np.unique(label[first]):
        own = np.flatnonzero(label[first] == c)
        folds[own[np.argsort(first[own])]] = np.arange(len(own)) % FOLDS
    return folds[unit], label[first][unit]


def _turns(label: Ints, classes: int, rng: np.random.Generator, sampling: str) -> Ints:
    """Return the order in which shuffled units are drawn, (units,).

    Args:
        label: class of each unit, (units,), in shuffled order.
        classes: number of classes.
        rng: random number generator of the draw.
        sampling: "stratified" or "iid".
    """
    place = np.empty(len(label))  # share of its class drawn when this unit is drawn, in (0, 1)
    for c in range(classes):
        in_class = label == c
        place[in_class] = (np.arange(in_class.sum()) + rng.random()) / max(in_class.sum(), 1)
    return np.arange(len(label)) if sampling == "iid" else np.argsort(place)  # all places differ


def tabulate(
    corpus: Corpus, draws: Iterable[int], seed: int, sampling: str
) -> Iterator[pa.RecordBatch]:
    """Yield the draws of a corpus (schema DRAWS)."""
    prints = _prints(corpus)
    for draw in draws:
        drawn = _permutation(corpus, draw, seed, sampling, prints)
        columns = np.full(len(corpus.labels), draw), *drawn
        yield pa.record_batch(
            [pa.array(c, f.type, safe=True) for c, f in zip(columns, DRAWS, strict=True)], DRAWS
        )


def sample_digest(corpus: Corpus, batch: pa.RecordBatch, labels: int) -> str:
    """Return the digest of all that a cell reads which looks at no text but its sample and the test set.

    Args:
        corpus: the corpus.
        batch: one of its draws (schema DRAWS).
        labels: size of the sample.
    """
    rows = batch.slice(0, labels).to_pydict()
    sample = [
        [i, fold, stratum, int(corpus.labels[i]), corpus.texts[i]]
        for i, fold, stratum in zip(rows["id"], rows["fold"], rows["stratum"], strict=True)
    ]
    return files.digest([list(corpus.classes), corpus.test_digest, sample])


class Draws:
    """The draws of one corpus."""

    def __init__(self, drawn: Iterable[pa.RecordBatch]) -> None:
        self._drawn = {batch["draw"][0].as_py(): batch for batch in drawn if len(batch)}

    @classmethod
    def load(cls, path: Path) -> "Draws":
        """Map the file of the subsample stage into memory."""
        return cls(tables.read_mapped(path, DRAWS).to_batches())

    def __contains__(self, draw: object) -> bool:
        return draw in self._drawn

    def batch(self, draw: int) -> pa.RecordBatch:
        """Return one draw (schema DRAWS).

        Raises:
            UserError: if the draw is not in the table.
        """
        if draw not in self._drawn:
            raise UserError(
                f"draw {draw} is not in the table of draws (known: {sorted(self._drawn, key=str)}). Run"
                " `dvc repro`."
            )
        return self._drawn[draw]

    def sample(self, draw: int, n: int, held_out: int | None = None, ranking: int = 0) -> Sample:
        """Return the first n texts of a draw as a sample.

        Args:
            draw: number of the draw.
            n: labels paid.
            held_out: the fold, 0 to 4, that does not train but validates; None: all n train. Texts of
                a class with fewer examples among the n than there are folds always train.
            ranking: number of texts at the end of the draw that validate in addition.

        Raises:
            UserError: if the draw is not in the table or n exceeds the pool.
        """
        ids, fold = self._column(draw, "id"), self._column(draw, "fold")
        last = len(ids) - ranking
        if n > last:
            needed = f"a sample of {n} labels" + (f" and {ranking} to rank by" if ranking else "")
            raise UserError(
                f"{needed} needs a pool of at least {n + ranking} texts; this pool has {len(ids)}"
            )
        by_id = np.empty(len(ids), np.int8)
        by_id[ids] = fold
        held = np.zeros(n, np.bool_)
        if held_out is not None:
            strata = self._column(draw, "stratum")[:n]
            held = (fold[:n] == held_out) & (np.bincount(strata)[strata] >= FOLDS)
        validation = np.concatenate([ids[:n][held], ids[last:]]) if ranking else ids[:n][held]
        return Sample(ids[:n][~held], validation, ids[n:last], by_id)

    def _column(self, draw: int, name: str) -> NDArray[Any]:
        column: NDArray[Any] = self.batch(draw)[name].to_numpy()  # a view of the file
        return column

    def first(self, draw: int, n: int) -> Ints:
        """Return the ids of the first n texts of a draw, in the order of the draw."""
        return self._column(draw, "id")[:n]


def checked(path: Path, corpus: Corpus, draws: Iterable[int], seed: int, sampling: str) -> Draws:
    """Read the draws of a file and compare each with what the seed makes.

    Raises:
        UserError: when a draw is missing or is another one.
    """
    try:
        drawn = Draws.load(path)
        numbers = list(draws)
        for draw in numbers:
            if draw not in drawn:
                raise ValueError(f"draw {draw} is not in it")
            drawn.batch(draw).validate(full=True)
        for draw, expected in zip(numbers, tabulate(corpus, numbers, seed, sampling), strict=True):
            stored = drawn.batch(draw)
            if not stored.equals(expected):
                raise ValueError(f"draw {draw} is not the one that the study's seed makes")
    except tables.UNREADABLE as e:
        raise files.damaged_error(path, str(e)) from e
    return drawn


def thin_classes(corpus: Corpus, n: int) -> str | None:
    """Return a notice if n labels hold fewer texts of a class than there are folds; else None."""
    shares = np.bincount(corpus.labels, minlength=len(corpus.classes)) / len(corpus.labels)
    short = [corpus.classes[c] for c in np.flatnonzero(shares * n < FOLDS)]
    if not short:
        return None
    named = ", ".join(short[:5]) + (" ..." if len(short) > 5 else "")
    return (
        f"at {n} labels there are fewer than {FOLDS} examples of {named}; they train every model and"
        " validate none"
    )
