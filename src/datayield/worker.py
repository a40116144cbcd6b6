"""A worker process: cells in on stdin, rows out on stdout, one JSON line each, one thread.

Started as `python -m datayield.worker ROOT` by `workers.WorkerPool`, so it is spawned, never
forked, imports torch once and serves many cells. Nothing is pickled.
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

from datayield import environment

if TYPE_CHECKING:
    from datayield.desk import Data


def main() -> None:
    """Serve until stdin ends or the parent is gone."""
    os.environ.update(environment.ONE_THREAD)
    # The protocol gets a private copy of stdout; whatever a library prints goes to stderr.
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    threading.Thread(target=_leave_with_parent, args=(os.getppid(),), daemon=True).start()
    serve(Path(sys.argv[1]), sys.stdin, answers)


def serve(root: Path, requests: IO[str], answers: IO[str]) -> None:
    """Answer every request line with a line."""
    for line in requests:
        answers.write(json.dumps(answer(root, json.loads(line))) + "\n")
        answers.flush()


def answer(root: Path, asked: Mapping[str, Any]) -> dict[str, Any]:
    """Rows or a trial's scores, and in their place the error that a cell raised.

    Args:
        root: the project folder; corpora that were opened stay open in this process.
        asked: `want` ("rows" or "trial"), the `cells` (of a trial one, of rows those of one lot),
            and of a trial its `metric` and `floors`.
    """
    from datayield import cells, place
    from datayield.run import from_json, run_cells
    from datayield.trial import run_trial

    try:
        lot = [from_json(fields) for fields in asked["cells"]]
        place.settle(lot[0].identity["device"], lot[0].identity["precision"])
        data = _opened(root / "data" / lot[0].corpus)
        if asked["want"] == "trial":
            return {"trial": run_trial(lot[0], data, asked["metric"], asked["floors"])}
        return {
            "rows": [
                _failed(row) if isinstance(row, Exception) else {"row": cells.dumps(row)}
                for row in run_cells(lot, data)
            ]
        }
    except Exception as e:  # every error is an answer; the worker goes on
        return _failed(e)


def _failed(e: Exception) -> dict[str, str]:
    return {"error": f"{type(e).__name__}: {e}", "trace": "".join(traceback.format_exception(e))}


@cache
def _opened(folder: Path) -> "Data":
    from datayield.desk import Data

    return Data.load(folder)


def _leave_with_parent(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(0.5)
    os._exit(1)


if __name__ == "__main__":
    main()
