"""Computes how many labels a target needs, the gain of the next labels, and the cost of both."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from datayield.analysis.extrapolate import REACH, Extrapolation, at_least, bounds, extrapolate
from datayield.analysis.frame import Frame
from datayield.analysis.multipliers import LabelRange, at, equivalent_labels
from datayield.analysis.scores import curve_draws, curve_of
from datayield.analysis.statements import ArmExtrapolation, BoundBeyond, NextLabels
from datayield.core.types import Floats

ROLES = ("plain", "baseline", "strategy")  # arms that one would buy labels for


@dataclass(frozen=True, slots=True)
class TargetAnswer:
    """Labels to a target: inside the measured range, beyond it as a lower bound, or refused."""

    arm: str
    target: float
    labels: LabelRange
    at_least: float | None = None  # beyond the largest budget: one-sided
    reason: str | None = None  # why there is no upper end, or no answer at all


def whole_curve(f: Frame, arm: str) -> dict[int, Floats]:
    """Return the arm's curve on the draws that most of its budgets share, (D, m) each."""
    return curve_of(f.scores, arm, curve_draws(f.scores, arm))


def extrapolated(f: Frame, arm: str) -> tuple[dict[int, Floats], Extrapolation]:
    """Return the arm's curve and its extrapolation beyond its largest budget."""
    curve = whole_curve(f, arm)
    return curve, extrapolate(curve, f.level, f.population, f.pool)


def labels(f: Frame, arm: str, target: float) -> TargetAnswer:
    """Return how many labels the arm needs for a score.

    Args:
        f: the corpus.
        arm: with at least two budgets.
        target: score of the metric that leads, in (0, 1).
    """
    curve = whole_curve(f, arm)
    if len(curve) < 2:
        nothing = LabelRange(None, None, None, None, (min(f.budgets(arm)),) * 2, f.level)
        why = f"{arm} was measured at {len(curve)} budget; a curve needs two"
        return TargetAnswer(arm, target, nothing, None, why)
    constant = np.full(next(iter(curve.values())).shape, target)
    inside = equivalent_labels(constant, curve, f.level, f.population, f.pool)
    if inside.reason or inside.side is None:
        return TargetAnswer(arm, target, inside, None, inside.reason)
    if inside.side == "below":
        return TargetAnswer(arm, target, inside, None, "reached at the smallest budget already")
    largest = max(curve)
    if inside.low is None or inside.low < largest:
        why = "whether it is reached within them is not certain, and the upper end is open"
        return TargetAnswer(arm, target, inside, None, why)
    return _beyond(f, arm, target, inside)


def _beyond(f: Frame, arm: str, target: float, inside: LabelRange) -> TargetAnswer:
    """Answer for a target that the measured curve does not reach: a lower bound, or a refusal."""
    curve, seen = extrapolated(f, arm)
    largest = max(curve)
    if seen.reason is not None or seen.fit is None:
        return TargetAnswer(
            arm, target, inside, None, f"nothing is said beyond {largest:,} labels: {seen.reason}"
        )
    least = at_least(bounds(curve, seen, _share(f, largest)), target)
    if least is None:
        top = 1 - seen.fit.floor
        why = f"even {REACH * largest:,.0f} labels, twice the largest budget, are too few"
        if seen.fit.family != "last" and top < target:
            why += f"; the fitted curve levels off at {top:.1%}, below the target"
        return TargetAnswer(
            arm, target, inside, REACH * largest, f"{why}; further out there is no answer"
        )
    why = "beyond the measured budgets only a lower bound is given"
    return TargetAnswer(arm, target, inside, least, why)


def _share(f: Frame, n: float) -> float:
    return n / f.pool if f.population == "new_texts" else 0.0


