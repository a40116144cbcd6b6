"""Real servers on loopback: a scheduled run comes, and a study runs while Prefect and MLflow serve."""

import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import flow, tool_environment

pytestmark = pytest.mark.slow


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def wait_for(url: str, seconds: float = 120) -> None:
    deadline = time.monotonic() + seconds
    while True:
        try:
            with urllib.request.urlopen(url, timeout=2):
                return
        except OSError:
            if time.monotonic() > deadline:
                raise
            time.sleep(0.5)


def start(folder: Path, *command: str, **extra: str) -> subprocess.Popen[bytes]:
    with (folder / f"{Path(command[2]).stem}.log").open("wb") as log:
        return subprocess.Popen(
            command,
            cwd=folder,
            env=tool_environment(**extra),
            start_new_session=True,
            stdout=log,
            stderr=log,
        )


def end(process: subprocess.Popen[bytes]) -> None:
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()


@pytest.fixture(scope="module")
def prefect_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """A Prefect server on a free loopback port; yields the environment that reaches it."""
    folder = tmp_path_factory.mktemp("prefect")
    port = free_port()
    home = {"PREFECT_HOME": str(folder / "home")}
    options = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    process = start(folder, sys.executable, "-m", "prefect", *options, **home)
    try:
        wait_for(f"http://127.0.0.1:{port}/api/health")
        yield {**home, "PREFECT_API_URL": f"http://127.0.0.1:{port}/api"}
    finally:
        end(process)


def test_a_study_runs_while_both_servers_serve(
    prefect_server: dict[str, str], project: Path
) -> None:
    from mlflow import MlflowClient

    port = free_port()
    backend = f"sqlite:///{project}/server.db"
    options = ["server", "--host", "127.0.0.1", "--port", str(port), "--backend-store-uri", backend]
    artifacts = ["--default-artifact-root", (project / "artifacts").as_uri(), "--workers", "1"]
    process = start(project, sys.executable, "-m", "mlflow", *options, *artifacts)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/health")
        done = flow(project, "study", MLFLOW_TRACKING_URI=address, **prefect_server)
        assert done.returncode == 0, done.stderr
        assert "MLflow does not record" not in done.stderr
        client = MlflowClient(tracking_uri=address)
        experiment = client.get_experiment_by_name("datayield/small")
        assert len(client.search_runs([experiment.experiment_id], max_results=500)) == 51
    finally:
        end(process)
    # The server, not an in-process one, knows the run and its tasks.
    request = urllib.request.Request(
        f"{prefect_server['PREFECT_API_URL']}/flow_runs/filter",
        data=b'{"sort": "START_TIME_DESC"}',
        headers={"Content-Type": "application/json"},
    )
    with urllib.request.urlopen(request, timeout=10) as answer:
        body = answer.read().decode()
    assert "small: written" in body and "COMPLETED" in body
