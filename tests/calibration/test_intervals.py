"""The calibration in small, on every run; `make calibrate` runs 2,000 studies per number of draws."""

from dataclasses import replace

import numpy as np
import pytest

from datayield.analysis import curve_tests, frame, intervals
from datayield.analysis.intervals import Components
from tests.calibration import families, races
from tests.calibration.measure import DRAWS, NAMES, broken, run, table
from tests.calibration.simulate import FAMILIES, Made, Study, make, true_multiplier, truth

STUDIES = 160
FAMILIES_OF_CLAIMS = 400  # studies of each kind: these are cheap
SLACK = 3.0  # standard errors of a share counted over so few studies

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("draws", DRAWS[:3])
def test_statements_are_as_often_true_as_they_claim(draws: int) -> None:
    counts = run(draws, STUDIES)
    assert broken(draws, counts, SLACK) == [], table({draws: counts})
    assert set(NAMES) <= set(counts)


def test_leaving_out_the_test_texts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: variance components without the test set's."""
    whole = intervals.components

    def over_draws(z: np.ndarray) -> Components:
        c = whole(z)
        return replace(c, text=0 * c.text, rest=0 * c.rest)

    for module in (intervals, curve_tests, frame):
        monkeypatch.setattr(module, "components", over_draws)
    found = broken(10, run(10, STUDIES), SLACK)
    assert any("target" in line for line in found), found


@pytest.mark.parametrize(
    "case", [families.CASES[i] for i in (0, 1, 6, 12, 15)], ids=lambda case: case.name
)
def test_families_of_claims_are_seldom_wrong(case: families.Case) -> None:
    found = {case.name: families.run(case, FAMILIES_OF_CLAIMS)}
    assert families.broken(found, FAMILIES_OF_CLAIMS) == [], families.table(found)


def test_claims_from_each_contrasts_own_spread_are_noticed() -> None:
    """The planted fault: no pooling, where three draws agree by luck."""
    (case,) = (c for c in families.CASES if c.name == "9 strategies, 2 draws")
    counts = families.run(case, FAMILIES_OF_CLAIMS)
    alone = {**counts, "family": counts["own family"]}
    assert any(
        "family-wise" in line for line in families.broken({case.name: alone}, FAMILIES_OF_CLAIMS)
    )


@pytest.mark.parametrize(
    "plan", [families.LOOKS[i] for i in (0, 2, 5)], ids=lambda plan: plan.case.name
)
def test_studies_that_end_when_they_have_seen_enough_are_seldom_wrong(plan: families.Plan) -> None:
    found = {plan.case.name: families.run_by_looks(plan, FAMILIES_OF_CLAIMS)}
    assert families.broken_looks(found, FAMILIES_OF_CLAIMS) == [], found


@pytest.mark.parametrize("case", races.RACES[:3], ids=lambda case: case.name)
def test_claims_after_a_race_are_seldom_wrong(case: families.Case) -> None:
    found = {case.name: races.run(case, FAMILIES_OF_CLAIMS)}
    assert races.broken(found, FAMILIES_OF_CLAIMS) == [], races.table(found)


def test_claims_from_the_draws_that_ranked_are_noticed() -> None:
    """The planted fault: the best of a race are judged on the draws that chose them."""
    case = replace(races.RACES[0], draws=5)
    rng, wrong = np.random.default_rng(3), []
    for _ in range(FAMILIES_OF_CLAIMS):
        trained = families.train(case, rng)
        best = np.argsort(-trained.gaps[:, -1].mean(1))[:5]
        wrong.append(bool((races.judged(case, trained, best, rng).claimed != 0).any()))
    counts = {case.name: {"family": float(np.mean(wrong))}}
    assert races.broken(counts, FAMILIES_OF_CLAIMS)


@pytest.mark.parametrize("column", [0, 2, 3])
def test_the_smallest_visible_difference_is_seen_four_times_out_of_five(column: int) -> None:
    case = families.DESIGNS[-1]  # the mean over budgets is the last column
    assert 0.72 <= families.power_at_visible(case, column, FAMILIES_OF_CLAIMS) <= 0.92


@pytest.mark.parametrize("family", FAMILIES)
def test_the_simulated_accuracy_is_the_true_one(family: str) -> None:
    """The mean over many studies of one pool's law equals what coverage is counted against."""
    study = Study(draws=4, texts=400, effects={"arm": 2.0}, family=family, failed=0.01)
    gaps, worth = [], []
    for seed in range(150):
        made = make(study, seed)
        gaps.append(np.nanmean(made.cells["arm"][400]) - truth(study, made, "arm", 400))
        worth.append(true_multiplier(study, made, "arm", 400, "new_texts"))
    error = np.std(gaps) / np.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 4 * error
    assert worth == pytest.approx([2.0] * 150, rel=0.02)  # but for the draws' own spread


def test_a_draw_of_the_whole_pool_is_no_sample() -> None:
    study = Study(draws=3, pool=1600, noise_sd=0.0)
    made = make(study, 1)
    shift = Made({}, made.tuning, made.pool_shift)
    far = truth(study, shift, "plain", 1600) - truth(study, shift, "plain", 1600, "new_texts")
    assert far != 0  # this pool differs from all texts
    means = made.cells["plain"][1600].mean(1)
    few = made.cells["plain"][100].mean(1)
    assert means.std(ddof=1) < few.std(ddof=1)
