"""Makes the claims about one corpus: every strategy at every budget and on its mean, as one family.

The tests of a family share one level (Holm 1979): in 95 of 100 studies not one of them claims an effect
that is not there. Every sentence about a strategy follows from its one test.
"""

from collections.abc import Collection, Sequence
from dataclasses import replace

import numpy as np

from datayield.analysis.claim_statements import (
    ArmDifference,
    BudgetComponents,
    Claim,
    MeanDifference,
    Verdict,
)
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import Interval, components, holm, refusal
from datayield.analysis.looks import at_look, judged_at
from datayield.analysis.scores import paired
from datayield.analysis.spreads import MEAN, ArchitecturePool, ContrastRow
from datayield.analysis.visible_difference import (
    RESOLUTION,
    Design,
    VarianceComponents,
    draws_needed,
    visible_difference,
    visible_with,
)

CLAIMED = ("strategy", "baseline")  # roles whose tests share the level
MAJORITY = "majority"  # knows nothing and competes with nobody


def competes(f: Frame, arm: str, n: int) -> bool:
    """Return whether an arm counts among those one could choose at n labels.

    The majority class does not, nor does a network that answers exactly as the baseline of its own
    architecture (the same network, trained twice).
    """
    base = f.own_baseline(arm)
    copies = arm != base and (base, n) in f.scores and f.same_as(arm, base, n)
    return arm != MAJORITY and not copies


def differences(f: Frame) -> tuple[ArmDifference, ...]:
    """Return arm - baseline at every budget, paired by draw and text, with the family's claims."""
    return claims(f)[0]


def claims(f: Frame) -> tuple[tuple[ArmDifference, ...], tuple[MeanDifference, ...]]:
    """Return every arm minus its baseline, by budget and on the mean over budgets.

    Strategies and simple baselines carry claims: one family, Holm over all their tests. Other roles,
    and arms without an interval, carry none. Where draws were added at looks, every look has its family
    and its part of the level, and an arm has the claims of the look that settled it.
    """
    if f.looks is None:
        return _family(f)
    differences: list[ArmDifference] = []
    means: list[MeanDifference] = []
    for k in range(f.looks.ended + 1):
        arms = judged_at(f.looks, k, f.names)
        if arms:
            earlier = [a for a, look in f.looks.settled.items() if look < k]
            found = _family(at_look(f, f.looks, k), earlier)
            differences += [x for x in found[0] if x.arm in arms]
            means += [x for x in found[1] if x.arm in arms]
    return (
        tuple(sorted(differences, key=lambda x: (x.arm, x.n))),
        tuple(sorted(means, key=lambda x: x.arm)),
    )


def settled(f: Frame, resolution: float, done: Collection[str] = ()) -> list[str]:
    """Return the strategies that need no more draws at the look that this frame is.

    A strategy is settled when its test, on the mean over its budgets where there are several, claims
    that it helps or harms, excludes a gain of `resolution`, or would see one in 80 % of studies. One that
    answers exactly as its baseline is settled too.

    Args:
        f: the draws until now, at the look's level (`looks.at_look`).
        resolution: a share of 1.
        done: strategies that an earlier look settled.
    """
    differences, means = _family(f, done)
    last = {x.arm: x for x in differences} | {x.arm: x for x in means}
    return [
        arm
        for arm, x in sorted(last.items())
        if f.role(arm) == "strategy" and arm not in done and _is_settled(f, x, resolution)
    ]


def _is_settled(f: Frame, x: ArmDifference | MeanDifference, resolution: float) -> bool:
    claim = x.claim
    if claim is None:
        return all(f.same_as(x.arm, x.baseline, n) for n in f.rows[x.arm].columns if n != MEAN)
    return (
        claim.verdict in ("helps", "harms")
        or (claim.interval.high is not None and claim.interval.high < resolution)
        or (claim.visible is not None and claim.visible <= resolution)
    )


def _family(
    f: Frame, done: Collection[str] = ()
) -> tuple[tuple[ArmDifference, ...], tuple[MeanDifference, ...]]:
    """Return the differences of one look.

    Arms in `done` were settled before and are not claimed again. They stay in the family as tests that
    are not rejected: which arms go on depends on the data, so without them the others would share the
    level among those that luck has kept.
    """
    keys = [(row, column) for _, row in sorted(f.rows.items()) for column in sorted(row.columns)]
    single = {(row.arm, c): f.row_interval(row, c) for row, c in keys}
    tested = [
        (row, c)
        for row, c in keys
        if f.role(row.arm) in CLAIMED
        and single[row.arm, c].p is not None
        and all(competes(f, row.arm, n) for n in ((c,) if c != MEAN else row.budgets[:1]))
    ]
    ps = [1.0 if row.arm in done else single[row.arm, c].p for row, c in tested]
    adjusted = holm([p for p in ps if p is not None])
    made = {
        (row.arm, c): _claim(f, row, c, p, len(tested))
        for (row, c), p in zip(tested, adjusted, strict=True)
        if row.arm not in done
    }
    rows = tuple(
        ArmDifference(row.arm, c, row.baseline, single[row.arm, c], made.get((row.arm, c)))
        for row, c in keys
        if c != MEAN
    )
    means = tuple(
        MeanDifference(
            row.arm, row.budgets, row.baseline, single[row.arm, c], made.get((row.arm, c))
        )
        for row, c in keys
        if c == MEAN
    )
    return rows, means


