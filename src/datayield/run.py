"""run_cell: the straight line from a cell to its row; run_cells: the same for a stack of them."""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias, TypeVar

import numpy as np

from datayield import dynamics, linear, seeds
from datayield.desk import CellDesk, Data, readable
from datayield.draws import FOLDS_UP_TO
from datayield.grid import key as cell_key
from datayield.score import accuracy, macro_f1
from datayield.strategies import Composition, compose
from datayield.strategies.base import Plan
from datayield.together import company
from datayield.train import Held, Job, Trained, Verbs, Watch, train
from datayield.types import (
    Account,
    Arm,
    Cell,
    Corpus,
    Ints,
    Pool,
    Row,
    Sample,
    Settings,
    TrainingSet,
)

SEED_LABELS = 50  # an acquiring arm starts from the first min(50, half) training labels of the draw

Fit: TypeAlias = Trained | linear.Linear
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class _Case:
    """One arm on one sample: what every step of preparing and fitting it reads."""

    cell: Cell
    data: Data
    sample: Sample
    parts: Composition
    account: Account
    key: tuple[seeds.Key, ...]  # every random number derives from it


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
        if isinstance(each, Exception):
            yield each
        elif isinstance(fit := next(fits), Exception):
            yield fit
        else:
            yield _or_error(partial(_judged, each, fit))


def _or_error(step: Callable[[], T]) -> T | Exception:
    try:
        return step()
    except Exception as e:  # every error of a cell is that cell's answer; the others go on
        return e


@dataclass(frozen=True, slots=True)
class _Begun:
    """A cell whose rows are ready."""

    case: _Case
    validation: Held
    training_set: TrainingSet
    job: Job | None  # of a network


def _begun(cell: Cell, data: Data) -> _Begun:
    """Sample, label and prepare."""
    began = time.perf_counter()
    account = Account(labels_paid=cell.n)
    parts = compose(cell.arm.strategies, cell.settings)
    rewritten = parts.one("plan")
    plan: Plan = rewritten(Plan(cell.n, cell.seed)) if rewritten else Plan(cell.n, cell.seed)
    key = (cell.identity["study_seed"], cell.corpus, cell.draw, plan.seed)
    sample = _split(data.draws.sample(cell.draw, plan.labels), plan.validates)
    data = replace(data, corpus=_labelled(data.corpus, sample, plan, key))
    validation = _texts(data.corpus, sample.validation), data.corpus.labels[sample.validation]
    case = _Case(cell, data, sample, parts, account, key)
    training_set, job = _prepared(case, validation)
    account.cell_seconds = time.perf_counter() - began
    return _Begun(case, validation, training_set, job)


def _alone(begun: _Begun) -> Fit:
    """Fit one cell."""
    began = time.perf_counter()
    fit = _fitted(begun.case, begun.training_set, begun.job)
    begun.case.account.cell_seconds += time.perf_counter() - began
    return fit


def _stacked(every: Sequence[_Begun]) -> list[Trained]:
    """Fit cells of one company side by side; each bears an equal share of the time."""
    jobs = [b.job for b in every if b.job is not None]
    if not jobs:
        return []
    from datayield.stacked import train_together

    cell, began = every[0].case.cell, time.perf_counter()
    fits = train_together(jobs, (cell.identity["study_seed"], cell.corpus, "turns"))
    for begun, fit in zip(every, fits, strict=True):
        _book(begun.case.account, fit)
        begun.case.account.cell_seconds += (time.perf_counter() - began) / len(jobs)
    return fits


