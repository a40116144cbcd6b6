"""Shared fixtures: a small written corpus and a project folder around it."""

import atexit
import csv
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from datayield.core.system import machine

machine.prepare_process()  # before numpy and torch are imported: one thread, no telemetry

import pytest  # noqa: E402
import requests  # noqa: E402
import yaml  # noqa: E402

from datayield.core.types import Corpus  # noqa: E402
from datayield.corpora.build import Labelled, build_corpus  # noqa: E402
from datayield.integrations import prefect_server  # noqa: E402
from datayield.testing.small_corpus import written_texts  # noqa: E402

if TYPE_CHECKING:
    from tests.postgres import Postgres

REPO = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """600 texts of three classes, 540 of them in the pool."""
    texts, labels = written_texts(600)
    return build_corpus(
        "written", Labelled(texts, labels, None, {"loader": "test"}, "written"), 0.1, 7
    )


def write_csv(path: Path, texts: list[str], labels: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["body", "stars"])
        rows.writerows(zip(texts, labels, strict=True))
    return path


def small_params(sha256: str, **study: object) -> dict[str, object]:
    """A study of seconds on the written corpus."""
    return {
        "study": {
            "name": "small",
            "seed": 5,
            "corpora": ["written"],
            "draws": 2,
            "seeds": 1,
            "sampling": "stratified",
            "validation_folds": 1,
            "validation_draws": None,
            "language_models": None,
            "grid": [
                {
                    "arms": [
                        "lstm:plain",
                        "lstm:eda_nn",
                        "lstm:competence",
                        "lstm:mixup_word",
                        "lstm:twin",
                        "lstm:permuted_labels",
                        "gru:plain",
                        "tfidf",
                        "nbsvm",
                        "majority",
                    ],
                    "budgets": [30, 60],
                },
            ],
            **study,
        },
        "corpora": {
            "written": {
                "loader": "file",
                "path": "written.csv",
                "sha256": sha256,
                "text": "body",
                "label": "stars",
                "format": "csv",
            }
        },
        "model": {"hidden": 8, "embedding": 8, "rounds": 4, "batch": 8},
        "strategies": {},
        "updates": {0: 12},
        "tuning": {"trials": 0},
        "analysis": {"level": 0.95, "metric": "auto"},
        "execution": {"workers": 2, "device": "auto", "precision": "fp32"},
    }


def make_project(folder: Path, **study: object) -> Path:
    """A datayield folder with the written corpus and the repository's own dvc.yaml and flows."""
    from datayield.corpora.loaders import file

    folder.mkdir(parents=True, exist_ok=True)
    texts, labels = written_texts(600)
    write_csv(folder / "written.csv", texts, labels)
    digest = file.describe(folder / "written.csv", "body", "stars", "utf-8", None).sha256
    write_params(folder, small_params(digest, **study))
    shutil.copytree(REPO / "flows", folder / "flows", dirs_exist_ok=True)
    return folder


def write_params(folder: Path, params: dict[str, object]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def read_params(folder: Path) -> dict:
    return yaml.safe_load((folder / "params.yaml").read_text())


def tool_environment(**extra: str) -> dict[str, str]:
    """The environment of a user's shell with this virtual environment on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    return {**kept, **machine.QUIET, "PATH": path, **extra}


def call(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder as a user would."""
    return subprocess.run(
        arguments,
        cwd=folder,
        env=tool_environment(**extra),
        capture_output=True,
        text=True,
        timeout=1200,
        check=False,
    )


def datayield(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return call(folder, sys.executable, "-m", "datayield", *arguments, **extra)


def flow(folder: Path, name: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run flows/<name>.py as dvc.yaml does, on the server of this test process unless `extra` names one."""
    named = {"PREFECT_API_URL": prefect_address(), **extra}
    return call(folder, sys.executable, f"flows/{name}.py", "--corpus", "written", **named)


@cache
def prefect_address() -> str:
    """Start one Prefect server for this test process; starting one for each flow takes 10 s each."""
    home = tempfile.mkdtemp(prefix="prefect-of-tests-")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    server = subprocess.Popen(
        [sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1", "--port", str(port)],
        env=tool_environment(PREFECT_HOME=home, **prefect_server.SETTINGS),
        stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
        process_group=0,
    )  # fmt: skip

    def end() -> None:
        with suppress(ProcessLookupError):
            os.killpg(server.pid, signal.SIGKILL)
        server.wait()
        shutil.rmtree(home, ignore_errors=True)

    atexit.register(end)
    deadline = time.monotonic() + 120
    while server.poll() is None and time.monotonic() < deadline:
        with suppress(requests.RequestException):
            if requests.get(f"http://127.0.0.1:{port}/api/health", timeout=5).ok:
                return f"http://127.0.0.1:{port}/api"
        time.sleep(0.2)
    raise RuntimeError("the Prefect server of the tests did not start")


def data_stages(folder: Path) -> None:
    """corpus to curriculum, in this process."""
    from datayield import config
    from datayield.cli.pipeline import DATA_STAGES

    params = config.load(folder / "params.yaml")
    for module in DATA_STAGES.values():
        import_module(module).run(params, "written", folder)


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose data stages are made; copy it before changing it."""
    folder = make_project(tmp_path_factory.mktemp("staged"))
    data_stages(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(staged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose data stages and settings are made; copy it before changing it."""
    folder = tmp_path_factory.mktemp("prepared") / "project"
    shutil.copytree(staged, folder)
    done = flow(folder, "tune")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def studied(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study has run, its MLflow log included; copy it before changing it."""
    folder = tmp_path_factory.mktemp("studied") / "project"
    shutil.copytree(prepared, folder)
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    """A fresh copy of the prepared project."""
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["Postgres"]:
    """A real PostgreSQL server on loopback."""
    from tests.postgres import running

    with running() as server:
        yield server


def need(found: bool, what: str) -> None:
    """Skip a test that needs more than Python packages; fail where everything must be there."""
    if not found:
        if os.environ.get("DATAYIELD_REQUIRE_ALL") == "1":
            pytest.fail(f"{what} is required here (DATAYIELD_REQUIRE_ALL=1) and missing")
        pytest.skip(f"needs {what}")
