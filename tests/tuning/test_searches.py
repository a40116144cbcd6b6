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

import numpy as np
import pytest

from datayield import config
from datayield.cells.context import CorpusTables
from datayield.cells.trial import TrialScorer, run_trial
from datayield.cells.worker_pool import CellFailed
from datayield.core import tables
from datayield.core.errors import UserError
from datayield.core.types import Cell
from datayield.strategies.base import TunableArgument
from datayield.study import data_stages, grid
from datayield.study.arms import default_settings, parse_arm
from datayield.tuning import optuna_search, plan, searches
from datayield.tuning.searches import SearchSpec
from datayield.tuning.space import SHAPES, SPACE, Choice, Distribution, OptionalRange, Range
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


def searches_of(project: Path, **tuning: object) -> list[SearchSpec]:
    params = params_with(project, **tuning)
    return searches.searches(params, data_stages.scope(params, "written", project), "accuracy")


@pytest.fixture
def search(project: Path) -> SearchSpec:
    """Of more trials than any test runs; see `run`."""
    return searches_of(project, trials=100, prune=True)[0]


def planted(
    cell: Cell, metric: str = "accuracy", thresholds: optuna_search.Thresholds = ()
) -> dict[str, object]:
    """A score that the learning rate decides, reached in five steps."""
    rate = cell.settings["model"]["learning_rate"]
    score = 1 - abs(rate - 0.02) * 20 + 0.001 * cell.settings["model"]["dropout"]
    steps = [score * (k + 1) / 5 for k in range(5)]
    below = [k for k, floor in enumerate(thresholds) if steps[k] < floor]
    cost = {"seconds": 0.1, "tokens": 5, "updates": 12, "helper_fits": 0}
    return {"accuracy": score, "macro_f1": score, **cost, "stopped": bool(below),
            "steps": steps[: below[0] + 1] if below else steps}  # fmt: skip


def run(
    search: SearchSpec,
    trials: int,
    kept: optuna_search.Storage,
    score: optuna_search.Score = planted,
) -> None:
    optuna_search.run(replace(search, trials=trials), kept, score)


def told(search: SearchSpec, kept: optuna_search.Storage) -> list[tuple[float | None, str]]:
    return [(x["score"], x["settings"]) for x in optuna_search.lines(search, kept)]


def test_what_is_searched_for_whom(project: Path) -> None:
    found = searches_of(project)
    arms = [str(s.cell.arm) for s in found]
    assert arms == ["lstm:plain", "lstm-64:plain", "lstm:vat"], (
        "checks and fixed recipes search nothing"
    )
    assert {s.cell.draw for s in found} == {-1}, "a draw that is never scored"
    spaces = [set(s.space) for s in found]
    assert spaces[0] == {f"model.{axis.name}" for axis in SPACE}
    assert spaces[1] == spaces[0] - {"model.hidden"}
    assert spaces[2] > spaces[0] and any(k.startswith("vat.") for k in spaces[2])
    found = searches_of(project, scope="draw")
    assert sorted({s.cell.draw for s in found}) == [0, 1] and len(found) == 6
    found = searches_of(project, arms="shared")
    assert [str(s.cell.arm) for s in found] == ["lstm:plain", "lstm-64:plain"]
    assert [str(s.cell.arm) for s in searches_of(project, arms="one")] == ["lstm:plain"]


SERVED = {
    "lstm:vat": ("lstm:vat", 30),
    "lstm:twin": ("lstm:plain", 30),
    "lstm:double": ("lstm:plain", 60),  # trains on 60 labels, so its settings are those of 60
    "lstm:double+vat": ("lstm:vat", 60),
    "lstm:entropy": ("lstm:plain", 30),  # every trial of its own would pay for other labels
    "lstm:entropy+vat": ("lstm:vat", 30),
    "lstm:article": None,
    "lstm:untuned": None,
    "lstm:untuned+vat": None,
    "tfidf": None,
}


@pytest.mark.parametrize("arm", SERVED)
def test_which_search_serves(project: Path, arm: str) -> None:
    by = searches.served(params_with(project), parse_arm(arm), 30)
    assert (by and (str(by[0]), by[1])) == SERVED[arm]
    one = searches.served(params_with(project, arms="one"), parse_arm(arm), 30)
    assert (one and str(one[0])) == ("lstm:plain" if by else None)


