"""MLflow on a real database: a parent run, one run per cell, the same after any repetition."""

import shutil
import threading
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient
from mlflow.exceptions import MlflowException
from mlflow.protos.databricks_pb2 import INVALID_PARAMETER_VALUE

from datayield.core.rows import read_rows
from datayield.core.types import Row
from datayield.integrations import mlflow_client, mlflow_queue, mlflow_runs
from tests.conftest import datayield, flow


@pytest.fixture(scope="module")
def logged(studied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("logged") / "project"
    shutil.copytree(studied, folder)
    return folder


def _rows(folder: Path) -> list[Row]:
    results = folder / "results" / "written"
    return read_rows(results / "cells.parquet", results / "history.parquet")


def _runs(folder: Path) -> list:
    client = MlflowClient(tracking_uri=mlflow_client.uri(folder))
    experiment = client.get_experiment_by_name("datayield/small")
    return client.search_runs([experiment.experiment_id], max_results=1000)


def test_a_cell_is_a_run_that_says_what_it_is(logged: Path) -> None:
    runs, rows = _runs(logged), _rows(logged)
    parents = [r for r in runs if r.data.tags["kind"] == "study"]
    cells = {r.data.tags["cell"]: r for r in runs if r.data.tags["kind"] == "cell"}
    assert len(parents) == 1 and len(cells) == len(rows) == len(runs) - 11, "ten curves"
    for row in rows:
        run = cells[row.key]
        assert run.data.tags["mlflow.parentRunId"] == parents[0].info.run_id
        assert run.data.tags["n"] == str(row.cell.n) and run.data.tags["arm"] == str(row.cell.arm)
        assert run.data.metrics["accuracy"] == pytest.approx(row.accuracy, abs=5e-7)
        assert run.info.status == "FINISHED"
        (entry,) = run.inputs.dataset_inputs
        assert entry.dataset.name == "written"
        assert row.cell.identity["data"].startswith(entry.dataset.digest)
        if row.history:
            assert run.data.params["hidden"] == "8" and "round/loss" in run.data.metrics


def test_rounds_are_a_curve(logged: Path) -> None:
    row = next(r for r in _rows(logged) if str(r.cell.arm) == "lstm:plain")
    run = next(r for r in _runs(logged) if r.data.tags.get("cell") == row.key)
    client = MlflowClient(tracking_uri=mlflow_client.uri(logged))
    points = client.get_metric_history(run.info.run_id, "round/loss")
    assert [p.value for p in sorted(points, key=lambda p: p.step)] == [h.loss for h in row.history]


def test_recording_again_changes_nothing_and_rebuilds_what_is_lost(logged: Path) -> None:
    before = len(_runs(logged))
    done = datayield(logged, "record")
    assert done.returncode == 0, done.stderr
    assert f"0 runs written, {before - 1} already there" in done.stdout
    (logged / "state" / "mlflow.db").unlink()
    done = datayield(logged, "record")
    assert f"{before - 1} runs written, 0 already there" in done.stdout, done.stderr
    assert len(_runs(logged)) == before


def test_a_log_out_of_reach_does_not_stop_the_study(project: Path) -> None:
    done = flow(project, "study", MLFLOW_TRACKING_URI="sqlite:////proc/nowhere/mlflow.db")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("MLflow does not record") == 1
    assert (project / "results/written/cells.parquet").exists()


def test_a_search_is_a_run_whose_children_are_its_trials(project: Path) -> None:
    from datayield.tuning import optuna_search
    from tests.tuning.test_searches import planted, searches_of

    search = searches_of(project, trials=7)[0]
    kept = optuna_search.storage(project)
    optuna_search.run(search, kept, planted)
    rows = optuna_search.lines(search, kept)
    log = mlflow_runs.Log("small", project)
    assert log.add_search(rows, "written") == 7 and log.add_search(rows, "written") == 0
    assert mlflow_runs.Log("small", project).add_search(rows, "written") == 0, (
        "another process knows it"
    )
    kinds: dict[str, list] = {}
    for run in _runs(project):
        kinds.setdefault(run.data.tags["kind"], []).append(run)
    (parent,) = kinds["search"]
    assert parent.data.tags["mlflow.parentRunId"] == log.parent
    assert parent.data.tags["search"] == search.name and len(kinds["trial"]) == 7
    for run in kinds["trial"]:
        row = rows[int(run.data.tags["mlflow.runName"].removeprefix("trial "))]
        assert run.data.tags["mlflow.parentRunId"] == parent.info.run_id
        assert run.data.metrics.get("score") == row["score"]
        assert run.data.metrics["seconds"] == row["seconds"]
        assert run.data.params["model.pooling"] in ("max_mean", "last")
    assert mlflow_runs.record("small", project, [], rows, "written") == (0, 7)


def test_a_learning_curve_is_a_run_whose_steps_are_labels(logged: Path) -> None:
    rows = _rows(logged)
    curves = {r.data.tags["arm"]: r for r in _runs(logged) if r.data.tags["kind"] == "curve"}
    assert set(curves) == {str(r.cell.arm) for r in rows}
    client = MlflowClient(tracking_uri=mlflow_client.uri(logged))
    run = curves["lstm:plain"]
    for metric in ("accuracy", "validation_accuracy"):
        points = client.get_metric_history(run.info.run_id, metric)
        for point in points:
            own = [r for r in rows if str(r.cell.arm) == "lstm:plain" and r.cell.n == point.step]
            mean = sum(getattr(r, metric) for r in own) / len(own)
            assert point.value == pytest.approx(mean) and len(own) == 2
        assert sorted(p.step for p in points) == [30, 60]
    assert "n" not in run.data.tags and run.inputs.dataset_inputs[0].dataset.name == "written"


def test_a_curve_that_a_cell_has_joined_is_written_anew(project: Path, logged: Path) -> None:
    rows = [r for r in _rows(logged) if str(r.cell.arm) in ("tfidf", "majority")]
    first = [r for r in rows if r.cell.draw == 0]
    log = mlflow_runs.Log("small", project)
    assert log.add_curves(first, "written") == 2 and log.add_curves(first, "written") == 0
    again = mlflow_runs.Log("small", project)
    assert again.add_curves(first, "written") == 0, "another process knows them"
    more = [r for r in rows if r.cell.draw == 0 or str(r.cell.arm) == "tfidf"]
    assert again.add_curves(more, "written") == 1
    arms = [r.data.tags["arm"] for r in _runs(project) if r.data.tags["kind"] == "curve"]
    assert sorted(arms) == ["majority", "tfidf"]


def test_a_curve_begun_when_the_log_was_lost_is_written_whole(project: Path, logged: Path) -> None:
    rows = [r for r in _rows(logged) if str(r.cell.arm) == "tfidf"]
    mlflow_runs.Log("small", project).add_curves(rows, "written")
    client = MlflowClient(tracking_uri=mlflow_client.uri(project))
    (curve,) = [r for r in _runs(project) if r.data.tags["kind"] == "curve"]
    client.set_terminated(curve.info.run_id, "RUNNING")
    assert mlflow_runs.Log("small", project).add_curves(rows, "written") == 1
    (again,) = [r for r in _runs(project) if r.data.tags["kind"] == "curve"]
    assert again.info.run_id != curve.info.run_id and again.info.status == "FINISHED"
    assert again.data.metrics == curve.data.metrics


class Refusing:
    """A log that refuses every row, and counts how often it is opened."""

    opened = 0

    def __init__(self, study: str, root: Path) -> None:
        Refusing.opened += 1

    def add(self, row: object, family: str) -> None:
        raise MlflowException("a tag is too long", INVALID_PARAMETER_VALUE)


def test_a_refused_entry_leaves_the_log_open(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Opening reads all runs of the experiment: once for a study, not once for every refusal."""
    monkeypatch.setattr(mlflow_runs, "Log", Refusing)
    with mlflow_queue.Recorder("small", "written", tmp_path) as log:
        for _ in range(5):
            log.row(None)  # type: ignore[arg-type]
    assert Refusing.opened == 1
    assert "5 records are missing in MLflow" in capsys.readouterr().err


def test_a_log_that_never_answers_ends_with_the_patience(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answered = threading.Event()

    class Silent:
        def __init__(self, study: str, root: Path) -> None:
            answered.wait(60)

    monkeypatch.setattr(mlflow_runs, "Log", Silent)
    for name in ("PATIENCE", "FIRST_ANSWER", "LAST_CALL"):
        monkeypatch.setattr(mlflow_queue, name, 0.2)
    began = time.monotonic()
    with mlflow_queue.Recorder("small", "written", tmp_path) as log:
        log.row(None)  # type: ignore[arg-type]
    answered.set()
    assert time.monotonic() - began < 30
    assert "records are missing in MLflow" in capsys.readouterr().err
