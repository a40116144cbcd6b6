"""Reads files whose columns are separated by a character; `dialects` finds out how they are written."""

import csv
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, TextIO

from datayield.core.errors import UserError
from datayield.core.spreadsheet import restored

SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\r?\n?")
"""First line of a file that names its separator for a spreadsheet."""

_ESCAPED = re.compile(r'(\\+)"')


@dataclass(frozen=True, slots=True)
class Dialect:
    """The marks with which a separated file is written.

    Attributes:
        separator: character between the columns.
        quotes: whether fields may be put in quotation marks.
        header: whether the first row names the columns.
        first: lines before the first row.
        mark: number of the line on which a quotation mark is part of a text; 0: none is.
        apostrophes: fields from which the apostrophe of a spreadsheet is taken (`spreadsheet.restored`).
        escaped: whether a backslash stands before a quotation mark that is part of a text.
        spaced: whether blanks stand between a separator and a quotation mark.
    """

    separator: str
    quotes: bool = True
    header: bool = True
    first: int = 0
    mark: int = 0
    apostrophes: int = 0
    escaped: bool = False
    spaced: bool = False

    def sentences(self, header: Sequence[str]) -> list[str]:
        """Return what a user should see of it.

        Args:
            header: names of the columns.
        """
        out = []
        if self.mark:
            out.append(
                f"the quotation mark in line {self.mark} is part of a text, since the file does not put"
                " texts in quotation marks (otherwise: --quotes yes)"
            )
        if self.escaped:
            out.append(
                "quotation marks after a backslash are part of a text (otherwise: --quotes no)"
            )
        if not self.header:
            out.append(
                f"the first line holds a text, no names; the columns are {', '.join(header)} (otherwise:"
                " --header yes)"
            )
        if self.apostrophes:
            out.append(
                f"fields read without the apostrophe that hides a formula: {self.apostrophes:,}"
            )
        return out


@dataclass(frozen=True, slots=True)
class SeparatedOptions:
    """The user's choices for a separated file: whether it has quotation marks and a header; None: found out."""

    quotes: bool | None = None
    header: bool | None = None


FOUND_OUT = SeparatedOptions()


def rows(name: str, file: TextIO, dialect: Dialect) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the line number and the fields of every row; an apostrophe of `spreadsheet.guarded` is gone.

    Args:
        name: of the file, for messages.
        file: opened with newline="" at its beginning.
        dialect: how it is written.

    Raises:
        UserError: naming the line: a row has other fields than the header, or a field does not end.
    """
    for _ in range(dialect.first):
        file.readline()
    found = reader(file, dialect)
    try:
        first = next((row for row in found if row), None)
        if first is None:
            raise UserError(f"{name} is empty; wanted a line of column names and rows")
        header = column_names(name, first if dialect.header else [""] * len(first))
        if not dialect.header:
            yield dialect.first + found.line_num, _fields(first, header)
        for row in found:
            if not row:
                continue
            fitted = fit(row, first)
            if fitted is None:
                raise UserError(
                    f"{name}, line {dialect.first + found.line_num}: {len(row)} fields, the header has"
                    f" {len(header)}; quote texts that hold separators or line ends"
                )
            yield dialect.first + found.line_num, _fields(fitted, header)
    except csv.Error as e:
        raise UserError(f"{name}, line {dialect.first + found.line_num}: {e}") from e


def reader(lines: Iterable[str], dialect: Dialect) -> Any:
    """Return a reader of the rows of some lines, as `csv.reader`."""
    quoting = csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE
    lines = map(_doubled, lines) if dialect.escaped else lines
    how: dict[str, Any] = {"strict": True, "quoting": quoting, "skipinitialspace": dialect.spaced}
    return csv.reader(lines, delimiter=dialect.separator, **how)


def _doubled(line: str) -> str:
    """Return a line with a quotation mark in place of each backslash that stands before one."""
    return _ESCAPED.sub(lambda m: m[1][:-1] + '""' if len(m[1]) % 2 else m[0], line)


def _fields(row: Sequence[str], header: Sequence[str]) -> dict[str, str]:
    return dict(zip(header, map(restored, row), strict=True))


def fit(row: list[str], first: Sequence[str]) -> list[str] | None:
    """Return a row with as many fields as the first one, or None where it cannot be known how.

    Empty fields after the last column are dropped, missing fields of columns without a name are empty.
    """
    width = len(first)
    if len(row) > width and not any(row[width:]):
        return row[:width]
    if len(row) < width and not any(x.strip() for x in first[len(row) :]):
        return row + [""] * (width - len(row))
    return row if len(row) == width else None


def column_names(name: str, header: Sequence[str]) -> list[str]:
    """Return the names of the columns; those without a name are numbered.

    Raises:
        UserError: a name occurs twice in the file of this `name`.
    """
    names = [x if x.strip() else f"column {i}" for i, x in enumerate(header, 1)]
    if len(set(names)) < len(names):
        raise UserError(f"{name}: a column name occurs twice in the header: {list(header)}")
    return names
