"""The study stage: every missing cell carried, the tables and the summary written.

What carries the cells (Prefect's tasks or plain threads) and where they are computed (worker
processes here or on a cluster) is handed in.
"""

import sys
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from datayield import corpora, cost, dynamics, grid, records, stages, table, together
from datayield.cells import CellStore
from datayield.config import Params
from datayield.draws import thin_classes
from datayield.errors import UserError
from datayield.progress import Progress
from datayield.recorder import Recorder
from datayield.settle import Carry
from datayield.types import Cell, Row
from datayield.workers import CellFailed, Pool, WorkerDied


def compute(
    corpus: str, params: Params, root: Path, carry: Carry, pool: Pool
) -> tuple[dict[str, Any], dict[str, Row]]:
    """Compute every missing cell of one corpus and export its tables.

    Args:
        corpus: its name.
        params: the study.
        root: the project folder; this process holds its study lock.
        carry: works on many keys at once.
        pool: computes one lot of cells at a time for each of the carrying threads.

    Returns:
        The summary that is written as study.json, and every row by its key.

    Raises:
        UserError: when a stage is missing before this one, or nothing can be written.
    """
    results = root / "results" / corpus
    scope = stages.scope(params, corpus, root)
    planned = grid.make(params, scope, table.read_json(results / "settings.json"))
    store = CellStore(root / "state" / "cells")
    if (results / "cells.parquet").exists() and (results / "history.parquet").exists():
        rows = records.read(results / "cells.parquet", results / "history.parquet")
        store.adopt(dynamics.attached(rows, results / "dynamics.parquet"))
    done = {k: r for c in planned.cells if (r := store.get(k := grid.key(c))) is not None}
    missing = [c for c in planned.cells if grid.key(c) not in done]
    notices = (*planned.notices, *_thin_classes(corpus, planned, root))
    for sentence in (*notices, *store.damaged):
        print(f"notice: {sentence}", file=sys.stderr)
    print(
        f"{corpus}: {len(planned.cells)} cells, {len(done)} done, {len(missing)} to compute",
        file=sys.stderr,
    )
    if missing:
        stages.check_draws(params, corpus, root)
    mapped = grid.mapped(planned)
    family = corpora.load(stages.folder(root, corpus)).family
    failed: dict[str, str] = {}
    with Recorder(params.study.name, family, root) as recorder:
        for row in done.values():
            recorder.row(row)
        if missing:
            seconds = _foreseen(missing, scope.device, store, root)
            computed, failed = _carried(missing, seconds, mapped, store, recorder, carry, pool)
            done |= computed
        recorder.curves(list(done.values()))
    return _export(corpus, root, replace(planned, notices=notices), mapped, done, failed), done


def _thin_classes(corpus: str, planned: grid.Grid, root: Path) -> list[str]:
    loaded = corpora.load(stages.folder(root, corpus))
    found = (thin_classes(loaded, n) for n in sorted({c.n for c in planned.cells}))
    return [sentence for sentence in found if sentence]


def _foreseen(
    missing: Sequence[Cell], device: str, store: CellStore, root: Path
) -> dict[str, float]:
    """Predicted seconds of every cell by its key, from the cells that were computed here."""
    shapes = stages.shapes(root, {c.corpus for c in missing})
    model = cost.fit(store.rows(), stages.shapes(root), device=device)
    return {grid.key(c): model.seconds(c, shapes[c.corpus]) for c in missing}


def _carried(
    missing: Sequence[Cell],
    seconds: Mapping[str, float],
    mapped: Collection[str],
    store: CellStore,
    recorder: Recorder,
    carry: Carry,
    pool: Pool,
) -> tuple[dict[str, Row], dict[str, str]]:
    """Hand the cells to the pool, longest first; returns rows and errors by key.

    Training dynamics are kept of the cells in `mapped` alone.
    """
    # Costly cells first, so that no worker is left alone with one at the end.
    ordered = sorted(missing, key=lambda c: (-seconds[grid.key(c)], grid.key(c)))
    made = together.lots(ordered, lambda c: seconds[grid.key(c)])
    lots = {grid.key(lot[0]): lot for lot in made}
    progress = Progress(len(ordered), sum(seconds.values()))
    stop = threading.Event()
    failed: dict[str, str] = {}
    tried: set[str] = set()

    def work(first: str) -> None:
        if stop.is_set():
            return
        lot, again = lots[first], first in tried
        tried.add(first)
        errors = []
        for cell, row in zip(lot, _computed(lot, pool, again), strict=True):
            key = grid.key(cell)
            if isinstance(row, Row):
                store.put(row if key in mapped else replace(row, dynamics=None))
            else:
                failed[key] = str(row.args[0])
                errors.append(row)
        if errors:
            raise errors[0]

    rows: dict[str, Row] = {}
    fault: UserError | None = None
    try:
        for first, error in carry({k: _named(own) for k, own in lots.items()}, work):
            if isinstance(error, UserError) or fault is not None:
                # Nothing can be stored: end what runs, let what waits pass, then say it once.
                fault = error if fault is None else fault
                stop.set()
                pool.close()
                continue
            for cell in lots[first]:
                key = grid.key(cell)
                if (row := store.get(key)) is not None:
                    rows[key] = row
                    recorder.row(row)
                elif error is not None:
                    failed.setdefault(key, str(error.args[0] if error.args else error))
                    print(f"failed: {_label(cell)}: {failed[key]}", file=sys.stderr)
                progress.add(seconds[key], _label(cell))
    finally:
        stop.set()
        pool.close()
    if fault is not None:
        raise fault
    return rows, failed


def _computed(lot: list[Cell], pool: Pool, again: bool) -> Iterator[Row | Exception]:
    """The rows of a lot, or errors; where its worker died before, cell by cell."""
    if not again or len(lot) == 1:
        yield from pool.run(lot)
        return
    for cell in lot:
        try:
            yield from pool.run([cell])
        except (CellFailed, WorkerDied) as e:
            yield e


def _named(lot: Sequence[Cell]) -> str:
    others = f" and {len(lot) - 1} beside it" if len(lot) > 1 else ""
    return _label(lot[0]) + others


def _label(cell: Cell) -> str:
    return f"{cell.corpus} {cell.arm} n={cell.n} draw={cell.draw} seed={cell.seed}"


def _export(
    corpus: str,
    root: Path,
    planned: grid.Grid,
    mapped: Collection[str],
    done: Mapping[str, Row],
    failed: Mapping[str, str],
) -> dict[str, Any]:
    """Write the tables and the summary that the analysis arm reads."""
    results = root / "results" / corpus
    records.write(done.values(), results / "cells.parquet", results / "history.parquet")
    dynamics.write((r for k, r in done.items() if k in mapped), results / "dynamics.parquet")
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
    table.write_json(summary, results / "study.json")
    return summary
