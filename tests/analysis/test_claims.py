"""One family of claims per corpus, what a study can see, and faults of earlier procedures."""

from dataclasses import replace

import numpy as np
import pytest

from datayield.analysis import across_corpora, analyse, claims, comparisons, labels_needed
from datayield.analysis.intervals import Interval
from datayield.analysis.spreads import MEAN
from datayield.analysis.statements import ArmDescription
from datayield.analysis.visible_difference import (
    Design,
    VarianceComponents,
    draws_needed,
    visible_difference,
)
from tests.analysis.test_statistics import study_frame
from tests.calibration.simulate import Study, make

PARTS = VarianceComponents(draw=1e-4, text=0.018, rest=0.07, prior=None, contrasts=5)


def test_every_strategy_at_every_budget_and_its_mean_is_one_family() -> None:
    f = study_frame(a=3.0, b=1.0, c=1.1)
    rows, means = claims.claims(f)
    claimed = [d.claim for d in (*rows, *means) if d.claim]
    assert len(claimed) == 3 * (2 + 1) and {c.tests for c in claimed} == {9}
    assert not [d for d in rows if d.arm == "lstm:twin" and d.claim], "a check claims nothing"
    for d in (*rows, *means):
        if d.claim and d.claim.verdict in ("helps", "harms"):
            assert d.claim.interval.excludes_zero or 0 in (
                d.claim.interval.low,
                d.claim.interval.high,
            )
        if d.claim and d.claim.verdict == "undecided":
            assert d.claim.interval.low < 0 < d.claim.interval.high and d.claim.p > 0.05
    mean = next(d for d in means if d.arm == "lstm:a")
    own = [d.difference.estimate for d in rows if d.arm == "lstm:a"]
    assert mean.budgets == (200, 400) and mean.difference.estimate == pytest.approx(np.mean(own))


@pytest.mark.parametrize(
    ("estimate", "low", "high", "rejected", "verdict"),
    [
        (0.02, 0.01, 0.03, True, "helps"), (-0.02, -0.03, -0.01, True, "harms"),
        (0.002, -0.004, 0.008, False, "no gain of a point"), (-0.01, -0.04, 0.009, False, "no gain of a point"),
        (0.002, -0.004, 0.012, False, "undecided"),
    ],
)  # fmt: skip
def test_verdicts(estimate: float, low: float, high: float, rejected: bool, verdict: str) -> None:
    x = Interval(estimate, low, high, 0.95, "pool", 3)
    assert claims.verdict_of(x, rejected) == verdict


def test_a_claim_of_a_later_step_ends_its_interval_at_zero() -> None:
    x = Interval(0.02, -0.001, 0.041, 0.999, "pool", 3)
    assert (claims.cut_at_zero(x).low, claims.cut_at_zero(x).high) == (0.0, 0.041)
    below = replace(x, estimate=-0.02, low=-0.041, high=0.001)
    assert claims.cut_at_zero(below).high == 0.0
    sure = replace(x, low=0.01)
    assert claims.cut_at_zero(sure) == sure


# What a study can see


def test_more_draws_texts_and_fewer_tests_see_more() -> None:
    base = visible_difference(PARTS, Design(3, 1440, 20))
    assert base is not None
    for better in (Design(10, 1440, 20), Design(3, 4760, 20), Design(3, 1440, 4)):
        assert visible_difference(PARTS, better) < base
    assert visible_difference(replace(PARTS, contrasts=2), Design(3, 1440, 20)) > base
    assert visible_difference(PARTS, Design(1, 1440, 20)) is None
    assert visible_difference(PARTS, Design(3, 1440, 20, share=0.3)) > base, "of new texts"


def test_draws_needed_are_the_fewest_that_see_it() -> None:
    d = Design(3, 4760, 20)
    needed = draws_needed(PARTS, d, 0.012)
    assert needed is not None
    assert visible_difference(PARTS, replace(d, draws=needed)) <= 0.012
    assert visible_difference(PARTS, replace(d, draws=needed - 1)) > 0.012
    assert draws_needed(PARTS, Design(3, 100, 20), 0.012) is None, "the test texts blur more"


