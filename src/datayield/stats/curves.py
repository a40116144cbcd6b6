"""Learning curves turned round: how many labels is a score worth?

A curve is a mapping from budgets to correctness (D, m) of the same draws and test texts; between
measured budgets it is linear in log n. Nothing is extrapolated: ends may be open.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from scipy.special import stdtrit

from datayield.stats.interval import LARGEST_SHARE, Population, components, contrasts
from datayield.types import Bools, Floats

Curve = Mapping[int, Floats]
_GRID = 8  # points per gap between measured budgets
_STEPS, _NARROWINGS = 25, 3  # how an end of a range is narrowed down between grid points
ROUNDING = 1e-9  # a gap that small between two curves is arithmetic, not evidence


@dataclass(frozen=True, slots=True)
class Labels:
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

    def scaled(self, labels: int) -> "Labels":
        """As a multiple of `labels`: the data multiplier."""
        p, lo, hi = (None if v is None else v / labels for v in (self.point, self.low, self.high))
        return Labels(p, lo, hi, self.side, self.measured, self.level, self.reason)


def at(curve: Curve, n: float) -> Floats:
    """The curve at n labels, (D, m), linear in log n between its measured budgets."""
    budgets = sorted(curve)
    (row,) = _weights(budgets, np.log([n]))
    return np.tensordot(row, np.stack([curve[b] for b in budgets]), axes=1)


def _weights(budgets: list[int], logs: Floats) -> Floats:
    """How much each budget counts at these log n, (G, K): linear between neighbours."""
    known = np.log(budgets)
    right = np.clip(np.searchsorted(known, logs), 1, len(budgets) - 1)
    w = np.clip((logs - known[right - 1]) / (known[right] - known[right - 1]), 0.0, 1.0)
    out = np.zeros((len(logs), len(budgets)))
    rows = np.arange(len(logs))
    out[rows, right - 1], out[rows, right] = 1 - w, w
    return out


def isotonic(values: Floats) -> Floats:
    """The closest non-decreasing sequence (pool adjacent violators, equal weights)."""
    blocks: list[tuple[float, int]] = []
    for v in values:
        blocks.append((float(v), 1))
        while len(blocks) > 1 and blocks[-2][0] > blocks[-1][0]:
            (a, na), (b, nb) = blocks[-2:]
            blocks[-2:] = [((a * na + b * nb) / (na + nb), na + nb)]
    return np.concatenate([np.full(size, mean) for mean, size in blocks])


def invert(curve: Curve, score: float) -> tuple[float | None, str | None]:
    """(labels at which the isotonic mean curve reaches the score, or None and on which side)."""
    budgets = sorted(curve)
    means = isotonic(np.array([curve[b].mean() for b in budgets]))
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


def worth(
    scores: Floats,
    curve: Curve,
    level: float,
    population: Population = "pool",
    pool: int | None = None,
    own: int = 0,
) -> Labels:
    """All n for which `scores - curve(n) = 0` is not rejected at the level: as one range.

    Args:
        scores: (D, m) correctness of an arm, or a constant target as an array of its value.
        curve: at least two budgets, same draws and texts.
        level: of the range.
        population: as in `interval.two_way`.
        pool: pool size, needed for new texts.
        own: labels behind `scores`; 0 for a constant. For new texts the larger share counts.
    """
    budgets = sorted(curve)
    measured = (budgets[0], budgets[-1])
    if scores.shape[0] < 2:
        point, side = invert(curve, float(scores.mean()))
        return Labels(point, None, None, side, measured, level, "one draw")
    if population == "new_texts" and pool and max(budgets[-1], own) / pool > LARGEST_SHARE:
        curve = {n: c for n, c in curve.items() if n / pool <= LARGEST_SHARE}
        if len(curve) < 2 or own / pool > LARGEST_SHARE:
            return Labels(None, None, None, None, measured, level, "draws take over half the pool")
        return worth(scores, curve, level, population, pool, own)
    point, side = invert(curve, float(scores.mean()))
    rejected = _rejection(scores, curve, level, population, pool, own)
    grid = _log_grid(budgets, point)
    out = rejected(np.array(grid))
    kept = np.flatnonzero(~out).tolist()
    if not kept:
        return _beyond(point, side, measured, level)
    first, last = kept[0], kept[-1]
    # The range is the hull of what is accepted and of where the point estimate lies.
    low_open, high_open = first == 0 or side == "below", last == len(grid) - 1 or side == "above"
    low = None if low_open else _edge(rejected, grid[first - 1], grid[first])
    high = None if high_open else _edge(rejected, grid[last + 1], grid[last])
    if point is not None:
        low = None if low is None else min(low, point)
        high = None if high is None else max(high, point)
    return Labels(point, low, high, side, measured, level)


def _rejection(
    scores: Floats, curve: Curve, level: float, population: Population, pool: int | None, own: int
) -> Callable[[Floats], Bools]:
    """The test behind `worth`: log n (G,) → whether `scores - curve(n) = 0` is rejected there."""
    budgets = sorted(curve)
    parts = components(np.stack([scores, *(curve[b] for b in budgets)]))

    def rejected(logs: Floats) -> Bools:
        v = np.column_stack([np.ones(len(logs)), -_weights(budgets, logs)])
        share = np.maximum(np.exp(logs), own) / pool if pool else 0.0
        mean, variance, df = contrasts(parts, v, share, population)
        # A spread of rounding errors has no degrees of freedom; its margin is nil either way.
        half = stdtrit(np.maximum(df, 0.5), (1 + level) / 2) * np.sqrt(variance)
        found: Bools = np.abs(mean) > half + ROUNDING
        return found

    return rejected


def _log_grid(budgets: list[int], point: float | None) -> list[float]:
    logs = np.log(budgets)
    parts = [np.linspace(a, b, _GRID, endpoint=False) for a, b in pairwise(logs)]
    grid = {float(v) for part in parts for v in part} | {float(logs[-1])}
    if point is not None and all(abs(np.log(point) - v) > 1e-9 for v in grid):
        grid.add(float(np.log(point)))
    return sorted(grid)


def _edge(rejected: Callable[[Floats], Bools], outside: float, inside: float) -> float:
    """Where the test begins to reject, between a rejected and an accepted log n."""
    for _ in range(_NARROWINGS):
        logs = np.linspace(outside, inside, _STEPS + 1)
        accepted = np.flatnonzero(~rejected(logs[1:-1]))
        first = int(accepted[0]) + 1 if len(accepted) else _STEPS
        outside, inside = float(logs[first - 1]), float(logs[first])
    return float(np.exp(inside))


def _beyond(
    point: float | None, side: str | None, measured: tuple[int, int], level: float
) -> Labels:
    """Every measured budget is rejected."""
    if side == "above":
        return Labels(point, float(measured[1]), None, side, measured, level)
    if side == "below":
        return Labels(point, None, float(measured[0]), side, measured, level)
    # The curve crosses the score so steeply that no grid point is accepted: the point stands alone.
    return Labels(point, point, point, None, measured, level)
