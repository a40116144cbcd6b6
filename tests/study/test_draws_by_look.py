"""Draws are added at looks: who gets more, when the study ends, and what is written of it."""

import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from datayield import config
from datayield.config.params import Study
from datayield.core.arm import Arm
from datayield.core.types import Cell, Cost, Row
from datayield.study import arms
from datayield.study.draws_by_look import DrawsByLook
from datayield.study.grid import Grid
from tests.conftest import data_stages, flow, make_project, read_params, small_params, write_params

ARMS = ("lstm:plain", "lstm:eda_nn", "lstm:repeat", "lstm:mixup_word", "tfidf")


def _study(**draws: Any) -> Study:
    params = small_params("0" * 64, draws={"looks": [2, 4, 6], **draws})
    return config.load_text(yaml.safe_dump(params)).study


def _grid() -> Grid:
    parsed = [arms.parse_arm(a) for a in ARMS]
    cells = tuple(Cell("written", 30, a, draw, 0, {}, {}) for a in parsed for draw in range(6))
    return Grid(cells, (), {str(a): arms.describe(a) for a in parsed})


def _draws(cells: tuple[Cell, ...]) -> dict[str, int]:
    return {a: sum(str(c.arm) == a for c in cells) for a in ARMS}


def _run(study: Study, verdicts: list[list[str]], seconds: float = 1.0) -> DrawsByLook:
    """All looks with these verdicts; every cell takes so many seconds."""
    asked = iter(verdicts)
    row, blended = (Row.__new__(Row) for _ in range(2))
    cell = _grid().cells[0]
    for made, arm in ((row, cell.arm), (blended, arms.parse_arm("lstm:plain*2"))):
        object.__setattr__(made, "cost", Cost(cell_seconds=seconds))
        object.__setattr__(made, "cell", replace(cell, arm=arm))

    def judge(summary: Mapping[str, Any], rows: Mapping[str, Row]) -> list[str]:
        assert summary["arms"] == "known" and summary["looks"]["planned"] == [2, 4, 6]
        return next(asked)

    looks = DrawsByLook(study, _grid(), judge, workers=1)
    for cells in looks:
        rows = {c.key: row for c in cells}
        looks.judge({"arms": "known"}, rows | {f"blend {c.key}": blended for c in cells})
    return looks


def nothing_to_judge(summary: Mapping[str, Any], rows: Mapping[str, Row]) -> list[str]:
    pytest.fail("nothing to judge")


def test_settled_strategies_and_their_controls_get_no_more_draws(
    capsys: pytest.CaptureFixture[str],
) -> None:
    looks = _run(_study(), [["lstm:eda_nn"], []])
    assert _draws(looks.cells) == dict(zip(ARMS, (6, 2, 2, 6, 6), strict=True))
    assert looks.taken["looks"]["ended"] == 2
    assert looks.taken["looks"]["settled"] == {"lstm:eda_nn": 0, "lstm:repeat": 0}
    assert "after 2 draws: settled: lstm:eda_nn; 1 go on" in capsys.readouterr().err


def test_the_study_ends_when_all_are_settled() -> None:
    looks = _run(_study(), [["lstm:mixup_word"], ["lstm:eda_nn"]])
    assert _draws(looks.cells) == dict(zip(ARMS, (4, 4, 4, 2, 4), strict=True))
    assert looks.taken["looks"]["ending"] == "settled"


def test_no_look_is_begun_that_takes_too_long() -> None:
    # 10 cells of 12 s until the first look are 2 minutes; 4 until the second; 6 until the third
    looks = _run(_study(minutes=5.0), [[], []], 12.0)
    assert looks.taken["looks"]["ending"] == "minutes"
    assert looks.taken["looks"]["ended"] == 1 and set(_draws(looks.cells).values()) == {4}


def test_a_fixed_number_of_draws_is_one_look() -> None:
    study = replace_draws(6)
    looks = DrawsByLook(study, _grid(), nothing_to_judge, 1)
    for cells in looks:
        assert len(cells) == len(_grid().cells)
        looks.judge({}, {})
    assert looks.taken == {} and looks.name == ""


def replace_draws(draws: int) -> Study:
    return config.load_text(yaml.safe_dump(small_params("0" * 64, draws=draws))).study


def test_without_strategies_every_draw_is_taken() -> None:
    whole = _grid()
    plain = tuple(c for c in whole.cells if c.arm in (Arm("lstm", ("plain",)), Arm("tfidf")))
    looks = DrawsByLook(
        _study(),
        replace(whole, cells=plain, arms={a: whole.arms[a] for a in ("lstm:plain", "tfidf")}),
        nothing_to_judge,
        1,
    )
    for _ in looks:
        looks.judge({}, {})
    assert len(looks.cells) == 12


@pytest.mark.slow
def test_a_study_adds_draws_until_its_strategies_are_settled(tmp_path: Path) -> None:
    """Where no gain of 60 points can be missed, two draws of the four are enough; a rerun computes nothing."""
    folder = make_project(tmp_path, draws={"looks": [2, 4], "resolution": 60.0})
    params = read_params(folder)
    params["study"]["grid"] = [
        {
            "arms": ["lstm:plain", "lstm:mixup_word", "lstm:competence", "lstm:eda_nn"],
            "budgets": [30, 60],
        }
    ]
    write_params(folder, params)
    data_stages(folder)
    assert flow(folder, "tune").returncode == 0
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    assert "written (look 1 of 2): 16 cells, 0 done, 16 to compute" in done.stderr
    assert "all are settled" in done.stderr and "look 2" not in done.stderr
    summary = json.loads((folder / "results/written/study.json").read_text())
    assert summary["planned"] == 16 and summary["missing"] == []
    assert summary["looks"]["ended"] == 0 and summary["looks"]["ending"] == "settled"
    assert "16 done, 0 to compute" in flow(folder, "study").stderr
    params["study"]["draws"]["resolution"] = 1e-6  # now nothing is settled
    write_params(folder, params)
    again = flow(folder, "study").stderr
    assert "after 2 draws: settled: lstm:mixup_word; 2 go on" in again, "it equals plain here"
    assert "(look 2 of 2): 12 cells, 0 done, 12 to compute" in again
