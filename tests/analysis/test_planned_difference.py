"""What a plan says of the differences that a study will see, against what the study sees."""

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datayield.analysis import claims, statistics
from datayield.analysis.frame import Frame
from datayield.analysis.planned_difference import (
    REFERENCE,
    REFERENCE_CORRELATION,
    PlannedArm,
    PlannedCorpus,
    PlannedDifference,
    planned_differences,
)
from datayield.analysis.visible_difference import VarianceComponents
from datayield.config import load
from datayield.core import files
from datayield.report import plan_sentences
from tests.analysis.test_statistics import study_frame
from tests.conftest import REPO

PARTS = ("draw", "text", "rest")


def as_planned(f: Frame) -> PlannedCorpus:
    """The plan of the study that this frame came from."""
    draws: dict[str, dict[int, int]] = {}
    for (arm, n), m in f.scores.items():
        draws.setdefault(arm, {})[n] = len(m.draws)
    arms = tuple(PlannedArm(a, f.arms[a], draws[a]) for a in f.names)
    texts = next(iter(f.scores.values())).values.shape[1]
    return PlannedCorpus(arms, f.baseline, texts, f.pool, f.level, f.population == "new_texts")


@pytest.mark.parametrize("population", ["pool", "new_texts"])
def test_a_plan_of_the_same_study_foresees_what_the_study_saw(population: str) -> None:
    f = replace(study_frame(a=3.0, b=1.0, c=1.1), population=population)  # type: ignore[arg-type]
    saw = {x.budgets: x for x in claims.variance_components(f)}
    foreseen = planned_differences(as_planned(f), list(saw.values()))
    assert {x.budgets for x in foreseen} == {(200,), (400,), (200, 400)}
    for x in foreseen:
        assert x.measured and x.tests == saw[x.budgets].tests == 9
        assert (x.draws, x.texts) == (saw[x.budgets].draws, saw[x.budgets].texts)
        assert x.visible == pytest.approx(saw[x.budgets].visible, rel=1e-9)


def test_more_draws_and_texts_show_smaller_differences() -> None:
    plan = as_planned(study_frame(a=3.0, b=1.0))
    arms = tuple(replace(a, draws=dict.fromkeys(a.draws, 12)) for a in plan.arms)
    base, draws, texts = (
        {x.budgets: x.visible for x in planned_differences(p, [])}
        for p in (plan, replace(plan, arms=arms), replace(plan, texts=10 * plan.texts))
    )
    for budgets, visible in base.items():
        assert draws[budgets] < visible > texts[budgets]
    one = tuple(replace(a, draws=dict.fromkeys(a.draws, 1)) for a in plan.arms)
    assert planned_differences(replace(plan, arms=one), []) == ()


def test_another_budget_lies_between_those_that_were_measured() -> None:
    f = study_frame(a=3.0, b=1.0)
    plan, known = as_planned(f), claims.variance_components(f)
    arms = tuple(replace(a, draws=dict.fromkeys((200, 283, 400), 6)) for a in plan.arms)
    found = {x.budgets: x for x in planned_differences(replace(plan, arms=arms), known)}
    ends = sorted((found[200,].visible, found[400,].visible))
    assert ends[0] <= found[283,].visible <= ends[1] and found[283,].measured
    assert not found[200, 283, 400].visible > min(ends), "a mean is steadier than its parts"


def said(*found: PlannedDifference) -> Sequence[str]:
    return plan_sentences.sentences(found)


def test_sentences() -> None:
    one = PlannedDifference("lstm:plain", (300,), 10, 5000, 16, 0.0151, 0.01, 24, 0.004, False)
    mean = replace(one, budgets=(300, 1000), visible=0.006, draws_needed=4)
    assert said(one, replace(one, budgets=(1000,), visible=0.012), mean) == [
        "sees differences from lstm:plain of 1.5 points at 300 labels, 1.2 points at 1,000 labels and"
        " 0.6 points on the mean over budgets (in 80 of 100 such studies; spread as in the"
        " default study of pydocs)",
        "  1.0 points on the mean over budgets: 4 draws show them, 10 are planned",
    ]
    assert said(replace(one, visible=1.2, draws=2, texts=18)) == [
        "sees no difference from lstm:plain, however large: 2 draws and 18 test texts are too few"
    ]
    (first, second) = said(
        replace(one, measured=True, draws_needed=None, resolution=0.005, reachable=0.008)
    )
    assert "spread as measured here before" in first and "1.5 points at 300 labels (in 80" in first
    assert second == (
        "  0.5 points at 300 labels: not even 100 draws show them, they show 0.8; more test texts would help"
    )


def test_the_reference_is_what_the_default_study_measured() -> None:
    """`python -m tests.analysis.test_planned_difference` prints it, to be pasted after a new showcase."""
    parts, correlation = measured_by_default_study()
    assert parts.keys() == REFERENCE.keys()
    for n, known in REFERENCE.items():
        for part in ("draw", "text", "rest"):
            assert getattr(known, part) == pytest.approx(getattr(parts[n], part), rel=0.01)
    assert pytest.approx(correlation, abs=0.005) == REFERENCE_CORRELATION


def measured_by_default_study() -> tuple[dict[int, VarianceComponents], tuple[float, ...]]:
    """Components by budget, and their correlation between budgets, from the table of the showcase."""
    table = REPO / "reports" / "showcase" / "default" / "tables" / "components.csv"
    with table.open() as lines:
        rows = [r for r in csv.DictReader(lines) if r["baseline"] == "lstm:plain"]
    parts = {r["budgets"]: [float(r[f"components.{p}"]) for p in PARTS] for r in rows}
    mean = max(parts, key=len)
    single = {int(b): v for b, v in parts.items() if b in mean.split()}
    of_mean = np.array(parts[mean]) / np.mean(list(single.values()), axis=0)
    count = len(single)
    correlation = np.clip((count * of_mean - 1) / (count - 1), 0, 1)
    return (
        {n: VarianceComponents(*v, prior=None, contrasts=0) for n, v in sorted(single.items())},
        tuple(float(x) for x in correlation),
    )


def test_statistics_of_another_version_are_named_and_not_used(tmp_path: Path) -> None:
    folder = tmp_path / "reports" / "old"
    folder.mkdir(parents=True)
    files.write_json({"version": statistics.VERSION - 1}, folder / "statistics.json")
    counted = {"corpus": "x", "test": 100, "pool": 500, "draws": [], "arms": {}, "notices": ["a"]}
    params = load(REPO / "params.yaml")
    found = plan_sentences.with_differences(params, {"corpora": [counted]}, tmp_path)
    (of_corpus,) = found["corpora"]
    first, second = of_corpus["notices"]
    assert first == "a" and second.startswith("not used for this plan:") and "version" in second
    assert of_corpus["sees"] == [] and of_corpus["differences"] == []


if __name__ == "__main__":
    found, correlation = measured_by_default_study()
    for n, x in found.items():
        print(f"    {n}: VarianceComponents({x.draw:.2e}, {x.text:.2e}, {x.rest:.2e}, None, 0),")
    print(f"REFERENCE_CORRELATION = {tuple(round(x, 2) for x in correlation)}")
