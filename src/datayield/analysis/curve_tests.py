"""Tests contrasts of a score with a whole curve, on the draws' spread pooled over arms of equal kind."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import stdtrit

from datayield.analysis.intervals import Components, Population, components
from datayield.analysis.pooled_variance import (
    SMALLEST_POOL,
    Moderated,
    PooledSpread,
    moderate,
    scale_df,
    scale_of,
    total_variance,
)
from datayield.core.types import Bools, Floats

ROUNDING = 1e-9  # a gap that small between two curves is arithmetic, not evidence
# Correlation of the mean squares of two arms' contrasts with the baseline at other labels: the samples'
# luck does not cancel there, and all arms share it.
SHARED_WITH_CURVE = 0.5


@dataclass(frozen=True, slots=True)
class Peers:
    """Other arms at the labels of a score, whose contrast with the same curve spreads alike."""

    draws: Floats  # (P, D) their draw means, on the draws of the score
    prior: float  # degrees of freedom of the pool, as in `pooled_variance.PooledSpread`


@dataclass(frozen=True)
class CurveTest:
    """Tests whether a score equals a weighted mean of a curve's budgets.

    The draw mean square of `score - w curve` is drawn towards the mean of the same contrast of the
    peers, whatever the weights w are.
    """

    scores: Floats  # (D, m), D >= 2
    curve: Mapping[int, Floats]  # (D, m) each, by budget
    level: float
    peers: Peers | None = None

    @cached_property
    def _parts(self) -> Components:
        return components(np.stack([self.scores, *(self.curve[n] for n in sorted(self.curve))]))

    @cached_property
    def _by_draw(self) -> Floats:
        """Draw means of the curve, (K, D)."""
        return np.stack([self.curve[n].mean(1) for n in sorted(self.curve)])

    def estimates(
        self, weights: Floats, share: Floats, population: Population
    ) -> tuple[Floats, Floats, Floats]:
        """Return mean, variance and degrees of freedom of `score - w curve`, (G,) each.

        Args:
            weights: (G, K) of the curve's budgets, ascending.
            share: (G,) of the pool that the largest draw involved takes; for new texts alone.
            population: as in `intervals.two_way`.
        """
        c = self._parts
        v = np.column_stack([np.ones(len(weights)), -weights])
        draw, text, rest = (
            np.maximum(np.einsum("gi,ij,gj->g", v, part, v), 0.0)
            for part in (c.draw, c.text, c.rest)
        )
        spread = self._pooled(draw * c.draws, weights)
        if population == "new_texts":
            spread = Moderated(spread.square * (1 + c.draws * share / (1 - share)), spread.df)
        variance, df = total_variance(spread, c.draws, text, rest, c.texts)
        return v @ c.means, variance, df

    def rejected(self, weights: Floats, share: Floats, population: Population) -> Bools:
        """Return where (G,) the test rejects that score and weighted curve are equal."""
        mean, variance, df = self.estimates(weights, share, population)
        # A spread of rounding errors has no degrees of freedom; its margin is nil either way.
        half = stdtrit(np.maximum(df, 0.5), (1 + self.level) / 2) * np.sqrt(variance)
        found: Bools = np.abs(mean) > half + ROUNDING
        return found

    def _pooled(self, square: Floats, weights: Floats) -> Moderated:
        """Return the draw mean squares (G,) with those of the peers."""
        own = Moderated(square, np.full(len(square), self._parts.draws - 1.0))
        if self.peers is None or len(self.peers.draws) < SMALLEST_POOL:
            return own
        apart = self.peers.draws[:, None, :] - (weights @ self._by_draw)[None]  # (P, G, D)
        squares = apart.var(2, ddof=1)
        df = np.full(squares.shape, self._parts.draws - 1.0)
        pool = PooledSpread(
            scale_of(squares, df),
            scale_df(df, SHARED_WITH_CURVE),
            self.peers.prior,
            len(squares),
        )
        return moderate(own.square, own.df, pool)
