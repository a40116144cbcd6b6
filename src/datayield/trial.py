"""Scoring the settings of a cell on its labels alone, for searches."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from datayield.case import Case, Fit, fitted, fitted_together, prepared, texts_of
from datayield.desk import Data
from datayield.draws import FOLDS_UP_TO
from datayield.score import accuracy, macro_f1
from datayield.strategies import compose
from datayield.together import company
from datayield.train import Held, Watch
from datayield.types import Account, Cell, Ints


def run_trial(
    cell: Cell, data: Data, metric: str = "accuracy", floors: Sequence[float] = ()
) -> dict[str, Any]:
    """Score the settings of a cell on its n labels alone: by folds where they are few.

    A trial is judged at steps: after every evaluated round, or, with folds, on all held-out labels
    so far after every fold. It ends where its score at a step lies below the floor of that step.

    Returns:
        accuracy and macro_f1 on held-out labels, the metric's value at each `steps`, whether it was
        `stopped`, and its cost: seconds, tokens, updates, helper_fits.
    """
    parts, account = compose(cell.arm.strategies, cell.settings), Account(labels_paid=cell.n)
    judge = Judge(metric, len(data.corpus.classes), floors)
    began = time.perf_counter()
    sample = data.draws.sample(cell.draw, cell.n)
    folded = cell.n <= FOLDS_UP_TO
    pairs = data.draws.folds(cell.draw, cell.n) if folded else [(sample.train, sample.validation)]
    key = (cell.identity["study_seed"], cell.corpus, cell.draw, cell.seed, "fold")
    cases = [
        Case(
            cell, data, replace(sample, train=ids, validation=held), parts, account, (*key, number)
        )
        for number, (ids, held) in enumerate(pairs)
    ]
    for case, fit in zip(cases, _fits(cases, folded, judge), strict=True):
        texts, labels = _held_out(case)
        judge.keep(fit.predict(texts).argmax(1), labels)
        if folded and judge.ends(judge.said, judge.truth):
            break
    return {
        "accuracy": judge.score("accuracy", judge.said, judge.truth),
        "macro_f1": judge.score("macro_f1", judge.said, judge.truth),
        "steps": judge.steps,
        "stopped": judge.stopped,
        "seconds": time.perf_counter() - began,
        "tokens": account.tokens,
        "updates": account.updates,
        "helper_fits": account.helper_fits,
    }


def _held_out(case: Case) -> Held:
    corpus, held = case.data.corpus, case.sample.validation
    return texts_of(corpus, held), corpus.labels[held]


def _fits(cases: Sequence[Case], folded: bool, judge: "Judge") -> Iterator[Fit]:
    """One fit after the other, as they are wanted; the folds of a company as one stack."""
    if not folded:
        (case,) = cases
        held = _held_out(case)
        yield fitted(prepared(case, held), judge.watch(held[1]))
        return
    nothing: Held = [], np.empty(0, np.int64)
    ready = (prepared(case, nothing) for case in cases)
    if company(cases[0].cell) is None:
        yield from map(fitted, ready)
    else:
        yield from fitted_together(list(ready))


@dataclass(slots=True)
class Judge:
    """Scores a trial step by step and says where it ends."""

    metric: str
    classes: int
    floors: Sequence[float]
    steps: list[float] = field(default_factory=list)
    stopped: bool = False
    said: Ints = field(default_factory=lambda: np.empty(0, np.int64))  # of held-out texts so far
    truth: Ints = field(default_factory=lambda: np.empty(0, np.int64))

    def watch(self, labels: Ints) -> Watch:
        """What training is watched with: ends it by its probabilities of these labels' texts."""
        return lambda p: self.ends(p.argmax(1), labels)

    def keep(self, said: Ints, truth: Ints) -> None:
        """Add what a finished fold said of its held-out texts."""
        self.said, self.truth = np.append(self.said, said), np.append(self.truth, truth)

    def ends(self, said: Ints, truth: Ints) -> bool:
        """Note the score at the next step; whether it lies below that step's floor."""
        step = len(self.steps)
        self.steps.append(self.score(self.metric, said, truth))
        self.stopped = step < len(self.floors) and self.steps[step] < self.floors[step]
        return self.stopped

    def score(self, metric: str, said: Ints, truth: Ints) -> float:
        """Accuracy or macro-F1."""
        if metric == "accuracy":
            return accuracy(said, truth)
        return macro_f1(said, truth, self.classes)
