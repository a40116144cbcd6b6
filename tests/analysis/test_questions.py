"""The planner and the recommendation: numbers a buyer of labels acts on, or the reason why there are none."""

import json
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest

from datayield import config
from datayield.analysis import analyse, labels_needed, questions
from datayield.analysis.frame import Frame
from datayield.analysis.recommend import recommend
from datayield.analysis.robustness import leave_one_out
from datayield.core.errors import UserError
from datayield.report import terminal
from tests.calibration.measure import frame
from tests.calibration.simulate import Study, make, simulate, true_accuracy
from tests.report_data import tables

STUDY = Study(draws=6, effects={"strong": 3.0, "useless": 1.0, "other": 1.1})


def studied(seed: int = 3, **changes: object) -> Frame:
    study = Study(draws=6, effects=STUDY.effects) if not changes else Study(**changes)
    return frame(study, make(study, seed))


def test_labels_to_a_target_inside_the_curve() -> None:
    f = studied()
    wanted = true_accuracy(400, STUDY)
    found = labels_needed.labels(f, "lstm:plain", wanted)
    assert found.labels.low < 400 < found.labels.high and found.reason is None
    (said,) = terminal.target(found, "accuracy", 0.95)
    assert said.startswith("lstm:plain: ") and "95 % interval" in said


def test_a_target_beyond_the_curve_gets_a_lower_bound_and_one_above_the_asymptote_none() -> None:
    f = studied()
    near = labels_needed.labels(f, "lstm:plain", true_accuracy(1600, STUDY) + 0.05)
    assert near.labels.side == "above" and 1600 <= near.at_least <= 3200
    assert "at least" in terminal.target(near, "accuracy", 0.95)[0]
    never = labels_needed.labels(f, "lstm:plain", 0.999)
    assert never.at_least == 3200 and "no answer" in never.reason
    assert "further out there is no answer" in terminal.target(never, "accuracy", 0.95)[0]
    low = labels_needed.labels(f, "lstm:plain", 0.01)
    assert "fewer than 100 labels" in terminal.target(low, "accuracy", 0.95)[0]


def test_one_draw_gives_a_number_without_an_interval() -> None:
    f = studied(draws=1, effects=STUDY.effects)
    found = labels_needed.labels(f, "lstm:plain", true_accuracy(400, STUDY))
    (said,) = terminal.target(found, "accuracy", 0.95)
    assert found.labels.low is None and "no interval: one draw" in said and "[" not in said
    g = labels_needed.gain(f, "lstm:plain", 400, 200)
    assert g.low is None and "no interval: one draw" in terminal.gain(g)
    above = labels_needed.labels(f, "lstm:plain", 0.999)
    assert above.at_least is None and "one draw" in above.reason


def test_what_the_next_labels_buy() -> None:
    f = studied()
    inside = labels_needed.gain(f, "lstm:plain", 400, 400)
    truth = true_accuracy(800, STUDY) - true_accuracy(400, STUDY)
    assert inside.low < truth < inside.high
    beyond = labels_needed.gain(f, "lstm:plain", 1600, 800)
    assert beyond.high is None and beyond.low < beyond.estimate
    assert beyond.low < true_accuracy(2400, STUDY) - true_accuracy(1600, STUDY)
    assert "beyond 3,200" in labels_needed.gain(f, "lstm:plain", 1600, 1601).reason
    assert "measured from 100 to 1,600" in labels_needed.gain(f, "lstm:plain", 50, 10).reason


def test_the_cheapest_way_weighs_labels_against_computing() -> None:
    f = studied()
    target = true_accuracy(1000, STUDY)
    answers = {a: labels_needed.labels(f, a, target) for a in ("lstm:plain", "lstm:strong")}
    hours = {"lstm:plain": [(100, 0.01), (1600, 0.01)], "lstm:strong": [(100, 5.0), (1600, 5.0)]}

    def best(label: float, hour: float) -> str | None:
        prices = labels_needed.Prices(label, hour)
        return labels_needed.cheapest(
            [labels_needed.cost(a, hours[n], prices) for n, a in answers.items()]
        )[0]

    assert best(1.0, 0.0) == "lstm:strong" and best(0.0, 1.0) == "lstm:plain"
    assert best(0.001, 100.0) == "lstm:plain"
    one = labels_needed.cost(
        answers["lstm:plain"], hours["lstm:plain"], labels_needed.Prices(2.0, 10.0, 30)
    )
    p = one.point
    assert p.total == pytest.approx(2 * p.labels + 10 * 30 * 0.01)
    assert one.low.total < p.total < one.high.total
    easy = labels_needed.cost(
        labels_needed.labels(f, "lstm:strong", 0.5),
        hours["lstm:strong"],
        labels_needed.Prices(1, 0),
    )
    assert easy.at_most and easy.point.labels == 200 and easy.low is None


def test_a_curve_that_lacks_draws_uses_those_it_has() -> None:
    made = make(STUDY, 1)
    made.cells["plain"][283][4:] = np.nan
    made.cells["strong"][200][0] = np.nan
    f = frame(STUDY, made)
    curve = labels_needed.whole_curve(f, "lstm:plain")
    assert 283 not in curve and next(iter(curve.values())).shape[0] == 6
    assert len(analyse.unbalanced(f)) == 2


def test_the_recommendation_carries_simultaneous_evidence() -> None:
    found = recommend(studied())
    assert [r.n for r in found] == [200, 400]
    for r in found:
        assert r.arm == "lstm:strong" and r.of == 4 and r.level == pytest.approx(1 - 0.05 / 3)
        assert r.difference.low > 0 and r.multiplier.low < 3 < (r.multiplier.high or 4)
        assert set(r.behind) == {"lstm:plain", "lstm:useless", "lstm:other"} and not r.ties
        assert r.doubling.arm == "lstm:strong" and r.leads.of == 6


