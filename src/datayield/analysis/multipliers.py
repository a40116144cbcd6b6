"""Inverts learning curves: how many labels is a score worth?

A curve is a mapping from budgets to correctness (D, m) of the same draws and test texts; between
measured budgets it is linear in log n. Nothing is extrapolated: ends may be open.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.optimize import isotonic_regression

from datayield.analysis.curve_tests import CurveTest, Peers
from datayield.analysis.intervals import LARGEST_SHARE, Population
from datayield.core.types import Bools, Floats

Curve = Mapping[int, Floats]
_GRID = 8  # points per gap between measured budgets
_STEPS, _NARROWINGS = 25, 3  # how an end of a range is narrowed down between grid points


@dataclass(frozen=True, slots=True)
class LabelRange:
    """A number of labels with the range that a test does not reject.

    `point` None: outside what was measured; `side` says where ("above" or "below"). `low` None: the
    range is open below the smallest measured budget; `high` None: open above the largest.
    """

    point: float | None
    low: float | None
    high: float | None
    side: str | None
    measured: tuple[int, int]
    level: float
    reason: str | None = None

    def scaled(self, labels: int) -> "LabelRange":
        """Return the range as a multiple of `labels`: the data multiplier."""
        p, lo, hi = (None if v is None else v / labels for v in (self.point, self.low, self.high))
        return LabelRange(p, lo, hi, self.side, self.measured, self.level, self.reason)


def at(curve: Curve, n: float) -> Floats:
    """Return the curve at n labels, (D, m), linear in log n between its measured budgets."""
    budgets = sorted(curve)
    (row,) = interpolation(budgets, np.log([n]))
    return np.tensordot(row, np.stack([curve[b] for b in budgets]), axes=1)


def interpolation(budgets: list[int], logs: Floats) -> Floats:
    """Return how much each budget counts at these log n, (G, K): linear between neighbours."""
    known = np.log(budgets)
    right = np.clip(np.searchsorted(known, logs), 1, len(budgets) - 1)
    w = np.clip((logs - known[right - 1]) / (known[right] - known[right - 1]), 0.0, 1.0)
    out = np.zeros((len(logs), len(budgets)))
    rows = np.arange(len(logs))
    out[rows, right - 1], out[rows, right] = 1 - w, w
    return out


def invert(curve: Curve, score: float) -> tuple[float | None, str | None]:
    """Return the labels at which the isotonic mean curve reaches the score, or None and on which side."""
    budgets = sorted(curve)
    means = isotonic_regression(np.array([curve[b].mean() for b in budgets])).x
    if score < means[0]:
        return None, "below"
    if score > means[-1]:
        return None, "above"
    right = int(np.searchsorted(means, score))
    if right == 0 or means[right] == means[right - 1]:
        return float(budgets[right]), None
    w = (score - means[right - 1]) / (means[right] - means[right - 1])
    low, high = budgets[right - 1], budgets[right]
    return float(low * (high / low) ** w), None


def equivalent_labels(
    scores: Floats,
    curve: Curve,
    level: float,
    population: Population = "pool",
    pool: int | None = None,
    own: int = 0,
    peers: Peers | None = None,
) -> LabelRange:
    """Return all n for which `scores - curve(n) = 0` is not rejected at the level, as one range.

    Args:
        scores: (D, m) correctness of an arm, or a constant target as an array of its value.
        curve: at least two budgets, same draws and texts.
        level: confidence of the range, e.g. 0.95.
        population: as in `intervals.two_way`.
        pool: pool size, needed for new texts.
        own: labels behind `scores`; 0 for a constant. For new texts the larger share counts.
        peers: other arms at the same labels, whose spread is pooled with this one's.
    """
    budgets = sorted(curve)
    measured = (budgets[0], budgets[-1])
    if scores.shape[0] < 2:
        point, side = invert(curve, float(scores.mean()))
        return LabelRange(point, None, None, side, measured, level, "one draw")
    if population == "new_texts" and pool and max(budgets[-1], own) / pool > LARGEST_SHARE:
        curve = {n: c for n, c in curve.items() if n / pool <= LARGEST_SHARE}
        if len(curve) < 2 or own / pool > LARGEST_SHARE:
            return LabelRange(
                None, None, None, None, measured, level, "draws take over half the pool"
            )
        return equivalent_labels(scores, curve, level, population, pool, own, peers)
    point, side = invert(curve, float(scores.mean()))
    test = CurveTest(scores, curve, level, peers)

    def rejected(logs: Floats) -> Bools:
        share = np.maximum(np.exp(logs), own) / pool if pool else np.zeros(len(logs))
        return test.rejected(interpolation(budgets, logs), share, population)

    low, high = (
        next((float(n) for n in measured if end is not None and np.isclose(n, end, 1e-9)), end)
        for end in hull(rejected, _log_grid(budgets, point), point, side)
    )
    return LabelRange(point, low, high, side, measured, level)


def hull(
    rejected: Callable[[Floats], Bools], grid: list[float], point: float | None, side: str | None
) -> tuple[float | None, float | None]:
    """Return the ends of all values that a test keeps, joined with the point; None where an end is open.

    Args:
        rejected: log values (G,) → whether the test rejects them.
        grid: ascending log values over all that was measured.
        point: the estimate, inside the grid; None where it lies beyond.
        side: where it lies then, "above" or "below".
    """
    kept = np.flatnonzero(~rejected(np.array(grid))).tolist()
    if not kept:
        if side == "above":
            return float(np.exp(grid[-1])), None
        if side == "below":
            return None, float(np.exp(grid[0]))
        # The curve crosses the score so steeply that no grid point is kept: the point stands alone.
        return point, point
    first, last = kept[0], kept[-1]
    low_open, high_open = first == 0 or side == "below", last == len(grid) - 1 or side == "above"
    low = None if low_open else _edge(rejected, grid[first - 1], grid[first])
    high = None if high_open else _edge(rejected, grid[last + 1], grid[last])
    if point is not None:
        low = None if low is None else min(low, point)
        high = None if high is None else max(high, point)
    return low, high


def _log_grid(budgets: list[int], point: float | None) -> list[float]:
    logs = np.log(budgets)
    parts = [np.linspace(a, b, _GRID, endpoint=False) for a, b in pairwise(logs)]
    grid = {float(v) for part in parts for v in part} | {float(logs[-1])}
    if point is not None and all(abs(np.log(point) - v) > 1e-9 for v in grid):
        grid.add(float(np.log(point)))
    return sorted(grid)


def _edge(rejected: Callable[[Floats], Bools], outside: float, inside: float) -> float:
    """Return where the test begins to reject, between a rejected and an accepted log n."""
    for _ in range(_NARROWINGS):
        logs = np.linspace(outside, inside, _STEPS + 1)
        accepted = np.flatnonzero(~rejected(logs[1:-1]))
        first = int(accepted[0]) + 1 if len(accepted) else _STEPS
        outside, inside = float(logs[first - 1]), float(logs[first])
    return float(np.exp(inside))
