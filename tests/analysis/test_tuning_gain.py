"""Statistics and report of searches: estimators against brute force, sentences against tables."""

import json

import numpy as np
import pyarrow as pa
import pytest

from datayield.analysis.statistics import StudyStatistics
from datayield.analysis.tuning_gain import running_best
from datayield.analysis.tuning_statements import ValueCounts
from datayield.core import tables
from datayield.report.render import render
from tests.report_data import page_text, statistics

HOW = {
    "trials": 4, "scope": "draw", "arms": "own", "prune": True,
    "space": {}, "served": [{"arm": "lstm:plain", "n": n, "by": "lstm:plain", "at": n} for n in
                            (200, 400, 800, 1600, 3200)],
}  # fmt: skip


def trial(n: int, draw: int, number: int, score: float | None, **more: object) -> dict:
    values = {"model.learning_rate": 0.01 * (1 + number), "model.hidden": 64, "model.ema": 0}
    return {
        "search": f"s {n} {draw}", "corpus": "written", "arm": "lstm:plain", "n": n, "draw": draw,
        "number": number, "state": "complete" if score is not None else "failed", "score": score,
        "steps": [], "seconds": 2.0, "tokens": 100, "updates": 10, "helper_fits": 0,
        "settings": "{}", "values": json.dumps(values), "error": "" if score is not None else "<b>no</b>",
        "importances": json.dumps({"model.learning_rate": 0.8, "model.hidden": 0.2}), **more,
    }  # fmt: skip


def trials(rows: list[dict], **how: object) -> pa.Table:
    made = pa.Table.from_pylist(rows, tables.TRIALS)
    return made.replace_schema_metadata({"tuning": json.dumps({**HOW, **how})})


def searched(draws: int = 6) -> list[dict]:
    """At 400 labels the second trial wins, at 800 the third."""
    scores = {400: [0.5, 0.7, 0.6, 0.6], 800: [0.5, 0.6, 0.8, 0.7]}
    return [trial(n, k, i, s) for n, own in scores.items() for k in range(draws)
            for i, s in enumerate(own)]  # fmt: skip


def test_running_best() -> None:
    found = running_best([None, 0.5, None, 0.4, 0.7])
    assert np.isnan(found[0]) and found[1:].tolist() == [0.5, 0.5, 0.5, 0.7]


def corpus(
    rows: list[dict], effects: dict[str, float] | None = None, **how: object
) -> StudyStatistics:
    return statistics(effects or {}, trials=trials(rows, **how))


def test_best_settings_move_with_the_labels() -> None:
    (found,) = corpus(searched()).corpora[0].tuning.settings
    by_name = {s.name: s for s in found.settings}
    rate = by_name["model.learning_rate"]
    assert rate.chosen[400].median == 0.02 and rate.chosen[800].median == 0.03
    assert rate.rho == pytest.approx(1) and by_name["model.hidden"].rho is None
    assert by_name["model.hidden"].chosen[400] == ValueCounts(((64, 6),))
    assert by_name["model.ema"].chosen[400] == ValueCounts((("off", 6),))


def test_the_running_best_is_averaged_over_the_searches() -> None:
    t = corpus(searched()).corpora[0].tuning
    curve = next(x for x in t.by_trials if x.n == 400)
    assert curve.scores == pytest.approx([0.5, 0.7, 0.7, 0.7])


def test_tuning_is_worth_points_and_labels() -> None:
    s = corpus(searched(), {"untuned": 0.6})  # as good as plain with 0.6 of its labels
    gains = s.corpora[0].tuning.gains
    assert [g.n for g in gains] == [200, 400], "where both were run"
    for g in gains:
        assert g.arm == "lstm:plain" and g.untuned == "lstm:untuned" and g.alone
    few, many = gains
    assert few.multiplier.low < 1 / 0.6 < (few.multiplier.high or 9)
    assert many.difference.low > 0 and many.multiplier.side == "above"
    said = page_text(s)
    assert "Tuning gains lstm:plain +" in said and "against lstm:untuned" in said
    cost = {x.n: x for x in s.corpora[0].tuning.cost}
    assert cost[400].seconds == 48 and cost[400].labels == 0
    assert cost[400].validation_gain == pytest.approx(0.2)
    assert cost[400].gain == many.difference and cost[800].gain is None


def test_a_study_without_searches_has_no_section() -> None:
    s = statistics({"untuned": 1.0})
    assert s.corpora[0].tuning is None
    said = page_text(s)
    assert "What tuning changed" not in said and "Settings were fixed beforehand" in said


def test_one_tuning_is_a_condition_and_its_labels_are_told() -> None:
    rows = [r for r in searched() if r["draw"] == 0]
    s = corpus([{**r, "draw": -1} for r in rows], {"untuned": 0.5}, scope="regime", arms="one")
    said = page_text(s)
    assert "conditional on one tuning" in said and "no interval here accounts for" in said
    assert "only where the multiplier exceeds 2×" in said
    assert "One search served several arms" in said and "Settings were fixed" not in said
    assert s.corpora[0].tuning.cost[0].labels == 400
    own = page_text(corpus(searched()))
    assert "Each draw was tuned on its own labels" in own and "conditional on" not in own


def test_a_search_without_a_complete_trial_is_told() -> None:
    rows = [trial(400, k, i, None) for k in range(2) for i in range(4)]
    s = corpus([*rows, *(r for r in searched() if r["n"] == 800)])
    files = render(s)
    said = page_text(s)
    assert "No trial of the search for lstm:plain at 400 labels (draw 1) was completed" in said
    assert "stayed untuned" in said and "Trials that failed" in said
    assert "<b>no</b>" not in files["index.html"] and "&lt;b&gt;no&lt;/b&gt;" in files["index.html"]


def test_the_section_shows_what_the_tables_hold() -> None:
    said = page_text(corpus(searched()))
    assert "12 searches of 4 random trials each, those below the median" in said
    more = page_text(corpus(searched(), trials=7))
    assert "12 searches of 7 TPE trials each" in more, "the model steers after six random ones"
    assert "Importances (fANOVA)" in said and "learning rate 0.80, hidden 0.20" in said
    assert "| learning rate | 0.02 | 0.03 | +1.00 |" in said
    assert "| lstm:plain | 400 | 6 | 50.0 % | 70.0 % | 70.0 % | 70.0 % |" in said
    assert "figures/written-tuning.svg" in render(corpus(searched()))
