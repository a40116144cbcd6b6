"""MLflow's log of a running study, written beside it by a thread of its own.

A log that cannot be reached never stops a study and never slows it: what is to be logged waits, and
is tried again until the log is back or, after the study's end, patience ends.
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

from datayield.errors import masked
from datayield.types import Row

WAITS = (0.5, 1, 2, 4, 8)  # seconds between tries; the last one over and over
PATIENCE = 60  # seconds after the study's end for a log that had answered
FIRST_ANSWER = 15  # the same for one that never did

Entry: TypeAlias = Callable[[Any], object]  # what is done with an open track.Log


class Recorder:
    """Takes rows and trials at once and logs them when the log can be reached."""

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
        """Wait until all is logged, at most PATIENCE seconds without an answer."""
        patience = (PATIENCE if self._reached else FIRST_ANSWER) if error is None else 0
        self._last_try = time.monotonic() + patience
        self._ended.set()
        self._waiting.put(None)
        self._thread.join()
        if self._lost:
            _say(f"{self._lost} records are missing in MLflow; `datayield record` fills them in.")

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
        """Try until the entry is dealt with; False when patience has ended."""
        for tries in count():
            if self._entered(entry):
                return True
            if time.monotonic() >= self._last_try:
                return False
            # The study's end cuts the first pause short; from then on it is only waited for.
            pause = WAITS[min(tries, len(WAITS) - 1)]
            if self._ended.is_set() or self._ended.wait(pause):
                time.sleep(min(pause, 1))
        raise AssertionError("count() never ends")

    def _entered(self, entry: Entry) -> bool:
        """Whether the entry is dealt with: logged, or refused in a way that will not change."""
        from datayield import servers, track

        try:
            if self._log is None:
                self._log = track.Log(self._study, self._root)
            entry(self._log)
        except Exception as e:  # whatever a log, a driver or a network raises: the study goes on
            self._log = None  # opened anew, it knows what had been logged
            if track.refused(e):
                self._lost += 1
            if not self._away:
                self._away = True
                _say(
                    f"MLflow does not record: it {servers.log_fault(e, track.uri(self._root))}; the"
                    " study goes on and tries again. `datayield record` fills the log later."
                )
            return track.refused(e)
        self._reached = True
        if self._away:
            self._away = False
            _say("MLflow records again.")
        return True


def _say(sentence: str) -> None:
    print(f"notice: {masked(sentence)}", file=sys.stderr)
