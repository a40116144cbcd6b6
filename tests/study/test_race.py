"""A race: who goes on, what ranks, which cells carry claims, and what is refused."""

import json
from collections import defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml

from datayield import config
from datayield.analysis.statistics import read
from datayield.cells.context import CorpusTables
from datayield.cells.run import load_sample, run_cell
from datayield.config import Params
from datayield.core.errors import UserError
from datayield.core.types import Cell, Cost, Row
from datayield.study import grid
from datayield.study.race import Race, foreseen, gains
from tests.conftest import (
    data_stages,
    datayield,
    flow,
    make_project,
    read_params,
    small_params,
    write_params,
)

ROUNDS = {"rounds": [{"draws": 2, "keep": 2}, {"draws": 1, "keep": 1}], "fresh": 3, "texts": 100}
ARMS = ["lstm:plain", "lstm:eda_nn", "lstm:repeat", "lstm:mixup_word", "lstm:competence", "tfidf"]
SCOPE = grid.Scope("written", 1000, "digest", defaultdict(str))


def _params(**study: Any) -> Params:
    params = small_params("0" * 64, draws=ROUNDS)
    params["study"]["grid"] = [{"arms": ARMS, "budgets": [30, 60]}]
    params["study"] |= study
    return config.load_text(yaml.safe_dump(params))


def _grid(params: Params) -> grid.Grid:
    settings = {str(n): {a: {"all": {}} for a in ARMS} for n in (30, 60)}
    return grid.make_grid(params, SCOPE, settings)


def _row(cell: Cell, score: float) -> Row:
    row = Row.__new__(Row)
    for name, value in {"cell": cell, "validation_accuracy": score, "cost": Cost()}.items():
        object.__setattr__(row, name, value)
    return row


def _run(params: Params, scores: Mapping[str, float]) -> Race:
    """Run all rounds; every row has its arm's score."""
    race = Race(params, _grid(params))
    for cells in race:
        rows = {c.key: _row(c, scores[str(c.arm)]) for c in cells if str(c.arm) in scores}
        race.judge({"majority_share": 0.5}, rows)
    return race


def _draws(race: Race) -> dict[str, list[int]]:
    return {a: sorted({c.draw for c in race.cells if str(c.arm) == a}) for a in ARMS}


SCORES = dict(zip(ARMS, (0.5, 0.7, 0.9, 0.6, 0.4, 0.9), strict=True))


def test_the_best_of_each_round_go_on_to_draws_of_their_own() -> None:
    race = _run(_params(), SCORES)
    fresh, first, second = [0, 1, 2], [3, 4], [5]
    assert _draws(race) == {
        "lstm:plain": [*fresh, *first, *second],
        "lstm:eda_nn": [*fresh, *first, *second],
        "lstm:repeat": fresh,  # a control: never ranked, computed next to its strategy
        "lstm:mixup_word": [*first, *second],
        "lstm:competence": first,
        "tfidf": fresh,
    }
    taken = race.taken["race"]
    assert [[x["arm"] for x in r["ranked"]] for r in taken["rounds"]] == [
        ["lstm:eda_nn", "lstm:mixup_word", "lstm:competence"],
        ["lstm:eda_nn", "lstm:mixup_word"],
    ]
    assert taken["rounds"][0]["ranked"][0]["gain"] == pytest.approx(0.2)
    assert (taken["screening"], taken["texts"]) == (3, 100)


def test_a_strategy_without_a_finished_cell_leaves_the_race() -> None:
    race = _run(_params(), {k: v for k, v in SCORES.items() if k != "lstm:eda_nn"})
    assert _draws(race)["lstm:eda_nn"] == [3, 4]
    assert _draws(race)["lstm:mixup_word"] == [0, 1, 2, 3, 4, 5]


def test_gains_are_paired_by_draw_and_every_budget_counts_alike() -> None:
    cells = _grid(_params()).screening
    at = {(str(c.arm), c.n, c.draw): c for c in cells}
    rows = [
        _row(at["lstm:plain", 30, 3], 0.5),
        _row(at["lstm:eda_nn", 30, 3], 0.6),
        _row(at["lstm:eda_nn", 30, 4], 0.1),  # no baseline there
        *(_row(at["lstm:plain", 60, d], 0.5) for d in (3, 4)),
        *(_row(at["lstm:eda_nn", 60, d], 0.5) for d in (3, 4)),
    ]
    assert gains(rows, "lstm:plain", "accuracy") == {"lstm:eda_nn": pytest.approx(0.05)}
    assert gains([], "lstm:plain", "accuracy") == {}


def test_as_many_cells_are_foreseen_as_a_race_computes() -> None:
    params = _params()
    counted = foreseen(params, _grid(params))
    without_controls = [c for c in _run(params, SCORES).cells if str(c.arm) != "lstm:repeat"]
    assert len([c for c in counted if str(c.arm) != "lstm:repeat"]) == len(without_controls)


