"""The project's own log of MLflow: made whole or not at all, set aside where it can never be opened."""

import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest
from mlflow import MlflowClient

from datayield.core import tables
from datayield.core.errors import UserError
from datayield.integrations import mlflow_file
from tests.conftest import datayield, tool_environment


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("empty") / "mlflow.db"
    assert mlflow_file.prepare(path) == ""
    return path


@pytest.fixture
def log(empty: Path, tmp_path: Path) -> Path:
    return Path(shutil.copy(empty, tmp_path / "mlflow.db"))


def sql(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as opened:
        for statement in statements:
            opened.execute(statement)
        opened.commit()


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


BROKEN: dict[str, tuple[Callable[[Path], object], str]] = {
    "other content": (lambda p: p.write_bytes(b"x" * 5000), "file is not a database"),
    "cut": (cut, "malformed"),
    "half-made": (lambda p: sql(p, "DROP TABLE alembic_version"), "never finished"),
    "at an earlier step": (
        lambda p: sql(p, "UPDATE alembic_version SET version_num = '451aebb31d03'"),
        "never finished",
    ),
    "without runs": (
        lambda p: sql(p, "DROP TABLE runs", "DROP TABLE alembic_version"),
        "never finished",
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_log_is_set_aside(log: Path, name: str) -> None:
    damage, reason = BROKEN[name]
    damage(log)
    content = log.read_bytes()
    sentence = mlflow_file.prepare(log)
    assert reason in sentence and "`datayield record` writes every finished cell" in sentence
    (aside,) = log.parent.glob("mlflow.broken-*.db")
    assert aside.name in sentence and aside.read_bytes() == content
    client = MlflowClient(tracking_uri=f"sqlite:///{log}")
    client.create_run(client.create_experiment("works"))
    assert mlflow_file.prepare(log) == ""
    assert sorted(log.parent.iterdir()) == sorted([aside, log]), "no temporary file is left"


def test_a_log_of_another_version_with_runs_stays(log: Path) -> None:
    sql(log, "INSERT INTO runs (run_uuid) VALUES ('a')", "DROP TABLE alembic_version")
    content = log.read_bytes()
    assert mlflow_file.prepare(log) == "" and log.read_bytes() == content


def test_a_log_in_use_stays(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mlflow_file, "BUSY", 0.1)
    content = log.read_bytes()
    with closing(sqlite3.connect(log, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        assert mlflow_file.prepare(log) == ""
        other.execute("COMMIT")
    assert log.read_bytes() == content


@pytest.mark.parametrize("make", [Path.mkdir, os.mkfifo], ids=["folder", "pipe"])
def test_something_else_at_its_place_is_refused(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    make(tmp_path / "mlflow.db")
    with pytest.raises(UserError, match=r"mlflow.db is not a file.* Move it away"):
        mlflow_file.prepare(tmp_path / "mlflow.db")


def test_a_log_that_is_read_only_is_refused(log: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda path, mode: False)  # root may write everything
    with pytest.raises(UserError, match="read-only. Make it writable"):
        mlflow_file.prepare(log)


@pytest.mark.slow
def test_a_process_killed_while_it_makes_the_log_leaves_none(tmp_path: Path) -> None:
    path = tmp_path / "state" / "mlflow.db"
    made = "from datayield.integrations.mlflow_file import prepare"
    code = f"from pathlib import Path; {made}; prepare(Path({str(path)!r}))"
    for delay in (0.0, 0.2, 0.5, 1.0):
        process = subprocess.Popen([sys.executable, "-c", code], env=tool_environment())
        deadline = time.monotonic() + 120
        while not list(tmp_path.glob("state/mlflow-*/new.db")) and process.poll() is None:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        time.sleep(delay)
        process.send_signal(signal.SIGKILL)
        process.wait(60)
        if path.exists():
            assert mlflow_file.prepare(path) == "", "it is whole"
            break
    assert mlflow_file.prepare(path) == ""
    client = MlflowClient(tracking_uri=f"sqlite:///{path}")
    client.create_run(client.create_experiment("works"))


def test_record_writes_everything_again(studied: Path, tmp_path: Path) -> None:
    folder = tmp_path / "project"
    shutil.copytree(studied, folder)
    log = folder / "state" / "mlflow.db"
    cut(log)
    done = datayield(folder, "record")
    assert done.returncode == 0 and "set aside" in done.stderr, done.stderr
    rows = tables.read_table(folder / "results/written/cells.parquet")
    with closing(sqlite3.connect(log)) as kept:
        found = kept.execute("SELECT count(*) FROM tags WHERE key = 'cell'").fetchone()[0]
    assert found == len(rows)
