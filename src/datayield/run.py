"""run_cell: the straight line from a cell to its row; run_cells: the same for a stack of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch

from datayield import dynamics, seeds
from datayield.case import Case, Fit, Prepared, fitted, fitted_together, prepared, texts_of
from datayield.desk import Data
from datayield.grid import key as cell_key
from datayield.score import accuracy, macro_f1
from datayield.strategies import compose
from datayield.strategies.base import Plan
from datayield.together import company
from datayield.train import Trained
from datayield.types import Account, Arm, Cell, Corpus, Row, Sample

T = TypeVar("T")


def run_cell(cell: Cell, data: Data) -> Row:
    """Train one arm on one sample and read the test set once."""
    return fitted_cell(cell, data)[0]


def run_cells(cells: Sequence[Cell], data: Data) -> Iterator[Row | Exception]:
    """The row of every cell, or the error that it raised, in order.

    Args:
        cells: one, or several of one company (`together.lots`).
        data: of their corpus.
    """
    for found in _fitted_cells(cells, data):
        yield found if isinstance(found, Exception) else found[0]


def fitted_cell(cell: Cell, data: Data) -> tuple[Row, Fit]:
    """As `run_cell`, with what was fitted: the row that the store keeps, and its model."""
    (found,) = _fitted_cells([cell], data)
    if isinstance(found, Exception):
        raise found
    return found


def _fitted_cells(cells: Sequence[Cell], data: Data) -> Iterator[tuple[Row, Fit] | Exception]:
    reset_peak_memory()
    begun = [_or_error(partial(_begun, cell, data)) for cell in cells]
    ready = [b for b in begun if not isinstance(b, Exception)]
    if company(cells[0]) is None:
        fits: Iterator[Any] = (_or_error(partial(_alone, b)) for b in ready)
    else:
        fits = iter(_stacked(ready))
    for each in begun:
        fit = each if isinstance(each, Exception) else next(fits)
        if isinstance(each, Exception) or isinstance(fit, Exception):
            yield fit
        else:
            yield _or_error(partial(_judged, each, fit))


def _or_error(step: Callable[[], T]) -> T | Exception:
    try:
        return step()
    except Exception as e:  # every error of a cell is that cell's answer; the others go on
        return e


def _begun(cell: Cell, data: Data) -> Prepared:
    """Sample, label and prepare."""
    began = time.perf_counter()
    account = Account(labels_paid=cell.n)
    parts = compose(cell.arm.strategies, cell.settings)
    rewritten = parts.one("plan")
    plan: Plan = rewritten(Plan(cell.n, cell.seed)) if rewritten else Plan(cell.n, cell.seed)
    key = (cell.identity["study_seed"], cell.corpus, cell.draw, plan.seed)
    sample = _split(data.draws.sample(cell.draw, plan.labels), plan.validates)
    data = replace(data, corpus=_labelled(data.corpus, sample, plan, key))
    validation = texts_of(data.corpus, sample.validation), data.corpus.labels[sample.validation]
    ready = prepared(Case(cell, data, sample, parts, account, key), validation)
    account.cell_seconds = time.perf_counter() - began
    return ready


def _alone(ready: Prepared) -> Fit:
    """Fit one cell."""
    began = time.perf_counter()
    fit = fitted(ready)
    ready.case.account.cell_seconds += time.perf_counter() - began
    return fit


def _stacked(every: Sequence[Prepared]) -> list[Trained | Exception]:
    """Fit cells of one company side by side; each bears an equal share of the time.

    Where that fails, the halves are fitted by themselves, down to the cell that fails: what is stacked
    beside a cell makes no difference to it.
    """
    if not every:
        return []
    began = time.perf_counter()
    try:
        fits = fitted_together(every)
    except Exception as e:
        half = len(every) // 2
        if not half or isinstance(e, torch.OutOfMemoryError):
            return [e] * len(every)
        return _stacked(every[:half]) + _stacked(every[half:])
    for ready in every:
        ready.case.account.cell_seconds += (time.perf_counter() - began) / len(every)
    return [*fits]


def _judged(ready: Prepared, fit: Fit) -> tuple[Row, Fit]:
    """Predict and score."""
    started = time.perf_counter()
    case, validation = ready.case, ready.validation
    cell, corpus, account = case.cell, case.data.corpus, case.account
    guessed = fit.predict(validation[0]).argmax(1) if validation[0] else np.empty(0, np.int64)
    began = time.perf_counter()
    predicted = fit.predict(corpus.test_texts).argmax(1)
    account.inference_seconds = time.perf_counter() - began
    account.peak_memory_mib = peak_memory_mib()
    account.cell_seconds += time.perf_counter() - started

    classes, truth = len(corpus.classes), corpus.test_labels
    row = Row(
        cell=cell,
        key=cell_key(cell),
        n_train=len(case.sample.train),
        n_validation=len(case.sample.validation),
        validation_accuracy=accuracy(guessed, validation[1]),
        validation_macro_f1=macro_f1(guessed, validation[1], classes),
        accuracy=accuracy(predicted, truth),
        macro_f1=macro_f1(predicted, truth, classes),
        predicted=predicted,
        hits=predicted == truth,
        test_digest=corpus.test_digest,
        account=account,
        history=fit.history if isinstance(fit, Trained) else (),
        dynamics=dynamics.of(fit.shown, fit.parents) if isinstance(fit, Trained) else None,
    )
    return row, fit


def _split(sample: Sample, validates: float) -> Sample:
    """The sample with the first of its validation texts moved to training until the share is left."""
    moved = len(sample.validation) - round(validates * len(sample.validation))
    train = np.concatenate([sample.train, sample.validation[:moved]])
    return replace(sample, train=train, validation=sample.validation[moved:])


def _labelled(corpus: Corpus, sample: Sample, plan: Plan, key: tuple[seeds.Key, ...]) -> Corpus:
    """The corpus; where the plan says so, with the sample's labels permuted among its texts."""
    if not plan.permuted:
        return corpus
    labels, ids = corpus.labels.copy(), np.concatenate([sample.train, sample.validation])
    labels[ids] = seeds.rng(*key, "permuted").permutation(labels[ids])
    return replace(corpus, labels=labels)


def reset_peak_memory() -> None:
    """Start a new measurement of this process's peak memory, where the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # then the peak is that of the process so far


def peak_memory_mib() -> float:
    """Largest resident size since the last reset, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return float(next(x for x in lines if x.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def from_json(fields: dict[str, Any]) -> Cell:
    """A cell from the plain dict that `dataclasses.asdict` makes of it."""
    arm = fields["arm"]
    return Cell(**{**fields, "arm": Arm(arm["architecture"], tuple(arm["strategies"]))})