def gain(f: Frame, arm: str, have: int, more: int) -> NextLabels:
    """Return the gain of `more` labels on top of `have`: two-sided inside the curve, a lower bound beyond."""
    curve = whole_curve(f, arm)
    unknown = NextLabels(arm, have, more)
    if len(curve) < 2 or not min(curve) <= have <= max(curve):
        ends = f"{min(curve):,} to {max(curve):,}" if curve else "no"
        return replace(unknown, reason=f"the curve of {arm} was measured from {ends} labels")
    if have + more <= max(curve):
        inside = f.interval(at(curve, have + more) - at(curve, have), have + more)
        return NextLabels(arm, have, more, inside.estimate, inside.low, inside.high, inside.reason)
    seen = extrapolate(curve, f.level, f.population, f.pool)
    if have + more > REACH * max(curve):
        return replace(unknown, reason=f"nothing is said beyond {REACH * max(curve):,.0f} labels")
    if seen.reason is not None or seen.fit is None:
        why = f"nothing is said beyond {max(curve):,} labels: {seen.reason}"
        return replace(unknown, reason=why)
    b = bounds(curve, seen, _share(f, max(curve)), minus=have)
    low, estimate = (float(np.interp(have + more, b.n, v)) for v in (b.low, b.estimate))
    why = "beyond the measured budgets: a lower bound"
    return replace(unknown, estimate=estimate, low=low, reason=why)


@dataclass(frozen=True, slots=True)
class Prices:
    """The price of a label and of an hour of computing, and how many trainings one model takes."""

    label: float
    hour: float
    trainings: int = 1


@dataclass(frozen=True, slots=True)
class Money:
    """The cost of buying labels and training on them, in the unit of the prices."""

    labels: float
    label_cost: float
    hours: float  # of computing
    compute_cost: float

    @property
    def total(self) -> float:
        """Labels and computing together."""
        return self.label_cost + self.compute_cost


@dataclass(frozen=True, slots=True)
class TargetCost:
    """The cost of the target by one arm, at the estimate and at both ends of its label range."""

    arm: str
    point: Money | None  # None: no estimate of the labels
    at_most: bool  # the target is reached at the smallest budget already; `point` is its cost
    low: Money | None
    high: Money | None  # None: open
    reason: str | None


def cost(answer: TargetAnswer, hours: Sequence[tuple[int, float]], prices: Prices) -> TargetCost:
    """Return the money to the target by one arm.

    Args:
        answer: labels of one arm.
        hours: (n, hours of one training) where measured; read off linearly in log n, flat outside.
        prices: per label and hour.
    """
    known = sorted(hours)

    def at_labels(n: float | None) -> Money | None:
        if n is None:
            return None
        time = float(np.interp(np.log(n), np.log([k for k, _ in known]), [h for _, h in known]))
        computing = time * prices.trainings
        return Money(n, n * prices.label, computing, computing * prices.hour)

    a = answer.labels
    # Reached at the smallest budget already: its price is an upper bound.
    at_most = a.side == "below"
    point = float(a.measured[0]) if at_most else a.point
    low = None if at_most else at_labels(a.low or answer.at_least)
    high = at_labels(point if at_most else a.high)
    return TargetCost(answer.arm, at_labels(point), at_most, low, high, answer.reason)


def cheapest(costs: Sequence[TargetCost]) -> tuple[str | None, list[str]]:
    """Return the arm of the lowest total, and the arms whose totals reach below its own upper end."""
    known = [(c.point.total, c.arm, c) for c in costs if c.point is not None]
    if not known:
        return None, []
    _, name, best = min(known, key=lambda entry: entry[:2])
    top = best.high.total if best.high else np.inf
    near = [arm for _, arm, c in known if c is not best and (c.low.total if c.low else 0.0) <= top]
    return name, near


def next_labels(f: Frame, arms: Sequence[str], more: int) -> tuple[NextLabels, ...]:
    """Return the gain of the next labels at every budget of these arms."""
    return tuple(gain(f, arm, n, more) for arm in arms for n in f.budgets(arm))


def extrapolations(f: Frame) -> tuple[ArmExtrapolation, ...]:
    """Return fit, back-tests and confirmed drops of every arm with a curve of at least three budgets."""
    rows = []
    for arm in f.names:
        if f.role(arm) not in ROLES or len(f.budgets(arm)) < 3:
            continue
        curve, seen = extrapolated(f, arm)
        beyond = None
        if seen.fit is not None and seen.reason is None:
            b = bounds(curve, seen, _share(f, max(curve)))
            beyond = BoundBeyond(int(b.n[-1]), float(b.low[-1]), float(b.estimate[-1]))
        rows.append(ArmExtrapolation(arm, seen, beyond))
    return tuple(rows)