def test_components_repeat_the_study_that_they_come_from() -> None:
    f = study_frame(a=1.5, b=1.0, c=1.1)
    found = {c.budgets: c for c in claims.variance_components(f)}
    assert set(found) == {(200,), (400,), (200, 400)}
    at = found[400,]
    assert (at.draws, at.texts, at.tests, at.components.contrasts) == (6, 800, 9, 4)
    again = visible_difference(at.components, Design(at.draws, at.texts, at.tests))
    assert again == at.visible and found[200, 400].visible < at.visible
    own = [d.claim.visible for d in claims.differences(f) if d.claim and d.n == 400]
    assert min(own) < at.visible < max(own), "what the arms of the study show, on average"


# Faults of earlier procedures


def test_one_budget_with_one_draw_silences_no_other() -> None:
    f = study_frame(draws=4, strong=5.0, b=1.0, c=1.0)
    scores = dict(f.scores)
    m = scores["lstm:strong", 200]
    scores["lstm:strong", 200] = replace(
        m, draws=m.draws[:1], hits=m.hits[:1], f1=m.f1[:1], validation=m.validation[:1]
    )
    rows, means = claims.claims(replace(f, scores=scores))
    found = {d.n: d.claim for d in rows if d.arm == "lstm:strong"}
    assert found[200] is None and found[400] is not None and found[400].verdict == "helps"
    assert not [d for d in means if d.arm == "lstm:strong"], "one budget has no mean of its own"


def test_new_texts_refused_at_the_largest_budget_leave_the_others() -> None:
    f = replace(study_frame(strong=6.0, b=1.0, c=1.0), population="new_texts", pool=700)
    found = {d.n: d.claim for d in claims.differences(f) if d.arm == "lstm:strong"}
    assert found[400] is None and found[200] is not None and found[200].verdict == "helps"


def test_the_whole_curve_answers_labels_to_a_target() -> None:
    """One draw of six is missing above 283 labels: the other five hold the curve."""
    f = study_frame(a=1.1)
    scores = dict(f.scores)
    for n in (n for n in f.budgets("lstm:plain") if n > 283):
        m = scores["lstm:plain", n]
        scores["lstm:plain", n] = replace(
            m, draws=m.draws[:-1], hits=m.hits[:-1], f1=m.f1[:-1], validation=m.validation[:-1]
        )
    f = replace(f, scores=scores)
    target = float(scores["lstm:plain", 800].hits.mean())
    (said,) = [t.labels for t in comparisons.to_target(f, target) if t.arm == "lstm:plain"]
    assert said.measured == (100, 1600) and said.point == pytest.approx(800, rel=0.05)
    assert said == labels_needed.labels(f, "lstm:plain", target).labels
    assert comparisons.multiplier(f, "lstm:a", 400, "lstm:plain") is not None


def test_an_arms_baseline_is_plain_of_its_own_architecture() -> None:
    """gru:s answers as gru:plain, which was run at one budget: no gain over lstm:plain is claimed."""
    f = study_frame(strong=4.0, b=1.0, c=1.0)
    m = f.scores["lstm:strong", 400]
    scores = {**f.scores, ("gru:plain", 400): m, ("gru:s", 400): m}
    arms = {**f.arms, "gru:plain": ArmDescription("plain"), "gru:s": ArmDescription("strategy")}
    f = replace(f, scores=scores, arms=arms)
    (row,) = [d for d in claims.differences(f) if d.arm == "gru:s"]
    assert row.baseline == "gru:plain" and row.difference.estimate == 0 and row.claim is None


def test_families_that_agree_are_a_sign_test() -> None:
    found = across_corpora.mean(np.full(5, 0.1), 0.95)
    assert found.p == pytest.approx(0.0625) and found.low is None and found.high is None


def test_one_label_more_costs_hardly_anything() -> None:
    f = study_frame()
    one = labels_needed.gain(f, "lstm:plain", 1600, 1)
    many = labels_needed.gain(f, "lstm:plain", 1600, 1600)
    assert abs(one.estimate) < 0.001 and one.low > -0.001, one
    assert many.low < one.low or many.low > 0


