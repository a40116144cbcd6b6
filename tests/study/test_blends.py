"""Blends: arms whose members' probabilities are averaged, without training them again."""

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import yaml

from datayield import config
from datayield.analysis.statistics import read
from datayield.cells.blend import SUMMED, blend
from datayield.cells.context import CorpusTables
from datayield.core.arm import Arm
from datayield.core.errors import UserError
from datayield.core.probability_rows import attach_probabilities, read_probabilities
from datayield.core.rows import read_rows
from datayield.core.types import Row
from datayield.models.saved import format
from datayield.study import data_stages as stages
from datayield.study import grid
from datayield.study.arms import describe, parse_arm
from tests.conftest import (
    data_stages,
    datayield,
    flow,
    make_project,
    read_params,
    small_params,
    write_params,
)

ENSEMBLE, BOTH = "lstm:plain*3", "blend(lstm:mixup_word*2, tfidf)"
WEIGHED = "weighted(lstm:mixup_word*2, tfidf)"


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("lstm*4", "lstm:plain*4"),
        ("blend(lstm:plain*2, lstm)", "lstm:plain*3"),
        ("blend(tfidf,lstm:eda_nn*2)", "blend(lstm:eda_nn*2, tfidf)"),
        ("blend(gru, lstm:vat+eda_nn)", "blend(gru:plain, lstm:eda_nn+vat)"),
    ],
)
def test_equal_blends_have_one_name(written: str, canonical: str) -> None:
    arm = parse_arm(written)
    assert str(arm) == canonical and Arm.named(canonical) == arm == parse_arm(canonical)


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("blend(lstm, tfidf", "the closing bracket of the blend is missing"),
        ("blend(tfidf)", "expected at least two members, or one with several seeds"),
        ("blend()", 'unknown architecture ""'),
        ("blend(lstm, blend(gru, tfidf))", "a blend cannot hold a blend"),
        ("blend(lstm, tfidf*2)", "tfidf has no seeds to average over"),
        ("blend(lstm, nbsvm)", "nbsvm gives no probabilities"),
        ("weighted(lstm*2)", "expected several members to weigh against each other"),
        ("lstm*0", 'expected a number of seeds from 1 to 100 after "\\*", got "0"'),
        ("lstm*many", 'got "many"'),
        ("blend(lstm:entropy, tfidf)", "would use more labels than are paid for"),
        ("lstm:double*2", "lstm:double learns from other labels"),
        ("blend(lstm, lsm)", 'unknown architecture "lsm"'),
        ("blend(lstm:plian*2, tfidf)", 'did you mean "plain"'),
    ],
)
def test_what_is_no_blend_is_refused(written: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        parse_arm(written)


def test_the_control_of_a_blend_has_as_many_plain_networks() -> None:
    assert describe(parse_arm(BOTH))["control"] == "lstm:plain*3"
    assert describe(parse_arm("lstm:lm*4"))["control"] == "lstm:plain*4"
    assert "control" not in describe(parse_arm(ENSEMBLE))
    assert describe(parse_arm(BOTH))["members"] == ["lstm:mixup_word", "tfidf"]


def test_a_blend_brings_its_members_and_trains_each_cell_once() -> None:
    params = small_params("0" * 64, draws=2)
    params["study"]["grid"] = [{"arms": ["lstm:plain", ENSEMBLE, BOTH], "budgets": [30]}]
    loaded = config.load_text(yaml.safe_dump(params))
    names = ["lstm:plain", ENSEMBLE, BOTH, "lstm:mixup_word", "tfidf"]
    settings = {"30": {a: {"all": {}} for a in names}}
    made = grid.make_grid(loaded, grid.Scope("written", 100, "digest", {}), settings)
    assert set(made.arms) == set(names) and len(made.cells) == 2 * len(names)
    trained = made.trained(made.cells)
    assert len(trained) == 2 * (3 + 2 + 1)  # seeds of plain, of mixup_word, and tfidf
    assert not any(c.arm.members for c in trained)
    one = next(c for c in made.cells if str(c.arm) == ENSEMBLE and c.draw == 1)
    assert [(m.draw, m.seed) for m in made.members[one.key]] == [(1, 0), (1, 1), (1, 2)]


@pytest.fixture(scope="module")
def blended(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study has blends, analysed and reported."""
    folder = make_project(tmp_path_factory.mktemp("blends"), draws=3)
    params = read_params(folder)
    params["study"]["grid"] = [
        {
            "arms": ["lstm:plain", ENSEMBLE, BOTH, WEIGHED, "lstm:eda_nn", "majority"],
            "budgets": [30, 60],
        }
    ]
    write_params(folder, params)
    data_stages(folder)
    assert flow(folder, "tune").returncode == 0
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    for name in ("analyse", "report"):
        assert datayield(folder, "stage", name).returncode == 0
    return folder


def _rows(folder: Path) -> dict[tuple[str, int, int, int], Row]:
    results = folder / "results/written"
    rows = read_rows(results / "cells.parquet", results / "history.parquet")
    return {(str(r.cell.arm), r.cell.n, r.cell.draw, r.cell.seed): r for r in rows}


@pytest.mark.slow
def test_a_plan_says_that_a_blend_trains_nothing(blended: Path) -> None:
    done = datayield(blended, "plan")
    assert done.returncode == 0, done.stderr
    lines = {
        line.split(" budgets")[0].rsplit(maxsplit=1)[0].strip(): line
        for line in done.stdout.splitlines()
        if " budgets " in line
    }
    assert lines[BOTH].split()[-2:] == ["0", "cells"]
    assert lines["lstm:plain"].split()[-2:] == ["18", "cells"]  # 3 seeds, 2 budgets, 3 draws
    assert "to compute: 0 cells" in done.stdout


@pytest.mark.slow
def test_a_blend_is_the_mean_of_what_its_members_answer(blended: Path) -> None:
    rows = _rows(blended)
    stored = read_probabilities(blended / "results/written/probabilities.parquet")
    labels = CorpusTables.load(blended / "data/written").corpus.test_labels
    members = [("lstm:mixup_word", 0), ("lstm:mixup_word", 1), ("tfidf", 0)]
    for draw in range(3):
        of = [rows[arm, 60, draw, seed] for arm, seed in members]
        first, second, third = (stored[r.key].test.astype(float) for r in of)
        mean = ((first + second) / 2 + third) / 2
        found = rows[BOTH, 60, draw, 0]
        assert np.array_equal(found.predicted, mean.argmax(1))
        assert found.accuracy == pytest.approx((mean.argmax(1) == labels).mean())
        assert np.allclose(stored[found.key].test, mean, atol=1e-3)
        assert found.n_validation == of[0].n_validation > 0
        for name in SUMMED:
            assert getattr(found.cost, name) == pytest.approx(
                sum(getattr(r.cost, name) for r in of)
            )
        assert found.cost.labels_paid == 60


@pytest.mark.slow
def test_weights_are_fitted_on_held_out_texts_alone(blended: Path) -> None:
    """The test labels play no part; a held-out text's own label plays none in its validation score."""
    rows, corpus = _rows(blended), CorpusTables.load(blended / "data/written").corpus
    path = blended / "results/written/probabilities.parquet"
    members = [("lstm:mixup_word", 0), ("lstm:mixup_word", 1), ("tfidf", 0)]
    of = attach_probabilities([rows[arm, 60, 1, seed] for arm, seed in members], path)
    cell = rows[WEIGHED, 60, 1, 0].cell
    assert np.array_equal(blend(cell, of, corpus).predicted, rows[WEIGHED, 60, 1, 0].predicted)
    other = replace(corpus, test_labels=(corpus.test_labels + 1) % 3)
    assert np.array_equal(blend(cell, of, other).predicted, rows[WEIGHED, 60, 1, 0].predicted)
    ids = of[0].probabilities.held_out_ids
    labels = corpus.labels.copy()
    labels[ids[0]] = (labels[ids[0]] + 1) % 3
    again = blend(cell, of, replace(corpus, labels=labels)).probabilities
    before = blend(cell, of, corpus).probabilities
    assert np.array_equal(again.held_out[0], before.held_out[0])
    assert not np.array_equal(again.held_out[1], before.held_out[1])


def test_weights_without_held_out_texts_are_refused() -> None:
    params = small_params("0" * 64, draws=2, validation_draws=1)
    params["study"]["grid"] = [{"arms": [WEIGHED], "budgets": [30]}]
    settings = {"30": {a: {"all": {}} for a in ("lstm:mixup_word", "tfidf")}}
    loaded = config.load_text(yaml.safe_dump(params))
    with pytest.raises(UserError, match="the cells of draw 1 hold none out"):
        grid.make_grid(loaded, grid.Scope("written", 100, "digest", {}), settings)


@pytest.mark.slow
def test_a_report_compares_a_blend_with_its_control_and_its_members(blended: Path) -> None:
    (c,) = read(blended / "reports/small/statistics.json").corpora
    assert {x.arm for x in c.differences if x.claim} == {
        ENSEMBLE, BOTH, WEIGHED, "lstm:eda_nn", "lstm:mixup_word", "tfidf",
    }  # fmt: skip
    against = {(x.arm, x.control) for x in c.against_controls}
    assert {(BOTH, ENSEMBLE), (BOTH, "lstm:mixup_word"), (BOTH, "tfidf")} <= against
    assert {x.cells for x in c.scores} == {3}, "seeds of members count for no arm"
    assert c.cells == c.planned == 6 * (3 + 2 + 1 + 3 + 1 + 1)


@pytest.mark.slow
def test_a_rerun_computes_nothing_and_a_lost_member_is_said(blended: Path) -> None:
    assert " 0 to compute" in flow(blended, "study").stderr
    params = config.load(blended / "params.yaml")
    settings = json.loads((blended / "results/written/settings.json").read_text())
    made = grid.make_grid(params, stages.scope(params, "written", blended), settings)
    cell = next(c for c in made.cells if str(c.arm) == BOTH)
    from datayield.study.study_stage import _blend

    corpus = CorpusTables.load(blended / "data/written").corpus
    log = SimpleNamespace(row=lambda row: pytest.fail("nothing to log"))
    rows: dict[str, Row] = {}
    failed = _blend([cell], made, rows, corpus, log)
    assert not rows and "its member written lstm:mixup_word n=30" in failed[cell.key]
    with pytest.raises(LookupError, match="no stored probabilities"):
        some = next(iter(_rows(blended).values()))
        blend(cell, [some], corpus)


@pytest.mark.slow
@pytest.mark.parametrize("name", [BOTH, WEIGHED])
def test_an_exported_blend_answers_as_the_study_did(
    blended: Path, tmp_path: Path, name: str
) -> None:
    out = tmp_path / "model"
    done = datayield(blended, "export", "--arm", name, "--n", "60", "--out", str(out))
    assert done.returncode == 0, done.stderr
    assert "registered" in done.stdout
    assert {p.name for p in out.iterdir()} == {
        "config.json", "README.md", *(f"member-{k}.safetensors" for k in (1, 2, 3)),
    }  # fmt: skip
    model = format.load(out)
    row = next(r for r in _rows(blended).values() if r.key == model.config["cell"])
    corpus = CorpusTables.load(blended / "data/written").corpus
    scores = model.scores(list(corpus.test_texts))
    assert np.array_equal(scores.argmax(1), row.predicted) and np.allclose(
        scores.sum(1), 1, atol=1e-2
    )
    assert "of 3 models" in (out / "README.md").read_text()
    again = datayield(blended, "export", "--arm", name, "--n", "60", "--out", str(out))
    assert "is registered already" in again.stdout
    (out / "member-2.safetensors").write_bytes(b"")
    with pytest.raises(UserError, match="member-2.safetensors is damaged: its sha256"):
        format.load(out)
    (out / "member-2.safetensors").unlink()
    with pytest.raises(UserError, match="member-2.safetensors is damaged: No such file"):
        format.load(out)
