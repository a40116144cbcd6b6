"""Arms against their baselines: differences, multipliers, checks, the best by validation."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from datayield.stats.curves import Labels, worth
from datayield.stats.interval import Interval, Population, holm, spread, two_stage, two_way
from datayield.stats.interval import p_value as p_of
from datayield.stats.scores import Scores, curve_of, mean_known, paired
from datayield.types import Floats


@dataclass(frozen=True, slots=True)
class Frame:
    """What all comparisons of one corpus share."""

    scores: Scores
    arms: Mapping[str, Mapping[str, Any]]  # role, summary, expected
    baseline: str  # of the study, for arms whose own baseline was not run
    level: float
    population: Population
    pool: int

    @property
    def names(self) -> list[str]:
        """The arms that were run, sorted."""
        return sorted({arm for arm, _ in self.scores})

    def role(self, arm: str) -> str:
        """plain, baseline, strategy, control or check."""
        return str(self.arms[arm]["role"])

    def budgets(self, arm: str) -> list[int]:
        """Where this arm was run, ascending."""
        return sorted(n for a, n in self.scores if a == arm)

    def own_baseline(self, arm: str) -> str:
        """`plain` with the same architecture, where it has a curve; else the study's baseline."""
        same = f"{arm.partition(':')[0]}:plain"
        return same if same != arm and len(self.budgets(same)) >= 2 else self.baseline

    def interval(self, x: Floats, n: int, level: float | None = None) -> Interval:
        """The two-way interval of x at n labels."""
        return two_way(x, level or self.level, self.population, n / self.pool)

    def gap(self, arm: str, other: str, n: int, level: float | None = None) -> Interval | None:
        """Arm - other at n labels, paired by draw and text; None without a common draw."""
        ours, theirs = paired(self.scores[arm, n], self.scores[other, n])
        return self.interval(ours - theirs, n, level) if len(ours) else None


def learning_curve(f: Frame) -> list[dict[str, Any]]:
    """Accuracy and macro-F1 with intervals, and the validation score, of every arm and budget."""
    return [
        {
            "arm": arm,
            "n": n,
            "score": asdict(f.interval(m.values, n)),
            "accuracy": asdict(f.interval(m.hits, n)),
            "macro_f1": asdict(f.interval(m.f1, n)),
            "validation": mean_known(m.validation),
            "cells": m.cells,
        }
        for (arm, n), m in sorted(f.scores.items())
    ]


def differences(f: Frame) -> list[dict[str, Any]]:
    """Arm - baseline at every budget, paired by draw and text.

    Stage 1: one contrast per strategy (mean over budgets), Holm over strategies. Stage 2: Holm over
    the budgets of strategies that passed. Roles other than strategy get no corrected p.
    """
    out: list[dict[str, Any]] = []
    for arm, n in sorted(f.scores):
        base = f.own_baseline(arm)
        if arm == base or (base, n) not in f.scores:
            continue
        d = f.gap(arm, base, n)
        if d is not None:
            out.append({"arm": arm, "n": n, "baseline": base, "difference": d})
    _correct(f, out)
    return [{**d, "difference": asdict(d["difference"])} for d in out]


def _correct(f: Frame, found: list[dict[str, Any]]) -> None:
    strategies = sorted({d["arm"] for d in found if f.role(d["arm"]) == "strategy"})
    stage1 = {a: p for a in strategies if (p := _contrast(f, a)) is not None}
    known = {(d["arm"], d["n"]): p for d in found if (p := d["difference"].p) is not None}
    adjusted = two_stage(stage1, known)
    passed = dict(zip(stage1, holm(list(stage1.values())), strict=True))
    for d in found:
        key = d["arm"], d["n"]
        if key in adjusted:
            d["p_arm"], d["p_holm"] = passed[d["arm"]], adjusted[key]
            d["differs"] = bool(adjusted[key] <= 1 - f.level)


def verdict(d: Mapping[str, Any]) -> str:
    """What the two-stage procedure says of a strategy at a budget."""
    if not d["differs"]:
        return "not told apart"
    return "better" if d["difference"]["estimate"] > 0 else "worse"


