"""Runs the study stage: computes all missing cells, then writes the result tables and study.json.

The caller supplies the executor (Prefect's tasks or plain threads) and the worker pool (processes on
this machine or on a cluster).
"""

import sys
import threading
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datayield import corpora
from datayield.cells import stacking
from datayield.cells.blend import blend
from datayield.cells.draws import thin_classes
from datayield.cells.store import CellStore
from datayield.cells.worker_pool import CellFailed, WorkerDied, WorkerPool
from datayield.config import Params
from datayield.core import dynamics_rows, files, probability_rows
from datayield.core.errors import UserError
from datayield.core.progress import Progress
from datayield.core.rows import read_rows, write_rows
from datayield.core.types import Cell, Corpus, Row
from datayield.study import data_stages, grid, time_estimates
from datayield.study.corpus_folder import corpus_folder
from datayield.study.draws_by_look import DrawsByLook, Judge
from datayield.study.executor import Executor, RunLog
from datayield.study.race import Race
from datayield.study.study_progress import StudyProgress


def compute(
    corpus: str,
    params: Params,
    root: Path,
    execute: Executor,
    pool: WorkerPool,
    log: RunLog,
    judge: Judge,
) -> tuple[dict[str, Any], dict[str, Row]]:
    """Compute every missing cell of one corpus and export its tables.

    Args:
        corpus: the name of the corpus.
        params: the study.
        root: the project folder; this process holds its study lock.
        execute: runs the work of many keys in parallel.
        pool: computes one unit of work at a time for each thread of the executor.
        log: records every finished cell.
        judge: says after each look which strategies are settled, where draws are added at looks.

    Returns:
        The content of study.json, and every row by its key.

    Raises:
        UserError: when an earlier stage has not run, or nothing can be written.
    """
    scope = data_stages.scope(params, corpus, root)
    planned, known, store = _begin(corpus, params, root, scope)
    loaded = corpora.load(corpus_folder(root, corpus))
    keep_dynamics = grid.cells_with_dynamics(planned)
    done, failed = dict[str, Row](), dict[str, str]()
    looks = DrawsByLook(params.study, planned, judge, pool.size)
    steps = Race(params, planned) if params.study.race else looks
    progress = StudyProgress(corpus, root, planned.arms, params.analysis, known["majority_share"])
    for cells in steps:
        trained = planned.trained(cells)
        new = [c for c in trained if c.key not in done and c.key not in failed]
        missing = _missing(corpus + steps.name, new, store, done, log)
        progress.begin_step(steps.name, trained, done)
        if missing:
            data_stages.check_draws(params, corpus, root)
            seconds = _predict_seconds(missing, scope.device, store, root)
            work = _Work(missing, seconds, keep_dynamics, store, pool)
            failed |= _compute_missing(work, log, execute, progress, done)
        failed |= _blend(cells, planned, done, loaded, log)
        steps.judge(known, done)
    log.curves(list(done.values()))
    summary = {**known, **_outcome(planned, steps.cells, done, failed), **steps.taken}
    _write_results(root / "results" / corpus, keep_dynamics, done, summary)
    return summary, done


def _begin(
    corpus: str, params: Params, root: Path, scope: grid.Scope
) -> tuple[grid.Grid, dict[str, Any], CellStore]:
    """Return the grid, what study.json says before any cell is computed, and the filled store."""
    results = root / "results" / corpus
    planned = grid.make_grid(params, scope, files.read_json(results / "settings.json"))
    store = CellStore(root / "state" / "cells")
    # Finished cells come from the tables where the store was deleted or never was here.
    store.adopt(r for r in _rows_of_tables(results) if not r.cell.arm.members)
    notices = (*planned.notices, *_thin_classes(corpus, planned, root))
    _notice(notices)
    return planned, _summary(corpus, root, replace(planned, notices=notices)), store


