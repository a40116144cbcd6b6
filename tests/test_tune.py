"""Searches: equal, repeatable under any interruption, never on test texts."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from datayield import config, grid, stages, table, tune
from datayield.desk import Data
from datayield.errors import UserError
from datayield.run import run_trial
from datayield.search import SPACE
from datayield.types import Cell
from tests.conftest import call, flow, read_params, tool_environment, write_params


def params_with(project: Path, **tuning: object) -> config.Params:
    changed = read_params(project)
    changed["tuning"] = {"trials": 6, **tuning}
    changed["study"]["grid"] = [
        {
            "arms": [
                "lstm:plain",
                "lstm-64:plain",
                "lstm:twin",
                "lstm:vat",
                "lstm:article",
                "tfidf",
            ],
            "budgets": [30],
        }
    ]
    write_params(project, changed)
    return config.load(project / "params.yaml")


@pytest.fixture
def search(project: Path) -> tune.Search:
    params = params_with(project)
    return tune.searches(params, stages.scope(params, "written", project), "accuracy")[0]


def planted(cell: Cell) -> dict[str, float]:
    """A score that the learning rate decides."""
    rate = cell.settings["model"]["learning_rate"]
    score = 1 - abs(rate - 0.02) * 20 + 0.001 * cell.settings["model"]["dropout"]
    return {"accuracy": score, "macro_f1": score, "seconds": 0.1, "tokens": 5}


def told(search: tune.Search, kept: tune.Storage) -> list[tuple[float | None, str]]:
    return [(x["score"], x["settings"]) for x in tune.lines(search, kept)]


def test_what_is_searched_for_whom(project: Path) -> None:
    params = params_with(project)
    found = tune.searches(params, stages.scope(params, "written", project), "accuracy")
    arms = [str(s.cell.arm) for s in found]
    assert arms == ["lstm:plain", "lstm-64:plain", "lstm:vat"], (
        "checks and fixed recipes search nothing"
    )
    assert {s.cell.draw for s in found} == {-1}, "a draw that is never scored"
    spaces = [set(s.space) for s in found]
    assert spaces[0] == {f"model.{r.name}" for r in SPACE}
    assert spaces[1] == spaces[0] - {"model.hidden"}
    assert spaces[2] > spaces[0] and any(k.startswith("vat.") for k in spaces[2])
    drawn = params_with(project, scope="draw")
    found = tune.searches(drawn, stages.scope(drawn, "written", project), "accuracy")
    assert sorted({s.cell.draw for s in found}) == [0, 1] and len(found) == 6
    shared = params_with(project, arms="shared")
    found = tune.searches(shared, stages.scope(shared, "written", project), "accuracy")
    assert [str(s.cell.arm) for s in found] == ["lstm:plain", "lstm-64:plain"]


def test_the_first_trial_is_untuned_and_the_best_is_found(
    search: tune.Search, tmp_path: Path
) -> None:
    kept = tune.storage(tmp_path)
    tune.run(search, 25, kept, planted)
    first = json.loads(next(tune.lines(search, kept))["settings"])
    assert first == search.cell.settings
    scores = [s for s, _ in told(search, kept)]
    assert len(scores) == 25 and max(scores) > scores[0]
    values = tune.best(search, kept)
    assert planted(replace(search.cell, settings=tune.with_values(search.cell.settings, values)))[
        "accuracy"
    ] == max(scores)
    importances = tune.importances(search, kept)
    assert max(importances, key=lambda k: importances[k]) == "model.learning_rate"


@pytest.mark.parametrize("broken_at", [0, 1, 7])
def test_an_interrupted_search_goes_on_as_if_nothing_had_been(
    search: tune.Search, tmp_path: Path, broken_at: int
) -> None:
    whole = tune.storage(tmp_path / "whole")
    tune.run(search, 10, whole, planted)
    seen = 0

    def interrupted(cell: Cell) -> Mapping[str, float]:
        nonlocal seen
        seen += 1
        if seen == broken_at + 1:
            raise KeyboardInterrupt
        return planted(cell)

    with pytest.raises(KeyboardInterrupt):
        tune.run(search, 10, tune.storage(tmp_path / "parts"), interrupted)
    for trials in (8, 10):
        tune.run(search, trials, tune.storage(tmp_path / "parts"), planted)
    assert told(search, tune.storage(tmp_path / "parts")) == told(search, whole)


def test_failed_trials_count_and_are_named(search: tune.Search, tmp_path: Path) -> None:
    def failing(cell: Cell) -> Mapping[str, float]:
        raise RuntimeError("out of memory")

    kept = tune.storage(tmp_path)
    tune.run(search, 4, kept, failing)
    rows = list(tune.lines(search, kept))
    assert [r["error"] for r in rows] == ["out of memory"] * 4 and rows[0]["score"] is None
    assert tune.best(search, kept) is None


def test_what_an_arm_pins_is_not_taken_over(project: Path) -> None:
    params = params_with(project, arms="shared")
    values = {
        "model.hidden": 32,
        "model.normalised": False,
        "model.dropout": 0.1,
        "vat.epsilon": 9.0,
    }
    own = tune.taken_over(params, grid.parse_arm("lstm-64:vat"), 30, values)
    assert own["model"]["hidden"] == 64 and own["model"]["dropout"] == 0.1
    assert own["model"]["normalised"] is True, "vat needs normalised embeddings"
    assert tune.taken_over(params, grid.parse_arm("tfidf"), 30, values) == {}


@pytest.mark.parametrize("n", [30, 210])
def test_a_trial_reads_no_test_text_and_judges_its_labels(project: Path, n: int) -> None:
    data = Data.load(project / "data" / "written")
    blind = replace(
        data, corpus=replace(data.corpus, test_texts=(), test_labels=data.corpus.labels[:0])
    )
    params = params_with(project)
    scope = stages.scope(params, "written", project)
    arm = grid.parse_arm("lstm:plain")
    cell = grid.cell(params, scope, arm, n, -1, 0, grid.default_settings(params, arm, n))
    found = run_trial(cell, blind)
    assert 0 <= found["accuracy"] <= 1 and found["tokens"] > 0
    judged = n if n <= 200 else len(data.draws.sample(-1, n).validation)
    assert (found["accuracy"] * judged) == pytest.approx(round(found["accuracy"] * judged))


def test_a_storage_that_cannot_be_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(tune.STORAGE, "postgresql://nobody@127.0.0.1:1/none")
    with pytest.raises(UserError, match="trials' storage cannot be opened"):
        tune.storage(tmp_path)


# --- the whole stage


def columns(project: Path) -> list[dict[str, object]]:
    rows = table.read(project / "results/written/trials.parquet", tune.TRIALS).to_pylist()
    return [{k: v for k, v in r.items() if k != "seconds"} for r in rows]


@pytest.mark.slow
def test_the_same_trials_with_one_worker_two_workers_and_after_a_kill(
    project: Path, tmp_path: Path
) -> None:
    import shutil

    params_with(project)
    for name in ("one", "killed"):
        shutil.copytree(project, tmp_path / name)
    changed = read_params(tmp_path / "one")
    write_params(tmp_path / "one", {**changed, "execution": {"workers": 1}})
    for folder in (project, tmp_path / "one"):
        done = flow(folder, "tune")
        assert done.returncode == 0, done.stderr
    expected = columns(project)
    assert len(expected) == 3 * 6, "every arm has the same number of trials"
    assert columns(tmp_path / "one") == expected

    (tmp_path / "killed/results/written/trials.parquet").unlink()
    running = subprocess.Popen(
        [sys.executable, "flows/tune.py", "--corpus", "written"],
        cwd=tmp_path / "killed", env=tool_environment(), start_new_session=True,
    )  # fmt: skip
    journal = tmp_path / "killed/state/optuna.journal"
    while running.poll() is None and (not journal.exists() or journal.stat().st_size < 12_000):
        time.sleep(0.05)
    os.killpg(running.pid, signal.SIGKILL)
    running.wait()
    assert not (tmp_path / "killed/results/written/trials.parquet").exists()
    done = flow(tmp_path / "killed", "tune")
    assert done.returncode == 0, done.stderr
    assert columns(tmp_path / "killed") == expected

    chosen = json.loads((project / "results/written/settings.json").read_text())["30"]
    assert chosen["lstm:twin"] == chosen["lstm:plain"] and chosen["tfidf"] == {"all": {}}
    assert chosen["lstm:article"]["all"]["model"]["optimizer"] == "sgd"
    done = flow(project, "study")
    assert done.returncode == 0, done.stderr


def test_an_unreachable_storage_ends_with_one_error(project: Path) -> None:
    params_with(project)
    done = call(
        project, sys.executable, "flows/tune.py", "--corpus", "written",
        **{tune.STORAGE: "sqlite:////proc/none.db"},
    )  # fmt: skip
    assert done.returncode == 2 and "storage cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr
