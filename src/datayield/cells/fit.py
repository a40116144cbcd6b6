"""Fits the model of one cell, or of a stack of cells, and records the cost."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias, cast

from datayield.cells.arm_hooks import hooks_of
from datayield.cells.context import CellContext
from datayield.cells.corpus_tables import CorpusTables
from datayield.core import seeds
from datayield.core.types import Cell, Corpus, Cost, Ints, Sample, Settings, TrainingSet
from datayield.models import embedded, linear
from datayield.models.settings import OUTSIDE
from datayield.models.trainer import (
    HeldOut,
    RoundCallback,
    Trained,
    TrainingJob,
    train,
)
from datayield.strategies.registry import Composition

SEED_LABELS = (
    50  # an arm that queries starts from the first min(50, half) training labels of the draw
)

Fit: TypeAlias = Trained | linear.Linear


@dataclass(frozen=True, slots=True)
class CellInputs:
    """One arm on one sample: everything that the steps of preparing and fitting read."""

    cell: Cell
    tables: CorpusTables
    sample: Sample
    composition: Composition
    cost: Cost  # every step adds to it
    key: tuple[seeds.Key, ...]  # every random number derives from it


@dataclass(frozen=True, slots=True)
class PreparedCell:
    """A cell with its training rows."""

    inputs: CellInputs
    held_out: HeldOut
    training_set: TrainingSet
    job: TrainingJob | None  # None: the arm has no network


Clock: TypeAlias = Literal["cell_seconds", "prepare_seconds", "train_seconds", "inference_seconds"]


@contextmanager
def adding_seconds(cost: Cost, clock: Clock) -> Iterator[None]:
    """Add the seconds that the block takes to one of the clocks of a cost."""
    began = time.perf_counter()
    yield
    setattr(cost, clock, getattr(cost, clock) + time.perf_counter() - began)


def texts_of(corpus: Corpus, ids: Ints) -> list[str]:
    """Return the texts with these pool ids."""
    return [corpus.texts[i] for i in ids]


def held_out_texts(inputs: CellInputs) -> HeldOut:
    """Return the texts of a sample that validate, with their labels."""
    corpus, ids = inputs.tables.corpus, inputs.sample.validation
    return texts_of(corpus, ids), corpus.labels[ids]


def make_contexts(inputs: CellInputs) -> list[CellContext]:
    """Make one context for each part of the composition; they share the cost of the cell."""
    model, train_ids = inputs.cell.settings.get("model"), inputs.sample.train
    settings = Settings() if model is None else Settings.from_dict(model)
    first = train_ids[: min(SEED_LABELS, len(train_ids) // 2)]
    labelled = first if inputs.composition.one("query") else train_ids
    return [
        CellContext(
            inputs.tables,
            inputs.sample,
            settings,
            inputs.cost,
            (*inputs.key, strategy.name),
            strategy,
            labelled,
            inputs.cell.identity.get("language_models"),
        )
        for strategy in inputs.composition.parts
    ]


def make_job(
    inputs: CellInputs,
    contexts: Sequence[CellContext],
    training_set: TrainingSet,
    held_out: HeldOut,
) -> TrainingJob:
    """Set up the training of a network, from pretrained weights where a part pretrains."""
    settings = Settings.from_dict(inputs.cell.settings["model"])
    hooks = hooks_of(inputs.composition, contexts, inputs.tables.corpus, settings)
    return TrainingJob(training_set, held_out, settings, hooks, inputs.key)


def fit_cell(prepared: PreparedCell, callback: RoundCallback | None = None) -> Fit:
    """Fit the network or the linear baseline of a cell.

    Args:
        prepared: the cell; the cost of fitting is added to its cost.
        callback: may end the training of a network after an evaluated round.
    """
    cost = prepared.inputs.cost
    if prepared.job is None:
        return _fit_baseline(prepared.inputs, prepared.training_set)
    trained = train(*prepared.job, callback)
    add_cost(cost, trained)
    return trained


def _fit_baseline(inputs: CellInputs, training_set: TrainingSet) -> Fit:
    architecture, seed = inputs.cell.arm.architecture, seeds.integer(*inputs.key, "linear")
    with adding_seconds(inputs.cost, "train_seconds"):
        if architecture in OUTSIDE:
            embed = inputs.tables.embed(architecture)
            fitted = embedded.fit_embedded(training_set, seed, embed, architecture)
        else:
            fitted = linear.FITTERS[architecture](training_set, seed)
    inputs.cost.parameters, inputs.cost.helper_fits = fitted.parameters, fitted.fits
    return fitted


def fit_stack(prepared: Sequence[PreparedCell]) -> list[Trained]:
    """Fit the networks of cells that have one stack key (`stacking.stack_key`) as one stack."""
    from datayield.models.stacked.stack_trainer import train_together

    cell = prepared[0].inputs.cell
    jobs = [cast(TrainingJob, p.job) for p in prepared]
    fits = train_together(jobs, (cell.identity["study_seed"], cell.corpus, "turns"))
    for p, trained in zip(prepared, fits, strict=True):
        add_cost(p.inputs.cost, trained)
    return fits


def add_cost(cost: Cost, trained: Trained) -> None:
    """Add the cost of a finished network."""
    cost.train_seconds, cost.parameters = trained.seconds, trained.parameters
    cost.updates += trained.history[-1].updates
    cost.tokens += trained.tokens
