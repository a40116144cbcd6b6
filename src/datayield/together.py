"""Which cells are trained as one stack (datayield.stacked). Imports no torch."""

from collections.abc import Callable, Iterable
from typing import TypeAlias

from datayield.strategies import compose
from datayield.table import digest
from datayield.types import Cell, Settings

PLACES = 32  # networks of a stack
BATCH = 13  # texts from which on a GPU sums a stack's word gradients in one way at every length
LONGEST = 60.0  # predicted seconds after which a lot takes no more cells

Company: TypeAlias = tuple[str, ...]


def company(cell: Cell) -> Company | None:
    """What cells of one stack have in common; None for a cell that is trained on its own.

    On a GPU every cell whose training is plain but for its rows and their order is stacked, alone if
    need be: whether it is follows from the cell, never from what else there is to compute.
    """
    identity = cell.identity
    if identity.get("device") != "cuda" or identity.get("precision") != "fp32":
        return None
    if not cell.arm.strategies:
        return None
    parts = compose(cell.arm.strategies, cell.settings)
    if parts.one("objective") or any(p.pretrain for p in parts.parts):
        return None
    s = Settings.of(cell.settings["model"])
    if s.layers > 1 or s.weight_dropout or s.ema or s.normalised or s.batch < BATCH:
        return None
    return cell.corpus, str(identity["study_seed"]), digest(s.told())


def version(cell: Cell) -> int:
    """Part of a cell's identity on a GPU: how stacks compute, 0 for what is trained on its own."""
    return 0 if company(cell) is None else 1


def lots(cells: Iterable[Cell], seconds: Callable[[Cell], float]) -> list[list[Cell]]:
    """The cells in lots that one worker computes at once, the longest first.

    Args:
        cells: costly ones first.
        seconds: predicted for a cell. What a cell does before its network is trained, helper fits
            above all, is done one by one: cells that take long share a lot with few.
    """
    made: list[list[Cell]] = []
    spent: list[float] = []
    filling: dict[Company, int] = {}  # number of the lot that takes more
    for cell in cells:
        own = company(cell)
        number = None if own is None else filling.get(own)
        if number is None or len(made[number]) == PLACES or spent[number] > LONGEST:
            number = len(made)
            made.append([])
            spent.append(0.0)
            if own is not None:
                filling[own] = number
        made[number].append(cell)
        spent[number] += seconds(cell)
    return [made[k] for k in sorted(range(len(made)), key=lambda k: -spent[k])]
