"""Servers that are away, refuse or are of another version: one error with setting and remedy, or a notice.

What needs a server ends with exit code 2; a study never needs one and goes on.
"""

import http.server
import shutil
import sqlite3
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from tests.conftest import REPO, datayield, flow, read_params, write_params
from tests.integrations.test_servers import end, start, wait_for
from tests.postgres import Postgres, free_port

pytestmark = pytest.mark.slow

USER, PASSWORD = "admin", "a long word: or two"
NOTHING = {"MLFLOW_TRACKING_USERNAME": USER, "PREFECT_API_AUTH_STRING": f"{USER}:nonsense",
           "MLFLOW_TRACKING_PASSWORD": "nonsense"}  # fmt: skip


@pytest.fixture(scope="module")
def logged(studied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished study with prefect.yaml."""
    folder = tmp_path_factory.mktemp("away") / "project"
    shutil.copytree(studied, folder)
    shutil.copy(REPO / "prefect.yaml", folder)
    return folder


@pytest.fixture
def short(prepared: Path, tmp_path: Path) -> Path:
    """A study of four cells, none computed."""
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    params = read_params(folder)
    params["study"]["grid"] = [{"arms": ["tfidf", "majority"], "budgets": [30]}]
    write_params(folder, params)
    return folder


def refused(folder: Path, *command: str, **settings: str) -> str:
    """What a command says that ends with exit code 2: one line."""
    done = datayield(folder, *command, **settings)
    assert done.returncode == 2, done.stdout + done.stderr
    (line,) = done.stderr.strip().splitlines()
    assert line.startswith("datayield: ") and done.stdout == ""
    return line


def notices(folder: Path, **settings: str) -> list[str]:
    """What a study that goes on says about its servers."""
    done = flow(folder, "study", **settings)
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert (folder / "results/written/cells.parquet").exists()
    return [line for line in done.stderr.splitlines() if line.startswith("notice: ")]


# --- away


def test_servers_that_are_away(logged: Path, short: Path) -> None:
    flows = f"http://127.0.0.1:{free_port()}/api"
    runs = f"http://127.0.0.1:{free_port()}"
    said = refused(logged, "deploy", PREFECT_API_URL=flows)
    assert f"no Prefect server answers at PREFECT_API_URL={flows}" in said
    assert "`prefect server start`" in said
    said = refused(logged, "record", MLFLOW_TRACKING_URI=runs)
    assert (
        f"MLflow at {runs} does not record: it does not answer; start it (`mlflow server`)" in said
    )
    prefect, mlflow, missing = notices(short, PREFECT_API_URL=flows, MLFLOW_TRACKING_URI=runs)
    assert flows in prefect and "plain threads run the study, with the same results" in prefect
    assert "MLflow does not record: it does not answer" in mlflow and "the study goes on" in mlflow
    assert "`datayield record` fills them in" in missing


def test_a_database_that_is_away_ends_a_search_and_holds_no_study_up(short: Path) -> None:
    address = f"postgresql://me:hidden-word@127.0.0.1:{free_port()}/trials"
    began = time.monotonic()
    found = notices(short, MLFLOW_TRACKING_URI=address)
    assert time.monotonic() - began < 90, "MLflow alone would try it for 100 s and once more"
    assert "start its server, or fix MLFLOW_TRACKING_URI" in found[0]
    params = read_params(short)
    params["tuning"] = {"trials": 2}
    write_params(short, params)
    done = flow(short, "tune", DATAYIELD_OPTUNA_STORAGE=address)
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "start its server, or fix DATAYIELD_OPTUNA_STORAGE" in done.stderr
    assert "hidden-word" not in done.stderr + "".join(found)


def test_postgresql_refuses(postgres_server: Postgres, logged: Path) -> None:
    name = postgres_server.database()
    wrong = postgres_server.address(name, password="hidden word")
    for setting, command in (
        ("DATAYIELD_OPTUNA_STORAGE", ("ui", "--trials", str(free_port()))),
        ("MLFLOW_TRACKING_URI", ("record",)),
    ):
        more = {"PREFECT_API_URL": "http://127.0.0.1:9/api"} | (
            {"MLFLOW_TRACKING_URI": "http://127.0.0.1:9"} if command[0] == "ui" else {}
        )
        said = refused(logged, *command, **{**more, setting: wrong})
        assert f"refuses this user and password; fix them in {setting}" in said
        assert "%40" in said and "hidden" not in said
        missing = postgres_server.address("no_such_database")
        said = refused(logged, *command, **{**more, setting: missing})
        assert f"does not exist; create it (`createdb`), or fix {setting}" in said


# --- of another version


@pytest.fixture
def old_server() -> Iterator[str]:
    """The address of something that says it is a Prefect server of version 2."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            known = self.path == "/api/admin/version"
            self.send_response(200 if known else 404)
            self.end_headers()
            self.wfile.write(b'"2.20.4"' if known else b"")

        def log_message(self, *_: object) -> None:
            return

    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()


def test_servers_and_logs_of_another_version(
    old_server: str, logged: Path, short: Path, tmp_path: Path
) -> None:
    said = refused(logged, "deploy", PREFECT_API_URL=f"{old_server}/api")
    assert (
        "has version 2.20.4, this environment 3.8" in said
        and "install the same version on both" in said
    )
    said = refused(logged, "deploy", PREFECT_API_URL=old_server)
    assert "but another program; the address must end in /api" in said
    said = refused(logged, "record", MLFLOW_TRACKING_URI=old_server)
    assert "is not an MLflow server, or has another version (3.17" in said

    shutil.copy(logged / "state" / "mlflow.db", tmp_path / "old.db")
    with sqlite3.connect(tmp_path / "old.db") as database:
        database.execute("update alembic_version set version_num = '0584bdc529eb'")
    database.close()
    address = {"MLFLOW_TRACKING_URI": f"sqlite:///{tmp_path / 'old.db'}"}
    said = refused(logged, "record", **address)
    assert "has a database of another version of MLflow; back it up" in said
    assert "`mlflow db upgrade`" in said and "found version 0584bdc529eb" in said
    prefect, log, missing = notices(short, PREFECT_API_URL=f"{old_server}/api", **address)
    assert "version 2.20.4" in prefect and "plain threads run the study" in prefect
    assert "`mlflow db upgrade`" in log and "the study goes on" in log
    assert "`datayield record` fills them in" in missing


# --- that want a login


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Prefect's and MLflow's own logins; yields the addresses."""
    folder = tmp_path_factory.mktemp("guarded")
    flows, runs = free_port(), free_port()
    options = ["server", "--app-name", "basic-auth", "--host", "127.0.0.1", "--port", str(runs),
               "--workers", "1", "--backend-store-uri", f"sqlite:///{folder}/runs.db"]  # fmt: skip
    started = [
        start(
            folder, sys.executable, "-m", "mlflow", *options,
            MLFLOW_AUTH_ADMIN_PASSWORD=PASSWORD, MLFLOW_FLASK_SERVER_SECRET_KEY="of this test",
        ),
        start(
            folder, sys.executable, "-m", "prefect", "server", "start", "--host", "127.0.0.1",
            "--port", str(flows), PREFECT_HOME=str(folder / "home"),
            PREFECT_SERVER_API_AUTH_STRING=f"{USER}:{PASSWORD}",
        ),
    ]  # fmt: skip
    try:
        wait_for(f"http://127.0.0.1:{runs}/health")
        wait_for(f"http://127.0.0.1:{flows}/api/health")
        yield {
            "PREFECT_API_URL": f"http://127.0.0.1:{flows}/api",
            "MLFLOW_TRACKING_URI": f"http://127.0.0.1:{runs}",
        }
    finally:
        for process in started:
            end(process)


def test_servers_that_want_a_login(guarded: dict[str, str], logged: Path, short: Path) -> None:
    for settings in (guarded, guarded | NOTHING):
        said = refused(logged, "deploy", **settings)
        assert "refuses these credentials; set PREFECT_API_AUTH_STRING" in said
        said = refused(logged, "record", **settings)
        assert "refuses these credentials; set MLFLOW_TRACKING_USERNAME and" in said
    shutil.copytree(short, short.parent / "again")
    prefect, mlflow, _ = notices(short, **guarded | NOTHING)
    assert "set PREFECT_API_AUTH_STRING" in prefect and "plain threads run the study" in prefect
    assert "set MLFLOW_TRACKING_USERNAME" in mlflow and "the study goes on" in mlflow
    right = {
        **guarded,
        "PREFECT_API_AUTH_STRING": f"{USER}:{PASSWORD}",
        "MLFLOW_TRACKING_USERNAME": USER,
        "MLFLOW_TRACKING_PASSWORD": PASSWORD,
        "PREFECT_HOME": str(short / "home"),
    }
    assert notices(short.parent / "again", **right) == []
    done = datayield(short, "record", **right)
    assert "0 runs written, 6 already there" in done.stdout, done.stderr


# --- that cannot be started


def test_pages_without_a_port(logged: Path) -> None:
    assert "--runs 70000 is not a port" in refused(logged, "ui", "--runs", "70000")
    one = str(free_port())
    said = refused(logged, "ui", "--runs", one, "--trials", one, "--flows", str(free_port()))
    assert "each page needs a port of its own" in said


def test_a_schedule_that_cannot_be_needs_no_server_to_be_found(tmp_path: Path) -> None:
    found = yaml.safe_load((REPO / "prefect.yaml").read_text())
    found["deployments"][1]["schedules"] = [{"cron": "at four on Saturdays"}]
    (tmp_path / "prefect.yaml").write_text(yaml.safe_dump(found))
    said = refused(tmp_path, "deploy", PREFECT_API_URL=f"http://127.0.0.1:{free_port()}/api")
    assert "deployment weekly: cron 'at four on Saturdays' is not a schedule" in said
    assert "Expected five fields (minute hour day month weekday)" in said
