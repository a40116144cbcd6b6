"""Intervals, multipliers, corrections: against direct computations and known truths."""

import warnings
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from scipy.stats import t as student

from datayield.analysis import claims, comparisons
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import holm, spread, two_way
from datayield.analysis.multipliers import at, equivalent_labels, invert
from datayield.analysis.recommend import recommend
from datayield.analysis.robustness import still_rising
from datayield.analysis.scores import Measured
from datayield.analysis.statements import ArmDescription, ExpectedResult
from tests.calibration.simulate import Study, simulate

TABLES = arrays(
    np.float64,
    st.tuples(st.integers(2, 6), st.integers(2, 30)),
    elements=st.sampled_from([-1.0, 0.0, 1.0]),
)


@settings(deadline=None)
@given(TABLES)
def test_variance_equals_sums_of_squares_of_the_two_way_layout(x: np.ndarray) -> None:
    """The same from mean squares: V = (MSdraw + MStext - MSrest) / (D m), floored."""
    draws, texts = x.shape
    mean = x.mean()
    ms_draw = texts * ((x.mean(1) - mean) ** 2).sum() / (draws - 1)
    ms_text = draws * ((x.mean(0) - mean) ** 2).sum() / (texts - 1)
    rest = sum(
        (x[k, i] - x[k].mean() - x[:, i].mean() + mean) ** 2
        for k in range(draws)
        for i in range(texts)
    )
    ms_rest = rest / ((draws - 1) * (texts - 1))
    size = draws * texts
    direct = max((ms_draw + ms_text - ms_rest) / size, ms_draw / size, ms_text / size)
    assert spread(x).variance == pytest.approx(direct, abs=1e-12)


@settings(deadline=None)
@given(TABLES)
def test_swapping_the_arms_mirrors_the_interval(x: np.ndarray) -> None:
    a, b = two_way(x, 0.95), two_way(-x, 0.95)
    assert a.low == pytest.approx(-b.high) and a.p == pytest.approx(b.p)


def test_without_text_variance_it_is_the_t_interval_over_draws() -> None:
    x = np.repeat(np.array([[0.1], [0.3], [0.8]]), 500, axis=1)
    found = two_way(x, 0.9)
    half = student.ppf(0.95, 2) * x[:, 0].std(ddof=1) / np.sqrt(3)
    assert found.high == pytest.approx(0.4 + half)


def test_refusals_name_their_reason() -> None:
    x = np.random.default_rng(0).integers(0, 2, (3, 50)).astype(float)
    one = two_way(x[:1], 0.95)
    assert one.low is None and "one draw" in one.reason and not one.excludes_zero
    many = two_way(x, 0.95, "new_texts", 0.6)
    assert many.low is None and "60%" in many.reason
    near, far = two_way(x, 0.95, "pool"), two_way(x, 0.95, "new_texts", 0.3)
    assert far.high - far.low > near.high - near.low


def test_holm_equals_the_textbook() -> None:
    # Holm (1979) by hand: 4 x .005, 3 x .01, 2 x .03, 1 x .04 with running maximum.
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([]) == [] and holm([0.9, 0.8]) == [1.0, 1.0]


def test_curve_is_linear_in_log_n_and_inverts() -> None:
    curve = {100: np.full((2, 4), 0.5), 400: np.full((2, 4), 0.7)}
    assert at(curve, 200)[0, 0] == pytest.approx(0.6)
    assert invert(curve, 0.6) == (pytest.approx(200), None)
    assert invert(curve, 0.4) == (None, "below") and invert(curve, 0.8) == (None, "above")


def test_an_arm_equal_to_its_baseline_is_worth_one() -> None:
    study = simulate(Study(draws=4, effects={"twin": 1.0}), seed=1)
    curve = study["plain"]
    itself = equivalent_labels(curve[400], curve, 0.95).scaled(400)
    assert itself.point == pytest.approx(1) and itself.low <= 1 <= itself.high
    twin = equivalent_labels(study["twin"][400], curve, 0.95).scaled(400)
    assert twin.low < 1 < twin.high and twin.low <= twin.point <= twin.high


def test_open_ends_are_open() -> None:
    study = simulate(Study(draws=4), seed=1)
    curve = study["plain"]
    top, bottom = (
        equivalent_labels(np.ones_like(curve[100]), curve, 0.95),
        equivalent_labels(np.zeros_like(curve[100]), curve, 0.95),
    )
    assert (top.point, top.high, top.side) == (None, None, "above") and top.low == max(curve)
    assert (bottom.point, bottom.low, bottom.side) == (None, None, "below")
    largest = equivalent_labels(curve[max(curve)], curve, 0.95)
    assert largest.high is None and largest.low <= max(curve)


