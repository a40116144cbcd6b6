"""What computes cells for the threads that carry them: warm worker processes on this machine."""

import json
import os
import select
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datayield import cells
from datayield.environment import ONE_THREAD
from datayield.types import Cell, Row


class WorkerDied(Exception):
    """The process that computed a cell ended: worth one more try."""


class CellFailed(RuntimeError):
    """The cell itself raises an error: trying again would raise it again."""


class Pool(ABC):
    """Computes cells and trials; each call waits for one answer, `size` calls side by side."""

    size: int

    def run(self, lot: Sequence[Cell]) -> list[Row | CellFailed]:
        """Compute the cells of one lot (`together.lots`): their rows, and the errors of some.

        Raises:
            WorkerDied, UserError: as `trial`.
            CellFailed: where no cell of the lot could be computed.
        """
        found = self._ask("rows", {"cells": [asdict(cell) for cell in lot]})
        return [
            cells.loads(f["row"]) if "row" in f else CellFailed(f["error"], f["trace"])
            for f in found
        ]

    def trial(self, cell: Cell, metric: str, floors: Sequence[float]) -> dict[str, Any]:
        """Score one cell's settings on its labels (`trial.run_trial`).

        Raises:
            WorkerDied: the process ended before it answered; another one takes the next call.
            CellFailed: the cell raised an error or took too long.
            UserError: nothing can be computed until somebody mends it.
        """
        asked = {"cells": [asdict(cell)], "metric": metric, "floors": list(floors)}
        found: dict[str, Any] = self._ask("trial", asked)
        return found

    @abstractmethod
    def _ask(self, want: str, asked: Mapping[str, Any]) -> Any:
        """What `worker.answer` says under `want`."""

    @abstractmethod
    def close(self) -> None:
        """End whatever runs, at once."""


class _Worker:
    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "datayield.worker", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            process_group=0,  # Ctrl-C is the flow's, which ends its workers
            text=True,
            encoding="utf-8",
        )

    def ask(self, want: str, asked: Mapping[str, Any], timeout: float) -> Any:
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        try:
            requests.write(json.dumps({"want": want, **asked}) + "\n")
            requests.flush()
            ready, _, _ = select.select([answers], [], [], timeout)
            line = answers.readline() if ready else None
        except OSError as e:
            raise WorkerDied(f"the worker could not be reached: {e}") from e
        if line is None:
            self.end()
            raise CellFailed(f"no answer within {timeout / 60:.0f} minutes; its worker was ended")
        if not line.endswith("\n"):
            raise WorkerDied(f"the worker ended with status {self._process.wait()}")
        answer = json.loads(line)
        if "error" in answer:
            raise CellFailed(answer["error"], answer["trace"])
        return answer[want]

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                pipe.close()


class WorkerPool(Pool):
    """The pool of this machine: as many processes as threads use it at once, each for many cells."""

    def __init__(self, root: Path, timeout: float, size: int) -> None:
        self.size = size
        self._root, self._timeout = root, timeout
        self._idle: deque[_Worker] = deque()
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def _ask(self, want: str, asked: Mapping[str, Any]) -> Any:
        with self._lock:
            if self._closed:
                raise WorkerDied("the pool is closed")
            worker = self._idle.popleft() if self._idle else _Worker(self._root)
            self._busy.add(worker)
        try:
            answer = worker.ask(want, asked, self._timeout * len(asked["cells"]))
        except CellFailed:
            self._give_back(worker)
            raise
        except BaseException:
            self._drop(worker)
            raise
        self._give_back(worker)
        return answer

    def _give_back(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
            keep = not self._closed and worker._process.poll() is None
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.end()

    def _drop(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
        worker.end()

    def close(self) -> None:
        """End every worker at once."""
        with self._lock:
            self._closed = True
            everyone = [*self._idle, *self._busy]
            self._idle.clear()
        for worker in everyone:
            worker.end()
