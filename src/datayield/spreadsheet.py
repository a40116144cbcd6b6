"""Texts in CSV that no spreadsheet computes. The one guard of every CSV file that holds a user's text."""

import csv
from typing import Any, Protocol

FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
"""How a cell begins that a spreadsheet may take for a formula, full-width forms included."""


def guarded(cell: str) -> str:
    """The cell; with an apostrophe before it where it could be taken for a formula.

    White space before the formula does not hide it.
    """
    begins = cell.startswith(FORMULA) or cell.lstrip().startswith(FORMULA)
    return f"'{cell}" if begins else cell


class _Out(Protocol):
    def write(self, text: str, /) -> object: ...


class _Lines:
    """Takes rows that end in CR LF and writes them ending in LF."""

    def __init__(self, out: _Out) -> None:
        self._out = out

    def write(self, row: str) -> None:
        self._out.write(f"{row.removesuffix(_END)}\n")


_END = "\r\n"


def writer(out: _Out, separator: str = ",") -> Any:
    """A csv.writer whose rows end in LF and that quotes a lone CR too, which else would end a row."""
    return csv.writer(_Lines(out), delimiter=separator, lineterminator=_END)
