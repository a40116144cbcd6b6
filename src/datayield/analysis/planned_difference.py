"""Predicts the smallest difference that a study will see, before it runs.

The variance components come from an earlier study of the same corpus where there is one, else from the
default study of pydocs (`REFERENCE`). Which tests will share the level, and which arms will lend their
spread, follows from the study's arms as it does afterwards from their scores (`frame`, `spreads`).
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from datayield.analysis.claim_statements import BudgetComponents
from datayield.analysis.claims import CLAIMED, MAJORITY
from datayield.analysis.intervals import LARGEST_SHARE
from datayield.analysis.spreads import architecture_of
from datayield.analysis.statements import ArmDescription
from datayield.analysis.visible_difference import (
    MOST_DRAWS,
    RESOLUTION,
    Design,
    VarianceComponents,
    draws_needed,
    visible_difference,
)


@dataclass(frozen=True, slots=True)
class PlannedArm:
    """An arm of a study that has not run."""

    name: str
    described: ArmDescription
    draws: Mapping[int, int]  # by budget


@dataclass(frozen=True, slots=True)
class PlannedCorpus:
    """One corpus and its study before it runs."""

    arms: tuple[PlannedArm, ...]
    baseline: str  # of the study
    texts: int  # test texts, at least 2
    pool: int  # texts
    level: float  # of the study, or of its last look
    new_texts: bool  # whether the claims are about texts like these, not about this pool
    resolution: float = RESOLUTION  # difference that the study looks for, a share of 1


@dataclass(frozen=True, slots=True)
class PlannedDifference:
    """The smallest difference that a study will see at one budget, or on the mean over several."""

    baseline: str
    budgets: tuple[int, ...]
    draws: int
    texts: int  # test texts
    tests: int  # that share the level
    visible: float | None  # claimed in 80 % of such studies, as a share of 1; None: too few draws
    resolution: float  # difference that the study looks for, a share of 1
    draws_needed: int | None  # that show it; None: not even MOST_DRAWS do
    reachable: float | None  # smallest visible difference with MOST_DRAWS draws
    measured: bool  # whether an earlier study of this corpus measured the components


@dataclass(frozen=True, slots=True)
class _Contrast:
    """An arm and its baseline, with their common draws by budget."""

    arm: PlannedArm
    baseline: str
    draws: Mapping[int, int]  # 1 or more

    @property
    def tested(self) -> tuple[int, ...]:
        return tuple(n for n, draws in sorted(self.draws.items()) if draws > 1)


# Variance components of the default study (reports/showcase/default), by budget; tests compare them.
REFERENCE: Mapping[int, VarianceComponents] = {
    300: VarianceComponents(1.90e-05, 7.17e-04, 1.74e-01, None, 0),
    1000: VarianceComponents(6.50e-05, 7.14e-04, 1.60e-01, None, 0),
    3000: VarianceComponents(1.22e-05, 1.13e-03, 1.26e-01, None, 0),
}
# Correlation between budgets of what a draw, a text and the rest add to a difference, in that study.
REFERENCE_CORRELATION = (0.0, 0.39, 0.0)


def planned_differences(
    corpus: PlannedCorpus, earlier: Sequence[BudgetComponents]
) -> tuple[PlannedDifference, ...]:
    """Return what a study will see of arms against the `plain` of their architecture.

    Args:
        corpus: the study's arms and the size of the corpus.
        earlier: components that earlier studies of this corpus measured, the newest last.

    Returns:
        One entry for each budget of each architecture with a strategy, and one for their mean.
    """
    contrasts = _contrasts(corpus)
    tests = sum(_tests(c, corpus) for c in contrasts)
    found = []
    for base in sorted({c.baseline for c in contrasts}):
        lenders = [c for c in contrasts if c.baseline == base and _lends(c)]
        means = Counter(b for c in lenders if len(b := _mean_budgets(c, corpus)) > 1)
        mean_of = max(means, key=lambda b: (means[b], b), default=())
        strategies = [c for c in lenders if c.arm.described.role == "strategy"]
        single = sorted({n for c in strategies for n in c.tested})
        for budgets in [(n,) for n in single] + ([mean_of] if mean_of else []):
            with_all = [c for c in lenders if set(budgets) <= set(c.tested)]
            draws = max(min(c.draws[n] for n in budgets) for c in with_all)
            components, measured = _expected(base, budgets, earlier)
            components = replace(components, contrasts=len(with_all))
            share = max(budgets) / corpus.pool if corpus.new_texts else 0.0
            share = share if share <= LARGEST_SHARE else 0.0
            design = Design(draws, corpus.texts, max(tests, 1), corpus.level, share)
            found.append(
                PlannedDifference(
                    base,
                    budgets,
                    draws,
                    corpus.texts,
                    design.tests,
                    visible_difference(components, design),
                    corpus.resolution,
                    draws_needed(components, design, corpus.resolution),
                    visible_difference(components, replace(design, draws=MOST_DRAWS)),
                    measured,
                )
            )
    return tuple(found)


def _contrasts(corpus: PlannedCorpus) -> list[_Contrast]:
    """Return every arm with its own baseline, where they share a budget."""
    by_name = {a.name: a for a in corpus.arms}
    found = []
    for arm in corpus.arms:
        same = f"{architecture_of(arm.name)}:plain"
        base = same if same != arm.name and same in by_name else corpus.baseline
        if base == arm.name or base not in by_name:
            continue
        theirs = by_name[base].draws
        draws = {n: min(d, theirs[n]) for n, d in arm.draws.items() if n in theirs}
        if draws:
            found.append(_Contrast(arm, base, draws))
    return found


def _tests(c: _Contrast, corpus: PlannedCorpus) -> int:
    """Return how many tests of the corpus's family are about this arm."""
    if c.arm.described.role not in CLAIMED or c.arm.name == MAJORITY:
        return 0
    return len(c.tested) + (len(_mean_budgets(c, corpus)) > 1)