def test_a_pretrained_start_keeps_its_shape(project: Path) -> None:
    params = params_with(project, arms="one")
    values = {"model.hidden": 32, "model.layers": 2, "model.embedding": 64, "model.dropout": 0.1}
    own = searches.taken_over(params, parse_arm("lstm:lm"), 30, values)["model"]
    assert (own["hidden"], own["layers"], own["embedding"], own["dropout"]) == (8, 1, 8, 0.1)
    search = searches.searches(
        params_with_arms(project, "lstm:lm"),
        data_stages.scope(params, "written", project),
        "accuracy",
    )[0]
    assert not {f"model.{name}" for name in SHAPES} & set(search.space)
    assert search.space["lm.rate"] == Range("rate", 1.0, 8.0, log=True)


def params_with_arms(project: Path, *arms: str) -> config.Params:
    changed = read_params(project)
    changed["tuning"] = {"trials": 2}
    changed["study"]["grid"] = [{"arms": list(arms), "budgets": [30]}]
    write_params(project, changed)
    return config.load(project / "params.yaml")


def test_the_space_holds_what_is_untuned(project: Path) -> None:
    params = params_with_arms(project, "lstm:eda_nn")
    params = params.model_copy(update={"model": {**params.model, "dropout": 0.9, "ema": 200,
                                                 "weight_decay": 0.0}})  # fmt: skip
    (search,) = searches.searches(params, data_stages.scope(params, "written", project), "accuracy")
    space = search.space
    assert space["model.hidden"] == Choice("hidden", (32, 64, 128, 8))
    assert space["model.dropout"] == Range("dropout", 0.0, 0.9)
    assert space["model.ema"] == OptionalRange(Range("ema", 5, 200, log=True, integer=True), 0)
    off = space["model.weight_decay"]
    assert off == OptionalRange(Range("weight_decay", 0.001, 0.3, log=True), 0.0), (
        "0 is on no log scale"
    )
    copies = space["eda_nn.n_aug"]
    assert isinstance(copies, OptionalRange) and copies.off is None, (
        "its default depends on the budget"
    )
    values = searches.untuned(search)
    assert searches.with_values(search.cell.settings, values) == search.cell.settings


LIMITS = {
    "other limits": ({"dropout": {"low": 0.1, "high": 0.2}}, Range("dropout", 0.1, 0.5)),
    "options": ({"dropout": {"options": [0.1, 0.5]}}, Choice("dropout", (0.1, 0.5))),
    "an integer": ({"ema": {"low": 2, "high": 4}}, Range("ema", 0, 4, integer=True)),
    "not searched": ({"dropout": None}, None),
}


@pytest.mark.parametrize("case", LIMITS)
def test_other_limits(project: Path, case: str) -> None:
    limits, axis = LIMITS[case]
    (name,) = limits
    assert searches_of(project, space=limits)[0].space.get(f"model.{name}") == axis


EMPTY = {
    "empty": (
        {"dropout": {"low": 0.5, "high": 0.2}},
        "expected low below high, got 0.5 to 0.2: empty",
    ),
    "one point": ({"dropout": {"low": 0.5, "high": 0.5}}, "expected low below high"),
    "no options": ({"hidden": {"options": []}}, "at least 1 item"),
    "neither": ({"dropout": {"low": 0.5}}, "expected low and high, or options"),
    "both": ({"dropout": {"low": 0.1, "high": 0.5, "options": [1]}}, "got both"),
    "log of nothing": ({"dropout": {"low": 0, "high": 0.5, "log": True}}, "low above 0"),
    "unknown": ({"dropuot": {"low": 0, "high": 1}}, 'did you mean "dropout"'),
    "impossible": ({"dropout": {"low": 0, "high": 1.5}}, r"wanted a share in \[0, 1\), got 1.5"),
    "wrong type": ({"hidden": {"options": ["wide"]}}, "hidden: wanted int, got 'wide'"),
}


