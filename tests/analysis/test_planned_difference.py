"""What a plan says of the differences that a study will see, against what the study sees."""

import csv
import re
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from datayield.analysis import claims, planned_difference, statistics
from datayield.analysis.frame import Frame
from datayield.analysis.planned_difference import (
    GROWTH,
    REFERENCE,
    REFERENCE_CORRELATION,
    PlannedArm,
    PlannedCorpus,
    PlannedDifference,
    planned_differences,
    unforeseen,
)
from datayield.analysis.visible_difference import VarianceComponents
from datayield.config import load, load_text, own_data
from datayield.core import files
from datayield.report import plan_sentences
from datayield.study import grid
from datayield.study.arms import describe
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


@pytest.mark.parametrize(
    ("population", "pool"), [("pool", 700), ("new_texts", 20_000), ("new_texts", 700)]
)
def test_a_plan_of_the_same_study_foresees_what_the_study_saw(population: str, pool: int) -> None:
    """At a pool of 700 the study says nothing about new texts at 400 labels, and so does the plan."""
    f = study_frame(a=3.0, b=1.0, c=1.1)
    f = replace(f, population=population, pool=pool)  # type: ignore[arg-type]
    saw = {x.budgets: x for x in claims.variance_components(f)}
    rows, means = claims.claims(f)
    tests = sum(x.claim is not None for x in (*rows, *means))
    foreseen = planned_differences(as_planned(f), [list(saw.values())])
    refused = (population, pool) == ("new_texts", 700)
    assert tests == (3 if refused else 9)
    assert [x.budgets for x in foreseen] == ([(200,)] if refused else [(200,), (400,), (200, 400)])
    for x in foreseen:
        assert x.measured and x.tests == saw[x.budgets].tests == tests
        assert (x.draws, x.texts) == (saw[x.budgets].draws, saw[x.budgets].texts)
        assert x.visible == pytest.approx(saw[x.budgets].visible, rel=1e-9)


def with_draws(plan: PlannedCorpus, **draws: dict[int, int]) -> PlannedCorpus:
    """The plan with other draws of some arms, or of all that are not named."""
    arms = tuple(
        replace(a, draws=draws.get(a.name.removeprefix("lstm:"), draws.get("all", a.draws)))
        for a in plan.arms
    )
    return replace(plan, arms=arms)


def test_more_draws_and_texts_show_smaller_differences() -> None:
    plan = as_planned(study_frame(a=3.0, b=1.0))
    more = with_draws(plan, all={200: 12, 400: 12})
    base, draws, texts = (
        {x.budgets: x.visible for x in planned_differences(p, [])}
        for p in (plan, more, replace(plan, texts=10 * plan.texts))
    )
    for budgets, visible in base.items():
        assert draws[budgets] < visible > texts[budgets]


def test_the_draws_are_those_of_the_strategies() -> None:
    plan = as_planned(study_frame(a=3.0, b=1.0))
    few, fewest = {200: 3, 400: 3}, {200: 2, 400: 2}
    found = planned_differences(with_draws(plan, a=few, b=fewest), [])
    assert {x.draws for x in found} == {2}, "not the six of plain and the twin"


def test_a_mean_is_foreseen_where_a_strategy_has_it() -> None:
    plan = as_planned(study_frame(a=3.0, b=1.0))
    found = planned_differences(with_draws(plan, a={200: 6}, b={200: 6}), [])
    assert [(x.budgets, x.tests) for x in found] == [((200,), 2)], "the twin's mean is nobody's"
    other = planned_differences(with_draws(plan, a={200: 6}), [])
    assert [x.budgets for x in other] == [(200,), (400,), (200, 400)] and other[0].tests == 4


