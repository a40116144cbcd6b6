"""Searches carried by Optuna: repeatable, resumable. The only optuna import.

Trials inside a search follow each other; searches run side by side. The sampler is made anew before
every trial from (search, number of finished trials), so the same key gives the same trials under
any worker count, interrupted or not.
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
from optuna.samplers import BaseSampler, RandomSampler, TPESampler
from optuna.storages import BaseStorage, JournalStorage, RDBStorage
from optuna.storages.journal import JournalFileBackend, JournalFileOpenLock
from optuna.trial import FrozenTrial, Trial, TrialState
from sqlalchemy import create_engine, text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from datayield import seeds, servers, table
from datayield.errors import UserError
from datayield.regimes import Search, untuned, with_values
from datayield.search import STARTUP, Axis, Choice, Range, Sometimes
from datayield.types import Cell

STORAGE = "DATAYIELD_OPTUNA_STORAGE"  # a database for many machines; else a journal in state/
STALE = 4  # seconds after which the lock of a dead process is broken
PRUNED_FROM = 5  # complete trials before one is ended for falling below their median
FEWEST = 8  # different scores before anything is said about importances
COST = ("seconds", "tokens", "updates", "helper_fits")
STATES = {TrialState.COMPLETE: "complete", TrialState.PRUNED: "pruned", TrialState.FAIL: "failed"}
OURS = "datayield"  # marks a study in the storage as a search of ours

Storage: TypeAlias = BaseStorage
Floors: TypeAlias = Sequence[float]
Score: TypeAlias = Callable[[Cell, str, Floors], Mapping[str, Any]]
"""(cell, metric, floors) -> what `trial.run_trial` returns; RuntimeError where it cannot be trained."""


def storage(root: Path, alone: bool = False) -> BaseStorage:
    """Where trials are kept: `state/optuna.journal`, or the database named by the environment.

    Args:
        root: the project folder.
        alone: whether this process holds the study's lock, so that nobody else writes.

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
            _mend(journal)
        # A process that was killed while it wrote leaves its lock; it is held for milliseconds.
        lock = JournalFileOpenLock(str(journal), grace_period=STALE)
        return JournalStorage(JournalFileBackend(str(journal), lock))
    except Exception as e:  # a driver may raise anything
        if url:
            fault = f"the database of {STORAGE} {servers.database_fault(e, STORAGE)}"
        else:
            fault = (
                f"{journal}: {type(e).__name__}: {' '.join(str(e).split())[:200]}; a damaged journal may"
                " be deleted"
            )
        raise UserError(f"the trials' storage cannot be opened: {fault}.") from e


def _database(url: str) -> RDBStorage:
    """Optuna's tables in a database; on PostgreSQL one machine at a time may find them missing."""
    engine = create_engine(url, poolclass=NullPool)  # closing then ends the session, and its lock
    if engine.dialect.name != "postgresql":
        return RDBStorage(url)
    with closing(engine.connect()) as connection:
        key = {"key": seeds.integer("the tables of the trials") % 2**63}
        connection.execute(text("select pg_advisory_lock(:key)"), key)
        return RDBStorage(url)


def _mend(journal: Path) -> None:
    """Cut off a last line that a full disk or a lost machine left half-written."""
    if not journal.exists():
        return
    with journal.open("rb+") as kept:
        content = kept.read()
        kept.truncate(content.rfind(b"\n") + 1)


@contextmanager
def reachable() -> Iterator[None]:
    """Turn what goes wrong with the storage while it is used into one error that says so."""
    try:
        yield
    except (OptunaError, SQLAlchemyError, OSError) as e:
        raise UserError(
            f"the trials' storage failed ({type(e).__name__}: {' '.join(str(e).split())[:200]})."
            " Finished trials are kept; the same command goes on from there."
        ) from e


@contextmanager
def claimed(search: Search, kept: Storage, wait: bool) -> Iterator[bool]:
    """Hold a search alone among many machines; False where another one holds it.

    On PostgreSQL by a lock that ends with the connection, so a machine that dies frees it. Other
    storages belong to one folder, whose study lock already keeps everyone else out.
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


def run(search: Search, kept: Storage, score: Score) -> None:
    """Bring a search to its number of trials; finished ones are never repeated.

    Raises:
        UserError: when the storage fails or holds something else under this search's name.
    """
    with reachable():
        study = _opened(search, kept)
        for left in study.get_trials(deepcopy=False, states=(TrialState.RUNNING,)):
            # This process holds the search alone: whoever ran the trial is dead. It is run again.
            study.tell(left.number, state=TrialState.FAIL)
        while (done := len(counted(study))) < search.trials:
            _one(search, study, kept, done, score)


def _opened(search: Search, kept: Storage) -> optuna.Study:
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


def _one(search: Search, study: optuna.Study, kept: Storage, done: int, score: Score) -> None:
    """One trial; `done` have ended before it."""
    study.sampler = _sampler(search, done)
    starts = [untuned(search), *(best(s, kept) or {} for s in search.after)]
    waiting = study.get_trials(deepcopy=False, states=(TrialState.WAITING,))
    if done < len(starts) and not waiting:
        usable = {k: v for k, v in starts[done].items() if k in search.space}
        study.enqueue_trial(_as_parameters(search, {**starts[0], **usable}), skip_if_exists=False)
    trial = study.ask()
    values = {name: _asked(trial, name, axis) for name, axis in search.space.items()}
    cell = replace(search.cell, settings=with_values(search.cell.settings, values))
    try:
        found = score(cell, search.metric, floors(study) if search.prune else ())
    except RuntimeError as e:
        trial.set_user_attr("error", str(e)[:500])
        study.tell(trial, state=TrialState.FAIL)
        return
    for step, value in enumerate(found["steps"]):
        trial.report(value, step)
    trial.set_user_attr("cost", {k: found[k] for k in COST})
    if found["stopped"]:
        study.tell(trial, state=TrialState.PRUNED)
    else:
        study.tell(trial, found[search.metric])


def floors(study: optuna.Study) -> list[float]:
    """Below which score at each step but the last a trial ends: the complete trials' median there."""
    done = study.get_trials(deepcopy=False, states=(TrialState.COMPLETE,))
    if len(done) < PRUNED_FROM:
        return []
    steps = [[t.intermediate_values[k] for k in sorted(t.intermediate_values)] for t in done]
    return [float(np.median(at)) for at in zip(*steps, strict=True)][:-1]


