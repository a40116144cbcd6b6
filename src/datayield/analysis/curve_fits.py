"""Fits learning curves by formulas, err(n) = E + B g(n), and tests them on budgets that they did not see.

Every family has a floor E >= 0, a gain B >= 0 and a falling g of one or two shape numbers:

- power: g = (n + d)^-c, 0 < c <= 1.5 (d = 0 below seven budgets)
- exponential: g = exp(-k n)
- mmf4: g = s^p / (s^p + n^p), the Morgan-Mercer-Flodin curve of four numbers
- last: the error of the largest budget, the rival of every formula (Viering & Loog 2103.10948)

Given the shape, E and B are least squares with two non-negative unknowns, solved exactly; the shape is
found on a grid that is narrowed several times. No starting value, no random number: equal curves
give equal fits.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from datayield.core.types import Floats

SMALLEST_FIT = 5  # budgets; fewer are never fitted
SMALLEST_SHIFT = 7  # budgets; below, the power law's d is 0
LARGEST_POWER = 1.5
_POINTS, _ROUNDS = 25, 6  # per shape number and narrowing; how often the grid is narrowed


@dataclass(frozen=True, slots=True)
class CurveFamily:
    """One form of g. `shape` maps the unit square (G, 2) to shape numbers (G, 2)."""

    g: Callable[[Floats, Floats], Floats]  # n (K,), shape (G, 2) -> (G, K)
    shape: Callable[[Floats, float, float, bool], Floats]  # unit square, first n, last n, shifted


@dataclass(frozen=True, slots=True)
class Fit:
    """err(n) = floor + gain g(n)."""

    family: str
    floor: float
    gain: float
    shape: tuple[float, float]  # power: c, d; exponential: k, 0; mmf4: p, s

    def error(self, n: Floats) -> Floats:
        """Return the error at n labels, (K,)."""
        if self.family == "last":
            return np.full(len(n), self.floor)
        g = FAMILIES[self.family].g(np.asarray(n, np.float64), np.array([self.shape]))
        found: Floats = self.floor + self.gain * g[0]
        return found


def _between(u: Floats, low: float, high: float) -> Floats:
    """Interpolate geometrically between low and high, (G,)."""
    found: Floats = low * (high / low) ** u
    return found


def _power_shape(u: Floats, first: float, last: float, shifted: bool) -> Floats:
    shift = first * np.expm1(u[:, 1] * np.log1p(10 * last / first)) if shifted else 0 * u[:, 1]
    return np.column_stack([_between(u[:, 0], 0.02, LARGEST_POWER), shift])


def _exponential_shape(u: Floats, first: float, last: float, shifted: bool) -> Floats:
    return np.column_stack([_between(u[:, 0], 0.05 / last, 5 / first), 0 * u[:, 1]])


def _mmf4_shape(u: Floats, first: float, last: float, shifted: bool) -> Floats:
    return np.column_stack([_between(u[:, 0], 0.05, 3), _between(u[:, 1], first / 10, 10 * last)])


FAMILIES: Mapping[str, CurveFamily] = {
    "power": CurveFamily(lambda n, s: (n + s[:, 1:]) ** -s[:, :1], _power_shape),
    "exponential": CurveFamily(lambda n, s: np.exp(-s[:, :1] * n), _exponential_shape),
    "mmf4": CurveFamily(lambda n, s: 1 / (1 + (n / s[:, 1:]) ** s[:, :1]), _mmf4_shape),
}
RIVALS = (*FAMILIES, "last")


def fit(n: Floats, error: Floats, weights: Floats, family: str) -> Fit:
    """Return the weighted least-squares fit of one family.

    Args:
        n: budgets, ascending, (K,), K >= 5.
        error: 1 - score at each, (K,).
        weights: 1 / variance at each, (K,).
        family: one of RIVALS.
    """
    if family == "last":
        return Fit(family, float(error[-1]), 0.0, (0.0, 0.0))
    if len(n) < SMALLEST_FIT:
        raise ValueError(f"a fit needs {SMALLEST_FIT} budgets, got {len(n)}")
    kind, shifted = FAMILIES[family], len(n) >= SMALLEST_SHIFT
    low, high = np.zeros(2), np.ones(2)
    for _ in range(_ROUNDS):
        axes = [np.linspace(a, b, _POINTS) for a, b in zip(low, high, strict=True)]
        u = np.stack(np.meshgrid(*axes, indexing="ij"), -1).reshape(-1, 2)
        shape = kind.shape(u, float(n[0]), float(n[-1]), shifted)
        floor, gain, loss = _non_negative(kind.g(n, shape), error, weights)
        best = int(np.argmin(loss))
        reach = 2 * (high - low) / (_POINTS - 1)
        low, high = np.maximum(u[best] - reach, 0), np.minimum(u[best] + reach, 1)
    c, d = shape[best]
    return Fit(family, float(floor[best]), float(gain[best]), (float(c), float(d)))


def _non_negative(g: Floats, error: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Regress error on 1 and g (G, K) with both coefficients >= 0; return E, B and loss, (G,) each."""
    scale = g.max(1, keepdims=True)
    g = g / scale  # else the power law's tiny values lose the solution's digits
    total, s_g, s_gg = w.sum(), g @ w, (g**2) @ w
    s_e, s_ge = float(error @ w), g @ (w * error)
    det = total * s_gg - s_g**2
    safe = np.where(det > 1e-12 * total * s_gg, det, np.inf)
    floor, gain = (s_e * s_gg - s_g * s_ge) / safe, (total * s_ge - s_g * s_e) / safe
    gain = np.where(floor < 0, s_ge / s_gg, gain)
    floor = np.maximum(floor, 0.0)
    flat = (gain < 0) | ~np.isfinite(safe)
    floor, gain = np.where(flat, s_e / total, floor), np.where(flat, 0.0, gain)
    loss = ((error - floor[:, None] - gain[:, None] * g) ** 2) @ w
    return floor, gain / scale[:, 0], loss


def misfits(n: Floats, error: Floats, weights: Floats) -> dict[str, float]:
    """Return the root mean squared error of every rival in predicting budgets from those before.

    Every budget that at least five smaller ones precede is predicted, the last three at most; {}
    where there is none.
    """
    ends = range(max(SMALLEST_FIT, len(n) - 3), len(n))
    missed = {
        family: [
            float(fit(n[:k], error[:k], weights[:k], family).error(n[k : k + 1])[0] - error[k])
            for k in ends
        ]
        for family in RIVALS
    }
    return {f: float(np.sqrt(np.mean(np.square(m)))) for f, m in missed.items() if m}


def choose(found: Mapping[str, float]) -> str:
    """Return the family with the smallest misfit; the power law where nothing could be tried."""
    return min(found, key=lambda family: found[family], default="power")


def smoothed(n: Floats, variance: Floats, floor: Floats) -> Floats:
    """Return variances made smooth in log n (their logs on a straight line), never below the floor, (K,)."""
    logs = np.log(np.maximum(variance, 1e-12))
    x = np.log(n) - np.log(n).mean()
    line = logs.mean() + (x @ logs) / (x @ x) * x
    found: Floats = np.maximum(np.exp(line), np.maximum(floor, 1e-12))
    return found