def _missing(
    name: str, new: Sequence[Cell], store: CellStore, done: dict[str, Row], log: RunLog
) -> list[Cell]:
    """Add the stored rows to `done` and log them; return the cells without one."""
    noticed = len(store.damaged)
    stored = {k: r for c in new if (r := store.get(k := c.key)) is not None}
    _notice(store.damaged[noticed:])
    done |= stored
    for row in stored.values():
        log.row(row)
    missing = [c for c in new if c.key not in stored]
    print(
        f"{name}: {len(new)} cells, {len(stored)} done, {len(missing)} to compute",
        file=sys.stderr,
    )
    return missing


def _notice(sentences: Iterable[str]) -> None:
    for sentence in sentences:
        print(f"notice: {sentence}", file=sys.stderr)


def _rows_of_tables(results: Path) -> list[Row]:
    """Return the rows of the result tables, with whatever else is kept of them; none without tables."""
    if not ((results / "cells.parquet").exists() and (results / "history.parquet").exists()):
        return []
    rows = read_rows(results / "cells.parquet", results / "history.parquet")
    rows = dynamics_rows.attach_dynamics(rows, results / "dynamics.parquet")
    return probability_rows.attach_probabilities(rows, results / "probabilities.parquet")


def _thin_classes(corpus: str, planned: grid.Grid, root: Path) -> list[str]:
    loaded = corpora.load(corpus_folder(root, corpus))
    sentences = (thin_classes(loaded, n) for n in sorted({c.n for c in planned.cells}))
    return [sentence for sentence in sentences if sentence]


def _predict_seconds(
    missing: Sequence[Cell], device: str, store: CellStore, root: Path
) -> dict[str, float]:
    """Predict the seconds of every cell, by key, from the cells that were computed here."""
    shapes = data_stages.shapes(root, {c.corpus for c in missing})
    model = time_estimates.fit(store.rows(), data_stages.shapes(root), device=device)
    return {c.key: model.seconds(c, shapes[c.corpus]) for c in missing}


class _Work:
    """The missing cells in units of work, which threads compute and store."""

    def __init__(
        self,
        missing: Sequence[Cell],
        seconds: Mapping[str, float],  # predicted, by key
        keep_dynamics: Collection[str],  # keys of cells whose training dynamics are stored
        store: CellStore,
        pool: WorkerPool,
    ) -> None:
        # Expensive cells first, so that no worker is left alone with one at the end.
        ordered = sorted(missing, key=lambda c: (-seconds[c.key], c.key))
        units = stacking.work_units(ordered, lambda c: seconds[c.key])
        self.units = {unit[0].key: unit for unit in units}
        self.seconds, self.store, self.failed = seconds, store, dict[str, str]()
        self._keep_dynamics, self._pool = keep_dynamics, pool
        self._tried: set[str] = set()
        self._stop = threading.Event()

    def stop(self) -> None:
        """End what runs, and let units that wait pass without computing them."""
        self._stop.set()
        self._pool.close()

    def compute(self, first: str) -> None:
        """Compute and store the unit whose first cell has this key.

        Raises:
            CellFailed, WorkerDied: the first error of a cell, after the other cells were stored.
        """
        if self._stop.is_set():
            return
        unit, retried = self.units[first], first in self._tried
        self._tried.add(first)
        errors = []
        for cell, row in zip(unit, _rows(unit, self._pool, retried), strict=True):
            if isinstance(row, Row):
                kept = row if cell.key in self._keep_dynamics else replace(row, dynamics=None)
                self.store.put(kept)
            else:
                self.failed[cell.key] = str(row)
                errors.append(row)
        if errors:
            raise errors[0]


def _rows(unit: list[Cell], pool: WorkerPool, retried: bool) -> Iterator[Row | Exception]:
    """Compute a unit; if its worker died before, cell by cell, to find the cell that kills it."""
    if not retried or len(unit) == 1:
        yield from pool.run(unit)
        return
    for cell in unit:
        try:
            yield from pool.run([cell])
        except (CellFailed, WorkerDied) as e:
            yield e


