"""Runs searches with Optuna, repeatable and resumable. The only module that imports optuna.

The trials of a search follow each other; searches run in parallel. Before every trial a new sampler is
seeded from the search and its number of finished trials, so that a search gives the same trials with
any number of workers, interrupted or not.
"""

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
import optuna
from optuna.exceptions import OptunaError
from optuna.samplers import TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from datayield.config.params import STARTUP
from datayield.core import files, seeds
from datayield.core.errors import UserError
from datayield.core.system import services
from datayield.core.types import Cell
from datayield.tuning.searches import SearchSpec, untuned, with_values
from datayield.tuning.space import Choice, Distribution, OptionalRange, Range

STORAGE = (
    "DATAYIELD_OPTUNA_STORAGE"  # names a database for many machines; default: a journal in state/
)
STALE = 4  # seconds after which the lock of a dead process is broken
PRUNED_FROM = 5  # complete trials before a trial may end below their median
FEWEST = 8  # different scores that importances need
COST = ("seconds", "tokens", "updates", "helper_fits")
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
OURS = "datayield"  # attribute that marks an Optuna study as a search of datayield

Storage: TypeAlias = BaseStorage
Thresholds: TypeAlias = Sequence[float]
Score: TypeAlias = Callable[[Cell, str, Thresholds], Mapping[str, Any]]
"""(cell, metric, thresholds) -> the result of `trial.run_trial`; RuntimeError: the trial failed."""


def storage(root: Path, alone: bool = False) -> BaseStorage:
    """Open the trials' storage: `state/optuna.journal`, or the database that STORAGE names.

    Args:
        root: the project folder.
        alone: whether this process holds the study's lock, so that no other process writes.

    Raises:
        UserError: when it is locked, cannot be reached or is of another version.
    """
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    url = os.environ.get(STORAGE)
    journal = (root / "state" / "optuna.journal").resolve()
    try:
        if url:
            return _database(url)
        journal.parent.mkdir(parents=True, exist_ok=True)
        if alone:
            _cut_half_line(journal)
        # A process that was killed while it wrote leaves its lock, which is normally held for milliseconds.
        lock = JournalFileOpenLock(str(journal), grace_period=STALE)
        return JournalStorage(JournalFileBackend(str(journal), lock))
    except Exception as e:  # a database driver may raise any error
        if url:
            fault = f"the database of {STORAGE} {services.database_fault(e, STORAGE)}"
        else:
            fault = (
                f"{journal}: {type(e).__name__}: {' '.join(str(e).split())[:200]}; delete the journal if it is"
                " damaged"
            )
        raise UserError(f"the trials' storage cannot be opened: {fault}.") from e


def _database(url: str) -> RDBStorage:
    """Open Optuna's tables; on PostgreSQL a lock lets one machine at a time create them."""
    engine = create_engine(url, poolclass=NullPool)  # closing then ends the session, and its lock
    if engine.dialect.name != "postgresql":
        return RDBStorage(url)
    with closing(engine.connect()) as connection:
        key = {"key": seeds.integer("the tables of the trials") % 2**63}
        connection.execute(text("select pg_advisory_lock(:key)"), key)
        return RDBStorage(url)


def _cut_half_line(journal: Path) -> None:
    """Cut off a last line that a full disk or a lost machine left half-written."""
    if not journal.exists():
        return
    with journal.open("rb+") as kept:
        content = kept.read()
        kept.truncate(content.rfind(b"\n") + 1)


@contextmanager
def reachable() -> Iterator[None]:
    """Raise UserError in place of errors of the storage."""
    try:
        yield
    except (OptunaError, SQLAlchemyError, OSError) as e:
        raise UserError(
            f"the trials' storage failed ({type(e).__name__}: {' '.join(str(e).split())[:200]})."
            " Finished trials are kept; run the same command again to continue."
        ) from e


