"""Serves the pages of MLflow, Prefect and optuna-dashboard on this machine, for `datayield ui`."""

import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datayield.core.errors import UserError
from datayield.core.system import machine, subprocesses
from datayield.core.system.secrets import masked
from datayield.integrations import mlflow_client
from datayield.tuning import optuna_search

HOST = "127.0.0.1"  # pages without a password: for this machine alone


def serve(root: Path, runs: int, trials: int, flows: int) -> None:
    """Serve all three until Ctrl-C.

    Args:
        root: the project folder.
        runs: port of MLflow's pages.
        trials: port of optuna-dashboard, on the storage that searches use.
        flows: port of Prefect's pages.

    Raises:
        UserError: a port cannot be used, or the trials' storage cannot be opened.
    """
    machine.prepare_process()
    machine.prepare_prefect_home(root)
    used = {}
    if not mlflow_client.uri(root).startswith("http"):
        used["--runs"] = runs
    if not os.environ.get("PREFECT_API_URL"):
        used["--flows"] = flows
    used["--trials"] = trials
    for option, port in used.items():
        _check(option, port)
    if len(set(used.values())) < len(used):
        raise UserError(f"each page needs a port of its own, got {used}. Name others.")
    optuna_search.storage(root)
    for sign, code in subprocesses.ENDING.items():
        if signal.getsignal(sign) is signal.SIG_DFL:
            signal.signal(sign, lambda *_, code=code: sys.exit(code))
    with _mlflow(root, runs) as log, _prefect(flows) as flow_pages:
        print(f"runs:   {masked(log)}", file=sys.stderr)
        print(f"flows:  {masked(flow_pages)}", file=sys.stderr)
        print(f"trials: http://{HOST}:{trials}    (Ctrl-C ends all)", file=sys.stderr)
        optuna_search.dashboard(root, HOST, trials)


@contextmanager
def _mlflow(root: Path, port: int) -> Iterator[str]:
    """Serve the project's log in MLflow and yield the address; a server elsewhere stays as it is."""
    log = mlflow_client.uri(root)
    if log.startswith("http"):
        yield log
        return
    mlflow_client.prepare(root)
    # By the environment: a command line can be read by every user of the machine.
    with _served("mlflow", "server", port, "--workers", "1", MLFLOW_BACKEND_STORE_URI=log):
        yield f"http://{HOST}:{port}"


@contextmanager
def _prefect(port: int) -> Iterator[str]:
    """Serve the project's flows in Prefect and yield the address, or that of PREFECT_API_URL."""
    if url := os.environ.get("PREFECT_API_URL"):
        yield url.removesuffix("/api")
        return
    address = f"http://{HOST}:{port}"
    with _served("prefect", "server start", port, PREFECT_UI_API_URL=f"{address}/api"):
        yield address


@contextmanager
def _served(tool: str, command: str, port: int, *more: str, **settings: str) -> Iterator[None]:
    """Run a tool's server on loopback, with everything that it starts, while the block lasts."""
    options = [*command.split(), "--host", HOST, "--port", str(port), *more]
    server = subprocess.Popen(
        [sys.executable, "-m", tool, *options],
        env={**os.environ, **settings},
        start_new_session=True,
        stdout=subprocess.DEVNULL,
    )
    try:
        with subprocesses.watched(server.pid):
            yield
    finally:
        os.killpg(server.pid, signal.SIGTERM)
        server.wait()


def _check(option: str, port: int) -> None:
    if not 0 < port < 65_536:
        raise UserError(f"{option} {port} is not a port; expected a number from 1 to 65535")
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((HOST, port))
        except OSError as e:
            raise UserError(
                f"port {port} cannot be used ({e.strerror}). Name another: datayield ui {option} PORT."
            ) from e