def test_a_pick_inside_each_draw_reads_that_draws_validation_texts_alone() -> None:
    f = studied()
    scores, arms = dict(f.scores), ("lstm:plain", "lstm:strong", "lstm:useless", "lstm:other")
    leads = np.array([0, 1, 2, 2, 0, 3])  # by draw, planted; a tie in draw 0 goes to the baseline
    for i, arm in enumerate(arms):
        validation = np.where(leads == i, 0.9, 0.1)
        validation[0] = 0.9
        scores[arm, 400] = replace(scores[arm, 400], validation=validation)
    (found,) = [r for r in recommend(replace(f, scores=scores)) if r.n == 400]
    picked = np.stack([scores[arms[i], 400].values[k] for k, i in enumerate(leads)])
    wanted = f.interval(picked - scores["lstm:plain", 400].values, 400)
    assert asdict(found.within) == pytest.approx(asdict(wanted))
    # A draw without held-out texts for any arm picks nothing.
    for arm in arms:
        validation = scores[arm, 400].validation.copy()
        validation[5] = np.nan
        scores[arm, 400] = replace(scores[arm, 400], validation=validation)
    (found,) = [r for r in recommend(replace(f, scores=scores)) if r.n == 400]
    gap = (picked - scores["lstm:plain", 400].values)[:5].mean()
    assert found.within.estimate == pytest.approx(float(gap))


def test_more_labels_beat_a_useless_arm_and_lose_to_a_strong_one() -> None:
    weak = recommend(studied(draws=10, effects={"useless": 1.0, "other": 1.05}))
    assert {r.doubling.verdict for r in weak} == {"labels"}
    strong = recommend(studied(draws=10, effects={"strong": 6.0, "other": 1.0}))
    assert {r.doubling.verdict for r in strong} == {"arm"}


def test_leaving_out_a_draw_names_what_hangs_on_it() -> None:
    f = studied()
    found = leave_one_out(f)
    assert found.draws == (0, 1, 2, 3, 4, 5) and found.reason is None
    assert not [x for x in found.changed if x.arm == "lstm:strong"]
    # A verdict planted on one draw: without draw 2 the useless arm gains a sure 20 points.
    scores = dict(f.scores)
    for n in (200, 400):
        plain = scores["lstm:plain", n]
        lifted = plain.hits + 0.2
        lifted[2] -= 0.9
        scores["lstm:useless", n] = type(plain)(plain.draws, lifted, lifted, plain.validation, 6)
    planted = leave_one_out(Frame(scores, f.arms, f.baseline, f.level, f.population, f.pool))
    assert {(x.without, x.change) for x in planted.changed if x.arm == "lstm:useless"} == {
        (2, "new")
    }
    few = leave_one_out(studied(draws=2, effects={"strong": 3.0}))
    assert "2 draws" in few.reason


@pytest.fixture
def project(tmp_path: Path) -> tuple[config.Params, Path]:
    return tables(
        tmp_path, simulate(Study(draws=4, effects={"strong": 3.0, "tfidf": 0.9}), 2)
    ), tmp_path


def asked(project: tuple[config.Params, Path], **changes: object) -> str:
    return "\n".join(
        terminal.need_lines(questions.plan_labels(*project, questions.Question(**changes)))
    )


def test_the_planner_answers_from_the_tables(project: tuple[config.Params, Path]) -> None:
    said = asked(project, target=0.7, label_price=0.1, hour_price=2.0)
    assert said.splitlines()[0] == "written, accuracy" and "for 70.0 % accuracy" in said
    assert "cheapest by its estimate: lstm:strong" in said and "≤" in said
    assert "what the next labels buy lstm:plain" in said and "from 200 labels, 500 more: +" in said
    assert "lstm:strong: " in asked(project, target=0.7, arm="lstm:strong")


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"target": 85.0}, "between 0 and 1, got 85: 0.85?"),
        ({"target": float("nan")}, "between 0 and 1, got nan"),
        ({"corpus": "writen"}, 'did you mean "written"'),
        ({"arm": "lstm:stron"}, 'did you mean "lstm:strong"'),
        ({"have": 0}, "--have needs a whole number of at least 1"),
        ({"more": -5}, "--more needs"),
        ({"target": 0.7, "label_price": -1.0}, "--label-price needs a price of 0 or more"),
        ({"label_price": 1.0}, "--label-price needs a --target"),
    ],
)
def test_bad_questions_are_told(
    project: tuple[config.Params, Path], changes: dict[str, object], told: str
) -> None:
    with pytest.raises(UserError, match=told.replace("?", r"\?")):
        asked(project, **changes)


def test_tables_of_another_version_or_none_are_told(project: tuple[config.Params, Path]) -> None:
    import pyarrow.parquet as pq

    cells = project[1] / "results" / "written" / "cells.parquet"
    whole = pq.read_table(cells)
    pq.write_table(whole.drop_columns(["predicted"]), cells)
    with pytest.raises(UserError, match=r"other columns than this version.*predicted"):
        asked(project, target=0.7)
    pq.write_table(whole.slice(0, 0), cells)
    with pytest.raises(UserError, match="holds no finished cell"):
        asked(project, target=0.7)
    cells.unlink()
    with pytest.raises(UserError, match="is missing"):
        asked(project, target=0.7)


def test_metrics_follow_their_schema(project: tuple[config.Params, Path]) -> None:
    import jsonschema

    from datayield.report import metrics_file
    from tests.conftest import REPO

    found = metrics_file.metrics(analyse.analyse(*project))
    schema = json.loads((REPO / "docs/metrics.schema.json").read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    jsonschema.validate(found, schema)
    del found["corpora"]["written"]["best"]
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(found, schema)
