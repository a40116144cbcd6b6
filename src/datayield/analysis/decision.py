"""Decides what the first screen says, and puts every method into one row of a table."""

from collections.abc import Mapping, Sequence

import numpy as np

from datayield.analysis import labels_needed
from datayield.analysis.claim_statements import ArmDifference, Claim, MeanDifference
from datayield.analysis.claims import MAJORITY
from datayield.analysis.comparisons import multiplier, shared_multiplier_of
from datayield.analysis.decision_statements import Decision, MethodRow, Yardstick
from datayield.analysis.frame import Frame
from datayield.analysis.multipliers import at
from datayield.analysis.scores import curve_draws, curve_of
from datayield.analysis.statements import ArmCost, NextLabels, Recommendation

LEAST_MORE = 0.1  # of the labels at hand: fewer more labels are no question to ask


def decide(
    f: Frame,
    recommended: Sequence[Recommendation],
    differences: Sequence[ArmDifference],
    rows: Sequence[MethodRow],
    simple: str | None,
) -> Decision | None:
    """Return what to do at the largest budget with a choice; None without the study's baseline there.

    A method is named only where its one test says that it beats the study's baseline: the pick by
    validation, else the best simple baseline, else the one that gains most where there are too few
    methods for a pick. Otherwise the baseline stays.

    Args:
        f: the corpus.
        recommended: the picks by validation, by budget.
        differences: the claims by budget.
        rows: the methods, with the claims on the mean over budgets.
        simple: the best simple baseline.
    """
    n = max([r.n for r in recommended] or f.budgets(f.baseline), default=0)
    if (f.baseline, n) not in f.scores:
        return None
    known = _known_claims(f, n, differences, rows)
    helped = [r.arm for r in rows if r.arm in known and known[r.arm][0].verdict == "helps"]
    there = [arm for arm in helped if (arm, n) in f.scores]
    preferred = [r.arm for r in recommended if r.n == n] + ([simple] if simple else [])
    shown = next((arm for arm in preferred if arm in there), None)
    if not recommended and there:
        shown = there[0]
    arm = shown or f.baseline
    values = f.scores[arm, n].values
    gained = known.get(arm) if shown else None
    pick = next((r for r in recommended if (r.n, r.arm) == (n, arm)), None)
    return Decision(
        n, arm, shown is not None, f.interval(values, n),
        spread=float(values.mean(1).std(ddof=1)) if len(values) > 1 else None,
        gain=gained[0].interval if gained else None, budgets=gained[1] if gained else (),
        worth=multiplier(f, arm, n, f.baseline, _level(f, gained[0]))
        if gained and gained[1] == (n,)
        else None,
        doubled=yardstick(f, [n]),
        ties=pick.ties if pick else (),
        **dict(zip(("next", "last"), _more_labels(f, arm, n), strict=True)),
    )  # fmt: skip


def _known_claims(
    f: Frame, n: int, differences: Sequence[ArmDifference], rows: Sequence[MethodRow]
) -> dict[str, tuple[Claim, tuple[int, ...]]]:
    """Return each method's claim against the study's baseline, with the budgets it is about."""
    means = {r.arm: (r.claim, r.budgets) for r in rows if r.baseline == f.baseline}
    claimed = {
        d.arm: (d.claim, (n,))
        for d in differences
        if d.n == n and d.baseline == f.baseline and d.claim is not None
    }
    # What is decided at n counts there, harm too; else the mean over budgets.
    return means | {a: x for a, x in claimed.items() if x[0].verdict in ("helps", "harms")}


