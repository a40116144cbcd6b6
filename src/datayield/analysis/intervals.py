"""Computes the two-way interval: draws and test texts both vary (METHODS 5).

Every function takes correctness as x of shape (D draws, m test texts), seeds averaged, or a
difference of two such arrays from the same draws and the same texts.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import stdtrit
from scipy.stats import t as student

from datayield.core.types import Floats

Population: TypeAlias = Literal["pool", "new_texts"]
METHOD = "two-way t over draws and test texts"
POOLED = "two-way t over draws and test texts, the draws' spread pooled over arms"
LARGEST_SHARE = 0.5  # of the pool: above, nothing is said about new texts


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval, or with the reason why there is none.

    `low` and `high` cover the true value in `level` of all studies, where draws (of this pool, or
    of new texts) and test texts are sampled again.
    """

    estimate: float
    low: float | None
    high: float | None
    level: float
    population: Population
    draws: int
    p: float | None = None  # two-sided, of the hypothesis that the true value is 0
    reason: str | None = None
    method: str = METHOD

    @property
    def excludes_zero(self) -> bool:
        """Return whether 0 lies outside; False without an interval."""
        return self.low is not None and self.high is not None and not self.low <= 0 <= self.high


@dataclass(frozen=True, slots=True)
class Spread:
    """Mean, variance of the mean and degrees of freedom of a two-way array."""

    mean: float
    variance: float
    df: float


@dataclass(frozen=True, slots=True)
class Components:
    """Means and variance components of K two-way arrays over the same draws and texts.

    The variance of any contrast v of the K means follows as quadratic forms, so that whole curves
    are tested without touching the (D, m) arrays again.
    """

    means: Floats  # (K,)
    draw: Floats  # (K, K) covariance of draw means / D
    text: Floats  # (K, K) covariance of text means / m
    rest: Floats  # (K, K) covariance of residuals / (D m)
    draws: int
    texts: int


def components(z: Floats) -> Components:
    """Return the means and variance components of K arrays (K, D, m), D >= 2, m >= 2."""
    size, draws, texts = z.shape
    a, b, mean = z.mean(2), z.mean(1), z.mean((1, 2))
    a0, b0 = a - mean[:, None], b - mean[:, None]
    rest = (z - a[:, :, None] - b0[:, None, :]).reshape(size, -1)
    return Components(
        mean,
        a0 @ a0.T / ((draws - 1) * draws),
        b0 @ b0.T / ((texts - 1) * texts),
        rest @ rest.T / ((draws - 1) * (texts - 1) * draws * texts),
        draws,
        texts,
    )


def contrasts(
    c: Components, v: Floats, share: Floats | float = 0.0, population: Population = "pool"
) -> tuple[Floats, Floats, Floats]:
    """Return mean, variance and degrees of freedom of the contrasts v (G, K), (G,) each.

    sD = var(draw means)/D, sI = var(text means)/m, sR = residual/(D m);
    V = max(sD + sI - sR, sD, sI); df = V^2 / (sD^2/(D-1) + sI^2/(m-1)).
    For new texts sD grows by 1 + D f/(1-f), f the share of the pool that one draw takes.
    """
    s_draw, s_text, s_rest = (
        np.maximum(np.einsum("gi,ij,gj->g", v, part, v), 0.0) for part in (c.draw, c.text, c.rest)
    )
    if population == "new_texts":
        s_draw = s_draw * (1 + c.draws * share / (1 - np.asarray(share)))
    variance = np.maximum(s_draw + s_text - s_rest, np.maximum(s_draw, s_text))
    below = s_draw**2 / (c.draws - 1) + s_text**2 / (c.texts - 1)
    df = np.where(below > 0, variance**2 / np.where(below > 0, below, 1.0), c.draws - 1.0)
    return v @ c.means, variance, df


def spread(x: Floats, share: float = 0.0, population: Population = "pool") -> Spread:
    """Return mean, variance and degrees of freedom of the grand mean of x (D, m), D >= 2, m >= 2."""
    mean, variance, df = contrasts(components(x[None]), np.ones((1, 1)), share, population)
    return Spread(float(mean[0]), float(variance[0]), float(df[0]))


def two_way(
    x: Floats, level: float, population: Population = "pool", share: float = 0.0
) -> Interval:
    """Return the interval of the grand mean of x (D, m).

    Args:
        x: correctness in [0, 1] or differences of it in [-1, 1].
        level: e.g. 0.95.
        population: the texts that the draws stand for.
        share: largest n involved / pool size, used for new texts alone.
    """
    why = refusal(x, population, share)
    if why:
        return Interval(float(x.mean()), None, None, level, population, len(x), reason=why)
    return interval_of(spread(x, share, population), level, population, len(x))


def refusal(x: Floats, population: Population, share: float) -> str | None:
    """Return why x (D, m) has no interval; None where it has one."""
    draws, texts = x.shape
    if draws < 2:
        return "one draw: how much another draw would differ is unknown"
    if texts < 2:
        return "one test text"
    if population == "new_texts" and share > LARGEST_SHARE:
        return f"a draw takes {share:.0%} of the pool: nothing can be said about new texts"
    return None


def interval_of(
    s: Spread, level: float, population: Population, draws: int, method: str = METHOD
) -> Interval:
    """Return the t interval of an estimate with its variance and degrees of freedom."""
    half = margin(s, level)
    return Interval(
        s.mean, s.mean - half, s.mean + half, level, population, draws, p_value(s), method=method
    )


def margin(s: Spread, level: float) -> float:
    """Return half the width of the interval."""
    return float(stdtrit(s.df, (1 + level) / 2) * np.sqrt(s.variance))


def p_value(s: Spread) -> float:
    """Return the two-sided p of mean = 0; 1 where nothing varies and the mean is 0, 0 where it is not."""
    return float(p_values(*(np.array([v]) for v in (s.mean, s.variance, s.df)))[0])


def p_values(mean: Floats, variance: Floats, df: Floats) -> Floats:
    """Return `p_value` of many contrasts, (G,)."""
    found: Floats = np.where(
        variance > 0,
        2 * student.sf(np.abs(mean) / np.sqrt(np.where(variance > 0, variance, 1)), df),
        np.where(mean == 0, 1.0, 0.0),
    )
    return found


def holm(p: list[float]) -> list[float]:
    """Return Holm's step-down adjusted p-values, in the order given."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return [float(v) for v in adjusted]
