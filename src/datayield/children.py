"""Commands that we start and that end with us, with all that they start themselves."""

import os
import signal
import subprocess
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

GRACE = ((signal.SIGINT, 60.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""How a group is asked to end, and for how many seconds each answer is waited for."""


class Terminated(KeyboardInterrupt):
    """SIGTERM, which ends us in the same good order as Ctrl-C."""


def ran(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """What a short command says in a folder; whether it did well is the caller's to ask."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@contextmanager
def started(command: Sequence[str], **options: Any) -> "Iterator[subprocess.Popen[str]]":
    """Start a command in a process group of its own; the block ends once the command has.

    Where the block is left early, by Ctrl-C, SIGTERM or an error, the whole group is ended first: a
    terminal sends Ctrl-C to us alone, and SIGTERM never reaches more than one process.

    Args:
        command: program and arguments.
        options: of `subprocess.Popen`.
    """
    with _terminable(), subprocess.Popen(command, process_group=0, text=True, **options) as child:
        try:
            yield child
            child.wait()
        except BaseException:
            _end(child)
            raise


def _end(child: "subprocess.Popen[str]") -> None:
    for sign, seconds in GRACE:
        if sign == signal.SIGINT and signal.getsignal(sign) is signal.SIG_IGN:
            continue  # a script's `&` makes us and all that we start deaf to it
        with suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
            return


@contextmanager
def _terminable() -> Iterator[None]:
    """SIGTERM raises `Terminated`, unless somebody else (Prefect) already handles it."""
    ours = (
        threading.current_thread() is threading.main_thread()
        and signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
    )
    if ours:
        signal.signal(signal.SIGTERM, _terminate)
    try:
        yield
    finally:
        if ours:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated
