"""Computes cells. Read from top to bottom: load the sample, query labels, transform, fit, score.

The scored model of a cell learns from all n labels. For every choice inside n, further trainings
leave out one fold each and predict it. `run_cells` computes cells that a GPU trains as one stack; a
single cell is a unit of work of one. The caller stores the rows (`datayield.study.study_stage`).
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from datayield.cells.context import CellContext
from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.draws import FOLDS
from datayield.cells.fit import (
    CellInputs,
    Fit,
    PreparedCell,
    adding_seconds,
    fit_cell,
    fit_stack,
    held_out_texts,
    make_contexts,
    make_job,
    texts_of,
)
from datayield.cells.stacking import stack_key
from datayield.core import seeds
from datayield.core.metrics import accuracy, macro_f1
from datayield.core.system.machine import peak_memory_mib, reset_peak_memory
from datayield.core.types import (
    Cell,
    Corpus,
    Cost,
    Ints,
    Pool,
    Probabilities,
    Round,
    Row,
    Sample,
    TrainingSet,
)
from datayield.models import dynamics
from datayield.models.device import OutOfMemory
from datayield.models.stacked import STACK_SIZE
from datayield.models.trainer import HeldOut, Trained
from datayield.strategies.base import RunProtocol
from datayield.strategies.registry import Composition, compose

T = TypeVar("T")


def run_cell(cell: Cell, tables: CorpusTables) -> Row:
    """Train one arm on one sample and score it once on the test set."""
    return compute_cell(cell, tables)[0]


def run_cells(cells: Sequence[Cell], tables: CorpusTables) -> Iterator[Row | Exception]:
    """Yield for every cell, in order, its row or the error that it raised.

    Args:
        cells: one unit of work (`stacking.work_units`): one cell, or several with the same stack key.
        tables: the corpus of the cells and its precomputed tables.
    """
    for result in _compute(cells, tables):
        yield result if isinstance(result, Exception) else result[0]


def compute_cell(cell: Cell, tables: CorpusTables) -> tuple[Row, Fit]:
    """Compute a cell; return its row and the fitted model."""
    (result,) = _compute([cell], tables)
    if isinstance(result, Exception):
        raise result
    return result


def _compute(cells: Sequence[Cell], tables: CorpusTables) -> Iterator[tuple[Row, Fit] | Exception]:
    """Load, prepare, fit and score the cells of one unit of work."""
    reset_peak_memory()
    loaded = [_attempt(partial(load_and_prepare, cell, tables)) for cell in cells]
    fits = fit_all([p for one in loaded if not isinstance(one, Exception) for p in one])
    for prepared in loaded:
        if isinstance(prepared, Exception):
            yield prepared
            continue
        results = [next(fits) for _ in prepared]
        errors = [r for r in results if isinstance(r, Exception)]
        fitted = [r for r in results if not isinstance(r, Exception)]
        yield errors[0] if errors else _attempt(partial(score, prepared, fitted))


def _attempt(step: Callable[[], T]) -> T | Exception:
    try:
        return step()
    except Exception as e:  # an error is the result of its own cell; the other cells continue
        return e


def load_and_prepare(cell: Cell, tables: CorpusTables) -> list[PreparedCell]:
    """Load the samples of a cell and prepare everything that fitting reads.

    Returns:
        The training of the scored model, then one training for each held-out fold.
    """
    return [_load_and_prepare(cell, tables, fold) for fold in (None, *held_out_folds(cell))]


def held_out_folds(cell: Cell) -> list[int]:
    """Return the folds that a cell holds out, one training each; another draw begins with another."""
    return [(cell.draw + k) % FOLDS for k in range(cell.identity.get("validation_folds", 0))]


def _load_and_prepare(cell: Cell, tables: CorpusTables, held_out: int | None) -> PreparedCell:
    cost = Cost(labels_paid=cell.n)
    with adding_seconds(cost, "cell_seconds"):
        inputs = load_sample(cell, tables, cost, held_out)
        # A held-out fold is watched in training; texts that rank are predicted once, at the end.
        watched = held_out_texts(inputs) if held_out is not None else ([], np.empty(0, np.int64))
        return prepare(inputs, watched)


def load_sample(
    cell: Cell, tables: CorpusTables, cost: Cost, held_out: int | None = None
) -> CellInputs:
    """Load the labelled texts of a cell as its arm's protocol wants them.

    Args:
        cell: the cell.
        tables: its corpus.
        cost: every later step adds to it.
        held_out: the fold that this training leaves out and predicts; None for the scored model.
    """
    composition = compose(cell.arm.strategies, cell.settings)
    protocol = _protocol(cell, composition)
    key: tuple[seeds.Key, ...] = (
        cell.identity["study_seed"], cell.corpus, cell.draw, protocol.seed,
    )  # fmt: skip
    ranking = cell.identity.get("ranking_texts", 0)
    sample = tables.draws.sample(cell.draw, protocol.labels, held_out, ranking)
    if held_out is None:
        sample = _leave_unused(sample, protocol.unused)
    if protocol.permuted:
        tables = replace(tables, corpus=permute_labels(tables.corpus, sample, key))
    if held_out is not None:
        key = (*key, "fold", held_out)
    return CellInputs(cell, tables, sample, composition, cost, key)


def _protocol(cell: Cell, composition: Composition) -> RunProtocol:
    """Return the labels and the seed of a run, as a part of the arm rewrites them."""
    rewrite = composition.one("protocol")
    protocol = RunProtocol(cell.n, cell.seed)
    return rewrite(protocol) if rewrite else protocol


def _leave_unused(sample: Sample, share: float) -> Sample:
    """Return the sample without a share of its labels, up to a fifth: the first texts of fold 0."""
    of_fold = np.flatnonzero(sample.folds[sample.train] == 0)
    left_out = of_fold[: round(share * len(sample.train))]
    return replace(sample, train=np.delete(sample.train, left_out))


def permute_labels(corpus: Corpus, sample: Sample, key: tuple[seeds.Key, ...]) -> Corpus:
    """Return the corpus with the labels of the sample permuted among the texts of the sample."""
    labels, ids = corpus.labels.copy(), np.sort(np.append(sample.train, sample.validation))
    labels[ids] = seeds.rng(*key, "permuted").permutation(labels[ids])
    return replace(corpus, labels=labels)


def prepare(inputs: CellInputs, held_out: HeldOut) -> PreparedCell:
    """Query labels, transform the labelled texts and set up the training of a network.

    Args:
        inputs: a cell and its sample; the cost of the preparation is added to `inputs.cost`.
        held_out: texts and labels that training is evaluated on.
    """
    with adding_seconds(inputs.cost, "prepare_seconds"):
        contexts = make_contexts(inputs)
        ids = query_labels(inputs, contexts)
        training_set = transform(inputs, contexts, ids)
        inputs.cost.examples = int(np.isin(np.unique(training_set.parents), ids).sum())
        network = bool(inputs.cell.arm.strategies)
        job = make_job(inputs, contexts, training_set, held_out) if network else None
    return PreparedCell(inputs, held_out, training_set, job)


def query_labels(inputs: CellInputs, contexts: Sequence[CellContext]) -> Ints:
    """Return the pool ids of the texts to train on: the draw's, or those that a strategy queries.

    Raises:
        LookupError: a strategy returned too few texts or texts of the held-out fold.
    """
    train, validation = inputs.sample.train, inputs.sample.validation
    for strategy, context in zip(inputs.composition.parts, contexts, strict=True):
        if strategy.query is None:
            continue
        ids = strategy.query(Pool(inputs.tables.corpus.texts), len(train), context)
        distinct = len(np.unique(ids))
        if distinct != len(train) or np.isin(ids, validation).any():
            raise LookupError(
                f"strategy {strategy.name}: its query must return {len(train)} distinct texts outside"
                f" the held-out fold, and returned {distinct} distinct texts,"
                f" {int(np.isin(ids, validation).sum())} of them held out"
            )
        context.reveal_labels(ids)
        for each in contexts:
            each.add_labelled(ids)
        return ids  # an arm has at most one part that queries
    return train


def transform(inputs: CellInputs, contexts: Sequence[CellContext], ids: Ints) -> TrainingSet:
    """Return the labelled texts as training rows, after the `transform` of every part of the arm."""
    corpus = inputs.tables.corpus
    rows = TrainingSet(
        texts=tuple(texts_of(corpus, ids)),
        targets=np.eye(len(corpus.classes), dtype=np.float32)[corpus.labels[ids]],
        weights=np.ones(len(ids), np.float32),
        parents=ids.astype(np.int64),
    )
    return inputs.composition.transform(rows, contexts)


def fit_all(prepared: Sequence[PreparedCell]) -> Iterator[Fit | Exception]:
    """Yield the fits of one unit of work: by stacks where a GPU stacks them, else one after the other."""
    if not prepared or stack_key(prepared[0].inputs.cell) is None:
        yield from (_attempt(partial(fit, p)) for p in prepared)
        return
    for first in range(0, len(prepared), STACK_SIZE):
        yield from fit_together(prepared[first : first + STACK_SIZE])


def fit(prepared: PreparedCell) -> Fit:
    """Fit one cell by itself."""
    with adding_seconds(prepared.inputs.cost, "cell_seconds"):
        return fit_cell(prepared)


def fit_together(prepared: Sequence[PreparedCell]) -> list[Trained | Exception]:
    """Fit cells of one stack side by side; each cell is charged an equal share of the time.

    Where that fails, fit each half by itself, down to the cell that fails. That changes no result:
    a network does not depend on the networks next to it.
    """
    began = time.perf_counter()
    try:
        fits = fit_stack(prepared)
    except Exception as e:
        half = len(prepared) // 2
        if not half or isinstance(e, OutOfMemory):
            return [e] * len(prepared)
        return fit_together(prepared[:half]) + fit_together(prepared[half:])
    share = (time.perf_counter() - began) / len(prepared)
    for p in prepared:
        p.inputs.cost.cell_seconds += share
    return [*fits]


def score(prepared: Sequence[PreparedCell], fits: Sequence[Fit]) -> tuple[Row, Fit]:
    """Predict the test set and the held-out texts; return the finished row and the scored model.

    Args:
        prepared: the training of the scored model, then those that each leave out a fold.
        fits: their models, in the same order.
    """
    (scored, *folds), (model, *fold_models) = prepared, fits
    inputs, corpus, cost = scored.inputs, scored.inputs.tables.corpus, scored.inputs.cost
    with adding_seconds(cost, "cell_seconds"), adding_seconds(cost, "inference_seconds"):
        on_test = model.predict(corpus.test_texts)
    held_out = [_predict_held_out(p, m) for p, m in zip(prepared, fits, strict=True)]
    cost.validation_seconds = sum(p.inputs.cost.cell_seconds for p in folds)
    cost.cell_seconds += cost.validation_seconds
    cost.peak_memory_mib = peak_memory_mib()
    ids = np.concatenate([p.inputs.sample.validation for p in prepared]).astype(np.int64)
    labels = np.concatenate([held_out_texts(p.inputs)[1] for p in prepared])
    out_of_fold = np.concatenate(held_out)
    predicted, validated = on_test.argmax(1), out_of_fold.argmax(1)
    network = model if isinstance(model, Trained) else None
    row = Row(
        cell=inputs.cell,
        key=inputs.cell.key,
        n_train=len(inputs.sample.train),
        n_validation=len(ids),
        validation_accuracy=accuracy(validated, labels),
        validation_macro_f1=macro_f1(validated, labels, len(corpus.classes)),
        accuracy=accuracy(predicted, corpus.test_labels),
        macro_f1=macro_f1(predicted, corpus.test_labels, len(corpus.classes)),
        predicted=predicted,
        hits=predicted == corpus.test_labels,
        test_digest=corpus.test_digest,
        cost=cost,
        history=_history(model, fold_models),
        dynamics=dynamics.dynamics_of(network.presentations, network.parents) if network else None,
        probabilities=_half(on_test, ids, out_of_fold) if model.probabilistic else None,
    )
    return row, model


def _predict_held_out(prepared: PreparedCell, model: Fit) -> NDArray[np.float32]:
    """Return what a training predicts for the texts that it left out, (held out, classes)."""
    texts, _ = held_out_texts(prepared.inputs)
    with adding_seconds(prepared.inputs.cost, "cell_seconds"):
        classes = len(prepared.inputs.tables.corpus.classes)
        return model.predict(texts) if texts else np.empty((0, classes), np.float32)


def _half(on_test: NDArray[np.float32], ids: Ints, held_out: NDArray[np.float32]) -> Probabilities:
    return Probabilities(on_test.astype(np.float16), ids, held_out.astype(np.float16))


def _history(model: Fit, fold_models: Sequence[Fit]) -> tuple[Round, ...]:
    """Return the rounds of the scored network, with the validation scores of the first held-out fold."""
    if not isinstance(model, Trained):
        return ()
    validated = (
        fold_models[0].history if fold_models and isinstance(fold_models[0], Trained) else ()
    )
    if not validated:
        return model.history
    return tuple(
        replace(r, validation_loss=v.validation_loss, validation_accuracy=v.validation_accuracy)
        for r, v in zip(model.history, validated, strict=True)
    )
