"""Derives from the parameters which arms a race screens, and how many texts rank them."""

from collections.abc import Sequence

from datayield.config import Block, Params
from datayield.core.arm import Arm
from datayield.core.errors import UserError
from datayield.study.arms import describe, parse_arm

FEWEST_RANKING = 100  # labelled texts that rank the strategies of a race


def screened(params: Params, planned: Sequence[tuple[Arm, int]]) -> list[tuple[Arm, int]]:
    """Return the entries of a grid that a race screens: strategies, and the baseline next to them.

    Args:
        params: the study.
        planned: every (arm, budget) of the grid.

    Raises:
        UserError: the grid has no strategy at a budget given as a number, or no baseline there.
    """
    named = set(named_budgets(params.study.grid))
    found = [
        (a, n)
        for a, n in planned
        if n in named and describe(a, params.strategies)["role"] == "strategy"
    ]
    baseline = parse_arm(params.analysis.baseline)
    budgets = sorted({n for _, n in found})
    if not budgets:
        raise UserError("params.yaml: study.draws: a race needs strategies in study.grid to screen")
    lacking = [n for n in budgets if (baseline, n) not in planned]
    if lacking:
        raise UserError(
            f"params.yaml: study.draws: a race compares strategies with {baseline}; study.grid must name it"
            f" at {', '.join(map(str, lacking))} labels too"
        )
    return found + [(baseline, n) for n in budgets]


def ranking_texts(params: Params, pool: int) -> int:
    """Return how many labelled texts rank the strategies of a race.

    No budget uses them. They are at most half of what the largest budget leaves, so that strategies that
    read texts without labels have the other half.

    Raises:
        UserError: the pool leaves too few.
    """
    assert params.study.race is not None
    largest = max(b for b in named_budgets(params.study.grid) if b <= pool)
    left = pool - largest
    if left // 2 < FEWEST_RANKING:
        raise UserError(
            f"params.yaml: study.draws: a race needs {2 * FEWEST_RANKING} texts that no budget uses: half of"
            f" them rank strategies. The pool of {pool} texts leaves {left} after {largest} labels: name"
            " smaller budgets, or a number of draws"
        )
    return min(params.study.race.texts, left // 2)


def named_budgets(blocks: Sequence[Block]) -> list[int]:
    """Return the budgets that blocks give as numbers."""
    return [b for block in blocks if not isinstance(block.budgets, str) for b in block.budgets]