def test_what_is_not_foreseen_is_named() -> None:
    plan = as_planned(study_frame(a=3.0, b=1.0))
    once = with_draws(plan, all={200: 1, 400: 1})
    assert planned_differences(once, []) == () and unforeseen(once) == ("lstm:a", "lstm:b")
    assert unforeseen(plan) == () and unforeseen(with_draws(plan, a={200: 1})) == ("lstm:a",)
    without = replace(plan, arms=tuple(a for a in plan.arms if a.name != "lstm:plain"))
    assert planned_differences(without, []) == () and unforeseen(without) == ("lstm:a", "lstm:b")
    other = tuple(replace(a, name=a.name.replace("lstm:a", "gru:a")) for a in plan.arms)
    assert unforeseen(replace(plan, arms=other)) == ("gru:a",)
    checks = tuple(a for a in plan.arms if a.described.role != "strategy")
    none = replace(plan, arms=checks)
    assert planned_differences(none, []) == () and unforeseen(none) == ()


def test_another_budget_lies_between_those_that_were_measured() -> None:
    f = study_frame(a=3.0, b=1.0)
    plan, known = as_planned(f), claims.variance_components(f)
    wanted = with_draws(plan, all=dict.fromkeys((200, 283, 400), 6))
    found = {x.budgets: x for x in planned_differences(wanted, [[], known])}
    ends = sorted((found[200,].visible, found[400,].visible))
    assert ends[0] <= found[283,].visible <= ends[1] and found[283,].measured
    assert not found[200, 283, 400].visible > min(ends), "a mean is steadier than its parts"


def test_components_between_and_below_the_known_budgets() -> None:
    known = {
        300: VarianceComponents(0.0, 1e-3, 0.1, None, 0),
        1200: VarianceComponents(4e-5, 3e-3, 0.3, 9.0, 0),
    }
    middle = planned_difference._at(600, known)
    assert (middle.draw, middle.text, middle.rest) == pytest.approx((2e-5, 2e-3, 0.2))
    below = planned_difference._at(100, {300: known[1200]})
    assert below.draw == pytest.approx(4e-5 * 3**GROWTH) and below.text == 3e-3
    assert planned_difference._at(5000, known) == replace(known[1200], prior=9.0)


def test_only_the_same_texts_and_metric_are_measured_here() -> None:
    f = study_frame(a=3.0, b=1.0)
    corpus = SimpleNamespace(
        corpus="x", digest="d", metric="accuracy", components=claims.variance_components(f)
    )
    study = SimpleNamespace(corpora=(corpus,))
    same = {"corpus": "x", "digest": "d", "metric": "accuracy"}
    assert plan_sentences._components([study], same) == [corpus.components]
    for other in ({"digest": "e"}, {"metric": "macro_f1"}, {"corpus": "y"}):
        assert plan_sentences._components([study], same | other) == []


def said(*found: PlannedDifference) -> Sequence[str]:
    return plan_sentences.sentences(found, ())


def test_sentences() -> None:
    one = PlannedDifference("lstm:plain", (300,), 10, 5000, 16, 0.0151, 0.01, 24, 0.004, False)
    mean = replace(one, budgets=(300, 1000), visible=0.006, draws_needed=4)
    assert said(one, replace(one, budgets=(1000,), visible=0.012), mean) == [
        "sees differences from lstm:plain of 1.5 points at 300 labels, 1.2 points at 1,000 labels and"
        " 0.6 points on the mean over 300 and 1,000, in 80 of 100 such studies",
        "  (of strategies that vary from draw to draw as most do; spread as in the default study of pydocs)",
        "  1.0 points on the mean over 300 and 1,000: 4 draws show them, 10 are planned",
    ]
    assert said(replace(one, visible=1.2, draws=2, texts=18)) == [
        "sees no difference from lstm:plain, however large: 2 draws and 18 test texts are too few"
    ]
    beyond = replace(one, measured=True, draws_needed=None, resolution=0.005, reachable=0.008)
    first, source, second = said(beyond)
    assert "1.5 points at 300 labels, in 80" in first and "spread as measured here before" in source
    assert second == (
        "  0.5 points at 300 labels: too few for any number of draws; 100 draws show 0.8; more test"
        " texts show less"
    )
    assert plan_sentences.sentences((), ("lstm:a", "lstm:b")) == [
        "how small a difference it sees is not foreseen for lstm:a and lstm:b: one draw, no baseline in"
        " the grid, or a baseline of another architecture"
    ]


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
    counted = {
        "corpus": "x", "digest": "d", "metric": "accuracy", "test": 100, "pool": 500, "draws": [], "arms": {},
    }  # fmt: skip
    params = load(REPO / "params.yaml")
    found = plan_sentences.with_differences(params, {"corpora": [counted, counted]}, tmp_path)
    (notice,) = found["unused"]
    assert "reports/old/statistics.json is of another version" in notice
    assert all(c["sees"] == [] and c["differences"] == [] for c in found["corpora"])