def test_screening_cells_differ_from_others_in_what_validates_alone() -> None:
    made = _grid(_params())
    assert all(c.screening and c.identity["validation_folds"] == 0 for c in made.screening)
    assert not any(c.screening for c in made.cells)
    assert {c.draw for c in made.screening} == {3, 4, 5}
    wanted = _params(draws={**ROUNDS, "texts": 150})
    assert grid.ranking_texts(wanted, 1000) == 150
    assert grid.ranking_texts(wanted, 300) == 120, "half of the 240 texts that 60 labels leave"


@pytest.mark.parametrize(
    ("arms", "pool", "message"),
    [
        (["lstm:plain", "tfidf"], 1000, "a race needs strategies in study.grid"),
        (
            ["lstm:eda_nn", "tfidf"],
            1000,
            "compares strategies with lstm:plain; study.grid must name",
        ),
        (ARMS, 250, "The pool of 250 texts leaves 190 after 60 labels"),
    ],
)
def test_what_a_race_cannot_do_is_refused(arms: list[str], pool: int, message: str) -> None:
    params = _params(grid=[{"arms": arms, "budgets": [30, 60]}])
    settings = {str(n): {a: {"all": {}} for a in ARMS} for n in (30, 60)}
    scope = grid.Scope("written", pool, "digest", SCOPE.precomputed)
    with pytest.raises(UserError, match=message):
        grid.make_grid(params, scope, settings)


@pytest.fixture(scope="module")
def raced(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study was run, with a race of three strategies."""
    folder = make_project(tmp_path_factory.mktemp("race"), draws=ROUNDS)
    params = read_params(folder)
    params["study"]["grid"] = [
        {"arms": [*ARMS, "lstm:entropy", "lstm:distil"], "budgets": [30, 60]}
    ]
    write_params(folder, params)
    data_stages(folder)
    assert flow(folder, "tune").returncode == 0
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    assert "(round 1 of 3): 24 cells, 0 done, 24 to compute" in done.stderr
    return folder


@pytest.mark.slow
def test_claims_come_from_the_fresh_draws_alone(raced: Path) -> None:
    summary = json.loads((raced / "results/written/study.json").read_text())
    (kept,) = [x["arm"] for x in summary["race"]["rounds"][-1]["ranked"][:1]]
    assert (
        datayield(raced, "stage", "analyse").returncode == 0
        and datayield(raced, "stage", "report").returncode == 0
    )
    (c,) = read(raced / "reports/small/statistics.json").corpora
    assert {x.arm for x in c.differences if c.arms[x.arm].role == "strategy"} == {kept}
    assert {x.cells for x in c.scores} == {3} and c.cells == c.planned
    assert c.race is not None and len(c.race.rounds[0].ranked) == 5
    page = (raced / "reports/small/index.html").read_text()
    assert "How the strategies were screened" in page and "Of 5 strategies" in page
    assert (
        "10,0 done" not in page and "16 done" not in flow(raced, "study").stderr.split("0 to")[-1]
    )


@pytest.mark.slow
def test_ranking_texts_are_neither_trained_on_nor_read_as_unlabelled(raced: Path) -> None:
    params = config.load(raced / "params.yaml")
    tables = CorpusTables.load(raced / "data/written")
    cells = json.loads((raced / "results/written/settings.json").read_text())
    from datayield.study import data_stages as stages

    made = grid.make_grid(params, stages.scope(params, "written", raced), cells)
    cell = next(c for c in made.screening if str(c.arm) == "lstm:entropy")
    sample = load_sample(cell, tables, Cost()).sample
    assert len(sample.train) == cell.n and len(sample.validation) == 100
    every = np.concatenate([sample.train, sample.validation, sample.rest])
    assert len(np.unique(every)) == len(every) == len(tables.corpus.texts)
    row = run_cell(cell, tables)
    assert row.n_train == cell.n and row.n_validation == 100
    assert row.probabilities is not None
    assert set(row.probabilities.held_out_ids) == set(sample.validation)
    assert row.validation_accuracy == pytest.approx(
        np.mean(row.probabilities.held_out.argmax(1) == tables.corpus.labels[sample.validation])
    )
    same = next(c for c in made.screening if c.n == cell.n and str(c.arm) == "lstm:plain")
    alone = Cell(same.corpus, same.n, same.arm, same.draw, same.seed, same.settings, {
        k: v for k, v in same.identity.items() if k != "ranking_texts"
    })  # fmt: skip
    with_texts, without = run_cell(same, tables), run_cell(alone, tables)
    assert np.array_equal(with_texts.predicted, without.predicted), "ranking changes no model"
