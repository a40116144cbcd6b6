"""kill -9 at random moments, servers that go away: the table is complete and equal in the end.

`DATAYIELD_KILLS=30 pytest tests/faults/test_kills.py` tries 30 moments; three without it.
"""

import os
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pytest

from datayield.core import seeds
from datayield.integrations.run_flow import STOPPED
from tests.conftest import call, flow, read_params, tool_environment, write_params
from tests.integrations.test_servers import end, free_port, start, wait_for
from tests.study.test_study import rows, same

pytestmark = pytest.mark.slow

KILLS = int(os.environ.get("DATAYIELD_KILLS", "3"))
ARMS = ["lstm:plain", "lstm:eda_nn", "gru:plain", "tfidf", "majority"]


@pytest.fixture(scope="module")
def short(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project of 20 cells of less than 0.2 s each, nothing of it computed."""
    import shutil

    folder = tmp_path_factory.mktemp("short") / "project"
    shutil.copytree(prepared, folder)
    params = read_params(folder)
    params["study"]["grid"] = [{"arms": ARMS, "budgets": [30, 60]}]
    write_params(folder, params)
    assert flow(folder, "tune").returncode == 0
    return folder


@pytest.fixture(scope="module")
def whole(short: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    """The rows of the study that nobody disturbed."""
    import shutil

    folder = tmp_path_factory.mktemp("whole") / "project"
    shutil.copytree(short, folder)
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    found = rows(folder)
    assert len({r["cell"] for r in found}) == 20
    return found


@pytest.fixture
def fresh(short: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(short, tmp_path / "project")
    return tmp_path / "project"


def begin(folder: Path, **extra: str) -> subprocess.Popen[bytes]:
    with (folder / "study.log").open("wb") as log:
        return subprocess.Popen(
            [sys.executable, "flows/study.py", "--corpus", "written"],
            cwd=folder,
            env=tool_environment(**extra),
            start_new_session=True,
            stderr=log,
        )


def of_session(session: int, what: str) -> list[int]:
    """Processes of one session whose command line holds `what`."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                line = (entry / "cmdline").read_text().replace("\0", " ")
                # after the name in brackets: state, parent, group, session
                ours = int((entry / "stat").read_text().rpartition(")")[2].split()[3]) == session
            except (OSError, ValueError, IndexError):
                continue
            if ours and what in line:
                found.append(int(entry.name))
    return found


def all_gone(session: int, seconds: float = 15) -> None:
    """Wait until no process of ours is left in the session."""
    deadline = time.monotonic() + seconds
    while left := of_session(session, "datayield"):
        assert time.monotonic() < deadline, f"{left} outlived the flow"
        time.sleep(0.1)


TARGETS = {
    "flow": "flows/study.py",
    "worker": "datayield.cells.worker_process",
    "server": "datayield.integrations.prefect_server_watch",  # prefect_server.WATCH
}


@pytest.mark.parametrize("number", range(KILLS))
def test_any_process_may_be_killed_at_any_moment(
    fresh: Path, whole: list[dict], number: int
) -> None:
    """The moment is counted in finished cells, plus up to a tenth of a second."""
    rng = seeds.rng(20261125, "kill", number)
    target = list(TARGETS)[number % 3]
    cells, pause = int(rng.integers(0, 13)), float(rng.uniform(0, 0.1))
    store = fresh / "state" / "cells"
    process = begin(fresh)
    killed = False
    deadline = time.monotonic() + 300
    while process.poll() is None and not killed:
        assert time.monotonic() < deadline, (fresh / "study.log").read_text()
        if len(list(store.glob("*.json"))) >= cells and of_session(process.pid, TARGETS[target]):
            time.sleep(pause)
            servers = of_session(process.pid, TARGETS["server"])
            for pid in of_session(process.pid, TARGETS[target])[:1]:
                os.kill(pid, signal.SIGKILL)
                killed = True
        time.sleep(0.01)
    process.wait(300)
    said = (fresh / "study.log").read_text()
    assert killed, f"{target} after {cells} cells: {said}"
    kept = {p.name: p.stat().st_mtime_ns for p in store.glob("*.json")}
    if target == "flow":
        assert process.returncode == -signal.SIGKILL
        assert servers, "the flow had a server, which must not outlive it"
        all_gone(process.pid)
        again = flow(fresh, "study")
        assert again.returncode == 0, again.stderr
    else:
        assert process.returncode == 0, said
        assert "Traceback" not in said, said
    assert all((store / n).stat().st_mtime_ns == t for n, t in kept.items()), "computed twice"
    assert len(list(store.glob("*.json"))) == 20
    assert same(rows(fresh), whole)


def test_mlflow_away_for_a_while_leaves_no_gap(fresh: Path, whole: list[dict]) -> None:
    """Killed in mid-study, back 20 s later: every cell is in the log once."""
    from mlflow import MlflowClient

    port = free_port()
    backend = f"sqlite:///{fresh}/server.db"
    options = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    more = ["--backend-store-uri", backend, "--default-artifact-root", f"{fresh}/artifacts"]
    address = f"http://127.0.0.1:{port}"
    server = start(fresh, sys.executable, "-m", "mlflow", *options, *more)
    try:
        wait_for(f"{address}/health")
        process = begin(fresh, MLFLOW_TRACKING_URI=address)
        client = MlflowClient(tracking_uri=address)
        deadline = time.monotonic() + 300
        while not client.search_runs(["1"], "tags.kind = 'cell'", max_results=1):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        end(server)
        time.sleep(20)
        server = start(fresh, sys.executable, "-m", "mlflow", *options, *more)
        wait_for(f"{address}/health")
        assert process.wait(300) == 0, (fresh / "study.log").read_text()
        said = (fresh / "study.log").read_text()
        assert "records are missing" not in said and "Traceback" not in said, said
        experiment = client.get_experiment_by_name("datayield/small")
        runs = client.search_runs([experiment.experiment_id], "tags.kind = 'cell'", max_results=500)
        assert sorted(r.data.tags["cell"] for r in runs) == sorted(
            {r["cell"] for r in whole if "hits" in r}
        )
        assert {r.info.status for r in runs} == {"FINISHED"}
        assert all("accuracy" in r.data.metrics for r in runs)
    finally:
        end(server)
    assert same(rows(fresh), whole)


def test_a_server_that_does_not_start_is_not_needed(fresh: Path, whole: list[dict]) -> None:
    """Prefect's own, killed before it answers."""
    process = begin(fresh)
    deadline = time.monotonic() + 120
    while not (servers := of_session(process.pid, TARGETS["server"])):
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.005)
    os.kill(servers[0], signal.SIGKILL)
    assert process.wait(300) == 0, (fresh / "study.log").read_text()
    said = (fresh / "study.log").read_text()
    assert "plain threads run the study" in said and "Traceback" not in said, said
    assert same(rows(fresh), whole)


