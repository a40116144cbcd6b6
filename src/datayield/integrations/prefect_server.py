"""Provides a study with a Prefect server where PREFECT_API_URL names none.

The first flow that needs the server starts it by Prefect's own command; every later flow uses it.
It ends with its owner: `datayield study`, or the flow itself below a lone `dvc repro`. Its database
and its log lie in state/prefect, so `datayield ui` shows the same runs afterwards.
"""

import fcntl
import os
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.integrations.prefect_server_watch import GRACE, HOST

WATCH = "datayield.integrations.prefect_server_watch"
URL = "PREFECT_API_URL"
SETTINGS = {
    "PREFECT_UI_ENABLED": "true",
    # A helper serves the runs of one study: nothing is scheduled, late or waiting for a worker.
    "PREFECT_SERVER_SERVICES_SCHEDULER_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_LATE_RUNS_ENABLED": "false",
    "PREFECT_SERVER_SERVICES_FOREMAN_ENABLED": "false",
}


@contextmanager
def owned(root: Path) -> Iterator[None]:
    """Own the server that a flow may start meanwhile; it has ended when the block is left.

    Where another process owns it already, or PREFECT_API_URL names a server, nothing changes.

    Raises:
        UserError: state/prefect cannot be written.
    """
    if URL in os.environ:
        yield
        return
    folder = _folder(root)
    lock = os.open(folder / "owner.lock", os.O_CREAT | os.O_RDWR)
    ours = _locked(lock, 0.3)  # the watcher of a server that ends may hold it for an instant
    try:
        yield
    finally:
        os.close(lock)
        if ours:
            ended = os.open(folder / "server.lock", os.O_CREAT | os.O_RDWR)
            _locked(ended, GRACE + 5)
            os.close(ended)


@contextmanager
def serving(root: Path) -> Iterator[Callable[[], None]]:
    """Name a server in PREFECT_API_URL while the block lasts, if none is named and one can run.

    Yields:
        A function that waits until the server answers. Where it does not, PREFECT_API_URL is
        removed again.
    """
    if URL in os.environ or not loopback():
        yield lambda: None
        return
    with owned(root):
        folder = _folder(root)
        address, watcher = _running(folder), None
        if address is None:
            address, watcher = _start(folder)
        os.environ[URL] = f"{address}/api"
        try:
            yield lambda: _wait(address, watcher)
        finally:
            os.environ.pop(URL, None)


def loopback() -> bool:
    """Return whether this process can reach itself by 127.0.0.1 (false in an empty network namespace)."""
    with socket.socket() as server, socket.socket() as client:
        client.settimeout(2)
        try:
            server.bind((HOST, 0))
            server.listen(1)
            client.connect(server.getsockname())
        except OSError:
            return False
    return True


def _folder(root: Path) -> Path:
    folder = (root / "state" / "prefect").resolve()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(f"cannot write {folder}: {e.strerror}. Choose a writable folder.") from e
    return folder


def _locked(descriptor: int, seconds: float) -> bool:
    """Return whether the lock could be taken within this time."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(0.05)


def _running(folder: Path) -> str | None:
    """Return the address of the server that an earlier flow of this study started."""
    try:
        address = (folder / "server.url").read_text()
    except FileNotFoundError:
        return None
    return address if _answers(address) else None


def _start(folder: Path) -> tuple[str, "subprocess.Popen[bytes]"]:
    """Start a server and its watcher; return the address, which does not answer yet."""
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port = probe.getsockname()[1]
    address = f"http://{HOST}:{port}"
    (folder / "server.url").write_text(address)
    with (folder / "server.log").open("wb") as log:
        watcher = subprocess.Popen(
            [sys.executable, "-m", WATCH, str(folder), str(port)],
            env={**os.environ, **machine.QUIET, **SETTINGS, "PREFECT_UI_API_URL": f"{address}/api"},
            process_group=0,  # a Ctrl-C ends the flow, which still reports it to its server
            # It outlives the flow: with the flow's own output, who reads that would wait for its owner.
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
    return address, watcher


def _wait(address: str, watcher: "subprocess.Popen[bytes] | None") -> None:
    if watcher is None:
        return
    patience = float(os.environ["PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS"])
    deadline = time.monotonic() + patience
    while watcher.poll() is None and time.monotonic() < deadline:
        if _answers(address):
            print(f"flows: {address}", file=sys.stderr)
            return
        time.sleep(0.1)
    watcher.kill()  # and with it the server
    watcher.wait()
    del os.environ[URL]


def _answers(address: str) -> bool:
    import requests

    try:
        return requests.get(f"{address}/api/health", timeout=5).ok
    except requests.RequestException:
        return False
