"""Curves as formulas: planted parameters come back, failures are owned up to, refusals say why."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datayield.analysis.curve_fits import RIVALS, Fit, choose, fit, misfits, smoothed
from datayield.analysis.extrapolate import at_least, bounds, extrapolate, jackknife
from tests.calibration.simulate import BUDGETS, Study, simulate

N = np.array([100, 141, 200, 283, 400, 566, 800, 1131, 1600, 2263, 3200.0])
EVEN = np.ones(len(N))


@settings(deadline=None, max_examples=40)
@given(st.floats(0, 0.3), st.floats(0.2, 0.5), st.floats(0.1, 1.4), st.floats(0, 300))
def test_power_law_returns_planted_parameters(
    floor: float, start: float, c: float, d: float
) -> None:
    gain = start * (100 + d) ** c
    planted = Fit("power", floor, gain, (c, d))
    found = fit(N, planted.error(N), EVEN, "power")
    # The curve comes back everywhere; the parameters where the curve can tell them apart.
    far = np.array([120.0, 6400.0])
    assert found.error(N) == pytest.approx(planted.error(N), abs=2e-4)
    assert found.error(far) == pytest.approx(planted.error(far), abs=2e-3)


@pytest.mark.parametrize(
    "planted",
    [
        Fit("power", 0.1, 3.0, (0.45, 0.0)),
        Fit("power", 0.05, 30.0, (0.8, 120.0)),
        Fit("exponential", 0.12, 0.5, (1 / 500, 0.0)),
        Fit("mmf4", 0.08, 0.6, (1.1, 350.0)),
    ],
)
def test_each_family_returns_its_parameters_and_is_chosen(planted: Fit) -> None:
    error = planted.error(N)
    found = fit(N, error, EVEN, planted.family)
    assert found.floor == pytest.approx(planted.floor, abs=2e-3)
    assert found.gain == pytest.approx(planted.gain, rel=0.02)
    assert found.shape[0] == pytest.approx(planted.shape[0], rel=0.01)
    assert choose(misfits(N, error, EVEN)) == planted.family


def test_floor_and_gain_are_never_negative() -> None:
    rising = np.linspace(0.2, 0.6, len(N))  # an error that grows: the best fit is flat
    for family in RIVALS[:-1]:
        found = fit(N, rising, EVEN, family)
        assert found.gain == 0 and found.floor == pytest.approx(rising.mean())
    to_nothing = 1 - 1e-9 - 0.9 * np.log(N) / np.log(N[-1])
    assert all(fit(N, to_nothing, EVEN, f).floor >= 0 for f in RIVALS)


def test_few_budgets_are_not_fitted_and_seven_earn_a_shift() -> None:
    shifted = Fit("power", 0.05, 30.0, (0.8, 120.0))
    with pytest.raises(ValueError, match="5 budgets"):
        fit(N[:4], shifted.error(N[:4]), EVEN[:4], "power")
    assert fit(N[:6], shifted.error(N[:6]), EVEN[:6], "power").shape[1] == 0
    assert fit(N[:7], shifted.error(N[:7]), EVEN[:7], "power").shape[1] > 0
    assert misfits(N[:5], shifted.error(N[:5]), EVEN[:5]) == {} and choose({}) == "power"


def test_variances_are_smoothed_and_floored() -> None:
    line = 0.01 * N**-0.5
    assert smoothed(N, line, 0 * N) == pytest.approx(line)
    assert (smoothed(N, line, 0 * N + 1) == 1).all()


def test_the_jackknife_of_a_mean_is_its_variance() -> None:
    z = np.random.default_rng(0).normal(size=(2, 5, 400)) + np.arange(5)[None, :, None]
    estimate, variance, _ = jackknife(z, lambda means: means)
    by_draw = z.mean(2).var(1, ddof=1) / 5
    assert estimate == pytest.approx(z.mean((1, 2)))
    assert (variance >= by_draw - 1e-12).all() and variance == pytest.approx(by_draw, rel=0.05)


def curve(draws: int = 5, seed: int = 0, **study: object) -> dict[int, np.ndarray]:
    return simulate(Study(draws=draws, **study), seed)["plain"]


def test_both_backtests_predict_the_largest_budget() -> None:
    found = extrapolate(curve(), 0.95)
    assert found.reason is None and found.next.predicted == found.double.predicted == BUDGETS[-1]
    assert found.next.seen == BUDGETS[-2] and found.double.seen == BUDGETS[-1] // 2
    assert abs(found.next.miss) < abs(found.next.last_miss)
    assert found.misfit == max(abs(found.next.miss), abs(found.double.miss))


def test_the_largest_budget_chooses_nothing() -> None:
    plain = curve()
    lifted = {**plain, BUDGETS[-1]: np.ones_like(plain[BUDGETS[-1]])}
    a, b = extrapolate(plain, 0.95), extrapolate(lifted, 0.95)
    assert (a.fit.family, a.next.family) == (b.fit.family, b.next.family)
    assert b.next.miss < -0.1 and b.next.covered is False and b.misfit > 0.1


def test_beyond_the_curve_bounds_are_one_sided_and_grow_apart() -> None:
    made = curve(draws=8)
    found = extrapolate(made, 0.95)
    b = bounds(made, found)
    assert b.n[0] == BUDGETS[-1] and b.n[-1] == pytest.approx(2 * BUDGETS[-1])
    assert (b.low < b.estimate).all() and (b.estimate < b.high).all()
    assert at_least(b, float(b.estimate[0])) == BUDGETS[-1]
    assert at_least(b, 0.999) is None
    middle = at_least(b, float(b.high[40]))
    assert middle == pytest.approx(float(b.n[40]), rel=0.02)
    rise = bounds(made, found, minus=BUDGETS[-1])
    assert rise.estimate[0] == pytest.approx(b.estimate[0] - made[BUDGETS[-1]].mean())


def test_refusals() -> None:
    made = curve(draws=3)
    few = extrapolate({n: made[n] for n in BUDGETS[:5]}, 0.95)
    assert few.fit is None and "5 budgets" in few.reason
    one = extrapolate({n: x[:1] for n, x in made.items()}, 0.95)
    assert one.fit is not None and "one draw" in one.reason and one.next.margin is None
    wide = extrapolate(made, 0.95, "new_texts", 4000)
    assert "half the pool" in wide.reason
    sparse = extrapolate({n: made[n] for n in (100, 141, 200, 400, 800, 1131, 1600)}, 0.95)
    assert sparse.double is not None
    late = extrapolate({n: made[n] for n in (100, 141, 566, 800, 1131, 1600)}, 0.95)
    assert late.double is None and "back-test of doubling" in late.reason
    with pytest.raises(ValueError, match="no bounds"):
        bounds(made, late)


def test_a_confirmed_drop_is_ill_behaved() -> None:
    made = curve(draws=6)
    made[566] = made[100]
    found = extrapolate(made, 0.95)
    assert found.fit is None and "ill-behaved" in found.reason
    assert [(a, b) for a, b, _ in found.drops] == [(400, 566)] and found.drops[0][2] < -0.1


def test_all_scores_equal_is_a_flat_curve() -> None:
    flat = {n: np.full((3, 50), 0.5) for n in BUDGETS}
    found = extrapolate(flat, 0.95)
    assert found.drops == () and found.fit.error(np.array([9e9]))[0] == pytest.approx(0.5)
    b = bounds(flat, found)
    assert b.low[-1] == pytest.approx(0.5) and at_least(b, 0.6) is None