@pytest.mark.parametrize("case", EMPTY)
def test_a_space_that_holds_nothing(project: Path, case: str) -> None:
    limits, message = EMPTY[case]
    with pytest.raises(UserError, match=message) as told:
        searches_of(project, space=limits)
    assert "tuning.space" in str(told.value)


def test_an_empty_range_of_an_argument_is_refused() -> None:
    with pytest.raises(
        UserError,
        match=r'strategy "x": the search range of argument "k" is empty \(low 2, high 1\)',
    ):
        searches._range("x", TunableArgument("k", 2, 1))


def test_the_first_trial_is_untuned_and_the_best_is_found(
    search: SearchSpec, tmp_path: Path
) -> None:
    kept = optuna_search.storage(tmp_path)
    run(search, 25, kept)
    first = json.loads(optuna_search.lines(search, kept)[0]["settings"])
    assert first == search.cell.settings
    scores = [s for s, _ in told(search, kept) if s is not None]
    assert len(told(search, kept)) == 25 and max(scores) > scores[0]
    values = optuna_search.best(search, kept)
    assert planted(
        replace(search.cell, settings=searches.with_values(search.cell.settings, values))
    )["accuracy"] == max(scores)


def test_importances_rank_a_planted_setting_first(search: SearchSpec, tmp_path: Path) -> None:
    kept = optuna_search.storage(tmp_path)
    whole = replace(search, prune=False)
    run(whole, 7, kept)
    assert optuna_search.importances(whole, kept) == {}, "too few scores"
    run(whole, 40, kept)
    shares = optuna_search.importances(whole, kept)
    assert max(shares, key=lambda k: shares[k]) == "model.learning_rate"
    assert sum(shares.values()) == pytest.approx(1) and shares["model.learning_rate"] > 0.5


@pytest.mark.parametrize("broken_at", [0, 1, 7])
def test_an_interrupted_search_goes_on_as_if_nothing_had_been(
    search: SearchSpec, tmp_path: Path, broken_at: int
) -> None:
    whole = optuna_search.storage(tmp_path / "whole")
    run(search, 10, whole)
    seen = 0

    def interrupted(cell: Cell, *rest: object) -> Mapping[str, object]:
        nonlocal seen
        seen += 1
        if seen == broken_at + 1:
            raise KeyboardInterrupt
        return planted(cell, *rest)

    with pytest.raises(KeyboardInterrupt):
        run(search, 10, optuna_search.storage(tmp_path / "parts"), interrupted)
    for trials in (8, 10):
        run(search, trials, optuna_search.storage(tmp_path / "parts"))
    assert told(search, optuna_search.storage(tmp_path / "parts")) == told(search, whole)


def test_a_trial_below_the_median_of_the_complete_ones_ends(
    search: SearchSpec, tmp_path: Path
) -> None:
    kept = optuna_search.storage(tmp_path)
    asked: list[tuple[float, ...]] = []

    def noted(
        cell: Cell, metric: str, thresholds: optuna_search.Thresholds
    ) -> Mapping[str, object]:
        asked.append(tuple(thresholds))
        return planted(cell, metric, thresholds)

    run(search, 20, kept, noted)
    rows = optuna_search.lines(search, kept)
    assert len(rows) == 20, "an ended trial counts"
    assert asked[:5] == [()] * 5 and all(r["state"] == "complete" for r in rows[:5])
    complete: list[list[float]] = []
    for row, thresholds in zip(rows, asked, strict=True):
        if len(complete) >= 5:
            assert thresholds == pytest.approx(np.median(complete, axis=0)[:-1])
        below = [v < f for v, f in zip(row["steps"], thresholds, strict=False)]
        assert (row["state"] == "pruned") == any(below) and not any(below[:-1])
        if row["state"] == "complete":
            complete.append(row["steps"])
        else:
            assert row["score"] is None
    assert {"complete", "pruned"} == {r["state"] for r in rows}
    pruned = replace(search, prune=False)
    run(pruned, 20, kept, noted)
    assert {r["state"] for r in optuna_search.lines(pruned, kept)} == {"complete"}


