"""The whole pipeline as a user runs it: dvc repro, offline, twice, with one more draw."""

import json
import shutil
import sys
from pathlib import Path

import pytest

from tests.conftest import REPO, call, datayield, make_project, read_params, write_params

pytestmark = pytest.mark.slow


def dvc(folder: Path, *arguments: str) -> str:
    done = call(folder, sys.executable, "-m", "dvc", *arguments)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A git and DVC project on which `datayield study` has run once."""
    folder = make_project(tmp_path_factory.mktemp("pipeline") / "project")
    for name in ("dvc.yaml", "requirements.lock", ".gitignore"):
        shutil.copy(REPO / name, folder / name)
    shutil.copytree(REPO / "src", folder / "src")
    call(folder, "git", "init", "-q")
    dvc(folder, "init", "-q")
    done = datayield(folder, "study")
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_graph_reads_like_the_method(pipeline: Path) -> None:
    graph = dvc(pipeline, "dag", "--dot")
    stages = ("corpus", "audit", "subsample", "vectors", "augment", "curriculum", "tune", "study")
    for a, b in [
        ("corpus", "subsample"), ("corpus", "vectors"), ("vectors", "augment"), ("corpus", "curriculum"),
        ("subsample", "study"), ("augment", "study"), ("curriculum", "study"), ("tune", "study"),
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
    assert "90 % intervals" in (pipeline / "reports/small/report.md").read_text()


def test_no_network_is_needed(pipeline: Path) -> None:
    """In an empty network namespace, where not even 127.0.0.1 answers."""
    from tests.conftest import need

    probe = call(pipeline, "unshare", "-rn", "true")
    need(probe.returncode == 0, "unshare -n")
    (pipeline / "params.yaml").write_text(
        (pipeline / "params.yaml").read_text().replace("seed: 5", "seed: 6")
    )
    done = call(pipeline, "unshare", "-rn", sys.executable, "-m", "datayield.cli", "study")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "no loopback network" in done.stderr + done.stdout
    assert "60 cells, 0 done, 60 to compute" in done.stderr + done.stdout