def _compute_missing(
    work: _Work, log: RunLog, execute: Executor, study_progress: StudyProgress, done: dict[str, Row]
) -> dict[str, str]:
    """Compute all units and add their rows to `done`; return the errors of cells, by key."""
    progress = Progress(len(work.seconds), sum(work.seconds.values()))
    fatal: UserError | None = None
    try:
        names = {first: _unit_name(unit) for first, unit in work.units.items()}
        for first, error in execute(names, work.compute):
            if isinstance(error, UserError) or fatal is not None:
                # Nothing can be stored any more: stop once and report the first such error.
                fatal = error if fatal is None else fatal
                work.stop()
                continue
            for cell in work.units[first]:
                row = work.store.get(cell.key)
                if row is not None:
                    done[cell.key] = row
                    log.row(row)
                elif error is not None:
                    work.failed.setdefault(cell.key, str(error))
                    print(f"failed: {_name(cell)}: {work.failed[cell.key]}", file=sys.stderr)
                progress.add(work.seconds[cell.key], _name(cell))
                study_progress.add(row)
            study_progress.write(progress.seconds_left, _unit_name(work.units[first]))
    except BaseException:
        work.stop()
        raise
    finally:
        progress.close()
    if fatal is not None:
        raise fatal
    return work.failed


def _unit_name(unit: Sequence[Cell]) -> str:
    others = f" and {len(unit) - 1} more in its stack" if len(unit) > 1 else ""
    return _name(unit[0]) + others


def _name(cell: Cell) -> str:
    return f"{cell.corpus} {cell.arm} n={cell.n} draw={cell.draw} seed={cell.seed}"


def _blend(
    cells: Iterable[Cell],
    planned: grid.Grid,
    done: dict[str, Row],
    corpus: Corpus,
    log: RunLog,
) -> dict[str, str]:
    """Add and log the row of every blend that is not done; return the errors by key."""
    failed: dict[str, str] = {}
    for cell in cells:
        if (key := cell.key) not in planned.members or key in done:
            continue
        members = planned.members[key]
        missing = [m for m in members if m.key not in done]
        try:
            if missing:
                raise LookupError(f"its member {_name(missing[0])} has no result")
            done[key] = blend(cell, [done[m.key] for m in members], corpus)
            log.row(done[key])
        except LookupError as e:
            failed[key] = str(e)
    return failed


def _outcome(
    planned: grid.Grid,
    cells: Sequence[Cell],
    done: Mapping[str, Row],
    failed: Mapping[str, str],
) -> dict[str, Any]:
    """Return how many cells were wanted, members of blends included, and those without a row with their errors."""
    wanted = {c.key: c for c in (*planned.trained(cells), *cells)}
    missing = [
        {"arm": str(c.arm), "n": c.n, "draw": c.draw, "seed": c.seed, "error": failed.get(k, "")}
        for k, c in wanted.items()
        if k not in done
    ]
    return {"planned": len(wanted), "missing": missing}


def _summary(corpus: str, root: Path, planned: grid.Grid) -> dict[str, Any]:
    """Return what the analysis must know about a corpus before any cell is computed."""
    loaded = corpora.load(corpus_folder(root, corpus))
    counts = [int((loaded.test_labels == c).sum()) for c in range(len(loaded.classes))]
    return {
        "corpus": corpus,
        "pool_size": len(loaded.texts),
        "test_size": len(loaded.test_texts),
        "classes": list(loaded.classes),
        "majority_share": max(counts) / sum(counts),
        "notices": list(planned.notices),
        "arms": planned.arms,
    }


def _write_results(
    results: Path,
    keep_dynamics: Collection[str],
    done: Mapping[str, Row],
    summary: Mapping[str, Any],
) -> None:
    """Write the tables and the summary that the analysis reads."""
    write_rows(done.values(), results / "cells.parquet", results / "history.parquet")
    dynamics_rows.write_dynamics(
        (r for k, r in done.items() if k in keep_dynamics), results / "dynamics.parquet"
    )
    probability_rows.write_probabilities(done.values(), results / "probabilities.parquet")
    files.write_json(summary, results / "study.json")
