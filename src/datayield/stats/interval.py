"""The two-way interval: draws and test texts both vary (METHODS 5).

Every function takes correctness as x of shape (D draws, m test texts), seeds averaged, or a
difference of two such arrays from the same draws and the same texts.
"""

from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np
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


def spread(x: Floats, share: float = 0.0, population: Population = "pool") -> Spread:
    """Variance components of the grand mean of x (D, m), D >= 2, m >= 2.

    sD = var(draw means)/D, sI = var(text means)/m, sR = residual/(D m);
    V = max(sD + sI - sR, sD, sI); df = V^2 / (sD^2/(D-1) + sI^2/(m-1)).
    For new texts sD grows by 1 + D f/(1-f), f the share of the pool that one draw takes.
    """
    draws, texts = x.shape
    a, b, mean = x.mean(1), x.mean(0), float(x.mean())
    s_draw = float(a.var(ddof=1)) / draws
    s_text = float(b.var(ddof=1)) / texts
    rest = x - a[:, None] - b[None, :] + mean
    s_rest = float((rest**2).sum()) / ((draws - 1) * (texts - 1) * draws * texts)
    if population == "new_texts":
        s_draw *= 1 + draws * share / (1 - share)
    variance = max(s_draw + s_text - s_rest, s_draw, s_text)
    below = s_draw**2 / (draws - 1) + s_text**2 / (texts - 1)
    return Spread(mean, variance, variance**2 / below if below > 0 else float(draws - 1))


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
    return float(student.ppf((1 + level) / 2, s.df) * np.sqrt(s.variance))


def p_value(s: Spread) -> float:
    """Two-sided p of mean = 0; 1 where nothing varies and the mean is 0, 0 where it is not."""
    if s.variance <= 0:
        return 1.0 if s.mean == 0 else 0.0
    return float(2 * student.sf(abs(s.mean) / np.sqrt(s.variance), s.df))


def holm(p: list[float]) -> list[float]:
    """Holm's step-down adjusted p-values, in the order given."""
    order = np.argsort(p, kind="stable")
    adjusted = np.empty(len(p))
    largest = 0.0
    for rank, i in enumerate(order):
        largest = max(largest, min(1.0, (len(p) - rank) * p[i]))
        adjusted[i] = largest
    return [float(v) for v in adjusted]
