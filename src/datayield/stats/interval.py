"""The two-way interval: draws and test texts both vary (METHODS 5).

Every function takes correctness as x of shape (D draws, m test texts), seeds averaged, or a
difference of two such arrays from the same draws and the same texts.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
from scipy.special import stdtrit
from scipy.stats import t as student

from datayield.types import Floats

Population: TypeAlias = Literal["pool", "new_texts"]
METHOD = "two-way t over draws and test texts"
LARGEST_SHARE = 0.5  # of the pool: above, nothing is said about new texts


@dataclass(frozen=True, slots=True)
class Interval:
    """An estimate with its interval, or with the reason why there is none.

    `low` and `high` cover the true value in `level` of all studies, where draws (of this pool, or
    of new texts) and test texts are sampled anew.
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
        """Whether 0 lies outside; False without an interval."""
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
    """Of K arrays (K, D, m), D >= 2, m >= 2."""
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
    """Mean, variance and degrees of freedom of the contrasts v (G, K), (G,) each.

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
    """Mean, variance and degrees of freedom of the grand mean of x (D, m), D >= 2, m >= 2."""
    mean, variance, df = contrasts(components(x[None]), np.ones((1, 1)), share, population)
    return Spread(float(mean[0]), float(variance[0]), float(df[0]))


def two_way(
    x: Floats, level: float, population: Population = "pool", share: float = 0.0
) -> Interval:
    """The interval of the grand mean of x (D, m).

    Args:
        x: correctness in [0, 1] or differences of it in [-1, 1].
        level: e.g. 0.95.
        population: what the draws stand for.
        share: largest n involved / pool size, used for new texts alone.
    """
    draws, texts = x.shape
    refusal = None
    if draws < 2:
        refusal = "one draw: how much another draw would differ is unknown"
    elif texts < 2:
        refusal = "one test text"
    elif population == "new_texts" and share > LARGEST_SHARE:
        refusal = f"a draw takes {share:.0%} of the pool: nothing can be said about new texts"
    if refusal:
        return Interval(float(x.mean()), None, None, level, population, draws, reason=refusal)
    s = spread(x, share, population)
    half = margin(s, level)
    return Interval(s.mean, s.mean - half, s.mean + half, level, population, draws, p_value(s))


def margin(s: Spread, level: float) -> float:
    """Half the width of the interval."""
    return float(stdtrit(s.df, (1 + level) / 2) * np.sqrt(s.variance))


def p_value(s: Spread) -> float:
    """Two-sided p of mean = 0; 1 where nothing varies and the mean is 0, 0 where it is not."""
    return float(p_values(*(np.array([v]) for v in (s.mean, s.variance, s.df)))[0])


def p_values(mean: Floats, variance: Floats, df: Floats) -> Floats:
    """`p_value` of many contrasts, (G,)."""
    found: Floats = np.where(
        variance > 0,
        2 * student.sf(np.abs(mean) / np.sqrt(np.where(variance > 0, variance, 1)), df),
        np.where(mean == 0, 1.0, 0.0),
    )
    return found


def holm(p: list[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return [float(v) for v in adjusted]


def two_stage(
    stage1: Mapping[str, float], stage2: Mapping[tuple[str, int], float]
) -> dict[tuple[str, int], float]:
    """Adjusted p per (arm, budget): Holm over arms, then over budgets inside each arm.

    A budget counts only if its arm passed stage 1, so its p is never below its arm's.

    Args:
        stage1: one p per arm.
        stage2: one p per arm and budget; arms without a p in stage 1 are left out.
    """
    passed = dict(zip(stage1, holm(list(stage1.values())), strict=True))
    out = {}
    for arm, p_arm in passed.items():
        own = {k: p for k, p in stage2.items() if k[0] == arm}
        for k, p in zip(own, holm(list(own.values())), strict=True):
            out[k] = max(p_arm, p)
    return out
