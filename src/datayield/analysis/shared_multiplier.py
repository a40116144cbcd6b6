"""Computes one data multiplier for all budgets of an arm: the sharpest statement of a study."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy.optimize import isotonic_regression

from datayield.analysis.curve_tests import CurveTest, Peers
from datayield.analysis.intervals import LARGEST_SHARE, Population
from datayield.analysis.multipliers import Curve, hull, interpolation
from datayield.core.types import Bools, Floats

_PER_OCTAVE = 16  # points of the grid of multipliers
_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class SharedMultiplier:
    """One multiplier for several budgets, with the range that a test does not reject.

    `point` None: beyond `measured`; `side` says where. `low` or `high` None: that end is open.
    """

    budgets: tuple[int, ...]
    point: float | None
    low: float | None
    high: float | None
    side: str | None
    measured: tuple[float, float]  # multipliers for which every budget's labels were measured
    level: float
    reason: str | None = None


def shared_multiplier(
    arms: Mapping[int, Floats],
    curve: Curve,
    level: float,
    population: Population = "pool",
    pool: int | None = None,
    peers: Peers | None = None,
) -> SharedMultiplier | None:
    """Return all mu for which the mean over budgets of arm(N) - baseline(mu N) = 0 is not rejected.

    Budgets are left out that allow no range from half to twice their labels, if others do. None where
    fewer than two budgets or no multipliers are left.

    Args:
        arms: the arm's scores (D, m) by budget.
        curve: the baseline's, on the same draws and texts.
        level: confidence of the range, e.g. 0.95.
        population: as in `intervals.two_way`; for new texts the curve ends at half of the pool.
        pool: pool size, needed for new texts.
        peers: the draw means of other arms, averaged over the budgets of `usable`.
    """
    budgets, ends = usable(arms, curve, population, pool)
    if len(budgets) < 2 or ends[0] >= ends[1]:
        return None
    curve = {n: x for n, x in curve.items() if _known(n, population, pool)}
    scores = np.mean([arms[n] for n in budgets], axis=0)
    logs = np.log(budgets)
    kept = sorted(curve)
    means = isotonic_regression(np.array([curve[n].mean() for n in kept])).x

    def weights(log_mu: Floats) -> Floats:
        found: Floats = np.mean([interpolation(kept, log_mu + n) for n in logs], axis=0)
        return found

    points = max(3, round(_PER_OCTAVE * np.log2(ends[1] / ends[0])) + 1)
    grid: Floats = np.linspace(np.log(ends[0]), np.log(ends[1]), points)
    gap = float(scores.mean()) - weights(grid) @ means
    point, side = _root(grid, gap)
    if len(scores) < 2:
        return SharedMultiplier(budgets, point, None, None, side, ends, level, "one draw")
    test = CurveTest(scores, curve, level, peers)

    def rejected(log_mu: Floats) -> Bools:
        share = np.exp(np.maximum(log_mu, 0.0)) * budgets[-1] / pool if pool else 0.0 * log_mu
        return test.rejected(weights(log_mu), share, population)

    low, high = hull(rejected, grid.tolist(), point, side)
    return SharedMultiplier(budgets, point, low, high, side, ends, level)


def usable(
    arms: Mapping[int, Floats], curve: Curve, population: Population, pool: int | None
) -> tuple[tuple[int, ...], tuple[float, float]]:
    """Return the budgets that share a multiplier, and the multipliers that can be read off the curve."""
    known = [n for n in curve if _known(n, population, pool)]
    budgets = [n for n in sorted(arms) if _known(n, population, pool)]
    if len(known) < 2 or not budgets:
        return (), (1.0, 1.0)
    roomy = [n for n in budgets if min(known) <= n / 2 and 2 * n <= max(known)]
    kept = roomy if len(roomy) > 1 else budgets
    return tuple(kept), (min(known) / min(kept), max(known) / max(kept))


def _known(n: int, population: Population, pool: int | None) -> bool:
    return population == "pool" or pool is None or n / pool <= LARGEST_SHARE


def _root(grid: Floats, gap: Floats) -> tuple[float | None, str | None]:
    """Return where a falling gap (G,) reaches 0 on the log grid, or on which side it would."""
    if gap[0] < -_ROUNDING:
        return None, "below"
    if gap[-1] > _ROUNDING:
        return None, "above"
    right = int(np.argmax(gap <= _ROUNDING))
    if right == 0:
        return float(np.exp(grid[0])), None
    w = gap[right - 1] / (gap[right - 1] - gap[right])
    return float(np.exp(grid[right - 1] + w * (grid[right] - grid[right - 1]))), None
