"""Chooses the rows of every batch and keeps what the network predicted for them."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from datayield.core import seeds
from datayield.core.types import Ints, Settings, TrainingProgress, TrainingSet
from datayield.models.encoding import Turns, row_stream
from datayield.models.hooks import NOTHING_SHOWN, Presentations, Schedule


class BatchSampler:
    """The batches of one training; the arm's `schedule` chooses rows before every round."""

    def __init__(
        self,
        training_set: TrainingSet,
        lengths: Ints,
        settings: Settings,
        schedule: Schedule | None,
        key: tuple[seeds.Key, ...],
        turns: Turns | None = None,
    ) -> None:
        """Prepare the sampler for the first round.

        Args:
            training_set: the rows to sample from.
            lengths: (rows,) number of tokens of each row.
            settings: batch size, number of updates and of rounds.
            schedule: function that chooses the rows of a round; None for all rows.
            key: key of the training, from which every random number derives.
            turns: order of long and short batches; see `encoding.row_stream`.
        """
        self._set, self._lengths, self._settings = training_set, lengths, settings
        self._schedule, self._turns = schedule, turns
        self._batches_rng = seeds.rng(*key, "batches")
        self._schedule_rng = seeds.rng(*key, "present")
        self._labels = training_set.targets.argmax(1)
        self._rows: Ints | None = None
        self._stream: Iterator[Ints] = iter(())
        self._latest = np.full(training_set.targets.shape, np.nan, np.float32)
        # Per batch its rows, p(label) and predicted classes. The other classes' probabilities are
        # dropped: with many classes they would fill the memory.
        self._recorded: list[tuple[Ints, NDArray[np.float32], Ints]] = []
        self._correct = self._presented = 0  # in this round

    def start_round(self, number: int, update: int) -> None:
        """Choose the rows of round `number`, which begins after `update` updates."""
        s = self._settings
        past = TrainingProgress(number, update / s.updates, s.batch, _read_only(self._latest))
        rows = self._schedule(self._set, past, self._schedule_rng) if self._schedule else None
        if rows is None:
            rows = np.arange(len(self._set))
        if self._rows is None or not np.array_equal(rows, self._rows):
            self._rows = rows
            self._stream = row_stream(
                rows, self._lengths, s.batch, self._batches_rng, self._turns, update
            )
        self._correct = self._presented = 0

    def next_batch(self) -> Ints:
        """Return the rows of the next batch."""
        return next(self._stream)

    def record_predictions(self, rows: Ints, p: NDArray[np.float32]) -> None:
        """Keep the predictions for a batch, (rows, classes), made before its update."""
        labels = self._labels[rows]
        self._latest[rows] = p
        self._recorded.append((rows, p[np.arange(len(rows)), labels], p.argmax(1)))
        # A row that stands twice in the batch counts twice with its later prediction.
        self._correct += int((self._latest[rows].argmax(1) == labels).sum())
        self._presented += len(rows)

    @property
    def accuracy(self) -> float:
        """Accuracy of this round's rows as presented; NaN where an objective hides its predictions."""
        return self._correct / self._presented if self._presented else float("nan")

    def presentations(self) -> Presentations:
        """Return every presentation in order; none where an objective hides its predictions."""
        if not self._recorded:
            return NOTHING_SHOWN
        rows, p_label, predicted = (
            np.concatenate(part) for part in zip(*self._recorded, strict=True)
        )
        correct = predicted == self._labels[rows]
        return Presentations(rows, p_label.astype(np.float64), correct, predicted)


def _read_only(values: NDArray[np.float32]) -> NDArray[np.float32]:
    view = values.view()
    view.flags.writeable = False
    return view
