"""Logs a running study in MLflow, from a thread of its own.

If MLflow is unreachable the study goes on. Entries wait in a queue and are retried; after the study's
end, retries stop after PATIENCE seconds.
"""

import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from itertools import count
from pathlib import Path
from queue import SimpleQueue
from types import TracebackType
from typing import Any, Self, TypeAlias

from datayield.core.errors import UserError
from datayield.core.system.secrets import masked
from datayield.core.types import Row

WAITS = (0.5, 1, 2, 4, 8)  # seconds between tries; the last one is repeated
PATIENCE = 60  # seconds after the study's end for a log that had answered
FIRST_ANSWER = 15  # the same for a log that never answered
LAST_CALL = 30  # seconds for the call that is under way when the patience ends

Entry: TypeAlias = Callable[[Any], object]  # writes one entry into an open mlflow_runs.Log


class Recorder:
    """A queue of rows and trials that are logged as soon as MLflow can be reached."""

    def __init__(self, study: str, family: str, root: Path) -> None:
        self._study, self._family, self._root = study, family, root
        self._waiting: SimpleQueue[Entry | None] = SimpleQueue()
        self._log: Any = None
        self._reached = self._away = False
        self._lost = 0
        self._ended = threading.Event()
        self._last_try = float("inf")
        self._thread = threading.Thread(target=self._write, name="recorder", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        self._waiting.put(lambda log: None)  # opens it while the first cells are computed
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        at: TracebackType | None,
    ) -> None:
        """Wait until every entry is logged, at most PATIENCE seconds without an answer."""
        patience = (PATIENCE if self._reached else FIRST_ANSWER) if error is None else 0
        self._last_try = time.monotonic() + patience
        self._ended.set()
        self._waiting.put(None)
        self._thread.join(patience + LAST_CALL)
        # A call that never returns keeps its entry; the last one in the queue is the end's mark.
        lost = self._lost + self._waiting.qsize() * self._thread.is_alive()
        if lost:
            _say(f"{lost} records are missing in MLflow; `datayield record` fills them in.")

    def row(self, row: Row) -> None:
        """Log a finished cell."""
        self._waiting.put(lambda log: log.add(row, self._family))

    def curves(self, rows: Sequence[Row]) -> None:
        """Log the learning curves of the finished cells."""
        self._waiting.put(lambda log: log.add_curves(rows, self._family))

    def trials(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log a finished search with its trials."""
        self._waiting.put(lambda log: log.add_search(rows, self._family))

    def _write(self) -> None:
        while (entry := self._waiting.get()) is not None:
            if not self._persisted(entry):
                self._lost += 1
                while self._waiting.get() is not None:
                    self._lost += 1
                return

    def _persisted(self, entry: Entry) -> bool:
        """Try until the entry is logged or refused; return False when the patience has ended."""
        for tries in count():
            if self._entered(entry):
                return True
            if time.monotonic() >= self._last_try:
                return False
            # The study's end cuts the pause short; from then on nobody else is waiting.
            pause = WAITS[min(tries, len(WAITS) - 1)]
            if self._ended.is_set() or self._ended.wait(pause):
                time.sleep(min(pause, 1))
        raise AssertionError("count() never ends")

    def _entered(self, entry: Entry) -> bool:
        """Return whether the entry is logged, or refused in a way that will not change."""
        from datayield.core.system import services
        from datayield.integrations import mlflow_client, mlflow_runs

        try:
            if self._log is None:
                self._log = mlflow_runs.Log(self._study, self._root)
            entry(self._log)
        except Exception as e:  # whatever a log, a driver or a network raises: the study goes on
            refused = mlflow_runs.refused(e)
            if refused:
                self._lost += 1  # the log itself is as good as before
            else:
                self._log = None  # opened again, it knows which runs had been logged
            if not self._away:
                self._away = True
                fault = f"it {services.log_fault(e, mlflow_client.uri(self._root))}"
                _say(
                    f"MLflow does not record: {e if isinstance(e, UserError) else fault}; the study goes on"
                    " and tries again. `datayield record` fills the log later."
                )
            return refused
        self._reached = True
        if self._away:
            self._away = False
            _say("MLflow records again.")
        return True


def _say(sentence: str) -> None:
    print(f"notice: {masked(sentence)}", file=sys.stderr)