@contextmanager
def claimed(search: SearchSpec, kept: Storage, wait: bool) -> Iterator[bool]:
    """Lock a search against other machines; yield False if another machine has it.

    PostgreSQL ends the lock with the connection, so that a machine that dies frees it. Any other
    storage belongs to one folder, whose study lock already keeps other processes out.
    """
    engine = kept.engine if isinstance(kept, RDBStorage) else None
    if engine is None or engine.dialect.name != "postgresql":
        yield True
        return
    key = {"key": seeds.integer("claim", search.name) % 2**63}
    with closing(engine.connect()) as connection:
        if wait:
            connection.execute(text("select pg_advisory_lock(:key)"), key)
        elif not connection.execute(text("select pg_try_advisory_lock(:key)"), key).scalar():
            yield False
            return
        try:
            yield True
        finally:
            connection.execute(text("select pg_advisory_unlock(:key)"), key)


def run(search: SearchSpec, kept: Storage, score: Score) -> None:
    """Run the missing trials of a search; finished trials are never repeated.

    Raises:
        UserError: when the storage fails or holds something else under this search's name.
    """
    with reachable():
        study = _open(search, kept)
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # Only this process has the search, so the process that ran this trial is dead: run it again.
            study.tell(left.number, state=TrialState.FAIL)
        while (done := len(counted(study))) < search.trials:
            _run_trial(search, study, done, score)


def _open(search: SearchSpec, kept: Storage) -> optuna.Study:
    study = optuna.create_study(
        study_name=search.name, storage=kept, direction="maximize", load_if_exists=True
    )
    if not study.get_trials(deepcopy=False):
        study.set_user_attr(OURS, search.metric)
    if study.user_attrs.get(OURS) != search.metric or study.direction.name != "MAXIMIZE":
        raise UserError(
            f'the trials\' storage holds something else under the name "{search.name}". Delete that'
            f" study, or name another storage in {STORAGE}."
        )
    return study


def _run_trial(search: SearchSpec, study: optuna.Study, done: int, score: Score) -> None:
    """Run one trial after `done` finished ones; the first trial has the untuned values."""
    study.sampler = _sampler(search, done)
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if done == 0 and not waiting:
        study.enqueue_trial(_as_parameters(search, untuned(search)), skip_if_exists=False)
    trial = study.ask()
    values = {name: _suggest(trial, name, d) for name, d in search.space.items()}
    cell = replace(search.cell, settings=with_values(search.cell.settings, values))
    try:
        result = score(cell, search.metric, thresholds(study) if search.prune else ())
    except RuntimeError as e:
        trial.set_user_attr("error", " ".join(str(e).split())[:500])
        study.tell(trial, state=TrialState.FAIL)
        return
    for step, value in enumerate(result["steps"]):
        trial.report(value, step)
    trial.set_user_attr("cost", {k: result[k] for k in COST})
    if result["stopped"]:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, result[search.metric])


def thresholds(study: optuna.Study) -> list[float]:
    """Return the score below which a trial ends, for each step but the last: the complete trials' median."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < PRUNED_FROM:
        return []
    steps = [[t.intermediate_values[k] for k in sorted(t.intermediate_values)] for t in done]
    return [float(np.median(at)) for at in zip(*steps, strict=True)][:-1]


def _sampler(search: SearchSpec, done: int) -> TPESampler:
    seed = seeds.integer("trial", search.name, done) % 2**32
    return TPESampler(
        n_startup_trials=STARTUP,
        n_ei_candidates=24,
        seed=seed,
        multivariate=True,
        group=False,  # a number that only some trials have is modelled by itself
        constant_liar=False,
    )


def _suggest(trial: Trial, name: str, d: Distribution) -> Any:
    match d:
        case Choice():
            return trial.suggest_categorical(name, d.options)
        case OptionalRange():
            on = trial.suggest_categorical(f"{name}?", (False, True))
            return _suggest(trial, name, d.range) if on else d.off
        case Range(integer=True):
            return trial.suggest_int(name, int(d.low), int(d.high), log=d.log)
        case Range():
            return trial.suggest_float(name, d.low, d.high, log=d.log)


def _as_parameters(search: SearchSpec, values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values as Optuna's parameters: a setting that may be off has a switch in addition."""
    out = {}
    for name, d in search.space.items():
        on = not isinstance(d, OptionalRange) or values[name] != d.off
        if isinstance(d, OptionalRange):
            out[f"{name}?"] = on
        if on:
            out[name] = values[name]
    return out


