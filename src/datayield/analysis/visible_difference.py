"""Computes the smallest difference that a study sees: claimed in 80 % of such studies.

For planning from the variance components of an earlier study, and next to every "cannot be told apart".
"""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import stdtrit

from datayield.analysis.pooled_variance import (
    SMALLEST_POOL,
    Moderated,
    PooledSpread,
    moderate,
    scale_df,
    total_variance,
)

POWER = 0.8  # share of studies in which the smallest visible difference is claimed
RESOLUTION = 0.01  # a gain of one point: smaller ones are not looked for
MOST_DRAWS = 100  # more are never proposed


@dataclass(frozen=True, slots=True)
class VarianceComponents:
    """The parts of the variance of differences between an arm and its baseline, in score squared.

    `draw` is the variance of a difference between draws (other labelled texts, another training);
    `text` how much more one arm knows of some texts than the other, on every draw; `rest` what a text
    adds on one draw alone.
    """

    draw: float
    text: float
    rest: float
    prior: float | None  # degrees of freedom of the pool; None: infinite
    contrasts: int  # arms that are compared with the baseline and lend; 0: nothing is pooled


@dataclass(frozen=True, slots=True)
class Design:
    """The size of a study: draws, test texts, and how many tests share its level."""

    draws: int
    texts: int
    tests: int
    level: float = 0.95
    share: float = 0.0  # of the pool that a draw takes, below 1, for new texts; 0: for this pool


def visible_difference(c: VarianceComponents, d: Design, power: float = POWER) -> float | None:
    """Return the smallest true difference that is claimed with this power, as a share of 1.

    The difference belongs to one arm named beforehand; it is claimed where Bonferroni's test over
    `tests` rejects 0 (the first step of Holm's procedure).

    Args:
        c: components at one budget, or of the mean over budgets.
        d: the design.
        power: in [0.5, 1); 0.5 gives half the width of the simultaneous interval.

    Returns:
        (t(1 - alpha/2) + t(power)) sqrt(V), V and its degrees of freedom as in `total_variance`; None
        with one draw, which gives no interval.
    """
    if d.draws < 2 or d.texts < 2:
        return None
    own = np.array([d.draws - 1.0])
    square = np.array([c.draw + c.rest / d.texts])
    spread = Moderated(square, own)
    if c.contrasts >= SMALLEST_POOL:
        df = np.full((c.contrasts, 1), d.draws - 1.0)
        prior = np.inf if c.prior is None else c.prior
        spread = moderate(square, own, PooledSpread(square, scale_df(df), prior, c.contrasts))
    return visible_with(spread, c, d, power)


def visible_with(
    spread: Moderated, c: VarianceComponents, d: Design, power: float = POWER
) -> float:
    """Return the smallest visible difference where the spread over draws, (1,), is known.

    Args:
        spread: draw mean square of the difference; the components give the part of the texts alone.
        c: components.
        d: the design, of two draws and two texts at least.
        power: in [0.5, 1).
    """
    widened = 1 + d.draws * d.share / (1 - d.share)
    spread = Moderated(spread.square * widened, spread.df)
    rest = np.array([c.rest / (d.draws * d.texts)])
    variance, below = total_variance(spread, d.draws, c.text / d.texts + rest, rest, d.texts)
    alpha = (1 - d.level) / d.tests
    quantiles = stdtrit(below, 1 - alpha / 2) + stdtrit(below, power)
    return float((quantiles * np.sqrt(variance))[0])


def draws_needed(
    c: VarianceComponents, d: Design, resolution: float = RESOLUTION, power: float = POWER
) -> int | None:
    """Return the smallest number of draws that shows a difference of `resolution`.

    Args:
        c: components at one budget, or of the mean over budgets.
        d: the design; its draws do not count.
        resolution: difference to be seen, a share of 1, above 0.
        power: in [0.5, 1).

    Returns:
        At least 2; None where MOST_DRAWS are not enough, because the test texts alone blur more.
    """

    def sees(draws: int) -> bool:
        seen = visible_difference(c, replace(d, draws=draws), power)
        return seen is not None and seen <= resolution

    if not sees(MOST_DRAWS):
        return None
    low, high = 1, MOST_DRAWS  # low does not see it, high does
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if sees(middle) else (middle, high)
    return high