def _contrast(f: Frame, arm: str) -> float | None:
    """P of the mean difference over all budgets of the arm; None without two common draws."""
    base = f.own_baseline(arm)
    budgets = [n for n in f.budgets(arm) if (base, n) in f.scores]
    sides = [f.scores[a, n] for n in budgets for a in (arm, base)]
    draws = tuple(sorted(set.intersection(*(set(m.draws) for m in sides)))) if sides else ()
    if len(draws) < 2:
        return None
    ours, theirs = curve_of(f.scores, arm, draws), curve_of(f.scores, base, draws)
    x = np.mean([ours[n] - theirs[n] for n in budgets], axis=0)
    share = max(budgets) / f.pool
    if f.population == "new_texts" and share > 0.5:
        return None
    return p_of(spread(x, share, f.population))


def multipliers(f: Frame, against: str | None) -> list[dict[str, Any]]:
    """What each arm's score is worth in labels of a baseline's curve, per budget.

    Args:
        f: the corpus.
        against: the baseline arm; None: each arm's own.
    """
    out = []
    for arm, n in sorted(f.scores):
        base = against or f.own_baseline(arm)
        if arm == base or (f.role(arm) == "plain" and against is None and arm == f.baseline):
            continue
        found = multiplier(f, arm, n, base)
        if found is not None:
            out.append(
                {"arm": arm, "n": n, "baseline": base, **asdict(found), "saving": _saving(found)}
            )
    return out


def multiplier(f: Frame, arm: str, n: int, base: str, level: float | None = None) -> Labels | None:
    """What a label of the arm at n labels is worth in the base's; None where that has no curve."""
    m = f.scores[arm, n]
    curve = curve_of(f.scores, base, m.draws)
    if len(curve) < 2:
        return None
    return worth(m.values, curve, level or f.level, f.population, f.pool, n).scaled(n)


def _saving(m: Labels) -> dict[str, float | None]:
    """1 - 1/multiplier: the share of labels that the arm saves; None where open or unknown."""
    return {
        k: None if v is None or v <= 0 else 1 - 1 / v
        for k, v in (("point", m.point), ("low", m.low), ("high", m.high))
    }


def best_simple(f: Frame) -> str | None:
    """The simple baseline with the highest mean validation score over the budgets all share."""
    names = [a for a in f.names if f.role(a) == "baseline"]
    if not names:
        return None
    shared = set.intersection(*(set(f.budgets(a)) for a in names))
    means = {a: [mean_known(f.scores[a, n].validation) for n in sorted(shared)] for a in names}
    known = {a: [v for v in vs if v is not None] for a, vs in means.items()}
    ranked = [a for a in names if known[a]]
    return max(ranked, key=lambda a: float(np.mean(known[a]))) if ranked else None


def candidates(f: Frame, n: int) -> dict[str, float]:
    """Arms that one could choose at n labels, with their mean validation score."""
    return {
        a: v
        for a, b in f.scores
        if b == n
        and f.role(a) in ("strategy", "plain", "baseline")
        and (v := mean_known(f.scores[a, n].validation)) is not None
    }


def picks(f: Frame) -> Iterator[tuple[int, str, dict[str, float]]]:
    """(n, the best arm by validation, all that were considered) where there are three or more.

    Among equals the baseline wins.
    """
    for n in f.budgets(f.baseline):
        known = candidates(f, n)
        if len(known) >= 3:
            yield n, max(sorted(known), key=lambda a: (known[a], a == f.baseline)), known


def best_by_validation(f: Frame) -> list[dict[str, Any]]:
    """Per budget the arm with the highest validation score among strategies and plain arms.

    Its difference from the study's baseline carries an interval that is simultaneous over the k
    arms considered (Bonferroni), because the best of k was picked. Among equals the baseline wins.
    """
    out = []
    for n, best, known in picks(f):
        entry: dict[str, Any] = {"n": n, "arm": best, "of": len(known), "validation": known[best]}
        if best != f.baseline:
            ours, theirs = paired(f.scores[best, n], f.scores[f.baseline, n])
            level = 1 - (1 - f.level) / (len(known) - 1)
            entry["difference"] = asdict(f.interval(ours - theirs, n, level))
        out.append(entry)
    return out


