"""Ends a group of processes once its starter is gone: `python group_watch.py GROUP`, with a pipe as input.

The starter holds the other end of the pipe and writes nothing, so the input ends when the starter does,
however that happens. The file runs by itself and imports nothing of datayield, to start fast.
"""

import os
import signal
import sys
import time

GRACE = ((signal.SIGINT, 60.0), (signal.SIGTERM, 10.0), (signal.SIGKILL, 10.0))
"""The signals by which a process group is ended, and the seconds it has after each."""
PAUSE = 0.1  # seconds between looks whether the group is gone


def grace() -> list[tuple[signal.Signals, float]]:
    """Return the signals that can end a group that we started, with their seconds."""
    # A script's `&` makes us and all that we start deaf to Ctrl-C.
    deaf = signal.getsignal(signal.SIGINT) is signal.SIG_IGN
    return [(sign, seconds) for sign, seconds in GRACE if not (deaf and sign == signal.SIGINT)]


def end(group: int) -> None:
    """End a process group, gently at first."""
    for sign, seconds in grace():
        deadline = time.monotonic() + seconds
        try:
            os.killpg(group, sign)
            while time.monotonic() < deadline:
                time.sleep(PAUSE)
                os.killpg(group, 0)
        except ProcessLookupError:
            return


if __name__ == "__main__":
    sys.stdin.buffer.read()
    end(int(sys.argv[1]))
