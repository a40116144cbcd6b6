"""What a command started ends with it, however it ends: closed terminal, SIGTERM, `kill -9`."""

import os
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from datayield.core.system import group_watch, subprocesses
from tests.conftest import tool_environment

STARTER = """
import sys
from datayield.core.system import subprocesses
sleep = "import time; time.sleep(600)"
child = f"import subprocess, sys; subprocess.run([sys.executable, '-c', {sleep!r}])"
def run():
    with subprocesses.started([sys.executable, "-c", child]) as running:
        print(running.pid, flush=True)
sys.exit(subprocesses.exit_code_of(run))
"""
DEAF = """
import signal, time
signal.signal(signal.SIGINT, signal.SIG_IGN)
signal.signal(signal.SIGTERM, signal.SIG_IGN)
print("ready", flush=True)
time.sleep(600)
"""


def start(*before: str) -> "subprocess.Popen[str]":
    return subprocess.Popen(
        [*before, sys.executable, "-c", STARTER],
        env=tool_environment(), stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    )  # fmt: skip


def of_group(group: int) -> list[int]:
    """Processes of a group that are no zombies."""
    found = []
    for entry in Path("/proc").iterdir():
        with suppress(OSError, ValueError):
            state, _, pgrp = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(pgrp) == group and state != "Z":
                found.append(int(entry.name))
    return found


def gone(group: int) -> bool:
    deadline = time.monotonic() + 60
    while of_group(group) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not of_group(group)


@pytest.mark.parametrize(
    ("sign", "code"),
    [(signal.SIGHUP, 129), (signal.SIGTERM, 143), (signal.SIGINT, 130), (signal.SIGKILL, -9)],
)
def test_nothing_outlives_its_starter(sign: signal.Signals, code: int) -> None:
    with start("env", "--default-signal=HUP,INT,TERM") as starter:
        assert starter.stdout is not None
        group = int(starter.stdout.readline())
        while len(of_group(group)) < 2:
            time.sleep(0.05)
        starter.send_signal(sign)
        try:
            assert starter.wait(60) == code
        finally:
            starter.kill()
    assert gone(group), "the child and its child"


def test_a_study_under_nohup_stays() -> None:
    """SIGHUP is ignored where the user asked for it."""
    with start("nohup") as starter:
        assert starter.stdout is not None
        group = int(starter.stdout.readline())
        starter.send_signal(signal.SIGHUP)
        time.sleep(0.5)
        assert starter.poll() is None and of_group(group)
        starter.kill()
    assert gone(group)


def test_a_command_that_ends_leaves_no_watcher() -> None:
    with subprocesses.started([sys.executable, "-c", ""]) as child:
        pass
    assert child.returncode == 0
    mine = f"{group_watch.__file__}\0{child.pid}"
    commands = []
    for entry in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            commands.append((entry / "cmdline").read_text())
    assert not [c for c in commands if mine in c]


def test_a_group_that_is_deaf_to_ctrl_c_ends_by_the_next_signal(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(
        group_watch, "GRACE", ((signal.SIGINT, 0.3), (signal.SIGTERM, 0.3), (signal.SIGKILL, 5.0))
    )
    command = [sys.executable, "-c", DEAF]
    with subprocess.Popen(command, stdout=subprocess.PIPE, process_group=0) as child:
        assert child.stdout is not None
        child.stdout.readline()
        group_watch.end(child.pid)
        assert child.wait(10) == -signal.SIGKILL
    group_watch.end(os.getpid() + 10**6)  # a group that is not there
