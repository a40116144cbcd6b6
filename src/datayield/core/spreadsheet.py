"""Escapes CSV cells so that spreadsheets do not run them as formulas, and reads them again.

Every writer of a CSV file that holds texts of a user must use it.
"""

import csv
from typing import Any, Protocol

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""First characters of a cell that a spreadsheet may take for a formula, full-width forms included."""


def guarded(cell: str) -> str:
    """Return the cell, after an apostrophe if a spreadsheet could take it for a formula.

    White space before the formula does not hide it, nor do apostrophes that the cell has already, so that
    `restored` finds every cell again.
    """
    return f"'{cell}" if _is_risky(cell) else cell


def restored(cell: str) -> str:
    """Return a cell as it was before `guarded`: without the apostrophe before what could be a formula."""
    return cell[1:] if cell[:1] == "'" and _is_risky(cell) else cell


def _is_risky(cell: str) -> bool:
    """Return whether a cell begins as a formula does, or would without its apostrophes."""
    bare = cell.lstrip("'")
    return bare.startswith(FORMULA) or bare.lstrip().startswith(FORMULA)


class _Out(Protocol):
    def write(self, text: str, /) -> object: ...


class _Lines:
    """A file-like object that takes rows ending in CR LF and writes them ending in LF."""

    def __init__(self, out: _Out) -> None:
        self._out = out

    def write(self, row: str) -> None:
        self._out.write(f"{row.removesuffix(_END)}\n")


_END = "\r\n"


def writer(out: _Out, separator: str = ",") -> Any:
    """Return a csv.writer whose rows end in LF, and which quotes a lone CR, since it could end a row."""
    return csv.writer(_Lines(out), delimiter=separator, lineterminator=_END)