def checks(f: Frame, networks: Mapping[tuple[str, int], Mapping[int, str]]) -> list[dict[str, Any]]:
    """Controls and checks with what they should equal and what was measured.

    Args:
        f: the corpus.
        networks: per arm and budget with a network its settings by draw. An arm with others than the
            network that it should equal (a search of its own chose them) need not equal it.
    """
    out = []
    for arm, n in sorted(f.scores):
        expected = f.arms[arm].get("expected") or {}
        if "arm" in expected and (expected["arm"], n) in f.scores:
            d = f.gap(arm, expected["arm"], n)
            if d is not None:
                ours, wanted = (networks.get((a, n), {}) for a in (arm, expected["arm"]))
                same = all(ours[draw] == wanted[draw] for draw in ours.keys() & wanted.keys())
                out.append(
                    {"arm": arm, "n": n, "equals": expected["arm"], "difference": asdict(d),
                     "same_settings": same,
                     "holds": not d.excludes_zero if same and d.low is not None else None}
                )  # fmt: skip
        elif "multiplier" in expected:
            out += _multiplier_check(f, arm, n, float(expected["multiplier"]))
    return out


def against_controls(f: Frame) -> list[dict[str, Any]]:
    """Strategies minus the control that could explain their gain, at every shared budget.

    Intervals are simultaneous over all rows of one budget (Bonferroni).
    """
    found = [
        (arm, str(f.arms[arm].get("control")), n)
        for arm, n in sorted(f.scores)
        if (f.arms[arm].get("control"), n) in f.scores
    ]
    out = []
    for arm, control, n in found:
        d = f.gap(arm, control, n, 1 - (1 - f.level) / sum(b == n for _, _, b in found))
        if d is not None:
            out.append({"arm": arm, "n": n, "control": control, "difference": asdict(d)})
    return out


def interactions(f: Frame) -> list[dict[str, Any]]:
    """What a composition gains beyond the sum of its parts' gains, paired by draw and text.

    (a+b - plain) - (a - plain) - (b - plain) for compositions whose parts and plain were all run.
    """
    out = []
    for arm, n in sorted(f.scores):
        architecture, _, names = arm.partition(":")
        parts = [f"{architecture}:{name}" for name in names.split("+")]
        plain = f"{architecture}:plain"
        needed = [arm, plain, *parts]
        if len(parts) < 2 or any((a, n) not in f.scores for a in needed):
            continue
        draws = sorted(set.intersection(*(set(f.scores[a, n].draws) for a in needed)))
        if draws:
            at = {a: curve_of(f.scores, a, tuple(draws))[n] for a in needed}
            x = at[arm] - at[plain] - sum(at[p] - at[plain] for p in parts)
            out.append({"arm": arm, "n": n, "interaction": asdict(f.interval(x, n))})
    return out


def _multiplier_check(f: Frame, arm: str, n: int, wanted: float) -> list[dict[str, Any]]:
    base = f.own_baseline(arm)
    m = multiplier(f, arm, n, base)
    if m is None:
        return []
    known = m.reason is None
    holds = (m.low is None or m.low <= wanted) and (m.high is None or wanted <= m.high)
    return [
        {"arm": arm, "n": n, "worth": wanted, "baseline": base, "multiplier": asdict(m),
         "holds": holds if known else None}
    ]  # fmt: skip


def to_target(f: Frame, target: float | None) -> list[dict[str, Any]]:
    """Labels at which the curves reach the target, for arms with at least two budgets.

    Without a target: the largest multiple of 0.05 that the study's baseline reaches on average
    within its measured budgets.
    """
    budgets = f.budgets(f.baseline)
    if len(budgets) < 2:
        return []
    derived = target is None
    if target is None:
        top = max(float(f.scores[f.baseline, n].values.mean()) for n in budgets)
        target = float(np.floor(top * 20) / 20)
    out = []
    for arm in f.names:
        draws = f.scores[arm, f.budgets(arm)[0]].draws
        curve = curve_of(f.scores, arm, draws)
        if len(curve) < 2 or f.role(arm) in ("control", "check"):
            continue
        some = next(iter(curve.values()))
        found = worth(np.full(some.shape, target), curve, f.level, f.population, f.pool)
        out.append({"arm": arm, "target": target, "derived": derived, **asdict(found)})
    return out
