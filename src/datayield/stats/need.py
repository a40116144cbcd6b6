"""The planner: how many labels a target needs, what the next labels buy, what both cost."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from datayield.stats.compare import Frame
from datayield.stats.curves import Labels, at, worth
from datayield.stats.outlook import REACH, Outlook, at_least, bounds, outlook
from datayield.stats.scores import curve_of
from datayield.types import Floats

ROLES = ("plain", "baseline", "strategy")  # arms that one would buy labels for


@dataclass(frozen=True, slots=True)
class Answer:
    """Labels to a target: inside the measured range, beyond it as a lower bound, or refused."""

    arm: str
    target: float
    labels: Labels
    at_least: float | None = None  # beyond the largest budget: one-sided
    reason: str | None = None  # why there is no upper end, or no answer at all


def whole_curve(f: Frame, arm: str) -> dict[int, Floats]:
    """The arm's curve on the draws that most of its budgets share, (D, m) each."""
    sets = [set(f.scores[arm, n].draws) for n in f.budgets(arm)]
    ranked = sorted(
        {tuple(sorted(s)) for s in sets},
        key=lambda d: (-sum(set(d) <= s for s in sets) * len(d), d),
    )
    return curve_of(f.scores, arm, ranked[0]) if ranked else {}


def look(f: Frame, arm: str) -> tuple[dict[int, Floats], Outlook]:
    """The arm's curve and what it allows to be said beyond its largest budget."""
    curve = whole_curve(f, arm)
    return curve, outlook(curve, f.level, f.population, f.pool)


def labels(f: Frame, arm: str, target: float) -> Answer:
    """How many labels the arm needs for a score.

    Args:
        f: the corpus.
        arm: with at least two budgets.
        target: of the metric that leads, in (0, 1).
    """
    curve = whole_curve(f, arm)
    if len(curve) < 2:
        nothing = Labels(None, None, None, None, (min(f.budgets(arm)),) * 2, f.level)
        why = f"{arm} was measured at {len(curve)} budget; a curve needs two"
        return Answer(arm, target, nothing, None, why)
    constant = np.full(next(iter(curve.values())).shape, target)
    found = worth(constant, curve, f.level, f.population, f.pool)
    if found.reason or found.side is None:
        return Answer(arm, target, found, None, found.reason)
    if found.side == "below":
        return Answer(arm, target, found, None, "reached at the smallest budget already")
    largest = max(curve)
    if found.low is None or found.low < largest:
        why = "whether it is reached within them is not certain, and the upper end is open"
        return Answer(arm, target, found, None, why)
    return _beyond(f, arm, target, found)


def _beyond(f: Frame, arm: str, target: float, found: Labels) -> Answer:
    curve, seen = look(f, arm)
    largest = max(curve)
    if seen.reason is not None or seen.fit is None:
        return Answer(
            arm, target, found, None, f"nothing is said beyond {largest:,} labels: {seen.reason}"
        )
    least = at_least(bounds(curve, seen, _share(f, largest)), target)
    if least is None:
        top = 1 - seen.fit.floor
        why = f"even {REACH * largest:,.0f} labels, twice the largest budget, are too few"
        if seen.fit.family != "last" and top < target:
            why += f"; the fitted curve levels off at {top:.1%}, below the target"
        return Answer(arm, target, found, REACH * largest, f"{why}; further out there is no answer")
    why = "beyond the measured budgets only a lower bound is given"
    return Answer(arm, target, found, least, why)


def _share(f: Frame, n: float) -> float:
    return n / f.pool if f.population == "new_texts" else 0.0


