"""Prefect flows that carry the grid. The only prefect import; what runs are plain functions.

`tune` and `study` are started by DVC's stages and never call dvc. Neither needs a server: without
PREFECT_API_URL Prefect starts one of its own on the loopback network for as long as the flow runs.
"""

import json
import socket
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from concurrent.futures import as_completed as completed
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.futures import as_completed
from prefect.task_runners import ThreadPoolTaskRunner

from datayield import corpora, cost, environment, grid, settle, stages, table
from datayield.cells import CellStore
from datayield.config import Params
from datayield.draws import thin_classes
from datayield.errors import UserError
from datayield.progress import Progress
from datayield.settle import Carry, Outcome
from datayield.types import Cell, Row
from datayield.workers import WorkerDied, WorkerPool


def lock(root: Path) -> FileLock:
    """The lock that one study holds in one folder while it computes."""
    (root / "state").mkdir(parents=True, exist_ok=True)
    return FileLock(root / "state" / "study.lock", timeout=0)


@flow(name="tune", log_prints=False, persist_result=False, validate_parameters=False)
def tune(corpus: str, params: Params, root: Path) -> int:
    """Search settings and write `settings.json` and `trials.parquet`.

    Returns:
        The number of searches.

    Raises:
        UserError: when another study runs in this folder, or the trials cannot be kept.
    """
    return _tune(corpus, params, root, by_prefect)


@flow(name="study", log_prints=False, persist_result=False, validate_parameters=False)
def study(corpus: str, params: Params, root: Path) -> dict[str, Any]:
    """Compute every missing cell of one corpus and export the tables.

    Raises:
        UserError: when another study runs in this folder or nothing can be written.
    """
    summary, done = _study(corpus, params, root, by_prefect)
    _artifact(corpus, params, done)
    return summary


def run_tune(corpus: str, params: Params, root: Path) -> None:
    """The tune flow with as many threads as there are workers; each search takes one."""
    count = _workers(params)
    if not loopback():
        _tune(corpus, params, root, partial(by_threads, count))
        return
    threads: Any = ThreadPoolTaskRunner(max_workers=count)
    named = f"tune {params.study.name}: {corpus}"
    tune.with_options(task_runner=threads, flow_run_name=named)(corpus, params, root)


def run_study(corpus: str, params: Params, root: Path) -> None:
    """The study flow with as many threads as there are workers; each thread lends one worker."""
    count = _workers(params)
    if not loopback():
        print(
            "notice: this machine has no loopback network, which Prefect needs; plain threads carry"
            " the study, with the same results",
            file=sys.stderr,
        )
        _study(corpus, params, root, partial(by_threads, count))
        return
    threads: Any = ThreadPoolTaskRunner(max_workers=count)
    study.with_options(task_runner=threads, flow_run_name=f"{params.study.name}: {corpus}")(
        corpus, params, root
    )


def _workers(params: Params) -> int:
    """How many workers carry the grid; errors where this machine cannot compute as asked."""
    asked = params.execution
    device = environment.device(asked.device)
    if device != "cpu" or asked.precision != "fp32":
        from datayield import place  # torch, which this process needs for nothing else

        place.check(device, asked.precision)
    return environment.workers(asked.workers, device)


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
        yield futures[future], future.result(raise_on_failure=False)


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

    with ThreadPoolExecutor(count) as threads:
        futures = {threads.submit(attempt, key): key for key in labels}
        for future in completed(futures):
            yield futures[future], future.exception()


def _tune(corpus: str, params: Params, root: Path, carry: Carry) -> int:
    with _locked(root):
        return settle.settle(corpus, params, root, carry, _Log(params, corpus, root).trials)


@contextmanager
def _locked(root: Path) -> Iterator[None]:
    try:
        with lock(root):
            yield
    except Timeout as e:
        raise UserError(
            f"another study runs in {root.resolve()} (it holds state/study.lock). Wait for it or end it."
        ) from e


def _study(
    corpus: str, params: Params, root: Path, carry: Carry
) -> tuple[dict[str, Any], dict[str, Row]]:
    with _locked(root):
        return _locked_study(corpus, params, root, carry)


def _locked_study(
    corpus: str, params: Params, root: Path, carry: Carry
) -> tuple[dict[str, Any], dict[str, Row]]:
    results = root / "results" / corpus
    scope = stages.scope(params, corpus, root)
    planned = grid.make(params, scope, _settings(results / "settings.json"))
    store = CellStore(root / "state" / "cells")
    if (results / "cells.parquet").exists() and (results / "history.parquet").exists():
        store.adopt(table.read_rows(results / "cells.parquet", results / "history.parquet"))
    done = {k: r for c in planned.cells if (r := store.get(k := grid.key(c))) is not None}
    missing = [c for c in planned.cells if grid.key(c) not in done]
    notices = (*planned.notices, *_thin_classes(corpus, planned, root))
    for sentence in (*notices, *store.damaged):
        print(f"notice: {sentence}", file=sys.stderr)
    print(
        f"{corpus}: {len(planned.cells)} cells, {len(done)} done, {len(missing)} to compute",
        file=sys.stderr,
    )
    kept = _Log(params, corpus, root)
    log = kept.row
    failed: dict[str, str] = {}
    for row in done.values():
        log(row)
    if missing:
        computed, failed = _compute(missing, params, root, store, log, carry)
        done |= computed
    kept.curves(list(done.values()))
    return _export(corpus, root, replace(planned, notices=notices), done, failed), done


