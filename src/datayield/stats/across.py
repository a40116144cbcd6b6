"""Statements across corpora. The unit is the family: corpora that share texts count once.

Up to 3 families nothing is averaged; from 4 on t over corpus means; from 5 the interquartile mean and the
probability of improvement beside it; from 8 Friedman's test with Nemenyi's critical difference, for
at most 8 arms named beforehand.
"""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import combinations
from typing import Any

import numpy as np
from scipy.stats import chi2, rankdata, studentized_range
from scipy.stats import t as student

from datayield.stats.compare import Frame, verdict
from datayield.stats.interval import two_stage
from datayield.stats.scores import paired
from datayield.types import Floats

SMALLEST_MEAN, SMALLEST_ROBUST, SMALLEST_RANKS = 4, 5, 8  # families
MOST_NAMED = 8  # arms in Friedman's test
METHOD = "t over corpora, one per family"


@dataclass(frozen=True, slots=True)
class Summary:
    """A number over corpora with its interval; p of the hypothesis that it is 0."""

    estimate: float
    low: float
    high: float
    p: float


def mean(x: Floats, level: float) -> Summary:
    """The mean of x (F,) with the t interval over F corpora."""
    return _t(float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x))), len(x) - 1, level)


def iqm(x: Floats, level: float) -> Summary:
    """The interquartile mean of x (F,): the mean without the lowest and highest quarter.

    Its interval is Tukey & McLaughlin's (1963): the winsorised standard deviation over
    (1 - 2/4) sqrt(F), t with as many degrees of freedom as values stay, less one.
    """
    ordered, cut = np.sort(x), int(0.25 * len(x))
    kept = ordered[cut : len(x) - cut]
    winsorised = np.clip(x, kept[0], kept[-1])
    error = float(winsorised.std(ddof=1)) / (0.5 * np.sqrt(len(x)))
    return _t(float(kept.mean()), error, len(kept) - 1, level)


def _t(estimate: float, error: float, df: int, level: float) -> Summary:
    half = float(student.ppf((1 + level) / 2, df)) * error
    p = float(2 * student.sf(abs(estimate) / error, df)) if error > 0 else float(estimate == 0)
    return Summary(estimate, estimate - half, estimate + half, p)


def improvement(gaps: Sequence[Floats], level: float) -> Summary:
    """Probability that an arm beats its baseline on a draw of a corpus, paired; ties count half.

    Args:
        gaps: per corpus the score differences of its draws, (D,).
        level: of the t interval over corpora, cut to [0, 1]; p is of 1/2.
    """
    shares = np.array([np.mean((g > 0) + 0.5 * (g == 0)) for g in gaps])
    found = mean(shares - 0.5, level)
    low, high = (float(np.clip(v + 0.5, 0, 1)) for v in (found.low, found.high))
    return Summary(found.estimate + 0.5, low, high, found.p)


@dataclass(frozen=True, slots=True)
class Ranks:
    """Friedman's test over corpora with Nemenyi's critical difference (Demšar 2006)."""

    mean_ranks: tuple[float, ...]  # 1 is best
    statistic: float  # chi-squared, ties corrected
    p: float
    critical: float  # mean ranks further apart than this differ


def friedman(scores: Floats, level: float) -> Ranks:
    """Of scores (F corpora, k arms), higher is better."""
    corpora, arms = scores.shape
    ranks = np.apply_along_axis(rankdata, 1, -scores)
    spread = ((ranks - ranks.mean(1, keepdims=True)) ** 2).sum()
    total = corpora * ((ranks.mean(0) - (arms + 1) / 2) ** 2).sum() * corpora
    statistic = float(total * (arms - 1) / spread) if spread > 0 else 0.0
    q = float(studentized_range.ppf(level, arms, np.inf)) / np.sqrt(2)
    return Ranks(
        tuple(float(r) for r in ranks.mean(0)),
        statistic,
        float(chi2.sf(statistic, arms - 1)),
        q * float(np.sqrt(arms * (arms + 1) / (6 * corpora))),
    )


def chosen(families: Mapping[str, str]) -> list[str]:
    """One corpus per family: the first in the study's order.

    Args:
        families: corpus → family, in the study's order.
    """
    first: dict[str, str] = {}
    for corpus, family in families.items():
        first.setdefault(family, corpus)
    return list(first.values())


