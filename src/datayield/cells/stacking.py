"""Decides which cells a GPU trains as one stack (`models.stacked.stack_trainer`). Imports no torch."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from datayield.core.files import digest
from datayield.core.types import Cell, Settings
from datayield.models.stacked import STACK_SIZE
from datayield.strategies.registry import compose

BATCH = 13  # from this batch size on, a GPU sums word gradients in one order at every text length
LONGEST = 60.0  # predicted seconds after which a unit of work takes no more cells

StackKey: TypeAlias = tuple[str, ...]


def stack_key(cell: Cell) -> StackKey | None:
    """Return the properties that cells of one stack share; None for a cell that is trained by itself.

    A GPU stacks every cell that uses the standard training loop: strategies may choose, rewrite and
    order rows. The key depends on the cell alone, never on which other cells are missing, so that a
    resumed study gives the same results; a cell with no other of its key is a stack of one.
    """
    identity = cell.identity
    if identity.get("device") != "cuda" or identity.get("precision") != "fp32":
        return None
    if not cell.arm.strategies:
        return None
    composition = compose(cell.arm.strategies, cell.settings)
    if composition.one("objective") or composition.one("pretrain"):
        return None
    s = Settings.from_dict(cell.settings["model"])
    if (
        s.windows > 1
        or s.layers > 1
        or s.weight_dropout
        or s.ema
        or s.normalised
        or s.batch < BATCH
    ):
        return None
    return cell.corpus, str(identity["study_seed"]), digest(s.to_dict())


def stack_version(cell: Cell) -> int:
    """Return the version of the stack engine, part of a cell's identity on a GPU; 0: not stacked."""
    return 0 if stack_key(cell) is None else 1


def work_units(cells: Iterable[Cell], seconds: Callable[[Cell], float]) -> list[list[Cell]]:
    """Group cells into units that one worker computes at once, the longest unit first.

    Args:
        cells: the cells, expensive ones first.
        seconds: predicts the seconds of a cell. Only networks are trained in parallel; helper fits
            and the rest run one by one, so that cells that take long share a unit with few others.
    """
    units: list[list[Cell]] = []
    spent: list[float] = []
    open_units: dict[StackKey, int] = {}  # number of the unit that takes more cells
    for cell in cells:
        key = stack_key(cell)
        number = None if key is None else open_units.get(key)
        if number is None or len(units[number]) == STACK_SIZE or spent[number] > LONGEST:
            number = len(units)
            units.append([])
            spent.append(0.0)
            if key is not None:
                open_units[key] = number
        units[number].append(cell)
        spent[number] += seconds(cell)
    return [units[k] for k in sorted(range(len(units)), key=lambda k: -spent[k])]
