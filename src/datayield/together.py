"""Which cells are trained as one stack (datayield.stacked). Imports no torch."""

from collections.abc import Iterable
from typing import TypeAlias

from datayield.strategies import compose
from datayield.table import digest
from datayield.types import Cell, Settings

WIDTH = 32  # networks of a stack

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
    if s.layers > 1 or s.weight_dropout or s.ema or s.normalised:
        return None
    return cell.corpus, str(identity["study_seed"]), digest(s.told())


def version(cell: Cell) -> int:
    """Part of a cell's identity on a GPU: how stacks compute, 0 for what is trained on its own."""
    return 0 if company(cell) is None else 1


def lots(cells: Iterable[Cell]) -> list[list[Cell]]:
    """The cells in lots that one worker computes at once, in the order of their first cells."""
    out: list[list[Cell]] = []
    filling: dict[Company, list[Cell]] = {}
    for cell in cells:
        own = company(cell)
        lot = None if own is None else filling.get(own)
        if lot is None or len(lot) == WIDTH:
            lot = []
            out.append(lot)
            if own is not None:
                filling[own] = lot
        lot.append(cell)
    return out