def _claim(f: Frame, row: ContrastRow, column: int, p: float, tests: int) -> Claim:
    """Return the claim of one test of a family."""
    found = f.row_interval(row, column, 1 - (1 - f.level) / tests)
    rejected = p <= 1 - f.level
    interval = cut_at_zero(found) if rejected else found
    c = _components_of(f, row, column)
    share = f.widening_share(max(row.budgets) if column == MEAN else column)
    design = Design(found.draws, row.columns[column].shape[1], tests, f.level, share)
    verdict = verdict_of(interval, rejected)
    half = max(abs(found.estimate), RESOLUTION - found.estimate)
    needed = draws_needed(c, design, half, power=0.5) if verdict == "undecided" else None
    more = max(needed - found.draws, 1) if needed is not None else None
    return Claim(verdict, p, interval, tests, _visible(f, row, column, design), more)


def _visible(f: Frame, row: ContrastRow, column: int, design: Design) -> float:
    """Return the smallest visible difference of one row, from the spread that its interval rests on."""
    c = _mean_components([row], column, None, 0)
    spread, _ = f.spread(row.columns[column], row.arm, row.baseline, column)
    return visible_with(spread, c, design)


def cut_at_zero(x: Interval) -> Interval:
    """Return the interval without what lies beyond 0 from its estimate.

    Holm's later steps ask for less than the simultaneous interval does. Where they claim a direction
    that the interval leaves open by a little, the claim stands and the interval ends at 0.
    """
    if x.low is None or x.high is None or x.excludes_zero:
        return x
    return replace(x, low=0.0) if x.estimate > 0 else replace(x, high=0.0)


def verdict_of(x: Interval, rejected: bool) -> Verdict:
    """Return the verdict of one test from its simultaneous interval.

    "no gain of a point" says that a gain of RESOLUTION or more is excluded.
    """
    if rejected:
        return "helps" if x.estimate > 0 else "harms"
    return "no gain of a point" if x.high is not None and x.high < RESOLUTION else "undecided"


def _components_of(f: Frame, row: ContrastRow, column: int) -> VarianceComponents:
    """Return the components behind one test: its pool's, or those that its own interval rests on."""
    found = f.pools.get(row.baseline)
    if found is not None and row.arm in found.lenders and found.at(column, row.budgets) is not None:
        pooled = _column(f, found, column)
        if pooled is not None:
            return pooled
    x = row.columns[column]
    alone = _mean_components([row], column, None, 0)
    spread, _ = f.spread(x, row.arm, row.baseline, column)
    return replace(alone, draw=max(float(spread.square[0]) - alone.rest / x.shape[1], 0.0))


def _mean_components(
    rows: Sequence[ContrastRow], column: int, prior: float | None, contrasts: int
) -> VarianceComponents:
    """Return the mean variance components of some rows at one column, all of two draws or more.

    Rows count by their degrees of freedom, as in the pool (`pooled_variance.scale_of`).
    """
    parts = [components(row.columns[column][None]) for row in rows]
    weights = [row.df(column) for row in rows]
    draw, text, rest = (
        float(np.average(values, weights=weights))
        for values in zip(
            *(
                (
                    c.draw[0, 0] * c.draws - c.rest[0, 0] * c.draws,
                    (c.text[0, 0] - c.rest[0, 0]) * c.texts,
                    c.rest[0, 0] * c.draws * c.texts,
                )
                for c in parts
            ),
            strict=True,
        )
    )
    return VarianceComponents(max(draw, 0.0), max(text, 0.0), rest, prior, contrasts)


def _column(f: Frame, found: ArchitecturePool, column: int) -> VarianceComponents | None:
    """Return the mean components of a pool's lenders at one column; None where fewer than three lend."""
    pool = found.at(column, found.mean_of)
    if pool is None or not np.isfinite(pool.scale[0]):
        return None
    rows = [
        row
        for arm in sorted(found.lenders)
        if column in (row := f.rows[arm]).columns
        and row.df(column) > 0
        and (column != MEAN or row.budgets == found.mean_of)
    ]
    prior = None if np.isinf(pool.prior) else pool.prior
    return _mean_components(rows, column, prior, len(rows))


def variance_components(f: Frame) -> tuple[BudgetComponents, ...]:
    """Return what makes differences vary, by baseline and budget, and on the mean over budgets.

    From these a later study is planned (`visible_difference`).
    """
    rows, means = claims(f)
    tests = sum(x.claim is not None for x in rows) + sum(x.claim is not None for x in means)
    found = []
    for base, pool in f.pools.items():
        for column in pool.columns:
            c = _column(f, pool, column)
            if c is None:
                continue
            lenders = [f.rows[a] for a in pool.lenders if column in f.rows[a].columns]
            claimed = [row for row in lenders if f.role(row.arm) == "strategy"] or lenders
            draws = min(len(row.columns[column]) for row in claimed)
            texts = lenders[0].columns[column].shape[1]
            budgets = pool.mean_of if column == MEAN else (column,)
            share = f.widening_share(max(budgets))
            seen = visible_difference(c, Design(draws, texts, max(tests, 1), f.level, share))
            found.append(BudgetComponents(base, budgets, draws, texts, max(tests, 1), c, seen))
    return tuple(found)


def visible_between(f: Frame, arm: str, other: str, n: int, tests: int) -> float | None:
    """Return the smallest difference of two arms at n labels that such a study tells apart.

    Args:
        f: the corpus.
        arm: one of the two.
        other: the other.
        n: budget.
        tests: that share the level.

    Returns:
        As `visible_difference`; None where the two have no interval.
    """
    ours, theirs = paired(f.scores[arm, n], f.scores[other, n])
    if not len(ours) or refusal(ours, f.population, f.share(n)):
        return None
    row = ContrastRow(arm, other, {n: ours - theirs}, ())
    design = Design(len(ours), ours.shape[1], tests, f.level, f.widening_share(n))
    return _visible(f, row, n, design)
