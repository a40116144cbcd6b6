"""What is edited while a stage runs is never recorded as if it had been used."""

import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from datayield.config import stage_inputs
from datayield.core.errors import UserError
from tests.conftest import (
    REPO,
    call,
    datayield,
    make_project,
    read_params,
    tool_environment,
    write_params,
)

PIPELINE = {
    "stages": {
        "fit": {
            "matrix": {"name": "${study.corpora}"},
            "cmd": "fit",
            "deps": ["data/${item.name}/x.arrow", "src", "data/${item.name}/later"],
            "params": ["study.seeds", "corpora.${item.name}"],
        }
    }
}
CONTENT = {"study": {"seeds": 1, "corpora": ["a"]}, "corpora": {"a": {"k": 1}, "b": {"k": 1}}}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("data/a", "data/b", "src/inner"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("data/a/x.arrow", "data/b/x.arrow", "src/inner/code.py", "src/other.yaml"):
        (tmp_path / name).write_text("1")
    (tmp_path / "dvc.yaml").write_text(yaml.safe_dump(PIPELINE))
    write_params(tmp_path, CONTENT)
    return tmp_path


def edit_params(folder: Path, *path: str) -> None:
    params = read_params(folder)
    place = params
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = 2
    write_params(folder, params)


EDITS: dict[str, tuple[Callable[[Path], object], str]] = {
    "parameter": (lambda f: edit_params(f, "study", "seeds"), "study.seeds changed from 1 to 2"),
    "own corpus": (
        lambda f: edit_params(f, "corpora", "a", "k"),
        "corpora.a changed from {'k': 1} to {'k': 2}",
    ),
    "broken": (lambda f: (f / "params.yaml").write_text("study: ["), "params.yaml: study.seeds"),
    "data": (lambda f: (f / "data/a/x.arrow").write_text("2"), "data/a/x.arrow changed"),
    "code": (lambda f: (f / "src/inner/code.py").write_text("2"), "src/inner/code.py changed"),
    "gone": (lambda f: (f / "src/other.yaml").unlink(), "src/other.yaml went away"),
}


@pytest.mark.parametrize("name", EDITS)
@pytest.mark.parametrize("large", [0, 1 << 20], ids=["large file", "small file"])
def test_an_edit_meanwhile_ends_the_stage(
    folder: Path, name: str, large: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stage_inputs, "LARGE", large)
    edit, named = EDITS[name]
    with (
        pytest.raises(UserError) as caught,
        stage_inputs.held(folder, "fit", "a"),
    ):
        time.sleep(0.02)  # times of files have a grain
        edit(folder)
    assert named in str(caught.value) and "Run the same command again" in str(caught.value)


def test_what_no_stage_reads_may_change(folder: Path) -> None:
    with stage_inputs.held(folder, "fit", "a"):
        edit_params(folder, "corpora", "b", "k")
        (folder / "data/b/x.arrow").write_text("2")
        (folder / "data/a/other").write_text("2")
        (folder / "src/inner/code.py").write_text("1")  # the same content
    with stage_inputs.held(folder, "unknown"), stage_inputs.held(folder / "data", "fit", "a"):
        edit_params(folder, "study", "seeds")


def test_many_changes_are_counted(folder: Path) -> None:
    with (
        pytest.raises(UserError, match="and 1 more. Nothing of this stage"),
        stage_inputs.held(folder, "fit", "a"),
    ):
        for name in ("parameter", "own corpus", "data", "code"):
            EDITS[name][0](folder)


def test_an_error_of_the_stage_comes_first(folder: Path) -> None:
    with pytest.raises(ZeroDivisionError), stage_inputs.held(folder, "fit", "a"):
        edit_params(folder, "study", "seeds")
        raise ZeroDivisionError


@pytest.mark.slow
def test_params_edited_during_a_study_are_computed_afterwards(tmp_path: Path) -> None:
    """`seeds: 1` becomes 2 while cells are computed: no record of seeds that were never trained."""
    folder = make_project(tmp_path / "project")
    for name in ("dvc.yaml", "requirements.lock", ".gitignore", ".dvcignore"):
        shutil.copy(REPO / name, folder / name)
    (folder / "src").symlink_to(REPO / "src")
    call(folder, "git", "init", "-q")
    call(folder, sys.executable, "-m", "dvc", "init", "-q")
    command = [sys.executable, "-m", "dvc", "repro"]
    with (folder / "repro.log").open("wb") as log:
        running = subprocess.Popen(
            command, cwd=folder, env=tool_environment(), stdout=log, stderr=log
        )
    cells = folder / "state" / "cells"
    deadline = time.monotonic() + 300
    while not (cells.exists() and any(cells.iterdir())):
        assert time.monotonic() < deadline, (folder / "repro.log").read_text()
        time.sleep(0.05)
    edit_params(folder, "study", "seeds")
    assert running.wait(300) != 0
    text = (folder / "repro.log").read_text()
    assert "study.seeds changed from 1 to 2" in text and "Traceback" not in text
    again = datayield(folder, "study")
    assert again.returncode == 0, again.stdout + again.stderr
    said = again.stdout + again.stderr
    assert "80 cells, 40 done, 40 to compute" in said
