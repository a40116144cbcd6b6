"""Extrapolates learning curves beyond the measured budgets, and tests how far that can be trusted.

Within the measured budgets nothing here is needed. Beyond them, up to twice the largest budget, a
fitted curve gives one-sided bounds, as wide as the curve's own failures in predicting what it had
not seen; further out there is no answer.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtrit

from datayield.analysis.curve_fits import SMALLEST_FIT, Fit, choose, fit, misfits, smoothed
from datayield.analysis.intervals import (
    LARGEST_SHARE,
    Population,
    components,
    contrasts,
    holm,
    p_values,
)
from datayield.core.types import Floats

REACH = 2.0  # times the largest budget; beyond, nothing is said
_TEXT_GROUPS = 20  # of the jackknife over test texts
_GRID = 65  # points between the largest budget and REACH times it


@dataclass(frozen=True, slots=True)
class Backtest:
    """The largest budget, predicted from smaller ones alone. Misses are predicted - measured."""

    predicted: int  # labels
    seen: int  # largest budget that the fit saw
    budgets: int  # how many it saw
    family: str
    miss: float
    margin: float | None  # of the miss at the level; None where one draw or too few budgets
    covered: bool | None  # whether the margin holds the miss; None without a margin
    last_miss: float  # of the rival "as good as the largest budget seen"
    last_margin: float | None
    last_covered: bool | None


@dataclass(frozen=True, slots=True)
class Extrapolation:
    """One arm's curve: its formula with back-tests, or why there is none."""

    budgets: tuple[int, ...]
    draws: int
    level: float
    fit: Fit | None = None
    next: Backtest | None = None  # from every budget below the largest
    double: Backtest | None = None  # from budgets up to half the largest
    drops: tuple[tuple[int, int, float], ...] = ()  # (n, next n, change) confirmed as a loss
    reason: str | None = None  # why no fit, or no statement beyond the largest budget

    @property
    def misfit(self) -> float:
        """Return the worst miss of the back-tests, in units of score."""
        return max((abs(b.miss) for b in (self.next, self.double) if b), default=float("nan"))


def extrapolate(
    curve: Mapping[int, Floats],
    level: float,
    population: Population = "pool",
    pool: int | None = None,
) -> Extrapolation:
    """Return fit, back-tests and confirmed drops of a curve.

    Args:
        curve: budgets → (D, m), the same draws and texts everywhere.
        level: of the back-tests' margins and of the test for drops.
        population: as in `intervals.two_way`; beyond LARGEST_SHARE of the pool nothing is said about
            new texts.
        pool: pool size, needed for new texts.
    """
    budgets = tuple(sorted(curve))
    z = np.stack([curve[n] for n in budgets])  # (K, D, m)
    draws = z.shape[1]
    if len(budgets) <= SMALLEST_FIT:
        why = f"{len(budgets)} budgets: a fit and its back-test need {SMALLEST_FIT + 1}"
        return Extrapolation(budgets, draws, level, reason=why)
    found = drops(z, budgets, level) if draws > 1 else ()
    if found:
        why = "ill-behaved: more labels made it worse"
        return Extrapolation(budgets, draws, level, drops=found, reason=why)
    n = np.array(budgets, np.float64)
    family = choose(misfits(n[:-1], 1 - z[:-1].mean((1, 2)), _weights(n[:-1], z[:-1])))
    half = sum(b <= budgets[-1] / REACH for b in budgets)
    double = backtest(budgets, z, half, level) if half >= SMALLEST_FIT else None
    refusal = None
    if draws < 2:
        refusal = "one draw: how much another draw would differ is unknown"
    elif double is None:
        refusal = (
            f"fewer than {SMALLEST_FIT} budgets up to half the largest: no back-test of doubling"
        )
    elif population == "new_texts" and pool and REACH * budgets[-1] / pool > LARGEST_SHARE:
        refusal = "draws would take over half the pool: nothing can be said about new texts"
    return Extrapolation(
        budgets, draws, level,
        fit(n, 1 - z.mean((1, 2)), _weights(n, z), family),
        backtest(budgets, z, len(budgets) - 1, level),
        double, (), refusal,
    )  # fmt: skip


def drops(z: Floats, budgets: tuple[int, ...], level: float) -> tuple[tuple[int, int, float], ...]:
    """Return neighbouring budgets between which the two-way test with Holm confirms a loss.

    Args:
        z: (K, D, m), D >= 2.
        budgets: K of them, ascending.
        level: of the test.
    """
    steps = np.eye(len(budgets))[1:] - np.eye(len(budgets))[:-1]
    mean, variance, df = contrasts(components(z), steps)
    adjusted = holm(p_values(mean, variance, df).tolist())
    return tuple(
        (budgets[i], budgets[i + 1], float(mean[i]))
        for i, p in enumerate(adjusted)
        if mean[i] < 0 and p <= 1 - level
    )