def _sampler(search: Search, done: int) -> BaseSampler:
    seed = seeds.integer("trial", search.name, done) % 2**32
    if search.sampler == "random":
        return RandomSampler(seed=seed)
    return TPESampler(
        n_startup_trials=STARTUP,
        n_ei_candidates=24,
        seed=seed,
        multivariate=True,
        group=False,  # what is asked for only sometimes is modelled by itself
        constant_liar=False,
    )


def _asked(trial: Trial, name: str, axis: Axis) -> Any:
    match axis:
        case Choice():
            return trial.suggest_categorical(name, axis.options)
        case Sometimes():
            on = trial.suggest_categorical(f"{name}?", (False, True))
            return _asked(trial, name, axis.range) if on else axis.off
        case Range(integer=True):
            return trial.suggest_int(name, int(axis.low), int(axis.high), log=axis.log)
        case Range():
            return trial.suggest_float(name, axis.low, axis.high, log=axis.log)


def _as_parameters(search: Search, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values as Optuna's parameters: a switch beside what may be off."""
    out = {}
    for name, axis in search.space.items():
        on = not isinstance(axis, Sometimes) or values[name] != axis.off
        if isinstance(axis, Sometimes):
            out[f"{name}?"] = on
        if on:
            out[name] = values[name]
    return out


def _values(search: Search, parameters: Mapping[str, Any]) -> dict[str, Any]:
    """The inverse of `_as_parameters`."""
    off = {n: axis.off for n, axis in search.space.items() if isinstance(axis, Sometimes)}
    return {name: parameters.get(name, off.get(name)) for name in search.space}


def best(search: Search, kept: Storage) -> dict[str, Any] | None:
    """The values of the best complete trial, the earliest among equals; None without one."""
    study = optuna.load_study(study_name=search.name, storage=kept)
    known = [t for t in counted(study, search.trials) if t.state == TrialState.COMPLETE]
    if not known:
        return None
    return _values(search, max(known, key=lambda t: (t.value, -t.number)).params)


def counted(study: optuna.Study, most: int | None = None) -> list[FrozenTrial]:
    """The first trials that ended by themselves: complete, pruned, or failed for their own reason.

    At most as many as the search asks for: a storage may hold more, from when more were asked, and
    every arm has the same number.
    """
    ended = [
        t
        for t in study.get_trials(deepcopy=False)
        if t.state in (TrialState.COMPLETE, TrialState.PRUNED) or "error" in t.user_attrs
    ]
    return ended[:most]


def lines(search: Search, kept: Storage) -> list[dict[str, Any]]:
    """The trials of a search as rows of table.TRIALS, numbered from 0 in the order they ended."""
    with reachable():
        study = optuna.load_study(study_name=search.name, storage=kept)
        c, trials = search.cell, counted(study, search.trials)
        shares = table.canonical(importances(search, kept))
    nothing = dict.fromkeys(COST)
    return [
        {
            "search": search.name, "corpus": c.corpus, "arm": str(c.arm), "n": c.n, "draw": c.draw,
            "number": number, "state": STATES[t.state],
            "score": t.value if t.state == TrialState.COMPLETE else None,
            "steps": [t.intermediate_values[k] for k in sorted(t.intermediate_values)],
            **t.user_attrs.get("cost", nothing),
            "settings": table.canonical(with_values(c.settings, _values(search, t.params))),
            "values": table.canonical(_values(search, t.params)),
            "error": t.user_attrs.get("error", ""), "importances": shares,
        }
        for number, t in enumerate(trials)
    ]  # fmt: skip


def importances(search: Search, kept: Storage) -> dict[str, float]:
    """Share of the score's variance per setting (fANOVA), of the settings that every trial has.

    Empty below FEWEST different scores.
    """
    study = optuna.load_study(study_name=search.name, storage=kept)
    complete = [t for t in counted(study, search.trials) if t.state == TrialState.COMPLETE]
    if len({t.value for t in complete}) < FEWEST:
        return {}
    judged = optuna.create_study(direction="maximize")
    judged.add_trials(complete)
    seed = seeds.integer("importance", search.name) % 2**32
    judge = optuna.importance.FanovaImportanceEvaluator(n_trees=64, max_depth=64, seed=seed)
    found = optuna.importance.get_param_importances(judged, evaluator=judge)
    return {name.removesuffix("?"): float(share) for name, share in found.items()}


def dashboard(root: Path, host: str, port: int) -> None:
    """Serve optuna-dashboard on the trials' storage until it is ended."""
    import optuna_dashboard

    optuna_dashboard.run_server(storage(root), host=host, port=port)
