"""Runs searches and cells as the tasks of a Prefect flow.

Where Prefect cannot run here or its server goes away, plain threads run them, with the same results.
"""

import os
import re
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
from prefect.cache_policies import NO_CACHE
from prefect.context import TagsContext
from prefect.exceptions import PrefectException, TerminationSignal
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from datayield import corpora
from datayield.cells.worker_pool import WorkerDied, WorkerPool
from datayield.config import Params
from datayield.core.errors import UserError
from datayield.core.system import services
from datayield.integrations import pools, prefect_server
from datayield.integrations.mlflow_queue import Recorder
from datayield.study.corpus_folder import corpus_folder
from datayield.study.executor import Executor, Outcome

Work: TypeAlias = Callable[[Executor, WorkerPool], object]


class PrefectFailed(Exception):
    """Prefect itself failed at a task; errors of the task's work are outcomes instead."""


LOST = (httpx.HTTPError, PrefectException, PrefectFailed)
"""Errors of a flow whose server goes away while it runs, or cannot keep up."""


def recorder(corpus: str, params: Params, root: Path) -> Recorder:
    """Return the recorder that logs one corpus of the study in MLflow."""
    family = corpora.load(corpus_folder(root, corpus)).family
    return Recorder(params.study.name, family, root)


def run_as_flow(name: str, corpus: str, params: Params, root: Path, work: Work) -> bool:
    """Run the work in a flow of this name; in plain threads where Prefect cannot run it.

    Returns:
        Whether the Prefect server went away meanwhile.

    Raises:
        UserError: another study runs in this folder, or the work raises it.
    """
    with _locked(root):
        why = _no_prefect()
        lost = False
        begun, stopped = threading.Event(), threading.Event()

        def watched(execute: Executor, pool: WorkerPool) -> object:
            begun.set()
            try:
                return work(execute, pool)
            except (KeyboardInterrupt, TerminationSignal):
                stopped.set()
                pool.close()  # Prefect waits for the tasks that run
                raise

        if why is None:
            try:
                with pools.opened(params.execution, root) as pool:
                    _flow(name, corpus, params, pool, watched)
                return False
            except (*LOST, RuntimeError) as e:
                if stopped.is_set():  # the server could not be informed
                    raise KeyboardInterrupt from e
                if begun.is_set() and not isinstance(e, LOST):
                    raise  # an error of the work itself; before the work, Prefect could not begin
                why = f"the Prefect server was lost ({type(e).__name__}: {str(e)[:200]})"
                lost = True
        print(
            f"notice: {why}; plain threads run the {name}, with the same results", file=sys.stderr
        )
        with pools.opened(params.execution, root) as pool:
            work(partial(thread_executor, pool.size), pool)
        return lost


def _flow(name: str, corpus: str, params: Params, pool: WorkerPool, work: Work) -> None:
    threads: Any = ThreadPoolTaskRunner(max_workers=pool.size)

    @flow(
        name=name,
        flow_run_name=f"{params.study.name}: {corpus}",
        task_runner=threads,
        log_prints=False,
        persist_result=False,
    )
    def run_tasks(study: str, corpus: str) -> None:
        # The tags are the flow run's. For a task with tags Prefect asks the server about limits.
        with TagsContext(current_tags=set()):
            work(prefect_executor, pool)

    with tags(params.study.name, corpus):
        run_tasks(params.study.name, corpus)


def _no_prefect() -> str | None:
    """Return the reason why Prefect cannot run anything here; None if it can."""
    if not prefect_server.loopback():
        return "this machine has no loopback network, which Prefect needs"
    if prefect_server.URL not in os.environ:
        return "Prefect's server did not start (see state/prefect/server.log)"
    return services.unfit_prefect()


def prefect_executor(labels: Mapping[str, str], work: Callable[[str], None]) -> Iterator[Outcome]:
    """Run the work of every key as a Prefect task named by its label, in the order given."""

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
    """Return whether the task's worker died: no other fault is retried."""
    return isinstance(state.result(raise_on_failure=False), WorkerDied)


def thread_executor(
    count: int, labels: Mapping[str, str], work: Callable[[str], None]
) -> Iterator[Outcome]:
    """Run the work of every key in plain threads, with the same one retry."""

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
    """Return the lock that a study holds in its folder while it computes."""
    (root / "state").mkdir(parents=True, exist_ok=True)
    return FileLock(root / "state" / "study.lock", timeout=0)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    try:
        with lock(root):
            yield
    except Timeout as e:
        raise UserError(
            f"another study runs in {root.resolve()} (it holds state/study.lock)."
            " Wait until it has ended, or end it."
        ) from e


def slug(name: str) -> str:
    """Return a name in the form that Prefect's artifact keys allow."""
    return re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")
