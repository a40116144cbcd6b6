"""`datayield ui`: the pages of MLflow and of optuna-dashboard on this machine, until they are ended."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datayield import environment, track, tune
from datayield.errors import UserError

HOST = "127.0.0.1"  # pages without a password: for this machine alone


def serve(root: Path, runs: int, trials: int) -> None:
    """Serve both until Ctrl-C.

    Args:
        root: the project folder.
        runs: port of MLflow's pages.
        trials: port of optuna-dashboard, on the storage that searches use.

    Raises:
        UserError: when a port is taken or the trials' storage cannot be opened.
    """
    environment.prepare()
    for port in (runs, trials):
        _check(port)
    tune.storage(root)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    with _mlflow(root, runs) as address:
        print(f"runs:   {address}", file=sys.stderr)
        print(f"trials: http://{HOST}:{trials}    (Ctrl-C ends both)", file=sys.stderr)
        tune.dashboard(root, HOST, trials)


@contextmanager
def _mlflow(root: Path, port: int) -> Iterator[str]:
    """MLflow's server on the project's log; the address of one that runs elsewhere as it is."""
    log = track.uri(root)
    if log.startswith("http"):
        yield log
        return
    (root / "state").mkdir(parents=True, exist_ok=True)
    command = ["mlflow", "server", "--host", HOST, "--port", str(port), "--workers", "1"]
    server = subprocess.Popen(
        [sys.executable, "-m", *command, "--backend-store-uri", log], start_new_session=True
    )
    try:
        yield f"http://{HOST}:{port}"
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _check(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as e:
            raise UserError(
                f"port {port} cannot be used ({e.strerror}). Name another: datayield ui --help."
            ) from e
