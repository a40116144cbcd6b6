"""Pools the spread over draws of many contrasts, so that few draws give steady intervals.

A contrast is an arm minus the baseline of its own architecture at one budget, or on its mean over
budgets. Its draw mean square s2 is the variance over D draws of the per-draw difference, with D - 1
degrees of freedom. Arms of one architecture are trained alike, so their mean squares resemble each
other; each is drawn towards their mean (Smyth 2004, doi 10.2202/1544-6115.1027, with a guard for arms
that are much wilder than the others). Squares are in units of score squared.

Arrays are (K contrasts, J columns); a column is a budget or the mean over budgets. Entries with
0 degrees of freedom were not measured.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import fdtri, polygamma

from datayield.core.types import Bools, Floats

SMALLEST_POOL = 3  # contrasts; below, nothing is pooled
# Correlation of the mean squares of two contrasts with one baseline: a quarter where all trainings are
# equally noisy, more for the quiet arms where they are not. A third keeps families of claims honest
# at two draws and with few lenders, where a quarter does not (docs/adr/0022).
SHARED = 1 / 3
GUARD = 0.95  # quantile of F beyond which an arm is wilder than the others
_CERTAIN = 1e6  # degrees of freedom that stand for infinity
_TINY = 1e-9  # share of the column's mean to which a mean square is raised before its log is taken


@dataclass(frozen=True, slots=True)
class Moderated:
    """Draw mean squares with their degrees of freedom after pooling, of the same shape."""

    square: Floats
    df: Floats


@dataclass(frozen=True, slots=True)
class PooledSpread:
    """The common spread of the contrasts of one architecture."""

    scale: Floats  # (J,) mean over the lenders of their draw mean squares; NaN where too few lend
    scale_df: Floats  # (J,) degrees of freedom of the scale
    prior: float  # degrees of freedom with which one contrast resembles the scale; may be infinite
    lenders: int  # contrasts in the pool


def inverse_trigamma(value: float) -> float:
    """Return x > 0 with trigamma(x) = value > 0, by Newton's method (limma's trigammaInverse)."""
    if value > 1e7:
        return float(value**-0.5)
    if value < 1e-6:
        return 1 / value
    x = 0.5 + 1 / value
    for _ in range(50):
        trigamma = float(polygamma(1, x))
        step = trigamma * (1 - trigamma / value) / float(polygamma(2, x))
        x += step
        if -step / x < 1e-8:
            break
    return x


def scale_of(squares: Floats, df: Floats) -> Floats:
    """Return the mean of the mean squares by column, (J,); NaN below three measured contrasts."""
    total = df.sum(0)
    enough = (df > 0).sum(0) >= SMALLEST_POOL
    found: Floats = np.where(enough, (squares * df).sum(0) / np.where(enough, total, 1.0), np.nan)
    return found


def scale_df(df: Floats, shared: float = SHARED) -> Floats:
    """Return the degrees of freedom of a column's mean of mean squares, (J,).

    K mean squares of f degrees of freedom each, correlated by `shared` through their common baseline,
    are worth f K / (1 + (K - 1) shared).
    """
    count = np.maximum((df > 0).sum(0), 1)
    found: Floats = df.sum(0) / (1 + (count - 1) * shared)
    return found


def prior_df(squares: Floats, df: Floats, shared: float = SHARED) -> float:
    """Return how many degrees of freedom the pool is worth as a guess of one contrast's spread.

    Smyth's moments: the logs of mean squares of equal spread vary by trigamma(f/2) inside a column
    (less what their common baseline shares); what they vary beyond that is trigamma(d0/2).

    Returns:
        d0 > 0; infinity where nothing suggests that the spreads differ.
    """
    measured = (df > 0) & np.isfinite(scale_of(squares, df))
    if measured.sum() < SMALLEST_POOL:
        return np.inf
    floor = _TINY * np.where(np.isfinite(scale := scale_of(squares, df)), scale, 1.0)
    half = np.where(measured, df, 2.0) / 2
    logs = (
        np.log(np.maximum(squares, np.maximum(floor, 1e-300))) - polygamma(0, half) + np.log(half)
    )
    logs = np.where(measured, logs, 0.0)
    count = measured.sum(0)
    centred = np.where(measured, logs - logs.sum(0) / np.maximum(count, 1), 0.0)
    varies = float((centred**2).sum() / (np.maximum(count, 1) - 1).sum())
    expected = (1 - shared) * float(polygamma(1, half)[measured].mean())
    return np.inf if varies <= expected else 2 * inverse_trigamma(varies - expected)


def pool(squares: Floats, df: Floats, budgets: int) -> tuple[PooledSpread, Bools]:
    """Return the common spread of contrasts (K, J), and which of them lend, (K,).

    Args:
        squares: draw mean squares.
        df: their degrees of freedom, 0 where not measured.
        budgets: how many of the first columns are budgets; wildness and the prior are judged by these,
            not by the mean over them.
    """
    kept = ~wild(squares[:, :budgets], df[:, :budgets])
    prior = prior_df(squares[kept, :budgets], df[kept, :budgets])
    spread = PooledSpread(
        scale_of(squares[kept], df[kept]), scale_df(df[kept]), prior, int(kept.sum())
    )
    return spread, kept


def wild(squares: Floats, df: Floats, shared: float = SHARED) -> Bools:
    """Return which contrasts (K,) spread so much more than the others that they must not lend.

    A contrast is wild where its mean ratio to the others' scale exceeds the guard's quantile of F. The
    wildest is taken out first and the others are judged without it. One that spreads less stays.
    """
    out = np.zeros(len(squares), bool)
    while (~out).sum() > SMALLEST_POOL:
        excess = np.where(out, -np.inf, _excess(squares, df, ~out, shared))
        worst = int(np.argmax(excess))
        if excess[worst] <= 0:
            break
        out[worst] = True
    return out


def _excess(squares: Floats, df: Floats, lends: Bools, shared: float) -> Floats:
    """Return by how much each contrast's ratio to the other lenders exceeds the quantile, (K,)."""
    mine = np.where(lends[:, None], df, 0.0)
    below = mine.sum(0) - mine  # of the others, by column
    count = (mine > 0).sum(0) - (mine > 0)
    there = (df > 0) & (count >= SMALLEST_POOL - 1)
    scale = np.where(there, (squares * mine).sum(0) - squares * mine, 1.0) / np.maximum(below, 1.0)
    ratio = np.where(there & (scale > 0), squares / np.where(scale > 0, scale, 1.0), 0.0)
    own = np.where(there, df, 0.0).sum(1)
    known = np.where(there, below / (1 + (count - 1) * shared), 0.0).sum(1)
    limit = fdtri(np.maximum(own, 1e-9), np.maximum(known, 1e-9), GUARD)
    found: Floats = np.where(own > 0, (ratio * df).sum(1) / np.maximum(own, 1e-9) - limit, -np.inf)
    return found


