"""New rows are taken in by hash; prefect.yaml is checked; presets get folders of their own."""

import os
import shutil
import sys
import time
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest
import yaml

from datayield import config
from datayield.config import project
from datayield.core.errors import UserError
from datayield.core.system import subprocesses
from datayield.corpora import incoming, tabular
from datayield.corpora.loaders import file
from tests.conftest import (
    REPO,
    call,
    datayield,
    make_project,
    read_params,
    write_csv,
    written_texts,
)

LATER = 60.0  # seconds from now: every file counts as written


def take(folder: Path) -> incoming.Intake:
    return incoming.take_in(folder, time.time() + LATER)


def drop(folder: Path, name: str, count: int, label: str | None = None) -> Path:
    """A file of new rows in the watched folder."""
    texts, labels = written_texts(count, seed=99)
    path = folder / "incoming" / "written" / name
    path.parent.mkdir(parents=True, exist_ok=True)
    write_csv(path, texts, [label or x for x in labels])
    os.utime(path, (time.time() - 60,) * 2)
    return path


@pytest.fixture
def watched(tmp_path: Path) -> Path:
    folder = make_project(tmp_path / "project")
    text = (folder / "params.yaml").read_text()
    (folder / "params.yaml").write_text("# mine\n" + text.replace("seed: 5", "seed: 5  # chosen"))
    return folder


def test_nothing_new_changes_nothing(watched: Path) -> None:
    before = (watched / "params.yaml").read_bytes()
    assert take(watched) == incoming.Intake((), ())
    assert (watched / "params.yaml").read_bytes() == before


def test_a_dropped_file_becomes_part_of_the_corpus(watched: Path) -> None:
    path = drop(watched, "monday.csv", 30)
    assert take(watched).taken == ("written: incoming/written/monday.csv is new, 30 rows",)
    params = config.load(watched / "params.yaml")
    source = params.corpora["written"]
    assert isinstance(source, config.FileSource)
    assert [p.path for p in source.more] == ["incoming/written/monday.csv"]
    assert source.more[0].sha256 == tabular.digest(path)
    assert len(file.load("written", source, 1, watched).texts) == 630
    text = (watched / "params.yaml").read_text()
    assert text.startswith("# mine") and "seed: 5  # chosen" in text
    assert take(watched) == incoming.Intake((), ())


def test_a_dropped_file_may_be_partly_labelled_and_spell_labels_otherwise(watched: Path) -> None:
    path = watched / "params.yaml"
    path.write_text(path.read_text().replace("label: stars", "label: stars\n    labels: merged"))
    texts, labels = written_texts(30, seed=99)
    monday = drop(watched, "monday.csv", 1)
    write_csv(monday, texts, [x.upper() if i % 3 else "" for i, x in enumerate(labels)])
    os.utime(monday, (time.time() - 60,) * 2)
    sentence = "written: incoming/written/monday.csv is new, 30 rows, 20 of them labelled"
    assert take(watched).taken == (sentence,)
    source = config.load(path).corpora["written"]
    assert isinstance(source, config.FileSource)
    loaded = file.load("written", source, 1, watched)
    assert set(loaded.labels) == {"harbour", "kitchen", "weather"}
    assert (len(loaded.texts), len(loaded.unlabelled)) == (620, 10)


def test_a_changed_file_is_taken_by_its_hash(watched: Path) -> None:
    texts, labels = written_texts(640)
    write_csv(watched / "written.csv", texts, labels)
    assert take(watched).taken == ("written: written.csv changed, 640 rows",)
    source = config.load(watched / "params.yaml").corpora["written"]
    assert isinstance(source, config.FileSource)
    assert source.sha256 == tabular.digest(watched / "written.csv")


def test_a_file_that_cannot_be_used_is_refused_and_the_others_are_taken(watched: Path) -> None:
    drop(watched, "a.csv", 30, label="wether")
    drop(watched, "b.csv", 30)
    (watched / "incoming/written/c.csv").write_text("body,star\nrain,weather\n")
    (watched / "incoming/written/notes.txt").write_text("not looked at")
    found = take(watched)
    assert found.taken == ("written: incoming/written/b.csv is new, 30 rows",)
    assert len(found.refused) == 2
    assert 'a.csv has the label "wether"' in found.refused[0] and "weather" in found.refused[0]
    assert 'c.csv has no column "stars"' in found.refused[1]
    source = config.load(watched / "params.yaml").corpora["written"]
    assert isinstance(source, config.FileSource) and len(source.more) == 1


