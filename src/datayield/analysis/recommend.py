"""Recommends an arm at each budget, with its evidence and the question whether labels would do more."""

import numpy as np

from datayield.analysis.claims import claims, visible_between
from datayield.analysis.comparisons import candidates, multiplier, picks
from datayield.analysis.curve_tests import CurveTest
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import Interval, Spread, interval_of
from datayield.analysis.multipliers import at, interpolation
from datayield.analysis.scores import curve_draws, curve_of
from datayield.analysis.statements import Doubling, Leads, Recommendation

DOUBLE = 2  # times the labels, against which cleverness is weighed


def recommend(f: Frame) -> tuple[Recommendation, ...]:
    """Return the best arm by validation at each budget with a choice, and its evidence.

    The pick against the baseline is the corpus's claim about it, where there is one. All else about a
    budget is simultaneous over the arms considered there (Bonferroni over the others), because the
    best of them was picked. Among equals the baseline wins.
    """
    claimed = {
        (row.arm, row.n): row.claim.interval
        for row in claims(f)[0]
        if row.claim is not None and row.baseline == f.baseline
    }
    rows = []
    for n, best, known in picks(f):
        level = 1 - (1 - f.level) / (len(known) - 1)
        own = f.interval(f.scores[best, n].values, n, 1 - (1 - f.level) / len(known))
        is_baseline = best == f.baseline
        gap = claimed.get((best, n)) or f.gap(best, f.baseline, n, level)
        sides = _others(f, best, n, sorted(known), level)
        rows.append(
            Recommendation(
                n, best, len(known), known[best], level, own,
                leads=_leads(f, best, n, sorted(known)),
                within=_within_draws(f, n, sorted(known)),
                difference=None if is_baseline else gap,
                multiplier=None if is_baseline else multiplier(f, best, n, f.baseline, level),
                behind=tuple(sides["behind"]), ahead=tuple(sides["ahead"]),
                ties=tuple(sides["ties"]), unknown=tuple(sides["unknown"]),
                visible=_visible(f, best, n, sides["ties"], len(known) - 1),
                doubling=_doubling(f, n),
            )
        )  # fmt: skip
    return tuple(rows)


def _visible(f: Frame, best: str, n: int, ties: list[str], tests: int) -> float | None:
    """Return the smallest difference that would have told the best arm from every one of its ties."""
    seen = [visible_between(f, best, arm, n, tests) for arm in ties]
    return max((v for v in seen if v is not None), default=None)


def _leads(f: Frame, best: str, n: int, arms: list[str]) -> Leads:
    """Count the validated draws in which this arm has the highest score, ties counted for it."""
    m = f.scores[best, n]
    led = of = 0
    for k, draw in enumerate(m.draws):
        known = [
            v
            for a in arms
            if draw in (o := f.scores[a, n]).draws
            and not np.isnan(v := float(o.validation[o.draws.index(draw)]))
        ]
        of += bool(known)
        led += bool(known) and bool(m.validation[k] >= max(known))
    return Leads(led, of)


def _within_draws(f: Frame, n: int, arms: list[str]) -> Interval:
    """Return the gain of picking for somebody with one sample: in every draw the arm that leads there.

    The picks read their own draw's validation texts alone, so the difference from the baseline is that
    of one procedure named beforehand and needs no correction. Among equals the baseline wins.
    """
    base = f.scores[f.baseline, n]
    gains = []
    for k, draw in enumerate(base.draws):
        there = {
            a: (float(m.validation[i]), m.values[i])
            for a in arms
            if draw in (m := f.scores[a, n]).draws
            and not np.isnan(m.validation[i := m.draws.index(draw)])
        }
        if there:  # a draw without held-out scores picks nothing
            best = max(there, key=lambda a: (there[a][0], a == f.baseline))
            gains.append(there[best][1] - base.values[k])
    if not gains:  # the baseline shares no draw with held-out scores: it is kept everywhere
        gains = list(np.zeros_like(base.values))
    return f.interval(np.stack(gains), n)


def _others(f: Frame, best: str, n: int, arms: list[str], level: float) -> dict[str, list[str]]:
    """Sort the other arms by the test set: behind the best, ahead of it, ties, unknown."""
    sides: dict[str, list[str]] = {"behind": [], "ahead": [], "ties": [], "unknown": []}
    for arm in arms:
        if arm == best:
            continue
        gap = f.gap(best, arm, n, level)
        if gap is None or gap.low is None:
            sides["unknown"].append(arm)
        else:
            side = ("behind" if gap.estimate > 0 else "ahead") if gap.excludes_zero else "ties"
            sides[side].append(arm)
    return sides


def _doubling(f: Frame, n: int) -> Doubling | None:
    """Weigh the best strategy at n against the baseline with twice the labels; None outside its curve."""
    known = {a: v for a, v in candidates(f, n).items() if f.role(a) == "strategy"}
    if not known:
        return None
    arm = max(sorted(known), key=lambda a: known[a])
    base, m = f.own_baseline(arm), f.scores[arm, n]
    draws = curve_draws(f.scores, base, m.draws)
    curve = curve_of(f.scores, base, draws)
    if len(curve) < 2 or DOUBLE * n > max(curve) or n < min(curve):
        return None
    values, doubled, level = m.on(draws), at(curve, DOUBLE * n), 1 - (1 - f.level) / len(known)
    gap = f.interval(values - doubled, DOUBLE * n, level)
    if gap.low is not None:
        test = CurveTest(values, curve, level, f.peers(arm, (n,), draws))
        weights = interpolation(sorted(curve), np.log([DOUBLE * n]))
        mean, variance, df = test.estimates(weights, np.array([f.share(DOUBLE * n)]), f.population)
        spread = Spread(float(mean[0]), float(variance[0]), float(df[0]))
        gap = interval_of(spread, level, f.population, len(draws))
    return Doubling(
        arm, base, len(known),
        verdict=("arm" if gap.estimate > 0 else "labels") if gap.excludes_zero else "open",
        gap=gap,
        gain_arm=float((values - at(curve, n)).mean()),
        gain_labels=f.interval(doubled - at(curve, n), DOUBLE * n),
    )  # fmt: skip
