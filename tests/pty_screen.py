"""A program on a pseudo-terminal, and what a person sees there: as much of a terminal as the board needs."""

import os
import re
import select
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

SPAWN = """
import os, pty, signal, sys
signal.signal(signal.SIGINT, signal.SIG_DFL)  # a script's `&` would make it deaf to Ctrl-C
sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
"""
_PIECE = re.compile(r"\x1b\[([?\d;]*)([A-Za-z])|([\r\n])|([^\x1b\r\n]+)")


class Screen:
    """The lines of a terminal that scrolls, after everything that was written to it."""

    def __init__(self) -> None:
        self.lines, self.row, self.column = [""], 0, 0
        self.cursor_shown = True

    def write(self, text: str) -> None:
        for argument, command, end, plain in _PIECE.findall(text):
            if command:
                self._control(argument, command)
            elif end == "\r":
                self.column = 0
            elif end:
                self.row += 1
                self.lines += [""] * (self.row + 1 - len(self.lines))
            else:
                line = self.lines[self.row].ljust(self.column)
                after = line[self.column + len(plain) :]
                self.lines[self.row] = line[: self.column] + plain + after
                self.column += len(plain)

    def _control(self, argument: str, command: str) -> None:
        if command == "A":
            self.row = max(0, self.row - int(argument or 1))
        elif command == "K":
            assert argument == "2", "only whole lines are erased"
            self.lines[self.row] = ""
        elif command in "hl":
            assert argument == "?25", "only the cursor is switched"
            self.cursor_shown = command == "h"
        else:
            assert command == "m", f"unknown: {argument}{command}"

    @property
    def text(self) -> str:
        return "\n".join(line.rstrip() for line in self.lines).rstrip()


class PtyProgram:
    """A program that runs on a terminal of its own, until it ends or gets Ctrl-C from there."""

    def __init__(
        self, arguments: list[str], folder: Path, columns: int, **environment: str
    ) -> None:
        size = f'stty cols {columns} rows 30; exec "$@"'
        shell = ["sh", "-c", size, "sh", *arguments]
        self.screen = Screen()
        self._process = subprocess.Popen(
            [sys.executable, "-c", SPAWN, *shell],
            cwd=folder,
            env=environment,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )

    def until(self, seen: Callable[[Screen], bool], seconds: float = 300) -> None:
        """Read what it writes until the screen is as wanted; fail where it ends before."""
        deadline = time.monotonic() + seconds
        while not seen(self.screen):
            assert time.monotonic() < deadline and self._read(), self.screen.text

    def press_ctrl_c(self) -> None:
        assert self._process.stdin is not None
        self._process.stdin.write(b"\x03")
        self._process.stdin.flush()

    def __enter__(self) -> "PtyProgram":
        return self

    def __exit__(self, *error: object) -> None:
        self._process.kill()  # which hangs up its terminal
        self._process.__exit__(*error)

    def end(self) -> int:
        """Read to the end and return the exit code."""
        while self._read():
            pass
        return self._process.wait(60)

    def _read(self) -> bool:
        assert self._process.stdout is not None
        number = self._process.stdout.fileno()
        if not select.select([number], [], [], 1)[0]:
            return True
        content = os.read(number, 65536)
        self.screen.write(content.decode())
        return bool(content)
