"""Tests how far a study's conclusions depend on one draw, and whether trainings ended too early."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from math import isnan, sqrt
from typing import Any, Literal

import numpy as np
from scipy.stats import t as student

from datayield.analysis.claims import differences
from datayield.analysis.comparisons import picks
from datayield.analysis.frame import Frame
from datayield.analysis.scores import Measured, Scores
from datayield.analysis.statements import (
    ChangedPick,
    ChangedVerdict,
    RisingArm,
    Sensitivity,
    StillRising,
)

SMALLEST = 3  # draws; with fewer, leaving one out leaves no interval


def leave_one_out(f: Frame) -> Sensitivity:
    """Return the verdicts and picks that change when any one draw is left out.

    `changed` lists strategies whose verdict changes: `lost` (no longer told apart), `new` (told apart
    only without that draw), `reversed`. `picks` lists budgets whose best arm by validation changes.
    """
    draws = sorted({d for m in f.scores.values() for d in m.draws})
    if len(draws) < SMALLEST:
        why = f"{len(draws)} draw{'s' if len(draws) > 1 else ''}: without one of them no interval is left"
        return Sensitivity(tuple(draws), why)
    before, picked = _verdicts(f), _picks(f)
    changed, changed_picks = [], []
    for draw in draws:
        less = replace(f, scores=_without(f.scores, draw))
        after, now = _verdicts(less), _picks(less)
        changed += [
            ChangedVerdict(draw, arm, n, _change(before[arm, n], after[arm, n]))
            for arm, n in before
            if (arm, n) in after and before[arm, n] != after[arm, n]
        ]
        changed_picks += [
            ChangedPick(draw, n, now[n], picked[n])
            for n in picked
            if n in now and now[n] != picked[n]
        ]
    return Sensitivity(tuple(draws), None, tuple(changed), tuple(changed_picks))


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
    """Return (arm, n) → 1 helps, -1 harms, 0 not told apart."""
    numbers = {"helps": 1, "harms": -1}
    return {
        (row.arm, row.n): numbers.get(row.claim.verdict, 0) for row in differences(f) if row.claim
    }


def _picks(f: Frame) -> dict[int, str]:
    return {n: best for n, best, _ in picks(f)}


def _change(before: int, after: int) -> Literal["lost", "new", "reversed"]:
    if after == 0:
        return "lost"
    return "new" if before == 0 else "reversed"


RISE = 0.01  # accuracy between the last two evaluations below which nothing is said


def still_rising(history: Iterable[Mapping[str, Any]], level: float) -> StillRising:
    """Return the arms and budgets that still gained between the last two evaluations of their trainings.

    A t interval over draws, uncorrected: it raises a doubt and decides nothing. Every arm has the
    same number of updates, so an arm that needs more of them shows less than it can.

    Args:
        history: rows of one corpus (schema core.tables.HISTORY).
        level: of the interval, in (0, 1).

    Returns:
        The arms and budgets whose interval lies above 0 and whose mean gain is RISE or more, and how
        many have the two draws that an interval needs.
    """
    curves: dict[tuple[str, int, int, int], list[tuple[int, float]]] = defaultdict(list)
    for line in history:
        if not isnan(line["validation_accuracy"]):
            key = line["arm"], line["n"], line["draw"], line["seed"]
            curves[key].append((line["round"], line["validation_accuracy"]))
    gains: dict[tuple[str, int], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (arm, n, draw, _), curve in curves.items():
        if len(curve) > 1:
            (_, before), (_, last) = sorted(curve)[-2:]
            gains[arm, n][draw].append(last - before)
    rows, of = [], 0
    for (arm, n), by_draw in sorted(gains.items()):
        means = np.array([np.mean(seeds) for seeds in by_draw.values()])
        if len(means) < 2:
            continue
        of += 1
        gain = float(means.mean())
        half = student.ppf((1 + level) / 2, len(means) - 1) * means.std(ddof=1) / sqrt(len(means))
        if gain >= RISE and gain > half:
            rows.append(RisingArm(arm, n, gain, gain - float(half), gain + float(half)))
    return StillRising(of, tuple(rows))
