"""Finds out how a file whose columns are separated by a character is written.

Files are written with quotation marks around fields (RFC 4180) or without. In a file without them a text
that begins with a quotation mark would swallow the rows up to the next mark, so a field that runs over
several lines is looked at: where its lines could be rows of their own, the reading that loses nothing is
taken if the file shows which one it is, and the file is refused by line otherwise.
"""

import csv
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import chain
from typing import TextIO

from datayield.core.errors import UserError
from datayield.core.spreadsheet import restored
from datayield.corpora import separated
from datayield.corpora.separated import SEPARATOR_LINE, Dialect, SeparatedOptions, fit

FEW = 200  # different values of a column up to which it can tell rows from lines of a text
REPEATED = 5  # rows for each different value of such a column, at least
SPANS = 100  # fields of several lines that are kept; more of them are judged by these
_NUMBER = re.compile(r"[+-]?\d+([.,]\d+)?")


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
        long: how often each value occurs in each column, of rows of several lines.
        long_rows: rows of several lines.
        repeats: rows that are the first one again.
        spaced: rows of one line in which blanks stand before a field in quotation marks.
        unread: lines after an error.
        unread_quoted: of these, lines with a field in quotation marks.
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
    long: list[Counter[str]] = field(default_factory=list)
    long_rows: int = 0
    repeats: int = 0
    spaced: int = 0
    unread: int = 0
    unread_quoted: int = 0

    @property
    def quoting(self) -> bool:
        """Return whether most rows have a field in quotation marks."""
        return 2 * (self.quoted + self.unread_quoted) > self.rows + self.unread

    @property
    def misread(self) -> bool:
        """Return whether the marks of the file must stand for something else."""
        unfit = not self.sound and (self.quoting or not self.plain)
        return bool(self.first) and (unfit or self.spaced == self.rows > 0)

    def add(self, row: list[str]) -> None:
        """Add a row of one line."""
        self.rows += 1
        self.spaced += any(x[:1] == " " and x.strip()[:1] == '"' for x in row)
        self.repeats += row == self.first
        _count(row, self.values)
        for place, value in enumerate(row[: len(self.numbers)]):
            self.numbers[place] = self.numbers[place] and bool(_NUMBER.fullmatch(value.strip()))

    def add_long(self, row: list[str]) -> None:
        """Add a row of several lines."""
        self.long_rows += 1
        self.repeats += row == self.first
        _count(row, self.long)

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


def _count(row: list[str], columns: list[Counter[str]]) -> None:
    """Count the values of a row, as long as there are few in their column."""
    for value, counts in zip(row, columns, strict=False):
        if len(counts) <= FEW:
            counts[value] += 1


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


def dialect_of(
    name: str, opened: Callable[[], TextIO], separator: str, options: SeparatedOptions
) -> Dialect:
    """Return how a file is written, having read all of it.

    Args:
        name: of the file, for messages.
        opened: opens it with newline="" at its beginning.
        separator: character between the columns.
        options: the user's choices.

    Raises:
        UserError: naming the lines, if a quotation mark can mean two things and nothing decides.
    """
    with opened() as file:
        dialect = Dialect(separator, first=int(bool(SEPARATOR_LINE.fullmatch(file.readline()))))
    survey = _survey(opened, dialect)
    if survey.misread and options.quotes is not False:
        for other in (replace(dialect, spaced=True), replace(dialect, escaped=True)):
            again = _survey(opened, other)
            if again.sound and not again.misread:
                dialect, survey = other, again
                break
    quotes = options.quotes if options.quotes is not None else _quotes(name, survey)
    header = options.header if options.header is not None else not _is_data(survey)
    mark = 0 if quotes else survey.mark
    marks = replace(dialect, quotes=quotes, header=header, mark=mark)
    return replace(marks, apostrophes=survey.apostrophes)


def _survey(opened: Callable[[], TextIO], dialect: Dialect) -> _Survey:
    with opened() as file:
        for _ in range(dialect.first):
            file.readline()
        return _surveyed(file, dialect)


def _surveyed(file: Iterable[str], dialect: Dialect) -> _Survey:
    lines = _Remembered(file)
    reader = separated.reader(lines, dialect)
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
                values, long = ([Counter[str]() for _ in row] for _ in range(2))
                found = _Survey(row, values=values, numbers=[True] * len(row), long=long)
                found.plain = len(alone) == 1 and len(alone[0]) == len(row)
                continue
            found.plain &= all(fit(x, found.first) is not None for x in alone)
            found.sound &= fit(row, found.first) is not None
            found.apostrophes += sum(restored(x) != x for x in row)
            if number == before + 1:
                found.quoted += alone != [row]
                found.add(row)
                continue
            found.add_long(row)
            found.mark = found.mark or before + 1
            if len(found.spans) < SPANS:
                found.spans.append((before + 1, number, alone))
    except csv.Error:
        found.sound = False
        found.mark = found.mark or number + 1
        for line in filter(str.strip, chain(lines.taken, file)):
            fields = _split(line, dialect.separator)
            found.plain &= fit(fields, found.first) is not None
            found.unread += 1
            found.unread_quoted += any(len(x) > 1 and x[0] == x[-1] == '"' for x in fields)
    return found


def _split(line: str, separator: str) -> list[str]:
    return line.rstrip("\r\n").split(separator)


def _quotes(name: str, found: _Survey) -> bool:
    """Return whether the fields of a file are put in quotation marks where they need them."""
    if not found.sound:
        # What reads the rows names the line of the error.
        return found.quoting or not (found.plain and found.first)
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
    """Return whether the first row is a row of texts: one of its values is one of few in its column.

    Files that were joined hold their header again; these rows do not count.
    """
    rows = found.rows + found.long_rows
    columns = [one + more for one, more in zip(found.values, found.long, strict=True)]
    return any(
        value.strip()
        and len(counts) <= FEW
        and REPEATED * len(counts) <= rows
        and counts[value] > found.repeats + 1
        for value, counts in zip(found.first, columns, strict=True)
    )