def backtest(budgets: tuple[int, ...], z: Floats, seen: int, level: float) -> Backtest:
    """Predict the largest budget from the first `seen` ones, family and misfit chosen there too."""
    n = np.array(budgets, np.float64)
    weights, last = _weights(n[:seen], z[:seen]), n[-1:]
    tried = misfits(n[:seen], 1 - z[:seen].mean((1, 2)), weights)
    family = choose(tried)
    misfit = np.array([tried.get(f, np.nan) for f in (family, "last")])

    def miss(means: Floats) -> Floats:
        score = 1 - fit(n[:seen], 1 - means[:seen], weights, family).error(last)
        return np.array([score[0] - means[-1], means[seen - 1] - means[-1]])

    estimate, variance, df = jackknife(z, miss)
    margins = stdtrit(df, (1 + level) / 2) * np.sqrt(variance + misfit**2)
    ours, rival = (
        (float(e), None, None) if np.isnan(m) else (float(e), float(m), bool(abs(e) <= m))
        for e, m in zip(estimate, margins, strict=True)
    )
    return Backtest(budgets[-1], budgets[seen - 1], seen, family, *ours, *rival)


def jackknife(z: Floats, of: Callable[[Floats], Floats]) -> tuple[Floats, Floats, Floats]:
    """Return estimate, variance and degrees of freedom of statistics of the K means, (S,) each.

    The variances of leaving out each draw, and each of 20 groups of test texts, add up: what both
    share is counted twice, on the safe side. NaN with one draw.

    Args:
        z: (K, D, m).
        of: means (K,) → statistics (S,).
    """
    _, draws, texts = z.shape
    whole = of(z.mean((1, 2)))
    if draws < 2:
        unknown = np.full(len(whole), np.nan)
        return whole, unknown, unknown
    by_draw = z.mean(2)
    left_draw = (by_draw.sum(1, keepdims=True) - by_draw) / (draws - 1)  # (K, D)
    groups = min(_TEXT_GROUPS, texts)
    by_text, member = z.mean(1), np.arange(texts) % groups
    left_text = np.stack([by_text[:, member != g].mean(1) for g in range(groups)], 1)  # (K, groups)
    parts = []
    for left, size in ((left_draw, draws), (left_text, groups)):
        again = np.stack([of(left[:, i]) for i in range(size)])
        parts.append((size - 1) / size * ((again - again.mean(0)) ** 2).sum(0))
    total = parts[0] + parts[1]
    below = parts[0] ** 2 / (draws - 1) + parts[1] ** 2 / (groups - 1)
    return whole, total, np.where(below > 0, total**2 / np.where(below > 0, below, 1), draws - 1.0)


def _weights(n: Floats, z: Floats) -> Floats:
    """Return 1 / variance per budget: smoothed in log n, floored at the test set's; even with one draw."""
    if z.shape[1] < 2:
        return np.ones(len(n))
    c = components(z)
    _, variance, _ = contrasts(c, np.eye(len(n)))
    found: Floats = 1 / smoothed(n, variance, np.diag(c.text))
    return found


@dataclass(frozen=True, slots=True)
class Bounds:
    """One-sided bounds of the score beyond the largest budget: each holds alone at the level."""

    n: Floats  # (G,) from the largest budget to REACH times it
    low: Floats  # (G,)
    estimate: Floats  # (G,)
    high: Floats  # (G,)


def bounds(
    curve: Mapping[int, Floats], o: Extrapolation, share: float = 0.0, minus: float | None = None
) -> Bounds:
    """Return how good the curve is at least, and at most, from its largest budget to twice that.

    The measured score of the largest budget is the start, and the fit says what is added. Its misfit was
    measured at a doubling and counts in proportion to the step, log(n / largest) / log 2.

    Args:
        curve: the curve that was given to `extrapolate`.
        o: its extrapolation, with a fit and no reason against statements beyond.
        share: of the pool that a draw of the largest n takes, for new texts; 0 for this pool.
        minus: labels inside the curve whose measured score is subtracted: bounds of a gain.
    """
    if o.fit is None or o.reason is not None:
        raise ValueError(f"no bounds beyond the largest budget: {o.reason}")
    n = np.array(o.budgets, np.float64)
    z = np.stack([curve[b] for b in o.budgets])
    weights, family = _weights(n, z), o.fit.family
    grid = np.geomspace(n[-1], REACH * n[-1], _GRID)

    def score(means: Floats) -> Floats:
        fitted = fit(n, 1 - means, weights, family)
        start = 0.0 if minus is None else float(np.interp(np.log(minus), np.log(n), means))
        added: Floats = means[-1] - start + fitted.error(n[-1:]) - fitted.error(grid)
        return added

    estimate, variance, df = jackknife(z, score)
    widened = variance * (1 + o.draws * share / (1 - share))
    step = np.log(grid / n[-1]) / np.log(REACH)
    margin = stdtrit(df, o.level) * np.sqrt(widened + (o.misfit * step) ** 2)
    return Bounds(grid, estimate - margin, estimate, estimate + margin)


def at_least(b: Bounds, target: float) -> float | None:
    """Return the labels below which the target is excluded; None where even twice the largest is too few."""
    reached = np.flatnonzero(b.high >= target)
    return float(b.n[reached[0]]) if len(reached) else None
