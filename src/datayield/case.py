"""One arm on one sample: its rows prepared, its model fitted, what that costs accounted."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, cast

import numpy as np

from datayield import linear, seeds
from datayield.desk import CellDesk, Data, readable
from datayield.strategies import Composition
from datayield.train import Held, Job, Trained, Verbs, Watch, train
from datayield.types import Account, Cell, Corpus, Ints, Pool, Sample, Settings, TrainingSet

SEED_LABELS = 50  # an acquiring arm starts from the first min(50, half) training labels of the draw

Fit: TypeAlias = Trained | linear.Linear


@dataclass(frozen=True, slots=True)
class Case:
    """One arm on one sample: what every step of preparing and fitting it reads."""

    cell: Cell
    data: Data
    sample: Sample
    parts: Composition
    account: Account
    key: tuple[seeds.Key, ...]  # every random number derives from it


@dataclass(frozen=True, slots=True)
class Prepared:
    """A case whose rows are ready."""

    case: Case
    validation: Held
    training_set: TrainingSet
    job: Job | None  # of a network


def prepared(case: Case, validation: Held) -> Prepared:
    """The arm's rows, and what its network trains on where it is one; the cost goes into the account."""
    began = time.perf_counter()
    desks = _desks(case)
    training_set, labelled = _rows(case, desks)
    case.account.examples = int(np.isin(np.unique(training_set.parents), labelled).sum())
    job = _job(case, desks, training_set, validation) if case.cell.arm.strategies else None
    case.account.prepare_seconds += time.perf_counter() - began
    return Prepared(case, validation, training_set, job)


def fitted(ready: Prepared, watch: Watch | None = None) -> Fit:
    """The network or baseline of these rows; the cost goes into the account."""
    if ready.job is None:
        return _simple(ready.case, ready.training_set)
    trained = train(*ready.job, watch)
    book(ready.case.account, trained)
    return trained


def fitted_together(every: Sequence[Prepared]) -> list[Trained]:
    """The networks of cases of one company (`together.company`), trained as one stack."""
    from datayield.stacked import train_together

    cell = every[0].case.cell
    jobs = [cast(Job, ready.job) for ready in every]
    fits = train_together(jobs, (cell.identity["study_seed"], cell.corpus, "turns"))
    for ready, fit in zip(every, fits, strict=True):
        book(ready.case.account, fit)
    return fits


def book(account: Account, trained: Trained) -> None:
    """Add what a finished network cost."""
    account.train_seconds, account.parameters = trained.seconds, trained.parameters
    account.updates += trained.history[-1].updates
    account.tokens += trained.tokens


def texts_of(corpus: Corpus, ids: Ints) -> list[str]:
    """The texts with these pool ids."""
    return [corpus.texts[i] for i in ids]


def _desks(case: Case) -> list[CellDesk]:
    """A desk for every part of the composition, all with the same account."""
    model, train_ids = case.cell.settings.get("model"), case.sample.train
    settings = Settings() if model is None else Settings.of(model)
    start = train_ids[: min(SEED_LABELS, len(train_ids) // 2)]
    known = start if case.parts.one("acquire") else train_ids
    return [
        CellDesk(case.data, case.sample, settings, case.account, (*case.key, p.name), p, known)
        for p in case.parts.parts
    ]


def _rows(case: Case, desks: Sequence[CellDesk]) -> tuple[TrainingSet, Ints]:
    """The texts that the arm labels, as one-hot rows, after every `prepare`; and their ids."""
    corpus, sample = case.data.corpus, case.sample
    ids = sample.train
    for part, desk in zip(case.parts.parts, desks, strict=True):
        if part.acquire is not None:
            ids = part.acquire(Pool(corpus.texts), len(ids), desk)
            if len(np.unique(ids)) != len(sample.train) or np.isin(ids, sample.validation).any():
                raise LookupError(
                    f"{part.name} chose {len(np.unique(ids))} distinct texts of {len(sample.train)} asked,"
                    " or texts of the validation part"
                )
            desk.ask(ids)
            for each in desks:
                each.acquired(ids)
    targets = np.eye(len(corpus.classes), dtype=np.float32)[corpus.labels[ids]]
    rows = TrainingSet(
        tuple(texts_of(corpus, ids)), targets, np.ones(len(ids), np.float32), ids.astype(np.int64)
    )
    return (case.parts.prepare(desks)(rows, desks[0]) if desks else rows), ids


def _simple(case: Case, training_set: TrainingSet) -> Fit:
    """A baseline without a network."""
    began = time.perf_counter()
    fit = linear.BASELINES[case.cell.arm.architecture]
    simple = fit(training_set, seeds.integer(*case.key, "linear"))
    case.account.train_seconds = time.perf_counter() - began
    case.account.parameters, case.account.helper_fits = simple.parameters, simple.fits
    return simple


def _job(case: Case, desks: Sequence[CellDesk], training_set: TrainingSet, validation: Held) -> Job:
    """What a network trains on, from what a part has pretrained where one does."""
    parts = list(zip(case.parts.parts, desks, strict=True))
    settings = Settings.of(case.cell.settings["model"])
    shape = {k: getattr(settings, k) for k in ("embedding", "hidden", "layers")}
    start = None
    for part, desk in parts:
        if part.pretrain is not None:
            start = part.pretrain(readable(case.data.corpus, case.sample), shape, desk)
    reading = [desk for part, desk in parts if part.unlabelled and part.objective]
    beside = reading[0].unlabelled if reading else ()
    verbs = Verbs(case.parts.present, case.parts.one("objective"), start, beside)
    return Job(training_set, validation, settings, verbs, case.key)
