"""What a study would have said without one of its draws."""

from dataclasses import replace
from typing import Any

from datayield.stats.compare import Frame, best_by_validation, differences
from datayield.stats.scores import Measured, Scores

SMALLEST = 3  # draws; with fewer, leaving one out leaves no interval


def leave_one_out(f: Frame) -> dict[str, Any]:
    """Verdicts and picks that change when any one draw is left out.

    `changed` lists strategies whose verdict changes: `lost` (no longer told apart), `new` (told apart
    only without that draw), `reversed`. `picks` lists budgets whose best arm by validation changes.
    """
    draws = sorted({d for m in f.scores.values() for d in m.draws})
    if len(draws) < SMALLEST:
        why = f"{len(draws)} draw{'s' if len(draws) > 1 else ''}: without one of them no interval is left"
        return {"draws": draws, "reason": why, "changed": [], "picks": []}
    before, picked = _verdicts(f), _picks(f)
    changed, picks = [], []
    for draw in draws:
        less = replace(f, scores=_without(f.scores, draw))
        after, now = _verdicts(less), _picks(less)
        changed += [
            {"without": draw, "arm": arm, "n": n, "change": _change(before[arm, n], after[arm, n])}
            for arm, n in before
            if (arm, n) in after and before[arm, n] != after[arm, n]
        ]
        picks += [
            {"without": draw, "n": n, "arm": now[n], "before": picked[n]}
            for n in picked
            if n in now and now[n] != picked[n]
        ]
    return {"draws": draws, "reason": None, "changed": changed, "picks": picks}


def _without(scores: Scores, draw: int) -> Scores:
    out = {}
    for key, m in scores.items():
        kept = [i for i, d in enumerate(m.draws) if d != draw]
        if kept:
            out[key] = Measured(
                tuple(m.draws[i] for i in kept), m.hits[kept], m.f1[kept], m.validation[kept],
                m.cells, m.metric,
            )  # fmt: skip
    return out


def _verdicts(f: Frame) -> dict[tuple[str, int], int]:
    """(strategy, n) → 1 better, -1 worse, 0 not told apart."""
    found = [d for d in differences(f) if "differs" in d]
    return {
        (d["arm"], d["n"]): (1 if d["difference"]["estimate"] > 0 else -1) if d["differs"] else 0
        for d in found
    }


def _picks(f: Frame) -> dict[int, str]:
    return {b["n"]: b["arm"] for b in best_by_validation(f)}


def _change(before: int, after: int) -> str:
    if after == 0:
        return "lost"
    return "new" if before == 0 else "reversed"
