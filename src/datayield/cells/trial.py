"""Scores settings of a cell on the labels of the cell alone, for searches."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.draws import FOLDS, FOLDS_UP_TO
from datayield.cells.fit import CellInputs, Fit, fit_cell, fit_stack, held_out_texts
from datayield.cells.run import prepare
from datayield.cells.stacking import stack_key
from datayield.core.metrics import accuracy, macro_f1
from datayield.core.types import Cell, Cost, Ints
from datayield.models.trainer import HeldOut, RoundCallback
from datayield.strategies.registry import compose


def run_trial(
    cell: Cell, tables: CorpusTables, metric: str = "accuracy", thresholds: Sequence[float] = ()
) -> dict[str, Any]:
    """Score the settings of a cell on its n labels alone: by folds where the labels are few.

    A trial is scored at steps: after every evaluated round or, with folds, after every fold on all
    held-out labels so far. It stops where its score is below the threshold of that step.

    Returns:
        accuracy and macro_f1 on held-out labels, the metric's value at each of the `steps`, whether
        the trial `stopped` early, and its cost: seconds, tokens, updates, helper_fits.
    """
    began, cost = time.perf_counter(), Cost(labels_paid=cell.n)
    scorer = TrialScorer(metric, len(tables.corpus.classes), thresholds)
    folds = _folds(cell, tables, cost)
    for inputs, fit in zip(folds, _fits(folds, scorer), strict=True):
        texts, labels = held_out_texts(inputs)
        scorer.add_fold(fit.predict(texts).argmax(1), labels)
        if len(folds) > 1:
            scorer.record_step(scorer.predicted, scorer.labels)
            if scorer.stopped:
                break
    return {
        "accuracy": scorer.score("accuracy", scorer.predicted, scorer.labels),
        "macro_f1": scorer.score("macro_f1", scorer.predicted, scorer.labels),
        "steps": scorer.steps,
        "stopped": scorer.stopped,
        "seconds": time.perf_counter() - began,
        "tokens": cost.tokens,
        "updates": cost.updates,
        "helper_fits": cost.helper_fits,
    }


def _folds(cell: Cell, tables: CorpusTables, cost: Cost) -> list[CellInputs]:
    """Return the inputs once for every fold that is held out: one fold where labels are many."""
    composition = compose(cell.arm.strategies, cell.settings)
    key = (cell.identity["study_seed"], cell.corpus, cell.draw, cell.seed, "fold")
    return [
        CellInputs(
            cell,
            tables,
            tables.draws.sample(cell.draw, cell.n, held_out),
            composition,
            cost,
            (*key, held_out),
        )
        for held_out in range(FOLDS if cell.n <= FOLDS_UP_TO else 1)
    ]


def _fits(folds: Sequence[CellInputs], scorer: "TrialScorer") -> Iterator[Fit]:
    """Fit one fold after the other, as the caller asks for them, or all of them as one stack."""
    if len(folds) == 1:
        held_out = held_out_texts(folds[0])
        yield fit_cell(prepare(folds[0], held_out), scorer.round_callback(held_out[1]))
        return
    nothing: HeldOut = [], np.empty(0, np.int64)  # a fold is scored once, after its training
    prepared = (prepare(inputs, nothing) for inputs in folds)
    if stack_key(folds[0].cell) is None:
        yield from map(fit_cell, prepared)
    else:
        yield from fit_stack(list(prepared))


@dataclass(slots=True)
class TrialScorer:
    """Scores a trial step by step and stops it below a threshold."""

    metric: str
    classes: int
    thresholds: Sequence[float]  # one for each step that may stop the trial
    steps: list[float] = field(default_factory=list)  # scores
    predicted: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # of all folds so far
    labels: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    @property
    def stopped(self) -> bool:
        """Whether the score of the last step is below the threshold of that step."""
        last = len(self.steps) - 1
        return 0 <= last < len(self.thresholds) and self.steps[last] < self.thresholds[last]

    def round_callback(self, labels: Ints) -> RoundCallback:
        """Return a callback that records every evaluated round of a training and may end it."""

        def record(probabilities: NDArray[np.float32]) -> bool:
            self.record_step(probabilities.argmax(1), labels)
            return self.stopped

        return record

    def add_fold(self, predicted: Ints, labels: Ints) -> None:
        """Add the predictions for the held-out texts of a finished fold."""
        self.predicted = np.append(self.predicted, predicted)
        self.labels = np.append(self.labels, labels)

    def record_step(self, predicted: Ints, labels: Ints) -> None:
        """Append the score of these predictions to the steps."""
        self.steps.append(self.score(self.metric, predicted, labels))

    def score(self, metric: str, predicted: Ints, labels: Ints) -> float:
        """Return the accuracy or the macro-F1 of these predictions."""
        if metric == "accuracy":
            return accuracy(predicted, labels)
        return macro_f1(predicted, labels, self.classes)
