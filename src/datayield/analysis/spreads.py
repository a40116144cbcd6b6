"""Collects the contrasts of a corpus's arms and pools their spread by architecture."""

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from datayield.analysis.pooled_variance import (
    Moderated,
    PooledSpread,
    moderate,
    of_its_own,
    pool,
)
from datayield.core.types import Floats

MEAN = 0  # the column of the mean over budgets; budgets are positive


@dataclass(frozen=True, slots=True)
class ContrastRow:
    """An arm minus its own baseline: differences (D, m) by budget, and on the mean over `budgets`."""

    arm: str
    baseline: str
    columns: Mapping[int, Floats]
    budgets: tuple[int, ...]  # those whose mean stands under MEAN; fewer than two: no mean

    def square(self, column: int) -> float:
        """Return the draw mean square of one column; 0 with one draw."""
        by_draw = self.columns[column].mean(1)
        return float(by_draw.var(ddof=1)) if len(by_draw) > 1 else 0.0

    def df(self, column: int) -> float:
        """Return its degrees of freedom."""
        return len(self.columns[column]) - 1.0


@dataclass(frozen=True, slots=True)
class ArchitecturePool:
    """The pooled spread of the arms of one architecture."""

    columns: tuple[int, ...]  # of the pool, the budgets first, MEAN last
    spread: PooledSpread
    lenders: frozenset[str]
    mean_of: tuple[int, ...]  # the budgets behind MEAN

    def at(self, column: int, budgets: Sequence[int]) -> PooledSpread | None:
        """Return the pool of one column, None where a contrast with these budgets has none."""
        if column not in self.columns or (column == MEAN and tuple(budgets) != self.mean_of):
            return None
        i = self.columns.index(column)
        p = self.spread
        if not np.isfinite(p.scale[i]):
            return None
        return PooledSpread(p.scale[i : i + 1], p.scale_df[i : i + 1], p.prior, p.lenders)


def architecture_of(arm: str) -> str:
    """Return the architecture of an arm's name, which a colon or the bracket of a blend ends."""
    return arm.partition(":")[0].partition("(")[0]


def pools(
    rows: Mapping[str, ContrastRow], lends: Callable[[ContrastRow], bool]
) -> dict[str, ArchitecturePool]:
    """Return the pooled spread by baseline.

    Args:
        rows: by arm.
        lends: whether a row may lend to the others; wild ones are left out besides.
    """
    found = {}
    for base in sorted({row.baseline for row in rows.values()}):
        lenders = [row for row in rows.values() if row.baseline == base and lends(row)]
        if lenders:
            found[base] = _pool(lenders)
    return found


def _pool(lenders: Sequence[ContrastRow]) -> ArchitecturePool:
    budgets = sorted({n for row in lenders for n in row.columns if n != MEAN})
    means = Counter(row.budgets for row in lenders if MEAN in row.columns)
    mean_of = max(means, key=lambda b: (means[b], b), default=())
    columns = (*budgets, MEAN)
    squares, df = table(lenders, columns, mean_of)
    spread, kept = pool(squares, df, len(budgets))
    names = frozenset(row.arm for row, lends in zip(lenders, kept, strict=True) if lends)
    return ArchitecturePool(columns, spread, names, mean_of)


def table(
    rows: Sequence[ContrastRow], columns: Sequence[int], mean_of: tuple[int, ...]
) -> tuple[Floats, Floats]:
    """Return draw mean squares and degrees of freedom, (rows, columns) each; 0 where not measured."""
    squares, df = np.zeros((2, len(rows), len(columns)))
    for i, row in enumerate(rows):
        for j, column in enumerate(columns):
            if column in row.columns and (column != MEAN or row.budgets == mean_of):
                squares[i, j], df[i, j] = row.square(column), row.df(column)
    return squares, df


def moderated(
    rows: Mapping[str, ContrastRow],
    by_baseline: Mapping[str, ArchitecturePool],
    arms: tuple[str, str],
    column: int,
    own: Moderated,
) -> Moderated:
    """Return the draw mean square of the difference of two arms, (1,), as far as it can be pooled.

    An arm against its baseline, and two arms of one architecture, are drawn towards that
    architecture's pool. An arm that does not lend has its own spread, over all its budgets. Any
    other difference keeps the spread that it has.

    Args:
        rows: every arm's contrasts with its baseline.
        by_baseline: pools.
        arms: the two arms.
        column: budget or MEAN.
        own: the difference's own draw mean square, (1,).
    """
    for arm, other in (arms, arms[::-1]):
        row = rows.get(arm)
        if row is None or row.baseline != other or other not in by_baseline:
            continue
        found = by_baseline[other]
        spread = found.at(column, row.budgets)
        if spread is None:
            return own
        if arm not in found.lenders:
            return _alone(row, found, column)
        return moderate(own.square, own.df, spread)
    for found in by_baseline.values():
        spread = found.at(column, found.mean_of)
        if spread is not None and set(arms) <= found.lenders:
            return moderate(own.square, own.df, spread)
    return own


def _alone(row: ContrastRow, found: ArchitecturePool, column: int) -> Moderated:
    """Return the spread of an arm that does not lend, (1,)."""
    squares, df = table([row], found.columns, found.mean_of)
    whole = of_its_own(squares[0], df[0], found.spread, len(found.columns) - 1)
    i = found.columns.index(column)
    return Moderated(whole.square[i : i + 1], whole.df[i : i + 1])
