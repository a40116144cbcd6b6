"""The same study on a Ray cluster of this machine: same rows, a killed worker costs nothing."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.conftest import call, flow, need, read_params, tool_environment, write_params
from tests.integrations.test_servers import free_port
from tests.study.test_study import rows, same

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def local_rows(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> list[dict]:
    import shutil

    folder = tmp_path_factory.mktemp("local") / "project"
    shutil.copytree(prepared, folder)
    assert flow(folder, "study").returncode == 0
    return rows(folder)


def on_ray(folder: Path, **more: object) -> None:
    need(_has_ray(), "ray")
    params = read_params(folder)
    execution = {"engine": "ray", "address": "local", "workers": 2, **more}
    write_params(folder, {**params, "execution": execution})


def _has_ray() -> bool:
    from importlib.util import find_spec

    return find_spec("ray") is not None


def workers_of(session: int) -> list[int]:
    """Process numbers of Ray's workers that compute our cells, in one process session's cluster."""
    found = []
    for entry in Path("/proc").iterdir():
        try:
            if "ray::_answer" in (entry / "cmdline").read_text():
                found.append(int(entry.name))
        except (OSError, ValueError):
            continue
    return found


def test_ray_gives_the_same_rows_and_a_killed_worker_costs_one_try(
    project: Path, local_rows: list[dict]
) -> None:
    on_ray(project)
    store = project / "state" / "cells"
    with (project / "study.log").open("wb") as log:
        process = subprocess.Popen(
            [sys.executable, "flows/study.py", "--corpus", "written"],
            cwd=project,
            env=tool_environment(),
            stderr=log,
        )
    killed, deadline = 0, time.monotonic() + 240
    while process.poll() is None and time.monotonic() < deadline:
        if not killed and len(list(store.glob("*.json"))) >= 3:
            for pid in workers_of(process.pid)[:1]:
                os.kill(pid, signal.SIGKILL)
                killed += 1
        time.sleep(0.02)
    said = (project / "study.log").read_text()
    assert process.wait(1) == 0, said
    assert killed == 1
    assert "40 cells, 0 done, 40 to compute" in said and "failed" not in said
    assert same(rows(project), local_rows)


def test_a_cluster_that_others_started_serves_searches_too(project: Path) -> None:
    port = free_port()
    start = ["ray", "start", "--head", "--port", str(port), "--num-cpus", "2"]
    quiet = ["--include-dashboard=false", "--disable-usage-stats"]
    need(_has_ray(), "ray")
    ray = str(Path(sys.executable).with_name("ray"))
    done = call(project, ray, *start[1:], *quiet)
    assert done.returncode == 0, done.stdout + done.stderr
    try:
        on_ray(project, address=f"127.0.0.1:{port}")
        params = read_params(project)
        params["tuning"] = {"trials": 2, "scope": "regime", "arms": "one"}
        write_params(project, params)
        done = flow(project, "tune")
        assert done.returncode == 0, done.stderr
        assert "2 trials" in done.stderr
        on_ray(project, address=f"127.0.0.1:{port}", cores=3)
        done = flow(project, "tune")
        assert done.returncode == 2
        assert "the Ray cluster has 2 cores" in done.stderr and "execution.cores" in done.stderr
    finally:
        call(project, ray, "stop", "--force")


def test_no_cluster_is_one_clear_error(project: Path) -> None:
    on_ray(project, address=f"127.0.0.1:{free_port()}")
    done = flow(project, "study")
    assert done.returncode == 2
    assert "no Ray cluster answers" in done.stderr and "ray start --head" in done.stderr
    assert "Traceback" not in done.stderr


def test_without_ray_the_extra_is_named(project: Path) -> None:
    on_ray(project)
    (project / "ray.py").write_text("raise ImportError('not installed')\n")
    done = flow(project, "study", PYTHONPATH=os.pathsep.join([str(project), *sys.path[:0]]))
    assert done.returncode == 2
    assert "pip install 'datayield[ray]'" in done.stderr
