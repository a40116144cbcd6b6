"""Compares arms with their baselines: differences, multipliers, controls and checks."""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from datayield.analysis.claims import MAJORITY, competes, visible_between
from datayield.analysis.frame import Frame
from datayield.analysis.multipliers import LabelRange, equivalent_labels
from datayield.analysis.scores import curve_draws, curve_of, mean_known
from datayield.analysis.shared_multiplier import SharedMultiplier, shared_multiplier, usable
from datayield.analysis.statements import (
    ArmMultiplier,
    ArmScore,
    ArmSharedMultiplier,
    ControlCheck,
    ControlDifference,
    Interaction,
    LabelSaving,
    TargetLabels,
)
from datayield.core.arm import Arm


def learning_curve(f: Frame) -> tuple[ArmScore, ...]:
    """Return accuracy and macro-F1 with intervals, and the validation score, by arm and budget."""
    return tuple(
        ArmScore(
            arm,
            n,
            score=f.interval(m.values, n),
            accuracy=f.interval(m.hits, n),
            macro_f1=f.interval(m.f1, n),
            validation=mean_known(m.validation),
            cells=m.cells,
        )
        for (arm, n), m in sorted(f.scores.items())
    )


def multipliers(f: Frame, against: str | None) -> tuple[ArmMultiplier, ...]:
    """Return how many labels of a baseline each arm's score is worth, by budget.

    Args:
        f: the corpus.
        against: the baseline arm; None: each arm's own.
    """
    rows = []
    for arm, n in sorted(f.scores):
        base = against or f.own_baseline(arm)
        if arm == base or (f.role(arm) == "plain" and against is None and arm == f.baseline):
            continue
        ratio = multiplier(f, arm, n, base)
        if ratio is not None:
            saving = _saving(ratio.point, ratio.low, ratio.high)
            rows.append(ArmMultiplier(arm, n, base, ratio, saving))
    return tuple(rows)


def multiplier(
    f: Frame, arm: str, n: int, base: str, level: float | None = None
) -> LabelRange | None:
    """Return the worth of one label of the arm at n labels in labels of `base`; None without its curve."""
    m = f.scores[arm, n]
    draws = curve_draws(f.scores, base, m.draws)
    curve = curve_of(f.scores, base, draws)
    if len(curve) < 2:
        return None
    found = equivalent_labels(
        m.on(draws), curve, level or f.level, f.population, f.pool, n, f.peers(arm, (n,), draws)
    )
    return found.scaled(n)


def shared_multipliers(f: Frame) -> tuple[ArmSharedMultiplier, ...]:
    """Return one multiplier for all budgets of an arm, against its own baseline."""
    rows = []
    for arm, row in sorted(f.rows.items()):
        found = shared_multiplier_of(f, arm, row.baseline, row.budgets, f.level)
        if found is not None:
            saving = _saving(found.point, found.low, found.high)
            rows.append(ArmSharedMultiplier(arm, row.baseline, found, saving))
    return tuple(rows)


def shared_multiplier_of(
    f: Frame, arm: str, base: str, budgets: Sequence[int], level: float
) -> SharedMultiplier | None:
    """Return one multiplier of an arm against the curve of `base`; None where there is none to read off.

    Args:
        f: the corpus.
        arm: the arm.
        base: the arm whose labels are counted.
        budgets: those of which the common draws are taken.
        level: of the range.
    """
    shared = [n for n in budgets if (base, n) in f.scores]
    draws = curve_draws(f.scores, base, f.common(arm, base, shared))
    arms, curve = (curve_of(f.scores, a, draws) for a in (arm, base))
    kept, _ = usable(arms, curve, f.population, f.pool)
    peers = f.peers(arm, kept, draws)
    return shared_multiplier(arms, curve, level, f.population, f.pool, peers)


def _saving(*ratios: float | None) -> LabelSaving:
    """Return 1 - 1/multiplier for point, low and high; None where an end is open or unknown."""
    return LabelSaving(*(None if v is None or v <= 0 else 1 - 1 / v for v in ratios))


def best_simple(f: Frame) -> str | None:
    """Return the simple baseline with the highest mean validation score over the shared budgets.

    Baselines that have read other text than the corpus are not simple.
    """
    simple = (a for a in f.names if f.role(a) == "baseline" and not f.arms[a].outside)
    names = [a for a in simple if a != MAJORITY]
    if not names:
        return None
    shared = set.intersection(*(set(f.budgets(a)) for a in names))
    means = {a: [mean_known(f.scores[a, n].validation) for n in sorted(shared)] for a in names}
    known = {a: [v for v in vs if v is not None] for a, vs in means.items()}
    ranked = [a for a in names if known[a]]
    return max(ranked, key=lambda a: float(np.mean(known[a]))) if ranked else None


def candidates(f: Frame, n: int) -> dict[str, float]:
    """Return the arms that one could choose at n labels, with their mean validation score."""
    return {
        a: v
        for a, b in f.scores
        if b == n
        and f.role(a) in ("strategy", "plain", "baseline")
        and competes(f, a, n)
        and (v := mean_known(f.scores[a, n].validation)) is not None
    }


