"""Starts commands that end when we end, together with everything that they started."""

import errno
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Any

from datayield.core.errors import UserError
from datayield.core.system import group_watch

ENDING = {signal.SIGTERM: 143, signal.SIGHUP: 129}
"""The signals that end a process as Ctrl-C does, with its exit code; SIGHUP: its terminal was closed."""


_NO_ROOM = (
    errno.ENOSPC,
    errno.EDQUOT,
    errno.EFBIG,
)  # raised by writes without the name of the file


class Terminated(KeyboardInterrupt):
    """A signal of `ENDING`, its argument: the process ends as after Ctrl-C, having cleaned up."""


def ran(command: Sequence[str], folder: Path) -> "subprocess.CompletedProcess[str]":
    """Run a short command in a folder and return its output and exit code, which is not checked."""
    return subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)


@contextmanager
def started(command: Sequence[str], **options: Any) -> "Iterator[subprocess.Popen[str]]":
    """Start a command in its own process group; the end of the block waits for the command.

    If the block is left early, by Ctrl-C, a signal of `ENDING` or an error, the whole group is ended first:
    a terminal sends Ctrl-C only to our group, and SIGTERM reaches only one process. If we are killed, a
    watcher ends the group.

    Args:
        command: program and arguments.
        options: further arguments of `subprocess.Popen`.
    """
    with (
        _terminable(),
        subprocess.Popen(command, process_group=0, text=True, **options) as child,
        watched(child.pid),
    ):
        try:
            yield child
            child.wait()
        except BaseException:
            _end(child)
            raise


@contextmanager
def watched(group: int) -> Iterator[None]:
    """Let a watcher end a process group if we are killed inside the block, by whatever signal."""
    watcher = subprocess.Popen(
        [sys.executable, "-I", group_watch.__file__, str(group)],
        stdin=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # no signal of a terminal reaches it
    )
    try:
        yield
    finally:
        watcher.kill()  # before the pipe ends, which it would take for our end
        watcher.communicate()


def _end(child: "subprocess.Popen[str]") -> None:
    for sign, seconds in group_watch.grace():
        with suppress(ProcessLookupError):
            os.killpg(child.pid, sign)
        with suppress(subprocess.TimeoutExpired):
            child.wait(seconds)
            return


@contextmanager
def _terminable() -> Iterator[None]:
    """Let the signals of `ENDING` raise `Terminated` inside the block.

    One that has another handler (Prefect's), or is ignored (by nohup), stays as it is.
    """
    main = threading.current_thread() is threading.main_thread()
    free = [s for s in ENDING if main and signal.getsignal(s) is signal.SIG_DFL]
    for sign in free:
        signal.signal(sign, _terminate)
    try:
        yield
    finally:
        for sign in free:
            signal.signal(sign, signal.SIG_DFL)


def _terminate(number: int, frame: FrameType | None) -> None:
    raise Terminated(number)


def exit_code_of(action: Callable[[], object]) -> int:
    """Run an action and return its exit code (0 if it returns none).

    UserError, errors of the file system and Ctrl-C become one message and an exit code; every other
    error, also one of the network, keeps its traceback.
    """
    code: object = None
    try:
        code = action()
    except UserError as e:
        print(f"datayield: {e}", file=sys.stderr)
        return 2
    except BrokenPipeError:  # `datayield … | head` has read enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    except OSError as e:
        if e.filename is None and e.errno not in _NO_ROOM:
            raise
        place = f": {e.filename}" if e.filename is not None else ""
        print(f"datayield: {e.strerror or e}{place}.", file=sys.stderr)
        return 2
    except KeyboardInterrupt as e:
        with suppress(OSError):  # the terminal may be gone
            print(
                "\ndatayield: stopped; finished cells are kept, the same command continues",
                file=sys.stderr,
            )
        return ENDING[e.args[0]] if isinstance(e, Terminated) else 130
    return code if isinstance(code, int) else 0
