"""The flows `tune` and `study`: searches and cells carried as tasks.

`run_tune` and `run_study` are started by DVC's stages and never call dvc. Neither needs a server:
without PREFECT_API_URL Prefect starts one of its own on the loopback network for as long as the flow
runs, and where none can be reached plain threads carry the work, with the same results.
"""

import re
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import as_completed as completed
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import httpx
from filelock import FileLock, Timeout
from prefect import flow, tags, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext
from prefect.exceptions import PrefectException, TerminationSignal
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from datayield import engines, servers, settle
from datayield import study as grid_study
from datayield.config import Params
from datayield.errors import UserError
from datayield.settle import Carry, Outcome
from datayield.types import Row
from datayield.workers import Pool, WorkerDied

Work: TypeAlias = Callable[[Carry, Pool], object]


class PrefectFailed(Exception):
    """Prefect itself failed at a task: the task's own errors are outcomes."""


LOST = (httpx.HTTPError, PrefectException, PrefectFailed)
"""What a flow raises when its server goes away in mid-run, or cannot keep up."""


def run_tune(corpus: str, params: Params, root: Path) -> bool:
    """Search the settings of one corpus; each search takes one thread of the flow `tune`.

    Returns:
        Whether the Prefect server went away meanwhile; nothing more can be told to it.

    Raises:
        UserError: when another study runs in this folder, or the trials cannot be kept.
    """

    def work(carry: Carry, pool: Pool) -> int:
        return settle.settle(corpus, params, root, carry, pool)

    return _run("tune", corpus, params, root, work)


def run_study(corpus: str, params: Params, root: Path) -> bool:
    """Compute every missing cell of one corpus as tasks of the flow `study` and export the tables.

    Returns:
        As `run_tune`.

    Raises:
        UserError: when another study runs in this folder or nothing can be written.
    """

    def work(carry: Carry, pool: Pool) -> None:
        _, rows = grid_study.compute(corpus, params, root, carry, pool)
        if carry is by_prefect:
            _artifact(corpus, params, rows)

    return _run("study", corpus, params, root, work)


def _run(name: str, corpus: str, params: Params, root: Path, work: Work) -> bool:
    """Carry the work by a flow of this name; by plain threads where Prefect cannot."""
    with _locked(root):
        why = _no_prefect()
        lost = False
        begun, stopped = threading.Event(), threading.Event()

        def noted(carry: Carry, pool: Pool) -> object:
            begun.set()
            try:
                return work(carry, pool)
            except (KeyboardInterrupt, TerminationSignal):
                stopped.set()
                pool.close()  # Prefect waits for the tasks that run
                raise

        if why is None:
            try:
                with engines.opened(params.execution, root) as pool:
                    _flow(name, corpus, params, pool, noted)
                return False
            except (*LOST, RuntimeError) as e:
                if stopped.is_set():  # and then the server could not be told
                    raise KeyboardInterrupt from e
                if begun.is_set() and not isinstance(e, LOST):
                    raise  # of the work itself; before it, Prefect's own server did not start
                why = f"the Prefect server was lost ({type(e).__name__}: {str(e)[:200]})"
                lost = True
        print(
            f"notice: {why}; plain threads carry the {name}, with the same results", file=sys.stderr
        )
        with engines.opened(params.execution, root) as pool:
            work(partial(by_threads, pool.size), pool)
        return lost


def _flow(name: str, corpus: str, params: Params, pool: Pool, work: Work) -> None:
    threads: Any = ThreadPoolTaskRunner(max_workers=pool.size)

    @flow(
        name=name,
        flow_run_name=f"{params.study.name}: {corpus}",
        task_runner=threads,
        log_prints=False,
        persist_result=False,
    )
    def carried(study: str, corpus: str) -> None:
        # The tags are the flow run's. For a task with tags Prefect asks the server about limits.
        with TagsContext(current_tags=set()):
            work(by_prefect, pool)

    with tags(params.study.name, corpus):
        carried(params.study.name, corpus)


def _no_prefect() -> str | None:
    """Why Prefect cannot carry anything here; None if it can."""
    if not loopback():
        return "this machine has no loopback network, which Prefect needs"
    return servers.unfit_prefect()


def loopback() -> bool:
    """Whether this process can reach itself by 127.0.0.1 (not so in an empty network namespace)."""
    with socket.socket() as server, socket.socket() as client:
        client.settimeout(2)
        try:
            server.bind(("127.0.0.1", 0))
            server.listen(1)
            client.connect(server.getsockname())
        except OSError:
            return False
    return True


def by_prefect(labels: Mapping[str, str], work: Callable[[str], None]) -> Iterator[Outcome]:
    """Work on every key as a Prefect task named by its label, in the order given."""

    @task(
        name="cell",
        retries=1,
        retry_condition_fn=_worker_died,
        cache_policy=NO_CACHE,
        persist_result=False,
        task_run_name="{label}",
    )
    def cell(label: str, key: str) -> None:
        work(key)

    futures = {cell.submit(label, key): key for key, label in labels.items()}
    for future in as_completed(list(futures)):
        yield futures[future], _outcome(future)


def _outcome(future: Any) -> Any:
    try:
        return future.result(raise_on_failure=False)
    except Exception as e:
        raise PrefectFailed(f"{type(e).__name__}: {e}") from e


def _worker_died(task: Any, run: Any, state: Any) -> bool:
    """Retry for infrastructure faults alone."""
    return isinstance(state.result(raise_on_failure=False), WorkerDied)


def by_threads(
    count: int, labels: Mapping[str, str], work: Callable[[str], None]
) -> Iterator[Outcome]:
    """The same by plain threads, with the same one retry."""

    def attempt(key: str) -> None:
        try:
            work(key)
        except WorkerDied:
            work(key)

    threads = ThreadPoolExecutor(count)
    try:
        futures = {threads.submit(attempt, key): key for key in labels}
        for future in completed(futures):
            yield futures[future], future.exception()
    finally:
        threads.shutdown(wait=False, cancel_futures=True)  # after Ctrl-C some still wait


def lock(root: Path) -> FileLock:
    """The lock that one study holds in one folder while it computes."""
    (root / "state").mkdir(parents=True, exist_ok=True)
    return FileLock(root / "state" / "study.lock", timeout=0)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    try:
        with lock(root):
            yield
    except Timeout as e:
        raise UserError(
            f"another study runs in {root.resolve()} (it holds state/study.lock). Wait for it or end it."
        ) from e


def _artifact(corpus: str, params: Params, done: Mapping[str, Row]) -> None:
    """A table of mean accuracies for Prefect's pages."""
    groups: dict[tuple[str, int], list[float]] = {}
    for row in done.values():
        groups.setdefault((str(row.cell.arm), row.cell.n), []).append(row.accuracy)
    lines = [
        {"arm": arm, "labels": n, "cells": len(a), "mean accuracy": round(sum(a) / len(a), 4)}
        for (arm, n), a in sorted(groups.items())
    ]
    key = slug(f"{params.study.name}-{corpus}")
    create_table_artifact(
        table=lines,
        key=f"study-{key}",
        description=f"{corpus}: mean test accuracy by arm and labels",
    )


def slug(name: str) -> str:
    """A name as Prefect's artifact keys allow it."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