def _judged(begun: _Begun, fitted: Fit) -> tuple[Row, Fit]:
    """Predict and score."""
    started = time.perf_counter()
    case, validation = begun.case, begun.validation
    cell, corpus, account = case.cell, case.data.corpus, case.account
    guessed = fitted.predict(validation[0]).argmax(1) if validation[0] else np.empty(0, np.int64)
    began = time.perf_counter()
    predicted = fitted.predict(corpus.test_texts).argmax(1)
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
        history=fitted.history if isinstance(fitted, Trained) else (),
        dynamics=dynamics.of(fitted.shown, fitted.parents) if isinstance(fitted, Trained) else None,
    )
    return row, fitted


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
    pairs = [(sample.train, sample.validation)]
    for number, (train_ids, held) in enumerate(
        data.draws.folds(cell.draw, cell.n) if folded else pairs
    ):
        part = replace(sample, train=train_ids, validation=held)
        key = (cell.identity["study_seed"], cell.corpus, cell.draw, cell.seed, "fold", number)
        texts, labels = _texts(data.corpus, held), data.corpus.labels[held]
        shown = ([], held[:0]) if folded else (texts, labels)
        watch = None if folded else judge.watch(labels)
        case = _Case(cell, data, part, parts, account, key)
        fitted = _fitted(case, *_prepared(case, shown), watch)
        judge.keep(fitted.predict(texts).argmax(1), labels)
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


def _prepared(case: _Case, validation: Held) -> tuple[TrainingSet, Job | None]:
    """The arm's rows, and what its network trains on where it is one; the cost goes into the account."""
    began = time.perf_counter()
    desks = _desks(case)
    training_set, labelled = _rows(case, desks)
    case.account.examples = int(np.isin(np.unique(training_set.parents), labelled).sum())
    job = _job(case, desks, training_set, validation) if case.cell.arm.strategies else None
    case.account.prepare_seconds += time.perf_counter() - began
    return training_set, job


def _fitted(
    case: _Case, training_set: TrainingSet, job: Job | None, watch: Watch | None = None
) -> Fit:
    """The network or baseline of these rows; the cost goes into the account."""
    if job is None:
        return _simple(case, training_set)
    trained = train(*job, watch)
    _book(case.account, trained)
    return trained


def _book(account: Account, trained: Trained) -> None:
    account.train_seconds, account.parameters = trained.seconds, trained.parameters
    account.updates += trained.history[-1].updates
    account.tokens += trained.tokens


def _split(sample: Sample, validates: float) -> Sample:
    """The sample with the first of its validation texts moved to training until the share is left."""
    moved = len(sample.validation) - round(validates * len(sample.validation))
    train = np.concatenate([sample.train, sample.validation[:moved]])
    return replace(sample, train=train, validation=sample.validation[moved:])


def _texts(corpus: Corpus, ids: Ints) -> list[str]:
    return [corpus.texts[i] for i in ids]


def _labelled(corpus: Corpus, sample: Sample, plan: Plan, key: tuple[seeds.Key, ...]) -> Corpus:
    """The corpus; where the plan says so, with the sample's labels permuted among its texts."""
    if not plan.permuted:
        return corpus
    labels, ids = corpus.labels.copy(), np.concatenate([sample.train, sample.validation])
    labels[ids] = seeds.rng(*key, "permuted").permutation(labels[ids])
    return replace(corpus, labels=labels)


def _desks(case: _Case) -> list[CellDesk]:
    """A desk for every part of the composition, all with the same account."""
    model, train_ids = case.cell.settings.get("model"), case.sample.train
    settings = Settings() if model is None else Settings.of(model)
    start = train_ids[: min(SEED_LABELS, len(train_ids) // 2)]
    known = start if case.parts.one("acquire") else train_ids
    return [
        CellDesk(case.data, case.sample, settings, case.account, (*case.key, p.name), p, known)
        for p in case.parts.parts
    ]


def _rows(case: _Case, desks: Sequence[CellDesk]) -> tuple[TrainingSet, Ints]:
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
        tuple(_texts(corpus, ids)), targets, np.ones(len(ids), np.float32), ids.astype(np.int64)
    )
    return (case.parts.prepare(desks)(rows, desks[0]) if desks else rows), ids


def _simple(case: _Case, training_set: TrainingSet) -> Fit:
    """A baseline without a network."""
    began = time.perf_counter()
    fit = linear.BASELINES[case.cell.arm.architecture]
    simple = fit(training_set, seeds.integer(*case.key, "linear"))
    case.account.train_seconds = time.perf_counter() - began
    case.account.parameters, case.account.helper_fits = simple.parameters, simple.fits
    return simple


def _job(
    case: _Case, desks: Sequence[CellDesk], training_set: TrainingSet, validation: Held
) -> Job:
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
