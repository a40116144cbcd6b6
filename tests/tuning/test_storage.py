"""Where trials are kept: what goes wrong with it, and many machines on one PostgreSQL."""

import json
import shutil
import socket
import sqlite3
import subprocess
import sys
import threading
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import optuna
import pytest
import requests

from datayield.core import tables
from datayield.core.errors import UserError
from datayield.core.types import Cell
from datayield.tuning import optuna_search
from datayield.tuning.searches import SearchSpec
from tests.conftest import call, read_params, tool_environment, write_params
from tests.postgres import Postgres, free_port
from tests.tuning.test_searches import params_with, planted, run, search, told

__all__ = ["search"]


# --- what goes wrong


def test_a_storage_that_cannot_be_reached(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for url in (
        f"postgresql://nobody@127.0.0.1:{free_port()}/none",
        "sqlite:////proc/none.db",
        "nonsense",
    ):
        monkeypatch.setenv(optuna_search.STORAGE, url)
        with pytest.raises(UserError, match="trials' storage cannot be opened"):
            optuna_search.storage(tmp_path)


def test_a_storage_of_another_version(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(optuna_search.STORAGE, f"sqlite:///{tmp_path / 'trials.db'}")
    optuna_search.storage(tmp_path)
    with sqlite3.connect(tmp_path / "trials.db") as database:
        database.execute("update alembic_version set version_num = 'v99'")
        database.execute("update version_info set schema_version = 99")
    with pytest.raises(UserError, match="cannot be opened.*version"):
        optuna_search.storage(tmp_path)


def test_a_locked_storage(
    search: SearchSpec, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(optuna_search.STORAGE, f"sqlite:///{tmp_path / 'trials.db'}?timeout=0.2")
    kept = optuna_search.storage(tmp_path)
    run(search, 2, kept)
    with sqlite3.connect(tmp_path / "trials.db", isolation_level=None) as other:
        other.execute("begin exclusive")
        with pytest.raises(UserError, match="trials' storage failed.*run the same command"):
            run(search, 4, kept)
        with pytest.raises(UserError, match="cannot be opened.*locked"):
            optuna_search.storage(tmp_path)
        other.execute("rollback")
    run(search, 4, kept)
    assert len(told(search, kept)) == 4


def test_a_name_that_something_else_has(search: SearchSpec, tmp_path: Path) -> None:
    kept = optuna_search.storage(tmp_path)
    other = optuna.create_study(study_name=search.name, storage=kept, direction="minimize")
    with pytest.raises(UserError, match=r"holds something else under the name \"written lstm"):
        run(search, 2, kept)
    other.tell(other.ask(), 1.0)
    with pytest.raises(UserError, match="holds something else"):
        run(search, 2, kept)


def test_a_damaged_journal(search: SearchSpec, tmp_path: Path) -> None:
    kept = optuna_search.storage(tmp_path)
    run(search, 3, kept)
    before = told(search, kept)
    journal = tmp_path / "state" / "optuna.journal"
    whole = journal.read_bytes()
    journal.write_bytes(whole + b'{"op_code":6,"tri')  # a full disk in the middle of a line
    kept = optuna_search.storage(tmp_path, alone=True)
    assert told(search, kept) == before
    run(search, 4, kept)
    assert told(search, optuna_search.storage(tmp_path))[:3] == before
    journal.write_bytes(b"not a journal\n" + whole)
    with pytest.raises(UserError, match="cannot be opened.*delete the journal"):
        optuna_search.storage(tmp_path)


def test_the_lock_of_a_dead_writer_is_broken(search: SearchSpec, tmp_path: Path) -> None:
    kept = optuna_search.storage(tmp_path)
    (tmp_path / "state" / "optuna.journal.lock").touch()
    run(search, 1, kept)
    assert len(told(search, kept)) == 1


def test_where_every_trial_fails_the_untuned_settings_serve(project: Path) -> None:
    params_with(project, trials=2, space={"embedding": None}, arms="one")
    changed = read_params(project)
    changed["model"]["embedding"] = 10**12  # no memory holds that
    write_params(project, changed)
    done = call(project, sys.executable, "flows/tune.py", "--corpus", "written")
    assert done.returncode == 0, done.stderr
    assert "no trial was completed, its arms stay untuned" in done.stderr
    rows = tables.read_table(project / "results/written/trials.parquet").to_pylist()
    assert [r["state"] for r in rows] == ["failed"] * 2 and all(r["error"] for r in rows)
    chosen = json.loads((project / "results/written/settings.json").read_text())["30"]
    assert chosen["lstm:plain"]["all"]["model"]["embedding"] == 10**12


# --- PostgreSQL


@pytest.fixture
def postgres(postgres_server: Postgres) -> str:
    """The address of an empty database on a real server."""
    return postgres_server.address(postgres_server.database())


def test_the_same_trials_on_postgresql_as_in_a_journal(
    search: SearchSpec, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(search, 8, optuna_search.storage(tmp_path))
    expected = told(search, optuna_search.storage(tmp_path))
    monkeypatch.setenv(optuna_search.STORAGE, postgres)
    run(search, 8, optuna_search.storage(tmp_path))
    assert told(search, optuna_search.storage(tmp_path)) == expected


def test_a_search_is_one_machines_at_a_time(
    search: SearchSpec, postgres: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(optuna_search.STORAGE, postgres)
    here, there = optuna_search.storage(tmp_path), optuna_search.storage(tmp_path)
    search = replace(search, metric="macro_f1", trials=6)
    began, go = threading.Event(), threading.Event()

    def slow(cell: Cell, *rest: object) -> Mapping[str, object]:
        began.set()
        assert go.wait(30)
        return planted(cell, *rest)

    def machine() -> None:
        with optuna_search.claimed(search, here, wait=False) as ours:
            assert ours
            optuna_search.run(search, here, slow)

    other = threading.Thread(target=machine)
    other.start()
    assert began.wait(30)
    with optuna_search.claimed(search, there, wait=False) as ours:
        assert not ours, "another machine holds it"
    with optuna_search.claimed(replace(search, prune=False), there, wait=False) as ours:
        assert ours, "another search is free"
    go.set()
    with optuna_search.claimed(search, there, wait=True) as ours:
        assert ours
        optuna_search.run(search, there, planted)  # everything is done
    other.join()
    assert len(told(search, there)) == search.trials


@pytest.mark.slow
def test_two_machines_share_the_searches(project: Path, tmp_path: Path, postgres: str) -> None:
    """Two folders, one storage: each search is carried once, both write the same settings."""
    params_with(project, trials=3)
    shutil.copytree(project, tmp_path / "other")
    command = [sys.executable, "flows/tune.py", "--corpus", "written"]
    running = [
        subprocess.Popen(
            command, cwd=folder, env=tool_environment(**{optuna_search.STORAGE: postgres})
        )
        for folder in (project, tmp_path / "other")
    ]
    assert [p.wait(500) for p in running] == [0, 0]
    name = "results/written/settings.json"
    assert (project / name).read_text() == (tmp_path / "other" / name).read_text()
    found = [tables.read_table(folder / "results/written/trials.parquet").to_pylist()
             for folder in (project, tmp_path / "other")]  # fmt: skip
    assert found[0] == found[1] and len(found[0]) == 9, "seconds too: nothing was run twice"


# --- the pages


@pytest.mark.slow
def test_the_pages_show_runs_and_trials(search: SearchSpec, project: Path) -> None:
    run(search, 2, optuna_search.storage(project))
    runs, trials, flows = free_port(), free_port(), free_port()
    ports = ["--runs", str(runs), "--trials", str(trials), "--flows", str(flows)]
    command = [sys.executable, "-m", "datayield", "ui"]
    server = subprocess.Popen(
        [*command, *ports],
        cwd=project,
        env=tool_environment(),
    )
    try:
        page = _answer(f"http://127.0.0.1:{trials}/api/studies")
        assert search.name in page and "<html" in _answer(f"http://127.0.0.1:{trials}/dashboard/")
        assert "MLflow" in _answer(f"http://127.0.0.1:{runs}/")
        assert "Prefect" in _answer(f"http://127.0.0.1:{flows}/")
        assert _answer(f"http://127.0.0.1:{flows}/api/health") == "true"
        taken = call(project, *command, *ports)
        assert taken.returncode == 2 and f"port {runs} cannot be used" in taken.stderr
    finally:
        server.terminate()
        server.wait(30)
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline and not (_silent(runs) and _silent(flows)):
        time.sleep(0.2)
    assert all(map(_silent, (runs, trials, flows))), "all end together"


def _answer(address: str) -> str:
    deadline = time.monotonic() + 120
    while True:
        try:
            return requests.get(address, timeout=30).text
        except requests.ConnectionError:
            assert time.monotonic() < deadline, address
            time.sleep(0.3)


def _silent(number: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", number)) != 0