def _mean_budgets(c: _Contrast, corpus: PlannedCorpus) -> tuple[int, ...]:
    """Return the budgets whose mean is tested."""
    largest = LARGEST_SHARE * corpus.pool if corpus.new_texts else corpus.pool
    return tuple(n for n in c.tested if n <= largest)


def _lends(c: _Contrast) -> bool:
    """Return whether an arm's spread will say something about the others of its architecture."""
    expected = c.arm.described.expected
    alike = architecture_of(c.arm.name) == architecture_of(c.baseline)
    if expected is not None and expected.arm is not None:
        alike = alike and architecture_of(expected.arm) == architecture_of(c.baseline)
    return alike


def _expected(
    baseline: str, budgets: tuple[int, ...], earlier: Sequence[BudgetComponents]
) -> tuple[VarianceComponents, bool]:
    """Return the components to be expected, and whether this corpus gave them."""
    own = {x.budgets: x.components for x in earlier if x.baseline == baseline}
    if budgets in own:
        return own[budgets], True
    measured = {b[0]: c for b, c in own.items() if len(b) == 1}
    known = measured or REFERENCE
    parts = [_at(n, known) for n in budgets]
    shares = [(1 + (len(parts) - 1) * r) / len(parts) for r in REFERENCE_CORRELATION]
    draw, text, rest = (
        float(np.mean([getattr(c, part) for c in parts])) * (share if len(parts) > 1 else 1.0)
        for part, share in zip(("draw", "text", "rest"), shares, strict=True)
    )
    return VarianceComponents(draw, text, rest, parts[0].prior, 0), bool(measured)


def _at(n: int, known: Mapping[int, VarianceComponents]) -> VarianceComponents:
    """Return the components at n labels: a straight line between known budgets, both axes in logs.

    Outside the known budgets, those of the nearest one.
    """
    sizes = sorted(known)
    logs = np.log(sizes)
    draw, text, rest = (
        float(np.exp(np.interp(np.log(n), logs, np.log([max(v, 1e-12) for v in values]))))
        for values in zip(
            *((known[s].draw, known[s].text, known[s].rest) for s in sizes), strict=True
        )
    )
    priors = [known[s].prior for s in sizes]
    return VarianceComponents(draw, text, rest, priors[int(np.argmin(abs(logs - np.log(n))))], 0)