def across(
    frames: Mapping[str, Frame], families: Mapping[str, str], named: Sequence[str]
) -> dict[str, Any]:
    """What holds over all families, and what changes when one of them is left out.

    Args:
        frames: by corpus, in the study's order.
        families: corpus → family, likewise.
        named: arms named beforehand for Friedman's test.
    """
    names = chosen(families)
    used = [frames[n] for n in names]
    out: dict[str, Any] = {
        "corpora": names,
        "families": len(names),
        "method": METHOD,
        "rows": [],
        "sensitivity": [],
        "ranks": _ranks(used, named),
    }
    if len(used) < SMALLEST_MEAN:
        return {
            **out,
            "reason": f"{len(used)} families: fewer than {SMALLEST_MEAN} are not averaged",
        }
    level = used[0].level
    whole = rows(used)
    out["rows"] = [{**r, **_robust(used, r, level)} for r in whole]
    if len(used) > SMALLEST_MEAN:
        verdicts = {(r["arm"], r["n"]): verdict(r) for r in whole}
        for left in names:
            again = rows([frames[n] for n in names if n != left])
            changed = [
                {
                    "arm": r["arm"],
                    "n": r["n"],
                    "verdict": verdict(r),
                    "before": verdicts[r["arm"], r["n"]],
                }
                for r in again
                if (r["arm"], r["n"]) in verdicts and verdict(r) != verdicts[r["arm"], r["n"]]
            ]
            out["sensitivity"].append({"without": left, "changed": changed})
    return {**out, "reason": None}


def rows(frames: Sequence[Frame]) -> list[dict[str, Any]]:
    """Strategies minus their baselines per budget, over corpora; Holm in two stages as elsewhere."""
    level = frames[0].level
    shared = set.intersection(*(_pairs(f) for f in frames))
    gaps = {k: np.array([float(np.mean(_gap(f, *k))) for f in frames]) for k in sorted(shared)}
    arms = sorted({arm for arm, _ in gaps})
    stage1 = {
        a: mean(np.mean([g for (arm, _), g in gaps.items() if arm == a], axis=0), level).p
        for a in arms
    }
    found = {k: mean(g, level) for k, g in gaps.items()}
    adjusted = two_stage(stage1, {k: s.p for k, s in found.items()})
    return [
        {
            "arm": arm, "n": n, "difference": asdict(s), "by_corpus": gaps[arm, n].tolist(),
            "p_holm": adjusted[arm, n], "differs": bool(adjusted[arm, n] <= 1 - level),
        }
        for (arm, n), s in found.items()
    ]  # fmt: skip


def _pairs(f: Frame) -> set[tuple[str, int]]:
    """(strategy, n) whose baseline was run on common draws."""
    return {
        (arm, n)
        for arm, n in f.scores
        if f.role(arm) == "strategy"
        and (f.own_baseline(arm), n) in f.scores
        and len(_gap(f, arm, n))
    }


def _gap(f: Frame, arm: str, n: int) -> Floats:
    """Score differences by draw, (D,)."""
    ours, theirs = paired(f.scores[arm, n], f.scores[f.own_baseline(arm), n])
    found: Floats = (ours - theirs).mean(1)
    return found


def _robust(frames: Sequence[Frame], row: dict[str, Any], level: float) -> dict[str, Any]:
    if len(frames) < SMALLEST_ROBUST:
        return {"iqm": None, "improvement": None}
    by_draw = [_gap(f, row["arm"], row["n"]) for f in frames]
    return {
        "iqm": asdict(iqm(np.array(row["by_corpus"]), level)),
        "improvement": asdict(improvement(by_draw, level)),
    }


def _ranks(frames: Sequence[Frame], named: Sequence[str]) -> dict[str, Any]:
    """Friedman over the named arms: their mean score over the budgets that all of them share."""
    if len(frames) < SMALLEST_RANKS:
        return {"reason": f"{len(frames)} families; Friedman's test needs {SMALLEST_RANKS}"}
    if not 2 <= len(named) <= MOST_NAMED:
        return {
            "reason": f"Friedman's test needs 2 to {MOST_NAMED} arms named beforehand in analysis.named,"
            f" not {len(named)}"
        }
    shared = set.intersection(*(set(f.budgets(a)) for f in frames for a in named))
    if not shared:
        return {"reason": "the named arms share no budget on all corpora"}
    scores = np.array(
        [[np.mean([f.scores[a, n].values.mean() for n in shared]) for a in named] for f in frames]
    )
    found = friedman(scores, frames[0].level)
    apart = [
        [a, b]
        for (a, x), (b, y) in combinations(zip(named, found.mean_ranks, strict=True), 2)
        if abs(x - y) > found.critical
    ]
    return {
        "reason": None, "arms": list(named), "budgets": sorted(shared), **asdict(found), "apart": apart,
    }  # fmt: skip
