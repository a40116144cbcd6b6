"""Serves requests for cells in a process of its own: JSON lines on stdin, JSON lines on stdout.

`worker_pool.LocalPool` starts it as `python -m datayield.cells.worker_process ROOT`. The process is
spawned, never forked, uses one thread, imports torch once and serves many cells. Nothing is pickled.
"""

import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from datayield.core.system import machine

if TYPE_CHECKING:
    from datayield.cells.corpus_tables import CorpusTables


def main() -> None:
    """Serve requests until stdin ends or the parent process is gone."""
    os.environ.update(machine.ONE_THREAD)
    # The answers get a private copy of stdout, so that output of a library cannot mix with them.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    serve(Path(sys.argv[1]), sys.stdin, answers)


def serve(root: Path, requests: IO[str], answers: IO[str]) -> None:
    """Answer every request line with one line."""
    for line in requests:
        answers.write(json.dumps(answer(root, json.loads(line))) + "\n")
        answers.flush()


def answer(root: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Compute the rows or the trial of a request; return an error in place of what failed.

    Args:
        root: the project folder; corpora that were opened stay open in this process.
        request: `want` ("rows" or "trial") and `cells` (one unit of work; one cell for a trial); for
            a trial also its `metric` and `thresholds`.
    """
    from datayield.cells import store
    from datayield.cells.run import run_cells
    from datayield.cells.trial import run_trial
    from datayield.core.types import Cell
    from datayield.models import device

    try:
        work_unit = [Cell.from_json(fields) for fields in request["cells"]]
        device.configure(work_unit[0].identity["device"], work_unit[0].identity["precision"])
        tables = _open(root / "data" / work_unit[0].corpus)
        if request["want"] == "trial":
            metric, thresholds = request["metric"], request["thresholds"]
            return {"trial": run_trial(work_unit[0], tables, metric, thresholds)}
        return {
            "rows": [
                _error(row) if isinstance(row, Exception) else {"row": store.dumps(row)}
                for row in run_cells(work_unit, tables)
            ]
        }
    except Exception as e:  # every error is an answer; the worker continues
        return _error(e)


def _error(e: Exception) -> dict[str, str]:
    return {"error": f"{type(e).__name__}: {e}", "trace": "".join(traceback.format_exception(e))}


@cache
def _open(folder: Path) -> "CorpusTables":
    from datayield.cells.corpus_tables import CorpusTables

    return CorpusTables.load(folder)


def _leave_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