def test_a_file_that_is_being_written_waits(watched: Path) -> None:
    path = drop(watched, "now.csv", 30)
    os.utime(path)
    (sentence,) = incoming.take_in(watched).taken
    assert "still being written" in sentence
    assert take(watched).taken == ("written: incoming/written/now.csv is new, 30 rows",)


@pytest.mark.parametrize(
    ("schedule", "said"),
    [
        ({"cron": "at two", "timezone": "UTC"}, "cron 'at two' is not a schedule"),
        ({"cron": "0 2 * * *", "timezone": "Mars/Base"}, "timezone 'Mars/Base' is not a schedule"),
        ({"interval": -5}, "interval -5 is not a schedule"),
        ({"often": True}, "expected schedules as"),
    ],
)
def test_a_schedule_that_cannot_be_is_one_clear_error(
    tmp_path: Path, schedule: dict[str, Any], said: str
) -> None:
    from datayield.integrations import prefect_deploy

    path = tmp_path / "prefect.yaml"
    nightly = {"name": "nightly", "work_pool": {"name": "datayield"}, "schedules": [schedule]}
    path.write_text(yaml.safe_dump({"deployments": [nightly]}))
    with pytest.raises(UserError) as e:
        prefect_deploy.read(path)
    assert said in str(e.value) and "nightly" in str(e.value)


def test_our_own_prefect_yaml_can_be_read() -> None:
    from datayield.integrations import prefect_deploy

    found = {d["name"]: d["schedules"] for d in prefect_deploy.read(REPO / "prefect.yaml")}
    assert found == {"nightly": ["0 2 * * * UTC"], "weekly": ["0 4 * * 6 UTC"]}


def test_a_preset_gets_a_project_of_its_own_inside_the_repository(tmp_path: Path) -> None:
    from datayield.integrations import prefect_refresh

    git = call(tmp_path, "git", "init", "-q")
    assert git.returncode == 0, git.stderr
    folder = prefect_refresh.folder_of(tmp_path, "quick")
    assert folder == tmp_path / "studies" / "quick" and project.is_project(folder)
    assert config.load(folder / "params.yaml").study.name == "quick"
    found = call(folder, sys.executable, "-m", "dvc", "stage", "list", "--name-only")
    assert "study@pydocs" in found.stdout, found.stderr
    assert prefect_refresh.folder_of(tmp_path, "quick") == folder
    with pytest.raises(UserError, match='unknown preset "quik"'):
        prefect_refresh.folder_of(tmp_path, "quik")


def test_a_checkout_stays_clean_of_the_weekly_study(tmp_path: Path) -> None:
    """prefect.yaml's weekly run makes studies/full in the checkout, whose .gitignore knows it."""
    from datayield.integrations import prefect_refresh

    call(tmp_path, "git", "init", "-q")
    shutil.copy(REPO / ".gitignore", tmp_path)
    folder = prefect_refresh.folder_of(tmp_path, "full")
    found = call(folder, sys.executable, "-m", "dvc", "stage", "list", "--name-only")
    assert "study@pydocs" in found.stdout, found.stderr
    assert call(tmp_path, "git", "status", "--porcelain").stdout == "?? .gitignore\n"


def test_a_project_that_cannot_begin_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from datayield.integrations import prefect_refresh

    failed = CompletedProcess([], 1, "", "no space left on device")
    monkeypatch.setattr(subprocesses, "ran", lambda command, folder: failed)
    with pytest.raises(UserError, match="no space left on device"):
        prefect_refresh.folder_of(tmp_path, "quick")
    assert not (tmp_path / "studies" / "quick").exists()


def test_a_changed_file_without_labels_is_taken_by_its_hash(watched: Path) -> None:
    (watched / "more.csv").write_text("body\nrain and wind\n")
    params = read_params(watched)
    params["corpora"]["written"]["unlabelled"] = {
        "path": "more.csv", "sha256": "0" * 64, "text": "body",
    }  # fmt: skip
    (watched / "params.yaml").write_text(yaml.safe_dump(params))
    assert take(watched).taken == ("written: more.csv (without labels) changed",)
    unlabelled = config.load(watched / "params.yaml").corpora["written"].unlabelled
    assert unlabelled is not None and unlabelled.sha256 == tabular.digest(watched / "more.csv")
    assert take(watched) == incoming.Intake((), ())


def test_deploying_without_a_server_says_what_to_do(tmp_path: Path) -> None:
    shutil.copy(REPO / "prefect.yaml", tmp_path)
    done = datayield(tmp_path, "deploy")
    assert done.returncode == 2 and "prefect server start" in done.stderr