def _values(search: SearchSpec, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """Return Optuna's parameters as values."""
    off = {n: d.off for n, d in search.space.items() if isinstance(d, OptionalRange)}
    return {name: parameters.get(name, off.get(name)) for name in search.space}


def best(search: SearchSpec, kept: Storage) -> dict[str, Any] | None:
    """Return the values of the best complete trial, the earliest among equals; None without one."""
    study = optuna.load_study(study_name=search.name, storage=kept)
    complete = [t for t in counted(study, search.trials) if t.state == TrialState.COMPLETE]
    if not complete:
        return None
    return _values(search, max(complete, key=lambda t: (t.value, -t.number)).params)


def counted(study: optuna.Study, most: int | None = None) -> list[FrozenTrial]:
    """Return the first trials that ended by themselves: complete, pruned, or failed with an error.

    At most `most`: a storage may hold more, from a time when `tuning.trials` was larger, and every arm
    must have the same number.
    """
    ended = [
        t
        for t in study.get_trials(deepcopy=False)
        if t.state in (TrialState.COMPLETE, TrialState.PRUNED) or "error" in t.user_attrs
    ]
    return ended[:most]


def lines(search: SearchSpec, kept: Storage) -> list[dict[str, Any]]:
    """Return the trials of a search as rows of `tables.TRIALS`, numbered in the order they ended."""
    with reachable():
        study = optuna.load_study(study_name=search.name, storage=kept)
        c, trials = search.cell, counted(study, search.trials)
        shares = files.canonical(importances(search, kept))
    nothing = dict.fromkeys(COST)
    return [
        {
            "search": search.name, "corpus": c.corpus, "arm": str(c.arm), "n": c.n, "draw": c.draw,
            "number": number, "state": STATES[t.state],
            "score": t.value if t.state == TrialState.COMPLETE else None,
            "steps": [t.intermediate_values[k] for k in sorted(t.intermediate_values)],
            **t.user_attrs.get("cost", nothing),
            "settings": files.canonical(with_values(c.settings, _values(search, t.params))),
            "values": files.canonical(_values(search, t.params)),
            "error": t.user_attrs.get("error", ""), "importances": shares,
        }
        for number, t in enumerate(trials)
    ]  # fmt: skip


def importances(search: SearchSpec, kept: Storage) -> dict[str, float]:
    """Return each setting's share of the variance of the score (fANOVA); empty below FEWEST scores.

    Only settings that every trial has are in it.
    """
    study = optuna.load_study(study_name=search.name, storage=kept)
    complete = [t for t in counted(study, search.trials) if t.state == TrialState.COMPLETE]
    if len({t.value for t in complete}) < FEWEST:
        return {}
    copy = optuna.create_study(direction="maximize")
    copy.add_trials(complete)
    seed = seeds.integer("importance", search.name) % 2**32
    evaluator = optuna.importance.FanovaImportanceEvaluator(n_trees=64, max_depth=64, seed=seed)
    shares = optuna.importance.get_param_importances(copy, evaluator=evaluator)
    return {name.removesuffix("?"): float(share) for name, share in shares.items()}


def dashboard(root: Path, host: str, port: int) -> None:
    """Serve optuna-dashboard for the trials' storage until the process ends."""
    import optuna_dashboard

    optuna_dashboard.run_server(storage(root), host=host, port=port)
