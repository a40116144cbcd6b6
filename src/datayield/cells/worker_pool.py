"""Computes cells in worker processes, which stay alive for many cells, on behalf of threads."""

import json
import os
import select
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict
from pathlib import Path
from typing import Any

from datayield.cells import store
from datayield.core.system.machine import ONE_THREAD
from datayield.core.types import Cell, Row


class WorkerDied(Exception):
    """The process that computed a cell ended; trying again may succeed."""


class CellFailed(RuntimeError):
    """A cell raised an error; trying again would raise it again.

    Its text is the error in one line, without the traceback.
    """

    def __init__(self, error: str, trace: str = "") -> None:
        super().__init__(" ".join(error.split()))
        self.trace = trace  # the traceback in the worker


class WorkerPool(ABC):
    """Computes cells and trials. Each call waits for its answer; `size` calls can run in parallel."""

    size: int

    def run(self, work_unit: Sequence[Cell]) -> list[Row | CellFailed]:
        """Compute one unit of work (`stacking.work_units`); return a row or an error for each cell.

        Raises:
            WorkerDied: the process ended before it answered; the next call gets another process.
            CellFailed: no cell of the unit could be computed.
            UserError: nothing can be computed before the user fixes the cause.
        """
        answers = self._ask("rows", {"cells": [asdict(cell) for cell in work_unit]})
        return [
            store.loads(a["row"]) if "row" in a else CellFailed(a["error"], a["trace"])
            for a in answers
        ]

    def trial(self, cell: Cell, metric: str, thresholds: Sequence[float]) -> dict[str, Any]:
        """Score the settings of one cell on its labels (`trial.run_trial`).

        Raises:
            WorkerDied: the process ended before it answered; the next call gets another process.
            CellFailed: the cell raised an error or took too long.
            UserError: nothing can be computed before the user fixes the cause.
        """
        request = {"cells": [asdict(cell)], "metric": metric, "thresholds": list(thresholds)}
        result: dict[str, Any] = self._ask("trial", request)
        return result

    @abstractmethod
    def _ask(self, want: str, request: Mapping[str, Any]) -> Any:
        """Return the part `want` of the answer to a request (`worker_process.answer`)."""

    @abstractmethod
    def close(self) -> None:
        """End everything that runs, at once; threads that wait for an answer get WorkerDied."""


class _Worker:
    def __init__(self, root: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "datayield.cells.worker_process", str(root)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env={**os.environ, **ONE_THREAD},
            process_group=0,  # Ctrl-C must reach the flow alone, which then ends its workers
            text=True,
            encoding="utf-8",
        )

    def ask(self, want: str, request: Mapping[str, Any], timeout: float) -> Any:
        """Send a request and wait for its answer; only the thread that holds this worker may call."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None and answers is not None
        try:
            requests.write(json.dumps({"want": want, **request}) + "\n")
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

    @property
    def alive(self) -> bool:
        """Whether the process runs."""
        return self._process.poll() is None

    def kill(self) -> None:
        """End the process. A thread that waits in `ask` reads the end of the pipe: WorkerDied."""
        self._process.kill()

    def end(self) -> None:
        """End the process and close its pipes; no thread may be waiting in `ask`."""
        self._process.kill()
        self._process.wait()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with suppress(OSError):  # what a dead process did not read cannot be flushed
                    pipe.close()


class LocalPool(WorkerPool):
    """Worker processes on this machine: one for each thread that uses the pool at the same time."""

    def __init__(self, root: Path, timeout: float, size: int) -> None:
        self.size = size
        self._root, self._timeout = root, timeout
        self._idle: deque[_Worker] = deque()
        self._busy: set[_Worker] = set()
        self._lock = threading.Lock()
        self._closed = False

    def _ask(self, want: str, request: Mapping[str, Any]) -> Any:
        with self._lock:
            if self._closed:
                raise WorkerDied("the pool is closed")
            worker = self._idle.popleft() if self._idle else _Worker(self._root)
            self._busy.add(worker)
        try:
            answer = worker.ask(want, request, self._timeout * len(request["cells"]))
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
            keep = not self._closed and worker.alive
            if keep:
                self._idle.append(worker)
        if not keep:
            worker.end()

    def _drop(self, worker: _Worker) -> None:
        with self._lock:
            self._busy.discard(worker)
        worker.end()

    def close(self) -> None:
        """End every worker at once; threads that wait for an answer get WorkerDied."""
        with self._lock:
            self._closed = True
            idle, busy = list(self._idle), list(self._busy)
            self._idle.clear()
        for worker in busy:
            worker.kill()  # its pipes are closed by the thread that reads them
        for worker in idle:
            worker.end()