def test_every_search_has_the_same_number_of_trials(project: Path, tmp_path: Path) -> None:
    kept = optuna_search.storage(tmp_path)
    found = searches_of(project, trials=7, scope="draw")
    for search in found:
        optuna_search.run(search, kept, planted)
        optuna_search.run(search, kept, planted)  # nothing is left to do
    assert [len(optuna_search.lines(s, kept)) for s in found] == [7] * len(found)
    assert len({s.name for s in found}) == len(found)


def test_fewer_trials_than_the_storage_holds(search: SearchSpec, tmp_path: Path) -> None:
    """Asked for fewer than before, every arm has that number, and its best is among those."""
    kept = optuna_search.storage(tmp_path)
    run(search, 25, kept)
    few, many = replace(search, trials=8), replace(search, trials=25)
    rows = optuna_search.lines(many, kept)
    assert [r["number"] for r in optuna_search.lines(few, kept)] == list(range(8))
    best = max((r for r in rows[:8] if r["score"]), key=lambda r: r["score"])
    assert optuna_search.best(few, kept) == json.loads(best["values"])
    assert max(r["score"] for r in rows if r["score"]) > best["score"], (
        "the rest found a better one"
    )
    optuna_search.run(few, kept, planted)
    assert len(optuna_search.lines(many, kept)) == 25


def test_failed_trials_count_and_are_named(search: SearchSpec, tmp_path: Path) -> None:
    def failing(cell: Cell, *rest: object) -> Mapping[str, object]:
        raise RuntimeError("out of memory")

    kept = optuna_search.storage(tmp_path)
    run(search, 4, kept, failing)
    rows = list(optuna_search.lines(search, kept))
    assert [r["error"] for r in rows] == ["out of memory"] * 4 and rows[0]["score"] is None
    assert optuna_search.best(search, kept) is None


def test_a_failed_trial_stores_its_error_in_one_line_and_no_traceback(
    search: SearchSpec, tmp_path: Path
) -> None:
    def failing(cell: Cell, *rest: object) -> Mapping[str, object]:
        raise CellFailed("ValueError: too\nlong", 'Traceback ...\n  File "/home/me/x.py"')

    kept = optuna_search.storage(tmp_path)
    run(search, 1, kept, failing)
    assert [r["error"] for r in optuna_search.lines(search, kept)] == ["ValueError: too long"]


def test_the_name_of_a_search_does_not_depend_on_class_or_field_names(search: SearchSpec) -> None:
    """Renaming a class, reordering its fields or writing 1 for 1.0 must not repeat all trials."""
    space = dict(search.space)
    assert not any(word in json.dumps({k: d.to_dict() for k, d in space.items()})
                   for word in ("Range", "Choice", "OptionalRange"))  # fmt: skip

    class Renamed:
        def __init__(self, inner: Distribution) -> None:
            self.to_dict = lambda: dict(reversed(inner.to_dict().items()))

    other = replace(search, space={k: Renamed(d) for k, d in reversed(space.items())})
    assert other.name == search.name
    whole = {**space, "model.ema": OptionalRange(Range("ema", 5.0, 100.0, True, True), 0)}
    parts = {**space, "model.ema": OptionalRange(Range("ema", 5, 100, True, True), 0)}
    assert replace(search, space=whole).name == replace(search, space=parts).name
    moved = {**space, "model.ema": OptionalRange(Range("ema", 6, 100, True, True), 0)}
    assert replace(search, space=moved).name != replace(search, space=parts).name
    assert replace(search, trials=3).name == search.name
    assert replace(search, prune=not search.prune).name != search.name


def test_reading_whether_a_trial_stopped_changes_nothing() -> None:
    labels = np.array([0, 1])
    scorer = TrialScorer("accuracy", 2, thresholds=(0.4, 0.9))
    assert not scorer.stopped and scorer.steps == []
    scorer.record_step(np.array([0, 0]), labels)
    assert [scorer.stopped, scorer.stopped] == [False, False] and scorer.steps == [0.5]
    scorer.record_step(np.array([0, 0]), labels)
    assert [scorer.stopped, scorer.stopped] == [True, True] and scorer.steps == [0.5, 0.5]
    assert scorer.round_callback(labels)(np.eye(2, dtype=np.float32)) is False  # no threshold left