def test_majority_and_copies_of_plain_are_no_candidates() -> None:
    f = study_frame(a=1.5, b=1.0)
    m = f.scores["lstm:plain", 400]
    low = replace(m, hits=0 * m.hits, f1=0 * m.f1)
    scores = {**f.scores, ("majority", 400): low, ("lstm:copy", 400): m}
    arms = {
        **f.arms,
        "majority": ArmDescription("baseline"),
        "lstm:copy": ArmDescription("strategy"),
    }
    f = replace(f, scores=scores, arms=arms)
    assert set(comparisons.candidates(f, 400)) == {"lstm:plain", "lstm:a", "lstm:b"}
    assert not [d for d in claims.differences(f) if d.arm in ("majority", "lstm:copy") and d.claim]
    assert "lstm:copy" not in f.pools["lstm:plain"].lenders


def test_searches_are_simulated_budget_by_budget() -> None:
    made = make(Study(tuning_sd=0.05, effects={"arm": 1.5}), 1)
    assert len(set(made.tuning["plain"].values())) == len(made.tuning["plain"]) > 2


def test_one_network_trained_twice_is_told() -> None:
    f = study_frame(a=1.5)
    m = f.scores["lstm:plain", 400]
    f = replace(
        f,
        scores={**f.scores, ("lstm-64:plain", 400): m},
        arms={**f.arms, "lstm-64:plain": ArmDescription("plain")},
    )
    names = ["lstm-64:plain", "lstm:plain"]
    assert analyse.copied(f, "lstm:plain", 400, names) == "lstm-64"
    assert analyse.copied(f, "lstm-64:plain", 400, names) is None


# One multiplier for all budgets


def test_one_multiplier_for_all_budgets_is_narrower_than_each() -> None:
    f = study_frame(a=1.6, b=1.0, c=1.1)
    (whole,) = [m.multiplier for m in comparisons.shared_multipliers(f) if m.arm == "lstm:a"]
    each = [m.multiplier for m in comparisons.multipliers(f, None) if m.arm == "lstm:a"]
    assert whole.budgets == (200, 400) and whole.low < 1.6 < whole.high
    assert whole.measured == (0.5, 4.0) and MEAN not in whole.budgets
    ratios = [m.high / m.low for m in each if m.low and m.high]
    assert ratios and whole.high / whole.low < max(ratios)


def test_a_multiplier_beyond_the_curve_is_open() -> None:
    f = study_frame(huge=40.0, b=1.0, c=1.0)
    (m,) = [m.multiplier for m in comparisons.shared_multipliers(f) if m.arm == "lstm:huge"]
    assert m.side == "above" and m.high is None and m.low <= 4.0


@pytest.mark.parametrize("draws", [3, 6])
def test_what_is_visible_is_more_than_half_of_the_interval(draws: int) -> None:
    """A difference that is found in 80 % of studies is larger than one that is found in 50 %."""
    for seed in range(12):
        f = study_frame(draws, seed, a=1.5, b=1.0, c=1.0)
        for d in (*claims.claims(f)[0], *claims.claims(f)[1]):
            if d.claim and 0 not in (d.claim.interval.low, d.claim.interval.high):
                assert d.claim.visible > (d.claim.interval.high - d.claim.interval.low) / 2


def test_what_an_arm_of_its_own_spread_shows_follows_from_that_spread() -> None:
    """At 400 labels the arm is quiet by itself, but its interval takes over the luck that 200 shows."""
    f = study_frame(a=1.0, b=1.0, c=1.0, d=1.0)
    wild = f.scores["lstm:a", 200]
    hits = wild.hits.copy()
    hits[::2] = 1 - hits[::2]
    f = replace(f, scores={**f.scores, ("lstm:a", 200): replace(wild, hits=hits)})
    assert (
        "lstm:a" not in f.pools["lstm:plain"].lenders and "lstm:b" in f.pools["lstm:plain"].lenders
    )
    found = next(d.claim for d in claims.differences(f) if (d.arm, d.n) == ("lstm:a", 400))
    assert found.visible > (found.interval.high - found.interval.low) / 2