@pytest.mark.parametrize("back", [True, False], ids=["restarted", "gone"])
def test_a_prefect_server_away_in_mid_study(fresh: Path, whole: list[dict], back: bool) -> None:
    port = free_port()
    home = {"PREFECT_HOME": str(fresh / "home")}
    options = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    api = f"http://127.0.0.1:{port}/api"
    server = start(fresh, sys.executable, "-m", "prefect", *options, **home)
    try:
        wait_for(f"{api}/health")
        process = begin(fresh, PREFECT_API_URL=api, **home)
        store = fresh / "state" / "cells"
        deadline = time.monotonic() + 300
        while len(list(store.glob("*.json"))) < 3 and time.monotonic() < deadline:
            time.sleep(0.02)
        end(server)
        if back:
            server = start(fresh, sys.executable, "-m", "prefect", *options, **home)
        said = (fresh / "study.log").read_text()
        assert process.wait(400) == 0, (fresh / "study.log").read_text()
        said = (fresh / "study.log").read_text()
        assert "Traceback" not in said, said
    finally:
        if server.poll() is None:
            end(server)
    assert same(rows(fresh), whole)


def test_a_stopped_flow_does_not_wait_for_a_server_that_is_gone(fresh: Path) -> None:
    """Prefect would try to send every event that is left, for seconds each."""
    port = free_port()
    home = {"PREFECT_HOME": str(fresh / "home")}
    options = ["server", "start", "--host", "127.0.0.1", "--port", str(port)]
    server = start(fresh, sys.executable, "-m", "prefect", *options, **home)
    try:
        api = f"http://127.0.0.1:{port}/api"
        wait_for(f"{api}/health")
        process = begin(fresh, PREFECT_API_URL=api, **home)
        store = fresh / "state" / "cells"
        deadline = time.monotonic() + 300
        while len(list(store.glob("*.json"))) < 1 and time.monotonic() < deadline:
            time.sleep(0.02)
        server.kill()
        process.terminate()
        assert process.wait(200) in STOPPED, (fresh / "study.log").read_text()
    finally:
        end(server)
    assert "the same command continues" in (fresh / "study.log").read_text()


def test_a_clock_that_jumps_changes_nothing(project: Path) -> None:
    """Files of a day to come and of a year ago are used as they are."""
    done = flow(project, "study")
    assert done.returncode == 0, done.stderr
    before = rows(project)
    for number, path in enumerate(sorted((project / "state" / "cells").glob("*.json"))):
        moment = time.time() + (86_400 if number % 2 else -31_536_000)
        os.utime(path, (moment, moment))
    done = flow(project, "study")
    assert "0 to compute" in done.stderr
    assert same(rows(project), before)


def test_a_locked_database_of_prefect_ends_no_study(fresh: Path, whole: list[dict]) -> None:
    """Its server waits or answers 503, as it does where the machine is too busy."""
    process = begin(fresh)
    store = fresh / "state" / "cells"
    deadline = time.monotonic() + 300
    while len(list(store.glob("*.json"))) < 3:
        assert time.monotonic() < deadline and process.poll() is None
        time.sleep(0.02)
    with closing(sqlite3.connect(fresh / "state/prefect/prefect.db", timeout=60)) as other:
        other.execute("begin exclusive")
        time.sleep(8)
        other.execute("rollback")
    code = process.wait(300)
    said = (fresh / "study.log").read_text()
    assert code == 0 and "Traceback" not in said, said
    assert len(list(store.glob("*.json"))) == 20
    assert same(rows(fresh), whole)


FAILING = """
import itertools, sys
from datayield.core.system import machine
from pathlib import Path
machine.prepare_process()
machine.prepare_prefect_home(Path())
from datayield.integrations import prefect_server
from datayield.integrations.run_flow import run_flow

with prefect_server.serving(Path()) as wait_until_ready:  # Prefect reads its address on import
    wait_until_ready()
    from prefect.futures import PrefectConcurrentFuture
    asked, true = itertools.count(), PrefectConcurrentFuture.result

    def result(self, *arguments, **named):
        if next(asked) == 3:
            raise ValueError("Unable to acquire concurrency slots: 503 Service Unavailable")
        return true(self, *arguments, **named)

    PrefectConcurrentFuture.result = result
    sys.exit(run_flow("study", "datayield.integrations.study_flow"))
"""


def test_where_prefect_fails_at_a_task_threads_go_on(fresh: Path, whole: list[dict]) -> None:
    done = call(fresh, sys.executable, "-c", FAILING, "--corpus", "written")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "503 Service Unavailable); plain threads run the study" in done.stderr
    assert same(rows(fresh), whole)
