"""The pooled spread over draws: against its formulas, known truths, and studies too small to pool."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.special import polygamma

from datayield.analysis import pooled_variance, spreads
from datayield.analysis.intervals import METHOD, POOLED, two_way
from datayield.analysis.pooled_variance import PooledSpread
from tests.analysis.test_statistics import study_frame


@settings(deadline=None)
@given(st.floats(1e-5, 1e5))
def test_trigamma_is_inverted(x: float) -> None:
    assert float(polygamma(1, pooled_variance.inverse_trigamma(x))) == pytest.approx(x, rel=1e-5)


@pytest.mark.parametrize("prior", [4.0, 12.0])
def test_the_prior_is_found_again(prior: float) -> None:
    """Smyth's model: variances are d0 / chi2(d0), mean squares chi2(f) / f of them."""
    rng = np.random.default_rng(1)
    f = 4.0
    squares = prior / rng.chisquare(prior, (4000, 2)) * rng.chisquare(f, (4000, 2)) / f
    found = pooled_variance.prior_df(squares, np.full(squares.shape, f), shared=0.0)
    assert found == pytest.approx(prior, rel=0.2)


def test_equal_spreads_have_an_infinite_prior() -> None:
    """Contrasts with a common baseline, equal trainings: the logs vary less than trigamma says."""
    rng = np.random.default_rng(2)
    y = rng.normal(0, 1, (41, 3, 3))
    squares = (y[1:] - y[:1]).var(2, ddof=1)
    assert pooled_variance.prior_df(squares, np.full(squares.shape, 2.0)) > 10


def test_a_mean_square_moves_to_the_scale_as_the_formula_says() -> None:
    spread = PooledSpread(np.array([2.0]), np.array([12.0]), 6.0, 8)
    found = pooled_variance.moderate(np.array([1.0]), np.array([2.0]), spread)
    assert found.square[0] == pytest.approx((6 * 2 + 2 * 1) / 8)
    assert 1 / found.df[0] == pytest.approx(1 / 8 + (6 / 8) ** 2 / 12)
    # An infinite prior: the scale itself, as well as it is known.
    sure = PooledSpread(np.array([2.0]), np.array([12.0]), np.inf, 8)
    found = pooled_variance.moderate(np.array([1.0]), np.array([2.0]), sure)
    assert (found.square[0], found.df[0]) == pytest.approx((2.0, 12.0), rel=1e-4)
    # Far above the scale, where now and then a training fails: its own.
    found = pooled_variance.moderate(np.array([40.0]), np.array([2.0]), sure)
    assert (found.square[0], found.df[0]) == (40.0, 2.0)


def test_degrees_of_freedom_of_a_scale_count_the_common_baseline() -> None:
    """The variance of the mean of K mean squares of correlation rho, against simulation."""
    rng = np.random.default_rng(3)
    y = rng.normal(0, 1, (9, 20_000, 3))
    scale = (y[1:] - y[:1]).var(2, ddof=1).mean(0)
    measured = 2 * scale.mean() ** 2 / scale.var()
    df = pooled_variance.scale_df(np.full((8, 1), 2.0), 0.25)[0]
    assert df == pytest.approx(measured, rel=0.05)
    assert pooled_variance.scale_df(np.full((8, 1), 2.0))[0] < df, "on the safe side"


def test_a_wild_arm_does_not_lend_and_a_quiet_one_stays() -> None:
    rng = np.random.default_rng(4)
    y = rng.normal(0, 1, (10, 4, 5))
    y[1] *= 6.0
    y[2] *= 0.1
    squares = (y[1:] - y[:1]).var(2, ddof=1)
    out = pooled_variance.wild(squares, np.full(squares.shape, 4.0))
    assert out[0] and not out[1]
    spread, lends = pooled_variance.pool(squares, np.full(squares.shape, 4.0), 4)
    assert not lends[0] and spread.lenders == lends.sum() == (~out).sum()
    alone = pooled_variance.of_its_own(squares[0], np.full(4, 4.0), spread, 4)
    ratio = (squares[0] / spread.scale).mean()
    kept = alone.df == 16
    assert kept.any() and alone.square[kept] == pytest.approx((ratio * spread.scale)[kept])


def test_below_three_contrasts_nothing_is_pooled() -> None:
    f = study_frame(draws=3)  # one contrast: the twin
    gap = f.gap("lstm:twin", "lstm:plain", 400)
    ours, theirs = f.scores["lstm:twin", 400].values, f.scores["lstm:plain", 400].values
    own = two_way(ours - theirs, 0.95)
    assert (gap.low, gap.high) == pytest.approx((own.low, own.high)) and gap.method == METHOD


def test_pooled_intervals_are_steadier() -> None:
    """Over studies of three draws the widths of own intervals scatter half as much again."""
    widths: dict[str, list[float]] = {"own": [], "pooled": []}
    for seed in range(30):
        f = study_frame(draws=3, seed=seed, a=1.1, b=1.0, c=1.2, d=1.0)
        gap = f.gap("lstm:a", "lstm:plain", 400)
        assert gap.method == POOLED
        x = f.scores["lstm:a", 400].values - f.scores["lstm:plain", 400].values
        own = two_way(x, 0.95)
        widths["own"].append(own.high - own.low)
        widths["pooled"].append(gap.high - gap.low)
    scatter = {k: np.std(np.log(v)) for k, v in widths.items()}
    assert scatter["pooled"] < 0.7 * scatter["own"]


def test_arms_with_one_draw_get_no_interval() -> None:
    f = study_frame(draws=1, a=1.1, b=1.0, c=1.2)
    gap = f.gap("lstm:a", "lstm:plain", 400)
    assert gap.low is None and "one draw" in gap.reason


def test_two_arms_of_one_architecture_are_compared_on_the_pool() -> None:
    f = study_frame(draws=3, a=1.1, b=1.0, c=1.2)
    assert f.gap("lstm:a", "lstm:b", 400).method == POOLED
    assert f.pools["lstm:plain"].mean_of == (200, 400)
    assert f.pools["lstm:plain"].at(spreads.MEAN, (200,)) is None
