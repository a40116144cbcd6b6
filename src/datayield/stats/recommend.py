"""Which arm to take at each budget, how sure that is, and whether more labels would do more."""

from dataclasses import asdict
from typing import Any

import numpy as np

from datayield.stats.compare import Frame, candidates, multiplier, picks
from datayield.stats.curves import at
from datayield.stats.scores import curve_of

DOUBLE = 2  # times the labels, against which cleverness is weighed


def recommend(f: Frame) -> list[dict[str, Any]]:
    """Per budget with a choice: the best arm by validation, its evidence, who cannot be told apart.

    Everything about one budget is simultaneous over the arms considered there (Bonferroni over the
    others), because the best of them was picked. Among equals the baseline wins.
    """
    out = []
    for n, best, known in picks(f):
        level = 1 - (1 - f.level) / (len(known) - 1)
        own = f.interval(f.scores[best, n].values, n, 1 - (1 - f.level) / len(known))
        out.append(
            {
                "n": n, "arm": best, "of": len(known), "validation": known[best], "level": level,
                "score": asdict(own), "leads": _leads(f, best, n, sorted(known)),
                "within": _within_draws(f, n, sorted(known)),
                **_evidence(f, best, n, level),
                **_others(f, best, n, sorted(known), level),
                "doubling": _doubling(f, n),
            }
        )  # fmt: skip
    return out


def _leads(f: Frame, best: str, n: int, arms: list[str]) -> dict[str, int]:
    """In how many draws this arm alone has the highest validation score, ties counted for it."""
    m = f.scores[best, n]
    led = 0
    for k, draw in enumerate(m.draws):
        known = [
            v
            for a in arms
            if draw in (o := f.scores[a, n]).draws
            and not np.isnan(v := float(o.validation[o.draws.index(draw)]))
        ]
        led += bool(known) and bool(m.validation[k] >= max(known))
    return {"draws": led, "of": len(m.draws)}


def _within_draws(f: Frame, n: int, arms: list[str]) -> dict[str, Any]:
    """What picking is worth to somebody with one sample: in every draw the arm that leads there.

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
        best = max(there, key=lambda a: (there[a][0], a == f.baseline), default=None)
        gains.append((there[best][1] if best else base.values[k]) - base.values[k])
    return asdict(f.interval(np.stack(gains), n))


def _evidence(f: Frame, best: str, n: int, level: float) -> dict[str, Any]:
    """Difference and multiplier against the study's baseline; None where the baseline is best."""
    if best == f.baseline:
        return {"difference": None, "multiplier": None}
    gap, worth = f.gap(best, f.baseline, n, level), multiplier(f, best, n, f.baseline, level)
    return {
        "difference": asdict(gap) if gap else None,
        "multiplier": asdict(worth) if worth else None,
    }


def _others(f: Frame, best: str, n: int, arms: list[str], level: float) -> dict[str, Any]:
    """Who is behind the best on the test set, who ahead, and who cannot be told apart from it."""
    out: dict[str, list[str]] = {"behind": [], "ahead": [], "ties": [], "unknown": []}
    for arm in arms:
        if arm == best:
            continue
        d = f.gap(best, arm, n, level)
        if d is None or d.low is None:
            out["unknown"].append(arm)
        else:
            side = ("behind" if d.estimate > 0 else "ahead") if d.excludes_zero else "ties"
            out[side].append(arm)
    return out


def _doubling(f: Frame, n: int) -> dict[str, Any] | None:
    """The best strategy at n against the baseline with twice the labels; None outside its curve."""
    known = {a: v for a, v in candidates(f, n).items() if f.role(a) == "strategy"}
    if not known:
        return None
    arm = max(sorted(known), key=lambda a: known[a])
    base, m = f.own_baseline(arm), f.scores[arm, n]
    curve = curve_of(f.scores, base, m.draws)
    if len(curve) < 2 or DOUBLE * n > max(curve) or n < min(curve):
        return None
    doubled, level = at(curve, DOUBLE * n), 1 - (1 - f.level) / len(known)
    gap = f.interval(m.values - doubled, DOUBLE * n, level)
    verdict = "open"
    if gap.excludes_zero:
        verdict = "arm" if gap.estimate > 0 else "labels"
    return {
        "arm": arm, "baseline": base, "of": len(known), "verdict": verdict, "gap": asdict(gap),
        "gain_arm": float((m.values - at(curve, n)).mean()),
        "gain_labels": asdict(f.interval(doubled - at(curve, n), DOUBLE * n)),
    }  # fmt: skip
