"""Reads files whose columns are separated by a character, and finds out how they are written.

Files are written with quotation marks around fields (RFC 4180) or without. In a file without them a text
that begins with a quotation mark would swallow the rows up to the next mark, so a field that runs over
several lines is looked at: where its lines could be rows of their own, the reading that loses nothing is
taken if the file shows which one it is, and the file is refused by line otherwise.
"""

import csv
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, TextIO

from datayield.core.errors import UserError
from datayield.core.spreadsheet import restored

SEPARATOR_LINE = re.compile(r"\ufeff?sep=(.)\r?\n?")
"""First line of a file that names its separator for a spreadsheet."""

FEW = 200  # different values of a column up to which it can tell rows from lines of a text
REPEATED = 5  # rows for each different value of such a column, at least
SPANS = 100  # fields of several lines that are kept; more of them are judged by these
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


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
    """

    separator: str
    quotes: bool = True
    header: bool = True
    first: int = 0
    mark: int = 0
    apostrophes: int = 0

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
    reader = _reader(file, dialect)
    try:
        first = next((row for row in reader if row), None)
        if first is None:
            raise UserError(f"{name} is empty; wanted a line of column names and rows")
        header = column_names(name, first if dialect.header else [""] * len(first))
        if not dialect.header:
            yield dialect.first + reader.line_num, _fields(first, header)
        for row in reader:
            if not row:
                continue
            fitted = fit(row, first)
            if fitted is None:
                raise UserError(
                    f"{name}, line {dialect.first + reader.line_num}: {len(row)} fields, the header has"
                    f" {len(header)}; quote texts that hold separators or line ends"
                )
            yield dialect.first + reader.line_num, _fields(fitted, header)
    except csv.Error as e:
        raise UserError(f"{name}, line {dialect.first + reader.line_num}: {e}") from e


def _reader(lines: Iterable[str], dialect: Dialect) -> Any:
    quoting: Literal[0, 3] = csv.QUOTE_MINIMAL if dialect.quotes else csv.QUOTE_NONE
    return csv.reader(lines, delimiter=dialect.separator, strict=True, quoting=quoting)


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


# ---- how a file is written
@dataclass(slots=True)
class _Survey:
    """The findings of one pass over a file, read with quotation marks and, line by line, without.

    Attributes:
        first: the first row.
        rows: rows of one line.
        quoted: rows of one line in which quotation marks stand around a field.
        values: how often each value occurs in each column, of rows of one line.
        numbers: for each column, whether all of its values so far are numbers.
        plain: whether every line is a row of its own where quotation marks are part of the texts.
        sound: whether every row has all fields where quotation marks stand around fields.
        spans: (first line, last line, lines) of fields that run over several lines.
        mark: number of the first line that begins such a field, or that holds an error.
        apostrophes: fields that `spreadsheet.restored` changes.
    """

    first: list[str]
    rows: int = 0
    quoted: int = 0
    values: list[Counter[str]] = field(default_factory=list)
    numbers: list[bool] = field(default_factory=list)
    plain: bool = True
    sound: bool = True
    spans: list[tuple[int, int, list[list[str]]]] = field(default_factory=list)
    mark: int = 0
    apostrophes: int = 0

    def add(self, row: list[str]) -> None:
        """Add a row of one line."""
        self.rows += 1
        for value, counts, place in zip(row, self.values, range(len(row)), strict=False):
            if len(counts) <= FEW:
                counts[value] += 1
            self.numbers[place] = self.numbers[place] and bool(_NUMBER.fullmatch(value.strip()))

    def telling(self) -> list[int]:
        """Return the columns whose values are few or numbers, so that a line of a text seldom fits them."""
        few = (len(c) <= FEW and REPEATED * len(c) <= self.rows for c in self.values)
        return [
            i
            for i, (a, b) in enumerate(zip(few, self.numbers, strict=True))
            if self.rows and (a or b)
        ]

    def row_like(self, lines: list[list[str]]) -> bool:
        """Return whether each of the lines of one field could be a row of the file."""
        fitted = [fit(line, self.first) for line in lines]
        if any(row is None for row in fitted):
            return False
        telling = self.telling()
        if not telling and len(self.first) == 1:
            return not self.quoted
        return all(
            self._fits(row[i].strip().strip('"'), i) for row in fitted if row for i in telling
        )

    def _fits(self, value: str, column: int) -> bool:
        return value in self.values[column] or (
            self.numbers[column] and _NUMBER.fullmatch(value) is not None
        )


class _Remembered:
    """The lines of a file, which keeps those that were read since `taken` was emptied."""

    def __init__(self, file: Iterable[str]) -> None:
        self._file = iter(file)
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._file)
        if len(self.taken) < 10 * FEW:
            self.taken.append(line)
        return line


def dialect_of(name: str, file: TextIO, separator: str, options: SeparatedOptions) -> Dialect:
    """Return how a file is written, having read all of it.

    Args:
        name: of the file, for messages.
        file: opened with newline="" at its beginning.
        separator: character between the columns.
        options: the user's choices.

    Raises:
        UserError: naming the lines, if a quotation mark can mean two things and nothing decides.
    """
    first = 0
    start = file.readline()
    if SEPARATOR_LINE.fullmatch(start):
        first, start = 1, file.readline()
    survey = _survey(_with(start, file), Dialect(separator, first=first))
    quotes = options.quotes if options.quotes is not None else _quotes(name, survey)
    header = options.header if options.header is not None else not _is_data(survey)
    mark = 0 if quotes else survey.mark
    return Dialect(separator, quotes, header, first, mark, survey.apostrophes)


def _with(start: str, file: TextIO) -> Iterator[str]:
    if start:
        yield start
    yield from file


def _survey(file: Iterator[str], dialect: Dialect) -> _Survey:
    lines = _Remembered(file)
    reader = _reader(lines, dialect)
    found = _Survey([])
    number = dialect.first
    try:
        for row in reader:
            taken, lines.taken = lines.taken, []
            before, number = number, dialect.first + reader.line_num
            if not row:
                continue
            alone = [_split(line, dialect.separator) for line in taken if line.strip()]
            if not found.first:
                found = _Survey(row, values=[Counter() for _ in row], numbers=[True] * len(row))
                found.plain = len(alone) == 1 and len(alone[0]) == len(row)
                continue
            found.plain &= all(fit(x, found.first) is not None for x in alone)
            found.sound &= fit(row, found.first) is not None
            found.apostrophes += sum(restored(x) != x for x in row)
            if number == before + 1:
                found.quoted += alone != [row]
                found.add(row)
                continue
            found.mark = found.mark or before + 1
            if len(found.spans) < SPANS:
                found.spans.append((before + 1, number, alone))
    except csv.Error:
        found.sound = False
        found.mark = found.mark or number + 1
        for line in (*lines.taken, *file):
            found.plain &= (
                not line.strip() or fit(_split(line, dialect.separator), found.first) is not None
            )
    return found


def _split(line: str, separator: str) -> list[str]:
    return line.rstrip("\r\n").split(separator)


def _quotes(name: str, found: _Survey) -> bool:
    """Return whether the fields of a file are put in quotation marks where they need them."""
    if not found.sound:
        return not (found.plain and found.first)  # what reads the rows names the line of the error
    doubtful = [] if found.quoted == found.rows > 0 else [
        span for span in found.spans if found.row_like(span[2])
    ]  # fmt: skip
    if not doubtful:
        return True
    if found.plain and not found.quoted and found.telling():
        return False
    begin, end, _ = doubtful[0]
    raise UserError(
        f"{name}, lines {begin} to {end}: between two quotation marks stand lines that could be rows of"
        " their own. Say --quotes yes if the file puts texts in quotation marks, --quotes no if not."
    )


def _is_data(found: _Survey) -> bool:
    """Return whether the first row is a row of texts: one of its values is one of few in its column."""
    return any(
        value.strip()
        and len(found.values[i]) <= FEW
        and REPEATED * len(found.values[i]) <= found.rows
        and found.values[i][value] > 1
        for i, value in enumerate(found.first)
    )
