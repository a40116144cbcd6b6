"""Draws conclusions over several corpora. The unit is the family: corpora that share texts count once.

Up to 3 families nothing is averaged; from 4 on the mean over families carries a t interval, and from 5
on every verdict is tried again without each family.
"""

from collections.abc import Mapping, Sequence

import numpy as np
from scipy.stats import t as student

from datayield.analysis.claims import competes
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import holm
from datayield.analysis.spreads import MEAN
from datayield.analysis.statistics import (
    AcrossFamilies,
    CorpusStatistics,
    FamilyDifference,
    FamilySummary,
    FamilyVerdict,
    LeftOutFamily,
    PublishedRow,
)
from datayield.core.types import Floats

SMALLEST_MEAN = 4  # families
METHOD = "t over corpora, one per family"
_ROUNDING = 1e-12


def mean(x: Floats, level: float) -> FamilySummary:
    """Return the mean of x (F,) with the t interval over F corpora.

    Corpora that agree to rounding tell nothing of how another would differ: then the p is that of the
    sign test, 2^(1 - F) at best, and there is no interval.
    """
    estimate, error = float(x.mean()), float(x.std(ddof=1) / np.sqrt(len(x)))
    if error <= _ROUNDING:
        p = min(1.0, 2.0 ** (1 - len(x))) if abs(estimate) > _ROUNDING else 1.0
        return FamilySummary(estimate, None, None, p)
    half = float(student.ppf((1 + level) / 2, len(x) - 1)) * error
    p = float(2 * student.sf(abs(estimate) / error, len(x) - 1))
    return FamilySummary(estimate, estimate - half, estimate + half, p)


def chosen(families: Mapping[str, str]) -> list[str]:
    """Return one corpus per family: the first in the study's order.

    Args:
        families: corpus → family, in the study's order.
    """
    first: dict[str, str] = {}
    for corpus, family in families.items():
        first.setdefault(family, corpus)
    return list(first.values())


def across(frames: Mapping[str, Frame], families: Mapping[str, str]) -> AcrossFamilies:
    """Return the conclusions over all families, and those that change when one family is left out.

    Args:
        frames: by corpus, in the study's order.
        families: corpus → family, in the same order.
    """
    names = chosen(families)
    count = len(names)
    if count < SMALLEST_MEAN:
        why = f"{count} families: fewer than {SMALLEST_MEAN} are not averaged"
        return AcrossFamilies(tuple(names), count, METHOD, why)
    whole = rows([frames[n] for n in names])
    left_out = []
    if count > SMALLEST_MEAN:
        before = {(row.arm, row.n): row.verdict for row in whole}
        for left in names:
            others = rows([frames[n] for n in names if n != left])
            changed = tuple(
                FamilyVerdict(row.arm, row.n, row.verdict, before[row.arm, row.n])
                for row in others
                if before.get((row.arm, row.n), row.verdict) != row.verdict
            )
            left_out.append(LeftOutFamily(left, changed))
    return AcrossFamilies(tuple(names), count, METHOD, None, whole, tuple(left_out))


def rows(frames: Sequence[Frame]) -> tuple[FamilyDifference, ...]:
    """Return strategies minus their baselines over corpora, by budget and on the mean over budgets.

    All tests are one family: Holm over strategies times (budgets + 1).
    """
    level = frames[0].level
    shared = set.intersection(*(_pairs(f) for f in frames))
    gaps: dict[tuple[str, int | None], Floats] = {
        (arm, n): np.array([float(f.rows[arm].columns[n].mean()) for f in frames])
        for arm, n in sorted(shared)
    }
    for arm in sorted({arm for arm, _ in shared}):
        own = [g for (a, _), g in gaps.items() if a == arm]
        if len(own) > 1:
            gaps[arm, None] = np.mean(own, axis=0)
    summaries = {k: mean(g, level) for k, g in gaps.items()}
    adjusted = holm([s.p for s in summaries.values()])
    return tuple(
        FamilyDifference(arm, n, s, tuple(gaps[arm, n].tolist()), p, bool(p <= 1 - level))
        for ((arm, n), s), p in zip(summaries.items(), adjusted, strict=True)
    )


def _pairs(f: Frame) -> set[tuple[str, int]]:
    """Return (strategy, budget) with a difference from the arm's own baseline."""
    return {
        (arm, n)
        for arm, row in f.rows.items()
        for n in row.columns
        if f.role(arm) == "strategy" and n != MEAN and competes(f, arm, n)
    }


EDA_CORPORA = ("eda_sst2", "eda_cr", "eda_subj", "eda_trec", "eda_pc")

# Mean accuracy over the five corpora, by labels; "full" is every training text.
EDA_TABLE: tuple[tuple[str, dict[str, float]], ...] = (
    (
        "RNN with GloVe (Wei & Zou 2019)",
        {"500": 0.753, "2000": 0.837, "5000": 0.861, "full": 0.874},
    ),
    ("the same + EDA", {"500": 0.791, "2000": 0.844, "5000": 0.873, "full": 0.883}),
    (
        "CNN with GloVe (Wei & Zou 2019)",
        {"500": 0.786, "2000": 0.856, "5000": 0.877, "full": 0.883},
    ),
    ("the same + EDA", {"500": 0.807, "2000": 0.864, "5000": 0.883, "full": 0.888}),
)


def next_to_published(corpora: Sequence[CorpusStatistics]) -> tuple[PublishedRow, ...]:
    """Return published mean accuracies, then the means of our arms; () for other studies.

    An arm's mean counts only at budgets where all of the corpora have it.
    """
    by_name = {c.corpus: c for c in corpora}
    if not set(EDA_CORPORA) <= set(by_name):
        return ()
    table = [PublishedRow(who, False, scores) for who, scores in EDA_TABLE]
    accuracies: dict[tuple[str, int], list[float]] = {}
    for name in EDA_CORPORA:
        for s in by_name[name].scores:
            accuracies.setdefault((s.arm, s.n), []).append(s.accuracy.estimate)
    whole = {k: float(np.mean(v)) for k, v in accuracies.items() if len(v) == len(EDA_CORPORA)}
    for arm in sorted({a for a, _ in whole}):
        scores = {str(n): v for (a, n), v in whole.items() if a == arm}
        table.append(PublishedRow(arm, True, scores))
    return tuple(table)