def study_frame(draws: int = 6, seed: int = 3, **effects: float) -> Frame:
    study = simulate(Study(draws=draws, effects={"twin": 1.0, **effects}), seed=seed)
    scores = {
        ("lstm:" + arm, n): Measured(tuple(range(draws)), hits, hits, hits[:, :200].mean(1), draws)
        for arm, curve in study.items()
        for n, hits in curve.items()
    }
    roles = {
        "lstm:plain": ArmDescription("plain"),
        "lstm:twin": ArmDescription("check", expected=ExpectedResult("lstm:plain")),
    }
    arms = {a: roles.get(a, ArmDescription("strategy")) for a, _ in scores}
    return Frame(scores, arms, "lstm:plain", 0.95, "pool", 20_000)


def test_a_large_effect_is_found_and_counted_in_labels() -> None:
    f = study_frame(strong=3.0)
    found = [d for d in claims.differences(f) if d.arm == "lstm:strong"]
    assert all(d.claim.verdict == "helps" and d.claim.p >= d.difference.p for d in found)
    assert all(d.claim.interval.low < d.difference.low for d in found)
    m = next(m for m in comparisons.multipliers(f, None) if (m.arm, m.n) == ("lstm:strong", 200))
    assert m.multiplier.low < 3 < m.multiplier.high
    assert m.saving.point == pytest.approx(1 - 1 / m.multiplier.point)


def test_a_useless_arm_differs_nowhere() -> None:
    f = study_frame(useless=1.0)
    rows, means = claims.claims(f)
    found = [d.claim for d in (*rows, *means) if d.arm == "lstm:useless"]
    assert len(found) == 3 and not any(c.verdict in ("helps", "harms") for c in found)
    assert all(c.tests == 3 and c.visible > 0 for c in found)


def test_the_best_by_validation_carries_a_wider_interval() -> None:
    f = study_frame(a=1.5, b=1.2, c=1.0)
    best = next(r for r in recommend(f) if r.n == 400)
    plain = next(d.difference for d in claims.differences(f) if (d.arm, d.n) == (best.arm, 400))
    assert best.of == 4 and best.difference is not None and best.difference.level > 0.95
    assert best.difference.high - best.difference.low > plain.high - plain.low


