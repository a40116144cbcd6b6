"""Holds the data that all comparisons of one corpus start from, with the spreads pooled over its arms."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from datayield.analysis import spreads
from datayield.analysis.curve_tests import Peers
from datayield.analysis.intervals import (
    LARGEST_SHARE,
    METHOD,
    POOLED,
    Interval,
    Population,
    Spread,
    components,
    interval_of,
    refusal,
    two_way,
)
from datayield.analysis.looks import LooksTaken
from datayield.analysis.pooled_variance import Moderated, total_variance
from datayield.analysis.scores import Scores, paired
from datayield.analysis.spreads import MEAN, ContrastRow, architecture_of
from datayield.analysis.statements import ArmDescription, Role
from datayield.analysis.typed_json import from_json
from datayield.config import Params
from datayield.core.types import Floats


@dataclass(frozen=True)
class Frame:
    """The data that all comparisons of one corpus start from."""

    scores: Scores
    arms: Mapping[str, ArmDescription]
    baseline: str  # the study's, for arms whose own baseline was not run
    level: float
    population: Population
    pool: int
    looks: LooksTaken | None = None  # where draws were added by what earlier ones showed

    @property
    def names(self) -> list[str]:
        """Return the arms that were run, sorted."""
        return sorted({arm for arm, _ in self.scores})

    def role(self, arm: str) -> Role:
        """Return the arm's role in the study."""
        return self.arms[arm].role

    def budgets(self, arm: str) -> list[int]:
        """Return the budgets at which this arm was run, ascending."""
        return sorted(n for a, n in self.scores if a == arm)

    def own_baseline(self, arm: str) -> str:
        """Return `plain` of the same architecture where it was run, else the study's baseline."""
        same = f"{architecture_of(arm)}:plain"
        return same if same != arm and self.budgets(same) else self.baseline

    def same_as(self, arm: str, other: str, n: int) -> bool:
        """Return whether both gave equal answers on every common draw: one network trained twice."""
        ours, theirs = paired(self.scores[arm, n], self.scores[other, n])
        return len(ours) > 0 and bool(np.array_equal(ours, theirs))

    def share(self, n: float) -> float:
        """Return the share of the pool that a draw of n labels takes."""
        return n / self.pool

    def widening_share(self, n: float) -> float:
        """Return the share that widens intervals about new texts; 0 for this pool, or where refused."""
        refused = self.population == "pool" or self.share(n) > LARGEST_SHARE
        return 0.0 if refused else self.share(n)

    @cached_property
    def rows(self) -> dict[str, ContrastRow]:
        """Return every arm's contrasts with its own baseline, by budget and on the mean over budgets."""
        found = {}
        for arm in self.names:
            base = self.own_baseline(arm)
            if arm != base and (row := self._row(arm, base)) is not None:
                found[arm] = row
        return found

    def _row(self, arm: str, base: str) -> ContrastRow | None:
        """Return the contrasts of an arm with a baseline; None without a common draw at any budget."""
        columns: dict[int, Floats] = {}
        for n in self.budgets(arm):
            if (base, n) in self.scores:
                ours, theirs = paired(self.scores[arm, n], self.scores[base, n])
                if len(ours):
                    columns[n] = ours - theirs
        if not columns:
            return None
        kept = self._mean_budgets(arm, base, sorted(columns))
        if len(kept) > 1:
            draws = self.common(arm, base, kept)
            columns[MEAN] = np.mean([self._difference(arm, base, n, draws) for n in kept], axis=0)
        return ContrastRow(arm, base, columns, tuple(kept))

    def _mean_budgets(self, arm: str, base: str, budgets: Sequence[int]) -> list[int]:
        """Return the budgets whose mean is tested: those with an answer, on two common draws or more.

        Budgets with a single draw, and for new texts those that take over half of the pool, are left
        out. If the rest share fewer than two draws, the budget with the fewest draws goes first.
        """
        counts = {n: len(self.common(arm, base, [n])) for n in budgets}
        kept = [n for n in budgets if counts[n] > 1 and not self._refused(n)]
        while kept and len(self.common(arm, base, kept)) < 2:
            kept.remove(min(kept, key=lambda n: (counts[n], n)))
        return kept

    def _refused(self, n: int) -> bool:
        return self.population == "new_texts" and self.share(n) > LARGEST_SHARE

    def common(self, arm: str, base: str, budgets: Sequence[int]) -> tuple[int, ...]:
        """Return the draws that both arms have at all of these budgets; () without budgets."""
        if not budgets:
            return ()
        sides = [set(self.scores[a, n].draws) for n in budgets for a in (arm, base)]
        return tuple(sorted(set.intersection(*sides)))

    def _difference(self, arm: str, base: str, n: int, draws: tuple[int, ...]) -> Floats:
        ours, theirs = self.scores[arm, n].on(draws), self.scores[base, n].on(draws)
        return ours - theirs

    @cached_property
    def pools(self) -> dict[str, spreads.ArchitecturePool]:
        """Return the pooled spread of each baseline's architecture, by baseline; few contrasts give none."""
        return spreads.pools(self.rows, self._lends)

    def _lends(self, row: ContrastRow) -> bool:
        """Return whether a row may lend: the same architecture, trained on true labels, not a copy."""
        expected = self.arms[row.arm].expected
        alike = architecture_of(row.arm) == architecture_of(row.baseline)
        alike = alike and not self.arms[row.arm].members  # means of networks vary less than one
        if expected is not None and expected.arm is not None:
            alike = alike and architecture_of(expected.arm) == architecture_of(row.baseline)
        return alike and any(x.any() for x in row.columns.values())

    def peers(self, arm: str, budgets: Sequence[int], draws: Sequence[int]) -> Peers | None:
        """Return the arms whose contrasts with a curve spread like this arm's, itself included.

        Args:
            arm: None is returned unless it lends to a pool.
            budgets: whose mean score is compared with the curve.
            draws: of the comparison.
        """
        found = self.pools.get(self.own_baseline(arm))
        if found is None or arm not in found.lenders or not budgets:
            return None
        means = [
            np.mean([self.scores[a, n].on(draws).mean(1) for n in budgets], axis=0)
            for a in sorted(found.lenders)
            if all(
                (a, n) in self.scores and set(draws) <= set(self.scores[a, n].draws)
                for n in budgets
            )
        ]
        return Peers(np.array(means), found.spread.prior)

    def interval(self, x: Floats, n: int, level: float | None = None) -> Interval:
        """Return the two-way interval of x (draws, test texts) at n labels, by its own spread."""
        return two_way(x, level or self.level, self.population, self.share(n))

    def gap(self, arm: str, other: str, n: int, level: float | None = None) -> Interval | None:
        """Return arm - other at n labels, paired by draw and text; None without a common draw.

        The spread over draws is pooled where both belong to one architecture with a pool.
        """
        ours, theirs = paired(self.scores[arm, n], self.scores[other, n])
        if not len(ours):
            return None
        return self.contrast(ours - theirs, arm, other, n, self.share(n), level or self.level)

    def row_interval(self, row: ContrastRow, column: int, level: float | None = None) -> Interval:
        """Return the interval of one column of a row; `spreads.MEAN` is the mean over its budgets."""
        n = max(row.budgets) if column == MEAN else column
        x = row.columns[column]
        return self.contrast(x, row.arm, row.baseline, column, self.share(n), level or self.level)

    def contrast(
        self, x: Floats, arm: str, other: str, column: int, share: float, level: float
    ) -> Interval:
        """Return the interval of a difference x (D, m) of two arms at one budget or on the mean."""
        why = refusal(x, self.population, share)
        if why:
            return Interval(float(x.mean()), None, None, level, self.population, len(x), reason=why)
        c = components(x[None])
        spread, method = self.spread(x, arm, other, column)
        if self.population == "new_texts":
            spread = Moderated(spread.square * (1 + c.draws * share / (1 - share)), spread.df)
        variance, df = total_variance(spread, c.draws, c.text[0], c.rest[0], c.texts)
        found = Spread(float(c.means[0]), float(variance[0]), float(df[0]))
        return interval_of(found, level, self.population, c.draws, method)

    def spread(self, x: Floats, arm: str, other: str, column: int) -> tuple[Moderated, str]:
        """Return the draw mean square of a difference x (D, m), (1,), pooled where it can be, and how."""
        c = components(x[None])
        own = Moderated(c.draw[0] * c.draws, np.full(1, c.draws - 1.0))
        found = spreads.moderated(self.rows, self.pools, (arm, other), column, own)
        return found, METHOD if found is own else POOLED


def make_frame(params: Params, summary: Mapping[str, Any], scores: Scores) -> Frame:
    """Return the frame of one corpus.

    Args:
        params: the study.
        summary: of study.json: `arms`, `pool_size`, and `looks` where draws are added at looks.
        scores: by arm and budget.

    Raises:
        ValueError: the summary does not describe arms or looks.
    """
    p, taken = params.analysis, None
    if summary.get("looks") is not None:
        taken = from_json(LooksTaken, {**summary["looks"], "level": p.level})
    return Frame(
        scores,
        {arm: from_json(ArmDescription, x) for arm, x in summary["arms"].items()},
        p.baseline,
        p.level if taken is None else taken.levels[taken.ended],
        p.population,
        summary["pool_size"],
        taken,
    )