def _thin_classes(corpus: str, planned: grid.Grid, root: Path) -> list[str]:
    loaded = corpora.load(stages.folder(root, corpus))
    found = (thin_classes(loaded, n) for n in sorted({c.n for c in planned.cells}))
    return [sentence for sentence in found if sentence]


def _settings(path: Path) -> Mapping[str, Mapping[str, Any]]:
    try:
        chosen: Mapping[str, Mapping[str, Any]] = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(f"{path} is missing. Run `dvc repro` to make it.") from e
    return chosen


def _compute(
    missing: list[Cell],
    params: Params,
    root: Path,
    store: CellStore,
    log: Callable[[Row], None],
    carry: Carry,
) -> tuple[dict[str, Row], dict[str, str]]:
    """Hand the cells to warm workers, longest first; returns rows and errors by key."""
    shapes = stages.shapes(root, {c.corpus for c in missing})
    model = cost.fit(store.rows(), stages.shapes(root))
    seconds = {grid.key(c): model.seconds(c, shapes[c.corpus]) for c in missing}
    # Costly cells first, so that no worker is left alone with one at the end.
    ordered = sorted(missing, key=lambda c: (-seconds[grid.key(c)], grid.key(c)))
    cells = {grid.key(c): c for c in ordered}
    progress = Progress(len(cells), sum(seconds.values()))
    pool = WorkerPool(root, params.execution.cell_timeout_minutes * 60)
    stop = threading.Event()

    def work(key: str) -> None:
        if not stop.is_set():
            store.put(pool.run(cells[key]))

    rows: dict[str, Row] = {}
    failed: dict[str, str] = {}
    fault: UserError | None = None
    try:
        for key, error in carry({k: _label(c) for k, c in cells.items()}, work):
            if isinstance(error, UserError) or fault is not None:
                # Nothing can be stored: end what runs, let what waits pass, then say it once.
                fault = error if fault is None else fault
                stop.set()
                pool.close()
                continue
            if error is not None:
                failed[key] = str(error.args[0] if error.args else error)
                print(f"failed: {_label(cells[key])}: {failed[key]}", file=sys.stderr)
            elif (row := store.get(key)) is not None:
                rows[key] = row
                log(row)
            progress.add(seconds[key], _label(cells[key]))
    finally:
        stop.set()
        pool.close()
    if fault is not None:
        raise fault
    return rows, failed


def _label(cell: Cell) -> str:
    return f"{cell.corpus} {cell.arm} n={cell.n} draw={cell.draw} seed={cell.seed}"


class _Log:
    """MLflow's log of a study; one that cannot be reached never stops it."""

    def __init__(self, params: Params, corpus: str, root: Path) -> None:
        self._params, self._root = params, root
        self._family = corpora.load(stages.folder(root, corpus)).family
        self._opened: Any = None
        self._lost = False

    def row(self, row: Row) -> None:
        """Log a finished cell."""
        self._try(lambda log: log.add(row, self._family))

    def curves(self, rows: Sequence[Row]) -> None:
        """Log the learning curves of the finished cells."""
        self._try(lambda log: log.add_curves(rows, self._family))

    def trials(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log a finished search with its trials."""
        self._try(lambda log: log.add_search(rows, self._family))

    def _try(self, action: Callable[[Any], object]) -> None:
        from datayield import track

        if self._lost:
            return
        try:
            if self._opened is None:
                self._opened = track.Log(self._params.study.name, self._root)
            action(self._opened)
        except Exception as e:  # a log that cannot be reached never stops a study
            self._lost = True
            print(
                f"notice: MLflow does not record ({type(e).__name__}: {str(e)[:200]});"
                " the study goes on. `datayield record` fills the log later.",
                file=sys.stderr,
            )


def _export(
    corpus: str,
    root: Path,
    planned: grid.Grid,
    done: Mapping[str, Row],
    failed: Mapping[str, str],
) -> dict[str, Any]:
    """Write the tables and the summary that the analysis arm reads."""
    results = root / "results" / corpus
    table.write_rows(done.values(), results / "cells.parquet", results / "history.parquet")
    loaded = corpora.load(stages.folder(root, corpus))
    missing = [
        {"arm": str(c.arm), "n": c.n, "draw": c.draw, "seed": c.seed, "error": failed.get(k, "")}
        for c in planned.cells
        if (k := grid.key(c)) not in done
    ]
    counts = [int((loaded.test_labels == c).sum()) for c in range(len(loaded.classes))]
    summary = {
        "corpus": corpus,
        "planned": len(planned.cells),
        "pool_size": len(loaded.texts),
        "test_size": len(loaded.test_texts),
        "classes": list(loaded.classes),
        "majority_share": max(counts) / sum(counts),
        "missing": missing,
        "notices": list(planned.notices),
        "arms": planned.arms,
    }
    text = json.dumps(summary, indent=1, sort_keys=True)
    table.write_text(text + "\n", results / "study.json")
    return summary


def _artifact(corpus: str, params: Params, done: Mapping[str, Row]) -> None:
    """A table of mean accuracies for Prefect's pages."""
    groups: dict[tuple[str, int], list[float]] = {}
    for row in done.values():
        groups.setdefault((str(row.cell.arm), row.cell.n), []).append(row.accuracy)
    lines = [
        {"arm": arm, "labels": n, "cells": len(a), "mean accuracy": round(sum(a) / len(a), 4)}
        for (arm, n), a in sorted(groups.items())
    ]
    slug = f"{params.study.name}-{corpus}".replace("_", "-")
    create_table_artifact(table=lines, key=f"study-{slug}", description=f"{corpus}: test accuracy")
