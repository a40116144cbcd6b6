"""The whole pipeline as a user runs it: dvc repro, offline, twice, with one more draw."""

import json
import shutil
import signal
import subprocess
import sys
import time
from contextlib import suppress
from pathlib import Path

import pytest

from tests.conftest import (
    REPO,
    call,
    datayield,
    make_project,
    read_params,
    tool_environment,
    write_params,
)

pytestmark = pytest.mark.slow


def dvc(folder: Path, *arguments: str) -> str:
    done = call(folder, sys.executable, "-m", "dvc", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC project on which `datayield study` has run once."""
    folder = make_project(tmp_path_factory.mktemp("pipeline") / "project")
    for name in ("dvc.yaml", "requirements.lock", ".gitignore", ".dvcignore"):
        shutil.copy(REPO / name, folder / name)
    shutil.copytree(REPO / "src", folder / "src")
    call(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    done = datayield(folder, "study")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_graph_reads_like_the_method(pipeline: Path) -> None:
    graph = dvc(pipeline, "dag", "--dot")
    stages = (
        "corpus",
        "audit",
        "subsample",
        "vectors",
        "embed",
        "augment",
        "curriculum",
        "tune",
        "study",
    )
    for a, b in [
        ("corpus", "subsample"), ("corpus", "vectors"), ("vectors", "augment"), ("corpus", "curriculum"),
        ("subsample", "study"), ("augment", "study"), ("curriculum", "study"), ("tune", "study"),
        ("corpus", "embed"), ("embed", "tune"), ("embed", "study"),
    ]:  # fmt: skip
        assert f'"{a}@written" -> "{b}@written"' in graph
    assert '"study@written" -> "analyse"' in graph and '"analyse" -> "report"' in graph
    assert all(f"{s}@written" in graph for s in stages)


def test_outputs_are_there_and_readable(pipeline: Path) -> None:
    report = pipeline / "reports" / "small"
    assert {p.name for p in report.iterdir()} >= {
        "index.html",
        "report.md",
        "metrics.json",
        "figures",
    }
    shown = json.loads(dvc(pipeline, "metrics", "show", "--json"))
    (metrics,) = shown[""]["data"].values()
    assert metrics["data"]["corpora"]["written"]["complete"] == 1
    assert "index.html" in dvc(pipeline, "plots", "show", "-o", "plots")


def test_nothing_stale_runs_nothing(pipeline: Path) -> None:
    assert "up to date" in dvc(pipeline, "repro")


def test_one_more_draw_through_dvc(pipeline: Path) -> None:
    params = read_params(pipeline)
    params["study"]["draws"] = 3
    write_params(pipeline, params)
    said = dvc(pipeline, "repro")
    assert "60 cells, 40 done, 20 to compute" in said
    assert "Stage 'corpus@written' didn't change" in said
    assert "up to date" in dvc(pipeline, "repro")


def test_analysis_alone_retrains_nothing(pipeline: Path) -> None:
    params = read_params(pipeline)
    params["analysis"]["level"] = 0.9
    write_params(pipeline, params)
    said = dvc(pipeline, "repro")
    assert "to compute" not in said and "Running stage 'analyse'" in said
    assert "90 % intervals" in (pipeline / "reports/small/index.html").read_text()


def test_no_network_is_needed(pipeline: Path) -> None:
    """In an empty network namespace, where not even 127.0.0.1 answers."""
    from tests.conftest import need

    probe = call(pipeline, "unshare", "-rn", "true")
    need(probe.returncode == 0, "unshare -n")
    (pipeline / "params.yaml").write_text(
        (pipeline / "params.yaml").read_text().replace("seed: 5", "seed: 6")
    )
    done = call(pipeline, "unshare", "-rn", sys.executable, "-m", "datayield", "study")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no loopback network" in done.stderr + done.stdout
    assert "60 cells, 0 done, 60 to compute" in done.stderr + done.stdout


@pytest.mark.parametrize(
    ("sign", "code", "output", "count"),
    [(signal.SIGINT, 130, "optuna.journal", 8), (signal.SIGTERM, 143, "cells", 2)],
    ids=["Ctrl-C while tuning", "terminated while computing"],
)
def test_a_stopped_study_leaves_nothing_running_and_goes_on(
    pipeline: Path, tmp_path: Path, sign: signal.Signals, code: int, output: str, count: int
) -> None:
    """The signal reaches `datayield study` alone, as a terminal, cron or systemd sends it."""
    folder = tmp_path / "project"
    shutil.copytree(pipeline, folder)
    params = read_params(folder)
    params["study"]["seed"] = 7
    params["tuning"] = {"trials": 12, "arms": "one", "scope": "regime"}
    write_params(folder, params)
    shutil.rmtree(folder / "state")
    watched = folder / "state" / output

    def seen() -> int:
        """Trials that began, or cells that are finished."""
        if not watched.exists():
            return 0
        return len([*watched.iterdir()]) if watched.is_dir() else watched.read_text().count("trial")

    with (folder / "study.log").open("wb") as log:
        # as from a terminal: a script's `&` would make it deaf to Ctrl-C
        process = subprocess.Popen(
            ["env", "--default-signal=INT", sys.executable, "-m", "datayield", "study"],
            cwd=folder, env=tool_environment(), process_group=0, stdout=log, stderr=log,
        )  # fmt: skip
    deadline = time.monotonic() + 300
    while seen() < count:
        assert time.monotonic() < deadline and process.poll() is None, told(folder)
        time.sleep(0.05)
    process.send_signal(sign)
    assert process.wait(60) == code, told(folder)
    assert not in_folder(folder), f"{in_folder(folder)} outlived the study: {told(folder)}"
    assert told(folder).count("datayield: stopped") >= 1
    assert "Traceback" not in told(folder) and "plain threads" not in told(folder)
    done = datayield(folder, "study")
    assert done.returncode == 0, done.stdout + done.stderr


def told(folder: Path) -> str:
    return (folder / "study.log").read_text()


def in_folder(folder: Path) -> dict[int, str]:
    """Processes that work in a folder, with their command lines."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with suppress(OSError):
                if (entry / "cwd").resolve() == folder:
                    found[int(entry.name)] = (entry / "cmdline").read_text().replace("\0", " ")
    return found