def picks(f: Frame) -> Iterator[tuple[int, str, dict[str, float]]]:
    """Yield (n, the best arm by validation, all arms considered) where there are three or more.

    Among equals the baseline wins.
    """
    for n in f.budgets(f.baseline):
        known = candidates(f, n)
        if len(known) >= 3:
            yield n, max(sorted(known), key=lambda a: (known[a], a == f.baseline)), known


def checks(
    f: Frame, networks: Mapping[tuple[str, int], Mapping[int, str]]
) -> tuple[ControlCheck, ...]:
    """Return controls and checks with their known and their measured results.

    Args:
        f: the corpus.
        networks: settings by draw, for each arm and budget with a network. An arm whose settings are not
            those of the network that it should equal (a search of its own chose them) need not equal it.
    """
    rows: list[ControlCheck | None] = []
    for arm, n in sorted(f.scores):
        expected = f.arms[arm].expected
        if expected is None:
            continue
        if expected.arm is not None and (expected.arm, n) in f.scores:
            rows.append(_equality_check(f, arm, n, expected.arm, networks))
        elif expected.arm is None and expected.multiplier is not None:
            rows.append(_multiplier_check(f, arm, n, expected.multiplier))
    return tuple(row for row in rows if row is not None)


def _equality_check(
    f: Frame, arm: str, n: int, other: str, networks: Mapping[tuple[str, int], Mapping[int, str]]
) -> ControlCheck | None:
    gap = f.gap(arm, other, n)
    if gap is None:
        return None
    ours, theirs = (networks.get((a, n), {}) for a in (arm, other))
    same = all(ours[draw] == theirs[draw] for draw in ours.keys() & theirs.keys())
    holds = not gap.excludes_zero if same and gap.low is not None else None
    return ControlCheck(arm, n, other, None, gap, same, holds)


def _multiplier_check(f: Frame, arm: str, n: int, wanted: float) -> ControlCheck | None:
    base = f.own_baseline(arm)
    m = multiplier(f, arm, n, base)
    if m is None:
        return None
    holds = (m.low is None or m.low <= wanted) and (m.high is None or wanted <= m.high)
    return ControlCheck(arm, n, base, wanted, m, True, holds if m.reason is None else None)


def against_controls(f: Frame) -> tuple[ControlDifference, ...]:
    """Return strategies minus the control that could explain their gain, at every shared budget.

    Intervals are simultaneous over all rows of one budget (Bonferroni).
    """
    pairs = [
        (arm, other, n)
        for arm, n in sorted(f.scores)
        for other in (f.arms[arm].control, *f.arms[arm].members)
        if other is not None and (other, n) in f.scores
    ]
    rows = []
    for arm, control, n in pairs:
        tests = sum(b == n for _, _, b in pairs)
        gap = f.gap(arm, control, n, 1 - (1 - f.level) / tests)
        if gap is not None:
            rows.append(
                ControlDifference(arm, n, control, gap, visible_between(f, arm, control, n, tests))
            )
    return tuple(rows)


def interactions(f: Frame) -> tuple[Interaction, ...]:
    """Return the gain of compositions beyond the sum of their parts' gains, paired by draw and text.

    (a+b - plain) - (a - plain) - (b - plain) for compositions whose parts and plain were all run.
    """
    rows = []
    for arm, n in sorted(f.scores):
        written = Arm.named(arm)
        parts = [f"{written.architecture}:{name}" for name in written.strategies]
        plain = f"{written.architecture}:plain"
        needed = [arm, plain, *parts]
        if len(parts) < 2 or any((a, n) not in f.scores for a in needed):
            continue
        draws = sorted(set.intersection(*(set(f.scores[a, n].draws) for a in needed)))
        if draws:
            at = {a: curve_of(f.scores, a, tuple(draws))[n] for a in needed}
            x = at[arm] - at[plain] - sum(at[p] - at[plain] for p in parts)
            rows.append(Interaction(arm, n, f.interval(x, n)))
    return tuple(rows)


def to_target(f: Frame, target: float | None) -> tuple[TargetLabels, ...]:
    """Return the labels at which the curves reach the target, for arms with at least two budgets.

    Without a target: the largest multiple of 0.05 that the study's baseline reaches on average
    within its measured budgets.
    """
    budgets = f.budgets(f.baseline)
    if len(budgets) < 2:
        return ()
    derived = target is None
    if target is None:
        top = max(float(f.scores[f.baseline, n].values.mean()) for n in budgets)
        target = float(np.floor(top * 20) / 20)
    rows = []
    for arm in f.names:
        curve = curve_of(f.scores, arm, curve_draws(f.scores, arm))
        if len(curve) < 2 or f.role(arm) in ("control", "check"):
            continue
        constant = np.full(next(iter(curve.values())).shape, target)
        needed = equivalent_labels(constant, curve, f.level, f.population, f.pool)
        rows.append(TargetLabels(arm, target, derived, needed))
    return tuple(rows)