def test_a_pick_without_a_common_draw_has_no_difference() -> None:
    """Cells fail: the best arm was computed on other draws than the baseline."""
    f = study_frame(a=3.0, b=1.2)
    scores = dict(f.scores)
    m = scores["lstm:a", 400]
    scores["lstm:a", 400] = replace(
        m, draws=tuple(d + 10 for d in m.draws), validation=m.validation + 9
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        (best,) = [r for r in recommend(replace(f, scores=scores)) if r.n == 400]
    assert best.arm == "lstm:a" and best.difference is None


def test_checks_hold_for_a_twin_and_not_for_an_impostor() -> None:
    same = {key: dict.fromkeys(m.draws, "same") for key, m in study_frame().scores.items()}
    assert all(k.holds for k in comparisons.checks(study_frame(), same) if k.n == 400)
    broken = comparisons.checks(study_frame(twin=4.0), same)
    assert any(not k.holds for k in broken)


def test_a_control_with_settings_of_its_own_need_not_equal_its_arm() -> None:
    f = study_frame(twin=4.0)
    same = {key: dict.fromkeys(m.draws, "same") for key, m in f.scores.items()}
    own = {key: {0: "searched"} if key[0] == "lstm:twin" else v for key, v in same.items()}
    found = [k for k in comparisons.checks(f, own) if k.expected_multiplier is None]
    assert found and all(k.holds is None and not k.same_settings for k in found)
    # What equals no network, as permuted labels equal the majority, has nothing to share.
    alone = {key: {0: "searched"} for key in f.scores if key[0] == "lstm:twin"}
    assert all(
        k.same_settings for k in comparisons.checks(f, alone) if k.expected_multiplier is None
    )
    # A draw that one side lacks switches no check off.
    less = {key: {0: "same"} if key[0] == "lstm:twin" else v for key, v in same.items()}
    found = [k for k in comparisons.checks(f, less) if k.expected_multiplier is None]
    assert all(k.same_settings for k in found) and any(k.holds is False for k in found)


def test_interactions_are_what_the_parts_do_not_explain() -> None:
    f = study_frame()
    scores = dict(f.scores)
    for name, gain in (("a", 0.25), ("b", 0.5), ("a+b", 1.0)):
        for n in (200, 400):
            plain = f.scores["lstm:plain", n]
            scores[f"lstm:{name}", n] = replace(plain, hits=plain.hits + gain)
    scores["lstm:a+c", 200] = scores["lstm:a", 200]  # c was never run alone
    found = comparisons.interactions(replace(f, scores=scores))
    assert [(i.arm, i.n) for i in found] == [("lstm:a+b", 200), ("lstm:a+b", 400)]
    assert all(i.interaction.estimate == pytest.approx(0.25) for i in found)


def test_different_test_sets_are_never_paired() -> None:
    from datayield.analysis.scores import gather
    from datayield.core.errors import UserError

    line = {"arm": "a", "n": 10, "draw": 0, "hits": b"\x80", "test_size": 8}
    lines = [{**line, "validation_accuracy": 0.1, "test_digest": d} for d in ("x:8", "y:8")]
    with pytest.raises(UserError, match="2 different test sets"):
        gather(lines, np.zeros(8, int), "accuracy")


def test_macro_f1_as_one_value_per_text() -> None:
    from sklearn.metrics import f1_score

    from datayield.analysis.scores import f1_values

    rng = np.random.default_rng(1)
    truth = rng.choice(4, 200, p=[0.7, 0.2, 0.07, 0.03])
    predicted = np.where(rng.random(200) < 0.7, truth, rng.integers(0, 4, 200))
    values = f1_values(predicted, truth)
    assert values.mean() == pytest.approx(f1_score(truth, predicted, average="macro"))
    kept = np.arange(200) != 17
    leaving = f1_score(truth[kept], predicted[kept], average="macro")
    gap = 200 * values.mean() - 199 * leaving
    other = int(np.flatnonzero((truth == truth[17]) & (predicted == predicted[17]))[-1])
    assert values[17] == values[other]  # only its class and its prediction count
    assert values[17] - values[0] == pytest.approx(
        gap - (200 * values.mean() - 199 * f1_score(truth[1:], predicted[1:], average="macro"))
    )


def test_the_interval_of_macro_f1_covers_its_truth() -> None:
    """Draws and texts simulated: true macro-F1 from two million texts; 95 % nominal."""
    from datayield.analysis.scores import f1_values

    rng = np.random.default_rng(5)

    def guesses(truth: np.ndarray, skill: float) -> np.ndarray:
        return np.where(rng.random(len(truth)) < skill, truth, rng.integers(0, 3, len(truth)))

    skills = 0.7 + 0.03 * rng.standard_normal((400, 5))
    big = rng.choice(3, 400_000, p=[0.8, 0.15, 0.05])
    wanted = np.mean(
        [f1_values(guesses(big, s), big).mean() for s in 0.7 + 0.03 * rng.standard_normal(40)]
    )
    covered = 0
    for own in skills:
        truth = rng.choice(3, 600, p=[0.8, 0.15, 0.05])
        x = np.array([f1_values(guesses(truth, s), truth) for s in own])
        found = two_way(x, 0.95)
        covered += found.low <= wanted <= found.high
    assert 0.92 <= covered / 400 <= 0.98


def test_an_arm_whose_training_ended_too_early_is_found() -> None:
    """Nothing is said of one draw, of noise, or of the first of two rises."""
    rng = np.random.default_rng(3)

    def lines(arm: str, n: int, draws: int, *curve: float) -> list[dict[str, object]]:
        return [
            {"arm": arm, "n": n, "draw": d, "seed": s, "round": r,
             "validation_accuracy": a + rng.normal(0, 0.004) if a is not None else float("nan")}
            for d in range(draws) for s in range(2) for r, a in enumerate(curve)
        ]  # fmt: skip

    history = [
        *lines("lstm:slow", 2000, 5, 0.5, None, 0.6, None, 0.66),
        *lines("lstm:done", 2000, 5, 0.5, 0.7, 0.7),
        *lines("lstm:slow", 500, 1, 0.5, 0.6),
        *lines("lstm:once", 500, 5, 0.5),
    ]
    found = still_rising(rng.permutation(history).tolist(), 0.95)
    assert found.of == 2
    (row,) = found.rows
    assert (row.arm, row.n) == ("lstm:slow", 2000)
    assert row.low < row.estimate < row.high and abs(row.estimate - 0.06) < 0.01