def own_ratio(square: Floats, df: Floats, scale: Floats) -> tuple[float, float]:
    """Return a contrast's mean ratio to the scale over its columns (J,), and its degrees of freedom."""
    there = (df > 0) & (scale > 0)
    total = float(df[there].sum())
    return (float((square[there] / scale[there]) @ df[there]) / total if total else 0.0), total


def moderate(square: Floats, df: Floats, pool: PooledSpread) -> Moderated:
    """Return mean squares (..., J) drawn towards the pool's, with their degrees of freedom.

    The weight of the pool is its prior degrees of freedom. The result counts as d0 + f degrees of
    freedom as far as the pool's scale is known, whose own are fewer because its contrasts share a
    baseline: 1/df = 1/(d0 + f) + w^2/df(scale), w the weight of the scale. An entry stays as it is where
    no scale is known, and where it exceeds the scale by more than the guard's quantile of F: trainings
    that fail now and then make such entries, and they need their own spread.
    """
    own = np.maximum(df, 1e-9)
    prior = min(pool.prior, _CERTAIN)
    weight = prior / (prior + own)
    below = 1 / (prior + own) + weight**2 / np.maximum(pool.scale_df, 1e-9)
    kept = near(Moderated(square, df), pool)
    pooled = weight * pool.scale + (1 - weight) * square
    return Moderated(np.where(kept, pooled, square), np.where(kept, 1 / below, df))


def near(spread: Moderated, pool: PooledSpread) -> Bools:
    """Return where (..., J) a mean square is not beyond the guard's quantile of F above the scale."""
    there = np.isfinite(pool.scale) & (spread.df > 0)
    limit = fdtri(np.maximum(spread.df, 1e-9), np.maximum(pool.scale_df, 1e-9), GUARD)
    found: Bools = there & (spread.square <= np.where(there, pool.scale, 0.0) * limit)
    return found


def of_its_own(square: Floats, df: Floats, pool: PooledSpread, budgets: int) -> Moderated:
    """Return the mean squares (J,) of a contrast that does not lend: its own spread, over its budgets.

    Args:
        square: draw mean squares by column.
        df: their degrees of freedom.
        pool: of the baseline's architecture; its scale says how spread changes with the budget.
        budgets: how many of the first columns are budgets, which the ratio is taken from.
    """
    ratio, total = own_ratio(square[:budgets], df[:budgets], pool.scale[:budgets])
    kept = near(Moderated(square, df), PooledSpread(ratio * pool.scale, pool.scale_df, 0.0, 0)) & (
        total > 0
    )
    return Moderated(np.where(kept, ratio * pool.scale, square), np.where(kept, total, df))


def total_variance(
    spread: Moderated, draws: Floats | int, text: Floats, rest: Floats, texts: int
) -> tuple[Floats, Floats]:
    """Return the variance of mean contrasts over draws and test texts, and its degrees of freedom.

    Args:
        spread: draw mean squares.
        draws: D behind each contrast.
        text: sI, variance of the text means / m.
        rest: sR, residual mean square / (D m).
        texts: m, at least 2.

    Returns:
        V = max(sD + max(sI - sR, 0), sI) with sD = s2/D, and V^2 / (sD^2/df + sI^2/(m - 1)); where
        nothing varies, the draws' degrees of freedom.
    """
    s_draw = spread.square / draws
    variance = np.maximum(s_draw + np.maximum(text - rest, 0.0), text)
    below = s_draw**2 / np.maximum(spread.df, 1e-9) + text**2 / (texts - 1)
    df = np.where(below > 0, variance**2 / np.where(below > 0, below, 1.0), spread.df)
    return variance, df