def gain(f: Frame, arm: str, have: int, more: int) -> dict[str, Any]:
    """What `more` labels buy on top of `have`: two-sided inside the curve, a lower bound beyond.

    Returns:
        have, more, estimate, low, high, reason; scores as shares; high None beyond the curve.
    """
    curve = whole_curve(f, arm)
    out: dict[str, Any] = {
        "arm": arm,
        "have": have,
        "more": more,
        "estimate": None,
        "low": None,
        "high": None,
    }
    if len(curve) < 2 or not min(curve) <= have <= max(curve):
        ends = f"{min(curve):,} to {max(curve):,}" if curve else "no"
        return {**out, "reason": f"the curve of {arm} was measured from {ends} labels"}
    if have + more <= max(curve):
        x = at(curve, have + more) - at(curve, have)
        found = f.interval(x, have + more)
        return {
            **out,
            "estimate": found.estimate,
            "low": found.low,
            "high": found.high,
            "reason": found.reason,
        }
    seen = outlook(curve, f.level, f.population, f.pool)
    if have + more > REACH * max(curve):
        return {**out, "reason": f"nothing is said beyond {REACH * max(curve):,.0f} labels"}
    if seen.reason is not None or seen.fit is None:
        return {**out, "reason": f"nothing is said beyond {max(curve):,} labels: {seen.reason}"}
    b = bounds(curve, seen, _share(f, max(curve)), minus=have)
    low, estimate = (float(np.interp(have + more, b.n, v)) for v in (b.low, b.estimate))
    return {
        **out,
        "estimate": estimate,
        "low": low,
        "reason": "beyond the measured budgets: a lower bound",
    }


@dataclass(frozen=True, slots=True)
class Prices:
    """What a label and an hour of computing cost, and how many trainings one model takes."""

    label: float
    hour: float
    trainings: int = 1


def cost(answer: Answer, hours: Sequence[tuple[int, float]], prices: Prices) -> dict[str, Any]:
    """Money to the target by one arm, at the estimate and at both ends of its label range.

    Args:
        answer: labels of one arm.
        hours: (n, hours of one training) where measured; read off linearly in log n, flat outside.
        prices: per label and hour.
    """
    known = sorted(hours)

    def at_labels(n: float | None) -> dict[str, float] | None:
        if n is None:
            return None
        time = float(np.interp(np.log(n), np.log([k for k, _ in known]), [h for _, h in known]))
        paid, computed = n * prices.label, time * prices.trainings * prices.hour
        return {"labels": n, "label_cost": paid, "hours": time * prices.trainings,
                "compute_cost": computed, "total": paid + computed}  # fmt: skip

    a = answer.labels
    # Reached at the smallest budget already: its price is an upper bound.
    most = a.side == "below"
    point = float(a.measured[0]) if most else a.point
    return {
        "arm": answer.arm, "point": at_labels(point), "at_most": most,
        "low": None if most else at_labels(a.low or answer.at_least),
        "high": at_labels(point if most else a.high), "reason": answer.reason,
    }  # fmt: skip


def cheapest(costs: Sequence[dict[str, Any]]) -> tuple[str | None, list[str]]:
    """(the arm of the lowest total, arms whose range of totals reaches below its own upper end)."""
    known = [c for c in costs if c["point"] is not None]
    if not known:
        return None, []
    best = min(known, key=lambda c: (c["point"]["total"], c["arm"]))
    top = best["high"]["total"] if best["high"] else np.inf
    near = [
        c["arm"] for c in known if c is not best and (c["low"]["total"] if c["low"] else 0.0) <= top
    ]
    return best["arm"], near


def statements(f: Frame, arms: Sequence[str], more: int) -> list[dict[str, Any]]:
    """What the next labels buy at every budget of these arms: for the report."""
    return [gain(f, arm, n, more) for arm in arms for n in f.budgets(arm)]


def outlooks(f: Frame) -> list[dict[str, Any]]:
    """Formula, back-tests and confirmed drops of every arm with a curve of at least three budgets."""
    out = []
    for arm in f.names:
        if f.role(arm) not in ROLES or len(f.budgets(arm)) < 3:
            continue
        curve, seen = look(f, arm)
        entry = asdict(seen)
        for name, test in (("next", seen.next), ("double", seen.double)):
            if test is not None:
                entry[name] |= {"covered": test.covered, "last_covered": test.last_covered}
        entry["beyond"] = None
        if seen.fit is not None and seen.reason is None:
            b = bounds(curve, seen, _share(f, max(curve)))
            entry["beyond"] = {
                "n": int(b.n[-1]),
                "low": float(b.low[-1]),
                "estimate": float(b.estimate[-1]),
            }
        out.append({"arm": arm, **entry})
    return out