def _more_labels(f: Frame, arm: str, n: int) -> tuple[NextLabels | None, NextLabels | None]:
    """Return the gain of the next labels and of the last ones, of the arm whose curve shows it."""
    curves = [a for a in (arm, f.baseline) if len(f.budgets(a)) > 1 and (a, n) in f.scores]
    reaching = [a for a in curves if max(f.budgets(a)) >= n * (1 + LEAST_MORE)]
    if reaching:
        more = min(_round(n), max(f.budgets(reaching[0])) - n)
        return labels_needed.gain(f, reaching[0], n, more), None
    halved = [a for a in curves if min(f.budgets(a)) <= n // 2]
    if not halved:
        return None, None
    fitted = labels_needed.gain(f, halved[0], n, _round(n))
    return fitted, labels_needed.gain(f, halved[0], n // 2, n - n // 2)


def _round(n: int) -> int:
    """Return a round number of labels to add: 1,000 to thousands, 100 to hundreds."""
    power: int = 10 ** (len(str(n)) - 1)
    return power


def method_rows(
    f: Frame,
    differences: Sequence[ArmDifference],
    means: Sequence[MeanDifference],
    costs: Sequence[ArmCost],
) -> tuple[MethodRow, ...]:
    """Return the strategies and simple baselines with a claim, the largest gain first.

    Args:
        f: the corpus.
        differences: by budget; an arm with one budget has its row from here.
        means: over budgets.
        costs: by arm and budget.
    """
    simple = _longest_simple(f)
    claimed: dict[str, tuple[str, tuple[int, ...], Claim]] = {}
    for d in differences:
        if d.claim is not None and d.arm != MAJORITY:
            claimed.setdefault(d.arm, (d.baseline, (d.n,), d.claim))
    for m in means:
        if m.claim is not None and m.arm != MAJORITY:
            claimed[m.arm] = (m.baseline, m.budgets, m.claim)
    seconds = {(c.arm, c.n): c.cell_seconds + c.amortised_pretrain_seconds for c in costs}
    rows = [
        MethodRow(
            arm, base, budgets, claim,
            multiplier=shared_multiplier_of(f, arm, base, budgets, _level(f, claim)),
            simple=simple,
            multiplier_simple=shared_multiplier_of(f, arm, simple, budgets, _level(f, claim))
            if simple and simple != arm
            else None,
            time=_time(seconds, arm, base, budgets),
        )
        for arm, (base, budgets, claim) in claimed.items()
    ]  # fmt: skip
    return tuple(sorted(rows, key=lambda r: (-r.claim.interval.estimate, r.arm)))


def _longest_simple(f: Frame) -> str | None:
    """Return the simple baseline with the most budgets, on whose curve other methods can be read off."""
    simple = [a for a in f.names if f.role(a) == "baseline" and not f.arms[a].outside]
    return max((a for a in simple if a != MAJORITY), key=lambda a: len(f.budgets(a)), default=None)


def _level(f: Frame, claim: Claim) -> float:
    """Return the level at which the intervals of all tests of the family hold at once (Bonferroni)."""
    return 1 - (1 - f.level) / claim.tests


def _time(
    seconds: Mapping[tuple[str, int], float], arm: str, base: str, budgets: Sequence[int]
) -> float | None:
    """Return how many times as long as its baseline an arm trains, over the same budgets."""
    both = [
        (seconds[arm, n], seconds[base, n])
        for n in budgets
        if (arm, n) in seconds and (base, n) in seconds
    ]
    ours, theirs = (sum(x) for x in zip(*both, strict=True)) if both else (0.0, 0.0)
    return ours / theirs if theirs > 0 else None


def yardstick(f: Frame, budgets: Sequence[int]) -> Yardstick | None:
    """Return the mean gain of twice the labels over the budgets whose double lies on the curve."""
    draws = curve_draws(f.scores, f.baseline)
    curve = curve_of(f.scores, f.baseline, draws)
    kept = [n for n in sorted(budgets) if curve and min(curve) <= n and 2 * n <= max(curve)]
    if len(curve) < 2 or not kept:
        return None
    x = np.mean([at(curve, 2 * n) - at(curve, n) for n in kept], axis=0)
    return Yardstick(f.baseline, tuple(kept), f.interval(x, 2 * max(kept)))
