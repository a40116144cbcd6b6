"""What orchestration costs: Prefect, MLflow and the cell store beside the cells themselves.

    python benchmarks/overhead.py FOLDER CORPUS [--seconds 2] [--cells 200] [--workers 2]
    python benchmarks/overhead.py FOLDER CORPUS --computed --cells 60 --workers 1   # cells an hour

FOLDER is a project whose study of CORPUS has run. Its study runs once more in a copy, where every cell
takes exactly `seconds` and returns the row that is known, so that whatever the wall clock shows beyond
them is overhead. Then 1,000 records (rows under new keys) are written to an empty MLflow log. With
`--computed` true workers compute the cells again, and cells an hour are told.
"""

import argparse
import shutil
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datayield.core.system import machine

machine.prepare_process()

from datayield import config
from datayield.cells.worker_pool import (
    CellFailed,
    LocalPool,
    WorkerPool,
)
from datayield.core.rows import read_rows
from datayield.core.types import (
    Cell,
    Row,
)
from datayield.integrations import mlflow_runs


class Sleeping(WorkerPool):
    """A pool whose cells take a known time."""

    def __init__(self, rows: Mapping[str, Row], seconds: float, size: int) -> None:
        """Take the rows that are returned, by key."""
        self._rows, self._seconds, self.size = rows, seconds, size

    def run(self, work_unit: Sequence[Cell]) -> list[Row | CellFailed]:
        """The known rows, each after its time."""
        time.sleep(self._seconds * len(work_unit))
        return [self._rows[cell.key] for cell in work_unit]

    def _ask(self, want: str, request: Mapping[str, Any]) -> Any:
        """Only a search asks; here are none."""
        raise AssertionError(f"a study does not ask for {want}")

    def close(self) -> None:
        """Nothing runs."""


def study(folder: Path, corpus: str, rows: list[Row], asked: argparse.Namespace) -> None:
    """Run the study's cells as tasks and print what the wall clock shows beyond them."""
    machine.prepare_prefect_home(folder)
    from datayield.integrations import prefect_tasks, study_flow
    from datayield.study.study_stage import compute

    params = config.load(folder / "params.yaml")
    for name in ("cells.parquet", "history.parquet", "dynamics.parquet"):
        (folder / "results" / corpus / name).unlink(missing_ok=True)
    known = {r.key: r for r in rows}
    pool: WorkerPool = Sleeping(known, asked.seconds, asked.workers)
    if asked.computed:
        pool = LocalPool(folder, 3600, asked.workers)
    kept = rows[:: max(1, len(rows) // asked.cells)][: asked.cells]  # of all arms and budgets
    store = folder / "state" / "cells"
    shutil.rmtree(store, ignore_errors=True)
    from datayield.cells.store import CellStore

    cells = CellStore(store)
    for key in known.keys() - {row.key for row in kept}:
        cells.put(known[key])

    def work(by: Any, with_pool: Any) -> None:
        began = time.perf_counter()
        with prefect_tasks.recorder(corpus, params, folder) as log:
            judge = study_flow.judged_by(corpus, params, folder)
            compute(corpus, params, folder, by, with_pool, log, judge)
        spent.append(time.perf_counter() - began)

    spent: list[float] = []
    began, worked = time.perf_counter(), time.process_time()
    prefect_tasks._flow("study", corpus, params, pool, work)
    whole, worked = time.perf_counter() - began, time.process_time() - worked
    pool.close()
    if asked.computed:
        print(
            f"{len(kept)} cells by {asked.workers} workers in {spent[0]:.0f} s:"
            f" {3600 * len(kept) / spent[0]:,.0f} cells an hour"
        )
        return
    least = len(kept) * asked.seconds / asked.workers
    print(
        f"{len(kept)} cells of {asked.seconds:g} s by {asked.workers} workers: {least:.1f} s at least"
    )
    print(f"inside the flow {spent[0]:.1f} s: {spent[0] / least - 1:.1%} overhead")
    print(
        f"with the start and the end of Prefect's own server {whole:.1f} s: {whole / least - 1:.1%}"
    )
    print(f"processor time of the flow: {1000 * worked / len(kept):.0f} ms a cell")


def recording(rows: list[Row], count: int = 1000) -> None:
    """Write that many rows to an empty log."""
    with tempfile.TemporaryDirectory() as scratch:
        began = time.perf_counter()
        log = mlflow_runs.Log("overhead", Path(scratch))
        opened = time.perf_counter() - began
        many = (replace(rows[i % len(rows)], key=f"{i:032x}") for i in range(count))
        began, busy = time.perf_counter(), time.process_time()
        for row in many:
            log.add(row, "family")
        wall, busy = time.perf_counter() - began, time.process_time() - busy
        print(f"{count:,} records in MLflow's own file: {wall:.1f} s ({busy:.1f} s processor),"
              f" after {opened:.1f} s for its tables")  # fmt: skip


def main() -> None:
    """Print both."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("corpus")
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--cells", type=int, default=200)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--computed", action="store_true", help="by true workers")
    asked = parser.parse_args()
    results = asked.folder / "results" / asked.corpus
    rows = read_rows(results / "cells.parquet", results / "history.parquet")
    if not asked.computed:
        recording(rows)
    with tempfile.TemporaryDirectory() as scratch:
        copy = Path(scratch) / "project"
        for name in ("data", "results"):
            shutil.copytree(asked.folder / name, copy / name)
        shutil.copy(asked.folder / "params.yaml", copy)
        study(copy, asked.corpus, rows, asked)


if __name__ == "__main__":
    main()
