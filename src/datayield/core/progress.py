"""Shows the progress of a study with tqdm: a bar on a terminal, a line per minute in a log."""

import sys
from typing import TextIO

from tqdm import tqdm

LOG_SECONDS = 60  # between two lines in a log


def duration(seconds: float) -> str:
    """Return a duration in words: `45 s`, `3 min 05 s`, `2 h 10 min`."""
    s = max(0, round(seconds))
    if s < 60:
        return f"{s} s"
    if s < 3600:
        return f"{s // 60} min {s % 60:02d} s"
    return f"{s // 3600} h {s % 3600 // 60:02d} min"


class _Bar(tqdm):  # type: ignore[misc]  # tqdm has no types
    monitor_interval = 0  # no thread of its own; `update` is called often enough


class _Lines:
    """A log file in which every state of the bar is a line of its own."""

    def __init__(self, log: TextIO) -> None:
        self._log = log

    def write(self, text: str) -> None:
        """Write the state of the bar; tqdm would overwrite the last line by a carriage return."""
        if text.strip():
            self._log.write(text.strip() + "\n")

    def flush(self) -> None:
        """Flush the log."""
        self._log.flush()


class Progress:
    """Counts finished cells and estimates the time left from their predicted seconds."""

    def __init__(self, cells: int, seconds: float, out: TextIO | None = None) -> None:
        """Start the bar.

        Args:
            cells: number of cells to compute.
            seconds: predicted seconds of all of them.
            out: file to write to (default: stderr).
        """
        out = out or sys.stderr
        self._cells, self._done = cells, 0
        terminal = out.isatty()
        self._bar = _Bar(
            total=seconds,
            file=out if terminal else _Lines(out),
            mininterval=0.1 if terminal else LOG_SECONDS,
            miniters=0,
            smoothing=0,  # the time left follows from all cells so far, not from the last few
            dynamic_ncols=terminal,
            bar_format="{desc} {percentage:3.0f}%, {elapsed} passed, {remaining} left{postfix}",
        )

    def add(self, seconds: float, name: str) -> None:
        """Count one more finished cell.

        Args:
            seconds: the predicted seconds of the cell.
            name: the cell in words.
        """
        self._done += 1
        self._bar.set_description_str(f"[{self._done}/{self._cells} cells]", refresh=False)
        self._bar.set_postfix_str(name, refresh=False)
        self._bar.update(seconds)

    @property
    def seconds_left(self) -> float:
        """Seconds until the last cell, from the time that the finished ones took; call after `add`."""
        state = self._bar.format_dict
        return float(state["elapsed"] * (state["total"] / max(state["n"], 1e-9) - 1))

    def close(self) -> None:
        """Show the last state and end the line."""
        self._bar.close()
