"""Progress of a study in the terminal: one line rewritten on a terminal, a few lines in a log."""

import sys
import time
from collections.abc import Callable
from typing import TextIO


def duration(seconds: float) -> str:
    """`45 s`, `3 min 05 s`, `2 h 10 min`."""
    s = max(0, round(seconds))
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


class Progress:
    """Counts finished work and tells the time left from the work's predicted cost."""

    def __init__(
        self,
        cells: int,
        work: float,
        out: TextIO = sys.stderr,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._cells, self._work, self._out, self._clock = cells, work, out, clock
        self._began = self._said = clock()
        self._done, self._done_work = 0, 0.0

    def add(self, work: float, what: str) -> None:
        """One more cell is done."""
        self._done += 1
        self._done_work += work
        now = self._clock()
        last = self._done == self._cells
        terminal = self._out.isatty()
        if not (terminal or last or now - self._said >= 10):
            return
        self._said = now
        line = self._line(now, what)
        if terminal:
            self._out.write(f"\r\x1b[2K{line[:150]}" + ("\n" if last else ""))
        else:
            self._out.write(line + "\n")
        self._out.flush()

    def _line(self, now: float, what: str) -> str:
        spent = now - self._began
        share = self._done_work / self._work if self._work else 1.0
        if self._done == self._cells:
            return f"[{self._done}/{self._cells} cells] done in {duration(spent)}"
        left = duration(spent / share - spent) if share > 0 else "unknown time"
        return f"[{self._done}/{self._cells} cells] {share:4.0%}, about {left} left · {what}"
