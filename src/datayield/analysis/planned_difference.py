"""Predicts the smallest difference that a study will see, before it runs.

The variance components come from an earlier study of the same corpus where there is one, else from the
default study of pydocs (`REFERENCE`). Which tests will share the level, and which arms will lend their
spread, follows from the study's arms as it does afterwards from their scores (`frame`, `spreads`).
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
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
    draws: int  # the fewest that one of its strategies has
    texts: int  # test texts
    tests: int  # that share the level
    visible: float | None  # claimed in 80 % of such studies, as a share of 1; None: too few draws
    resolution: float  # difference that the study looks for, a share of 1
    draws_needed: int | None  # that show it; None: not even MOST_DRAWS do
    reachable: float | None  # smallest visible difference with MOST_DRAWS draws
    measured: bool  # whether an earlier study of this corpus measured the components


@dataclass(frozen=True, slots=True)
class _Contrast:
    """An arm and its baseline, with their common draws at the budgets that are tested."""

    arm: PlannedArm
    baseline: str
    draws: Mapping[int, int]  # two or more each

    @property
    def budgets(self) -> tuple[int, ...]:
        return tuple(sorted(self.draws))

    @property
    def strategy(self) -> bool:
        return self.arm.described.role == "strategy"

    @property
    def tests(self) -> int:
        """How many tests of the corpus's family are about this arm."""
        claimed = self.arm.described.role in CLAIMED and self.arm.name != MAJORITY
        return (len(self.draws) + (len(self.draws) > 1)) * claimed

    @property
    def lends(self) -> bool:
        """Whether its spread says something about the others of its architecture (`frame`)."""
        own, expected = architecture_of(self.baseline), self.arm.described.expected
        arms = [self.arm.name, *([expected.arm] if expected and expected.arm else [])]
        return all(architecture_of(a) == own for a in arms) and not self.arm.described.members


# Variance components of the default study (reports/showcase/default), by budget; tests compare them.
REFERENCE: Mapping[int, VarianceComponents] = {
    300: VarianceComponents(1.90e-05, 7.17e-04, 1.74e-01, None, 0),
    1000: VarianceComponents(4.66e-05, 5.84e-04, 1.52e-01, None, 0),
    3000: VarianceComponents(1.22e-05, 1.13e-03, 1.26e-01, None, 0),
}
# Correlation between budgets of what a draw, a text and the rest add to a difference, in that study.
REFERENCE_CORRELATION = (0.0, 0.44, 0.0)
# Below the smallest known budget the variance between draws grows as a power of n: by 2.1 from 300 to 100
# labels on pydocs, with a standard deviation of .0065 and .0095.
GROWTH = 0.7


def planned_differences(
    corpus: PlannedCorpus, earlier: Sequence[Sequence[BudgetComponents]]
) -> tuple[PlannedDifference, ...]:
    """Return what a study will see of strategies against the `plain` of their architecture.

    Args:
        corpus: the study's arms and the size of the corpus.
        earlier: components that earlier studies of this corpus measured, the newest study last.

    Returns:
        One entry for each budget of each architecture with a strategy, and for each mean over budgets.
        They hold for a strategy that varies no more from draw to draw than most.
    """
    contrasts = _contrasts(corpus)
    tests = sum(c.tests for c in contrasts)
    lending = [c for c in contrasts if c.lends]
    return tuple(
        _planned(corpus, [c for c in lending if c.baseline == base], budgets, tests, earlier)
        for base in sorted({c.baseline for c in lending if c.strategy})
        for budgets in _columns([c for c in lending if c.baseline == base and c.strategy])
    )


def unforeseen(corpus: PlannedCorpus) -> tuple[str, ...]:
    """Return the strategies about which `planned_differences` says nothing."""
    foreseen = {c.arm.name for c in _contrasts(corpus) if c.lends}
    return tuple(
        a.name for a in corpus.arms if a.described.role == "strategy" and a.name not in foreseen
    )


def _columns(strategies: Sequence[_Contrast]) -> Iterator[tuple[int, ...]]:
    """Yield every budget by itself, then the budgets of every mean."""
    yield from ((n,) for n in sorted({n for c in strategies for n in c.draws}))
    yield from sorted({c.budgets for c in strategies if len(c.draws) > 1})


def _planned(
    corpus: PlannedCorpus,
    lenders: Sequence[_Contrast],
    budgets: tuple[int, ...],
    tests: int,
    earlier: Sequence[Sequence[BudgetComponents]],
) -> PlannedDifference:
    """Return one entry; the lenders are those of its baseline."""
    if len(budgets) == 1:
        alike = [c for c in lenders if budgets[0] in c.draws]
    else:
        alike = [c for c in lenders if c.budgets == budgets]
    draws = min(c.draws[n] for c in alike if c.strategy for n in budgets)
    means = Counter(c.budgets for c in lenders if len(c.draws) > 1)
    pooled = len(budgets) == 1 or budgets == max(means, key=lambda b: (means[b], b))
    components, measured = _expected(lenders[0].baseline, budgets, earlier)
    components = replace(components, contrasts=len(alike) if pooled else 0)
    share = max(budgets) / corpus.pool if corpus.new_texts else 0.0
    design = Design(draws, corpus.texts, tests, corpus.level, share)
    return PlannedDifference(
        lenders[0].baseline,
        budgets,
        draws,
        corpus.texts,
        tests,
        visible_difference(components, design),
        corpus.resolution,
        draws_needed(components, design, corpus.resolution),
        visible_difference(components, replace(design, draws=MOST_DRAWS)),
        measured,
    )


def _contrasts(corpus: PlannedCorpus) -> list[_Contrast]:
    """Return every arm with its own baseline and the budgets at which they will have an interval."""
    by_name = {a.name: a for a in corpus.arms}
    largest = LARGEST_SHARE * corpus.pool if corpus.new_texts else corpus.pool
    found = []
    for arm in corpus.arms:
        same = f"{architecture_of(arm.name)}:plain"
        base = same if same != arm.name and same in by_name else corpus.baseline
        if base == arm.name or base not in by_name:
            continue
        theirs = by_name[base].draws
        draws = {n: min(d, theirs.get(n, 0)) for n, d in arm.draws.items() if n <= largest}
        tested = {n: d for n, d in draws.items() if d > 1}
        if tested:
            found.append(_Contrast(arm, base, tested))
    return found


def _expected(
    baseline: str, budgets: tuple[int, ...], earlier: Sequence[Sequence[BudgetComponents]]
) -> tuple[VarianceComponents, bool]:
    """Return the components to be expected, and whether this corpus gave them."""
    studies = [{x.budgets: x.components for x in s if x.baseline == baseline} for s in earlier]
    own = next((found for found in reversed(studies) if found), {})
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
    """Return the components at n labels: on a line over log n between known budgets.

    Outside the known budgets they are those of the nearest one, but for GROWTH.
    """
    sizes = sorted(known)
    draw, text, rest = (
        float(np.interp(np.log(n), np.log(sizes), values))
        for values in zip(
            *((known[s].draw, known[s].text, known[s].rest) for s in sizes), strict=True
        )
    )
    nearest = min(sizes, key=lambda s: abs(np.log(s / n)))
    grown = draw * max(1.0, sizes[0] / n) ** GROWTH
    return VarianceComponents(grown, text, rest, known[nearest].prior, 0)