def test_what_an_arm_pins_is_not_taken_over(project: Path) -> None:
    params = params_with(project, arms="shared")
    values = {
        "model.hidden": 32,
        "model.normalised": False,
        "model.dropout": 0.1,
        "vat.epsilon": 9.0,
    }
    own = searches.taken_over(params, parse_arm("lstm-64:vat"), 30, values)
    assert own["model"]["hidden"] == 64 and own["model"]["dropout"] == 0.1
    assert own["model"]["normalised"] is True, "vat needs normalised embeddings"
    assert searches.taken_over(params, parse_arm("tfidf"), 30, values) == {}


@pytest.mark.parametrize("n", [30, 210])
def test_a_trial_reads_no_test_text_and_judges_its_labels(project: Path, n: int) -> None:
    data = CorpusTables.load(project / "data" / "written")
    blind = replace(
        data, corpus=replace(data.corpus, test_texts=(), test_labels=data.corpus.labels[:0])
    )
    params = params_with(project)
    scope = data_stages.scope(params, "written", project)
    arm = parse_arm("lstm:plain")
    cell = grid.cell(params, scope, arm, n, -1, 0, default_settings(params, arm, n))
    found = run_trial(cell, blind)
    assert 0 <= found["accuracy"] <= 1 and found["tokens"] > 0
    judged = n if n <= 200 else len(data.draws.sample(-1, n, 0).validation)
    assert (found["accuracy"] * judged) == pytest.approx(round(found["accuracy"] * judged))


# --- the whole stage


def columns(project: Path) -> list[dict[str, object]]:
    rows = tables.read_table(project / "results/written/trials.parquet", tables.TRIALS).to_pylist()
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
        **{optuna_search.STORAGE: "sqlite:////proc/none.db"},
    )  # fmt: skip
    assert done.returncode == 2 and "storage cannot be opened" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_plan_knows_which_searches_are_done(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Trials of other settings count for nothing, nor do cells with what they found."""
    params_with(project, trials=2, arms="one")
    monkeypatch.chdir(project)

    def planned(**tuning: object) -> tuple[int, float | None]:
        found = plan.planned(params_with(project, arms="one", **tuning), ["written"], project)
        return found["missing"], found["search_seconds"]

    every, before = planned(trials=2)
    assert before is not None
    assert flow(project, "tune").returncode == 0
    assert planned(trials=2) == (every, None)
    assert flow(project, "study").returncode == 0
    assert planned(trials=2) == (0, None)
    missing, seconds = planned(trials=6)
    assert seconds is not None and missing
    missing, other = planned(trials=6, space={"hidden": {"options": [128]}})
    assert other is not None and other > seconds and missing
    missing, none = planned(trials=0)
    assert none is None


@pytest.mark.slow
def test_a_plan_counts_an_arm_whose_tables_are_not_written_yet(
    project: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    params = read_params(project)
    params["study"]["grid"][0]["arms"].append("lstm:eda")
    write_params(project, params)
    monkeypatch.chdir(project)
    found = plan.planned(config.load(project / "params.yaml"), ["written"], project)
    assert found["corpora"][0]["cells_of_arms"]["lstm:eda"] == 4


def test_a_plan_foresees_trials_from_all_of_the_space(search: SearchSpec) -> None:
    cells = searches.foreseen(search, 200)
    assert len(cells) == 200 * searches.trainings(search.cell.n)
    assert cells == searches.foreseen(search, 200), "a plan says the same twice"
    models = [c.settings["model"] for c in cells]
    for axis in search.space.values():
        values = {m.get(axis.name, getattr(axis, "off", None)) for m in models}
        if isinstance(axis, Choice):
            assert values == set(axis.options)
            continue
        limits = axis.range if isinstance(axis, OptionalRange) else axis
        numbers = values - {getattr(axis, "off", None)}
        assert all(limits.low <= v <= limits.high for v in numbers) and len(numbers) > 2
        assert not isinstance(axis, OptionalRange) or axis.off in values
    rates = np.log([m["learning_rate"] for m in models])
    assert abs(rates.mean() - np.log(0.001 * 0.04) / 2) < 0.3, "even on a log scale"
