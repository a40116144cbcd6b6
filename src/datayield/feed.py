"""Which rows a training reads next, and what the network said of them when they were read."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from datayield import seeds
from datayield.encode import Turns, row_stream
from datayield.strategies.base import NOTHING_SHOWN, Present, Shown
from datayield.types import Ints, Past, Settings, TrainingSet


class Feed:
    """The batches of one training; the arm is asked what to show before every round."""

    def __init__(
        self,
        training_set: TrainingSet,
        lengths: Ints,
        settings: Settings,
        present: Present | None,
        key: tuple[seeds.Key, ...],
        turns: Turns | None = None,
    ) -> None:
        """Begin before the first round.

        Args:
            training_set: its rows.
            lengths: (rows,) tokens of each.
            settings: batch size, updates and rounds.
            present: what the arm shows; None for all rows.
            key: of the training.
            turns: see `encode.row_stream`.
        """
        self._set, self._lengths, self._settings = training_set, lengths, settings
        self._present, self._turns = present, turns
        self._batches_rng, self._present_rng = (
            seeds.rng(*key, "batches"),
            seeds.rng(*key, "present"),
        )
        self._labels = training_set.targets.argmax(1)
        self._rows: Ints | None = None
        self._stream: Iterator[Ints] = iter(())
        self._seen = np.full(training_set.targets.shape, np.nan, np.float32)
        self._heard: list[tuple[Ints, NDArray[np.float32]]] = []
        self._right = self._said = 0

    def renew(self, number: int, update: int) -> None:
        """Ask the arm which rows round `number` shows, `update` updates having been made."""
        s = self._settings
        past = Past(number, update / s.updates, s.batch, _read_only(self._seen))
        rows = self._present(self._set, past, self._present_rng) if self._present else None
        if rows is None:
            rows = np.arange(len(self._set))
        if self._rows is None or not np.array_equal(rows, self._rows):
            self._rows = rows
            self._stream = row_stream(
                rows, self._lengths, s.batch, self._batches_rng, self._turns, update
            )
        self._right = self._said = 0

    def take(self) -> Ints:
        """The rows of the next batch."""
        return next(self._stream)

    def hear(self, rows: Ints, p: NDArray[np.float32]) -> None:
        """Note what was predicted for a batch before its update, (rows, classes)."""
        self._seen[rows] = p
        self._heard.append((rows, p))
        self._right += int((self._seen[rows].argmax(1) == self._labels[rows]).sum())
        self._said += len(rows)

    @property
    def accuracy(self) -> float:
        """Of this round's rows as presented; NaN where an objective hides what was predicted."""
        return self._right / self._said if self._said else float("nan")

    def shown(self) -> Shown:
        """Every presentation in order; empty where an objective hides what was predicted."""
        if not self._heard:
            return NOTHING_SHOWN
        rows = np.concatenate([r for r, _ in self._heard])
        p = np.concatenate([p for _, p in self._heard])
        labels = self._labels[rows]
        gold = p[np.arange(len(rows)), labels].astype(np.float64)
        said = p.argmax(1)
        return Shown(rows, gold, said == labels, said)


def _read_only(values: NDArray[np.float32]) -> NDArray[np.float32]:
    view = values.view()
    view.flags.writeable = False
    return view