if __name__ == "__main__":
    found, correlation = measured_by_default_study()
    for n, x in found.items():
        print(f"    {n}: VarianceComponents({x.draw:.2e}, {x.text:.2e}, {x.rest:.2e}, None, 0),")
    print(f"REFERENCE_CORRELATION = {tuple(round(x, 2) for x in correlation)}")


def own_plan(
    rows: int, share: float, budget: int | None, root: Path, draws: int = own_data.DRAWS
) -> tuple[list[float], list[str]]:
    """The visible differences that the plan of a file prints, budget by budget, and its sentences."""
    source = {
        "loader": "file", "path": "a.csv", "sha256": "0" * 64, "text": "t", "label": "y",
        "format": "csv", "test_share": share, "settled": rows,
    }  # fmt: skip
    test = round(share * rows)
    options = own_data.OwnStudyOptions("a", budget, draws)
    params = load_text(own_data.params_text(options, source, rows - test, ("x", "y")))
    entries = grid.arms_and_budgets(params, rows - test)[0]
    counts = grid.draws_of(params, rows - test)
    counted = {
        "corpus": "a", "digest": "d", "metric": "accuracy", "test": test, "pool": rows - test,
        "draws": [[str(a), n, counts[a, n]] for a, n in entries],
        "arms": {str(a): describe(a) for a, _ in entries},
    }  # fmt: skip
    (found,) = plan_sentences.with_differences(params, {"corpora": [counted]}, root)["corpora"]
    return [x["visible"] for x in found["differences"] if x["baseline"] == "lstm:plain"], found[
        "sees"
    ]


@pytest.mark.parametrize(
    ("rows", "budget"),
    [(300, None), (1000, None), (1000, 400), (1000, 850), (3000, None), (4900, 2000)],
)
def test_a_small_file_gets_a_test_set_that_can_decide(
    rows: int, budget: int | None, tmp_path: Path
) -> None:
    """Half of the texts at most, so many that differences show, and never so many that a budget is lost."""
    share = own_data.test_share(rows, budget)
    seen, sentences = own_plan(rows, share, budget, tmp_path)
    tenth, _ = own_plan(rows, 0.1, budget, tmp_path)
    if share > 0.1:
        assert seen[-1] < 0.9 * tenth[-1]
        assert f"test set: {round(share * rows):,} of {rows:,} texts, so that" in sentences[0]
    pool = rows - round(share * rows)
    assert pool >= (budget or 0) and pool >= rows / 2
    assert share * rows <= own_data.TEST_TEXTS + rows / 100


def test_no_plan_sees_differences_beyond_a_hundred_points(tmp_path: Path) -> None:
    _, sentences = own_plan(300, own_data.test_share(300, None), None, tmp_path, draws=2)
    sizes = re.findall(r"([\d.]+) points", " ".join(sentences))
    assert sizes and max(map(float, sizes)) < 100
    assert "(with a tenth of the texts: none at all)" in sentences[0]


def test_a_large_file_is_tested_on_a_tenth(tmp_path: Path) -> None:
    assert own_data.test_share(50_000, None) == 0.1
    _, sentences = own_plan(50_000, 0.1, None, tmp_path)
    assert not any("test set" in s for s in sentences)
