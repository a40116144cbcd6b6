"""Reads files of rows: csv, tsv, JSON, parquet, and plain text with one text per line, packed or not.

A further format is one function that yields (line number, {column: value}) and one line in READERS. What
labelling tools export in one of these formats is read by `corpora.exports`.
"""

import hashlib
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache, partial
from itertools import islice
from pathlib import Path
from typing import Any, TextIO, TypeAlias

from datayield.core import files
from datayield.core.errors import UserError, nearest
from datayield.corpora import (
    dialects,
    exports,
    json_rows,
    packed,
    parquet_rows,
    separated,
    text_files,
    xlsx_rows,
)
from datayield.corpora.row_labels import Absent, Answers
from datayield.corpora.separated import FOUND_OUT, SeparatedOptions

FORMATS = {f".{e}": e for e in ("csv", "tsv", "jsonl", "parquet")} | {".ndjson": "jsonl"}
"""Format of a file of rows by its ending."""

NO_ENCODING = ("parquet", "xlsx")  # formats that are no text
LINES = "lines"  # the format of a plain text file: one text per line
LINE_COLUMN = "text"  # the only column of that format
NAMED_FORMATS = {**FORMATS, ".json": "json", ".txt": LINES, ".xlsx": "xlsx"}
"""Format of a file that is named by itself; folders hold other files with the further endings too."""

LONGEST_LINE = 2**24  # characters of a line of JSON or text; a field of csv has 131,072 at most
LOOKED_AT = 50  # rows by which the export of a tool is recognised
SEPARATORS = (",", ";", "\t", "|")

Row: TypeAlias = tuple[int, dict[str, Any]]
"""(line or row number, from 1; value by column)."""


@dataclass(frozen=True, slots=True)
class Layout:
    """The way in which the rows of one file are read.

    Attributes:
        path: the file.
        format: a name in READERS.
        encoding: of a text format; parquet ignores it.
        separator: character between the columns of a csv file; None: a comma.
        title: the name of the file in messages; "": its path.
        tool: labelling tool that exported the rows, a name in `exports.TOOLS`; None: none.
        options: the user's choices for a separated file.
    """

    path: Path
    format: str
    encoding: str = "utf-8"
    separator: str | None = None
    title: str = ""
    tool: str | None = None
    options: SeparatedOptions = FOUND_OUT

    @property
    def name(self) -> str:
        """The name of the file in messages."""
        return self.title or str(self.path)


RowReader: TypeAlias = Callable[[Layout, Sequence[str]], Iterator[Row]]
"""Layout and the columns that are needed (none: all of them) → rows."""


def format_of(path: Path) -> str:
    """Return the format of a file by its ending, and for JSON by its first character.

    Raises:
        UserError: the ending is not a known one.
    """
    ending = packed.content_name(path).suffix.lower()
    if ending not in NAMED_FORMATS:
        endings = ", ".join(sorted(NAMED_FORMATS))
        raise UserError(
            f"{path}: wanted a file ending in {endings}, plain or packed (.gz, .zip), or its form: --format"
        )
    format = NAMED_FORMATS[ending]
    return _json_format(path) if format in ("json", "jsonl") else format


def _json_format(path: Path) -> str:
    """Return "json" for an array and "jsonl" for an object on each line."""
    try:
        with packed.open_binary(path) as file:
            start = file.read(2**12)
    except OSError:
        return "jsonl"  # whoever reads the rows raises the error
    return (
        "json" if start.translate(None, b"\xef\xbb\xbf\xff\xfe\0 \t\r\n")[:1] == b"[" else "jsonl"
    )


def separator_of(path: Path, encoding: str, format: str = "csv") -> str | None:
    """Return the separator of a csv file; None for a comma or another format.

    It is the one that the first line names (`sep=;`), or the one that occurs most often in the header.
    """
    if format != "csv":
        return None
    try:
        with packed.open_binary(path) as file:
            header = file.readline(2**20).decode(encoding, errors="replace")
    except (OSError, LookupError, UnicodeError):
        return None  # whoever reads the rows raises the error
    if named := separated.SEPARATOR_LINE.match(header):
        return named[1] if named[1] != "," else None
    unquoted = re.sub(r'"[^"]*"', "", header)
    best = max(SEPARATORS, key=unquoted.count)
    return best if best != "," and unquoted.count(best) else None


def layout_of(
    path: Path, encoding: str, named: str | None = None, options: SeparatedOptions | None = None
) -> Layout:
    """Return the layout of a file by its ending, its header and its first rows.

    Args:
        path: the file.
        encoding: of the file.
        named: format or labelling tool that the user names; None: both are recognised.
        options: the user's choices for a separated file.

    Raises:
        UserError: the ending is not a known one, or the file is missing, unreadable or empty.
    """
    check_filled(path)
    format = named if named in READERS else format_of(path)
    separator = separator_of(path, encoding, format)
    layout = Layout(path, format, encoding, separator, options=options or FOUND_OUT)
    if named in exports.TOOLS:
        return replace(layout, tool=named)
    first = () if named in READERS else tuple(row for _, row in islice(rows(layout), LOOKED_AT))
    return replace(layout, tool=exports.recognised(first))


def check_filled(path: Path) -> None:
    """Raise UserError if a file is missing, cannot be read, or holds only white space."""
    files.check_regular(path)
    try:
        with packed.open_binary(path) as file:
            if any(block.strip() for block in iter(lambda: file.read(2**20), b"")):
                return
    except OSError as e:
        raise text_files.unreadable(str(path), e) from e
    raise UserError(f"{path} is empty; wanted labelled texts")


def digest(path: Path) -> str:
    """Return the sha256 of a file.

    Raises:
        UserError: the file is missing, cannot be read, or holds only white space.
    """
    check_filled(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def rows(layout: Layout, columns: Sequence[str] = ()) -> Iterator[Row]:
    """Yield the number and the fields of every row.

    Args:
        layout: the file and how it is read.
        columns: the columns that are needed; none: all. Only parquet files gain by naming them.

    Raises:
        UserError: naming the file and the place in it; also if no row has such a column.
    """
    known: dict[str, None] = {}
    tool = exports.TOOLS[layout.tool] if layout.tool else None
    for place, (number, row) in enumerate(READERS[layout.format](layout, () if tool else columns)):
        fields = tool.read(row) if tool else row
        if place == 0 and layout.format not in ("json", "jsonl"):
            check_columns(layout, columns, list(fields))
        known |= dict.fromkeys(fields)
        yield number, fields
    if known:
        check_columns(layout, columns, list(known))


def check_columns(layout: Layout, columns: Sequence[str], known: list[str]) -> None:
    """Raise UserError, with the nearest known name, if a needed column is not among the known."""
    for column in columns:
        if column not in known:
            raise UserError(f'{layout.name} has no column "{column}": {nearest(column, known)}')


def column_names(layout: Layout) -> list[str]:
    """Return the columns of a file, by its first row; none if it has no rows and is not parquet.

    Raises:
        UserError: the file cannot be read.
    """
    if layout.format == "parquet":
        return parquet_rows.column_names(layout.path, layout.name)
    return next((list(row) for _, row in rows(layout)), [])


def is_missing(value: object) -> bool:
    """Return whether a field has no value: None, or the NaN that stands for it among numbers."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def text_of(layout: Layout, number: int, row: dict[str, Any], column: str) -> str:
    """Return a field as text; "" if it is missing.

    Raises:
        UserError: the field holds bytes, a list or an object.
    """
    value = row.get(column)
    if is_missing(value) or isinstance(value, (Absent, Answers)):
        return ""
    if isinstance(value, (list, dict, bytes)):
        kind = {bytes: "bytes", list: "a list"}.get(type(value), "an object")
        raise UserError(
            f'{layout.name}, line {number}: column "{column}" holds {kind}, wanted text'
        )
    return str(value)


# ---- formats that are text
def _text_format(read: Callable[[Layout, TextIO], Iterator[Row]], newline: str | None) -> RowReader:
    """Return a reader that opens the file with its encoding and skips a byte order mark.

    Args:
        read: (layout, opened file) -> rows.
        newline: as in `open`.
    """

    def read_file(layout: Layout, columns: Sequence[str]) -> Iterator[Row]:
        try:
            with text_files.opened(layout.path, layout.name, layout.encoding, newline) as file:
                yield from read(layout, file)
        except UnicodeError as e:
            raise text_files.undecodable(layout.path, layout.name, layout.encoding, e) from e
        except OSError as e:
            raise text_files.unreadable(layout.name, e) from e

    return read_file


def dialect_of(layout: Layout) -> separated.Dialect:
    """Return how a csv or tsv file is written, having read all of it.

    Raises:
        UserError: the file cannot be read, or a quotation mark can mean two things.
    """
    stamp = layout.path.stat()
    plain = replace(layout, tool=None)
    return _dialect(plain, (stamp.st_mtime_ns, stamp.st_size, stamp.st_ino))


@lru_cache(maxsize=64)
def _dialect(layout: Layout, stamp: tuple[int, int, int]) -> separated.Dialect:
    """Return how a file is written; the same file, by its `stamp`, is looked at once."""
    separator = "\t" if layout.format == "tsv" else layout.separator or ","
    opened = partial(text_files.opened, layout.path, layout.name, layout.encoding, newline="")
    return dialects.dialect_of(layout.name, opened, separator, layout.options)


def _separated_rows(layout: Layout, file: TextIO) -> Iterator[Row]:
    yield from separated.rows(layout.name, file, dialect_of(layout))


def _json_lines(layout: Layout, file: TextIO) -> Iterator[Row]:
    yield from json_rows.of_lines(layout.name, _bounded_lines(layout, file))


def _json_array(layout: Layout, file: TextIO) -> Iterator[Row]:
    yield from json_rows.of_array(layout.name, file)


def _text_rows(layout: Layout, file: TextIO) -> Iterator[Row]:
    for number, line in _bounded_lines(layout, file):
        yield number, {LINE_COLUMN: line.removesuffix("\n")}


def _bounded_lines(layout: Layout, file: TextIO) -> Iterator[tuple[int, str]]:
    """Yield the numbered lines; raise UserError for one longer than LONGEST_LINE, without reading it."""
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UserError(
                f"{layout.name}, line {number}: longer than {LONGEST_LINE:,} characters; wanted a text"
                " per line. Is it the right file, and does a line end follow every text?"
            )
        yield number, line


# ---- formats that are not text
def _xlsx_rows(layout: Layout, columns: Sequence[str]) -> Iterator[Row]:
    _check_unpacked(layout)
    yield from xlsx_rows.rows(layout.path, layout.name, layout.options.header)


def _check_unpacked(layout: Layout) -> None:
    """Raise UserError if a file that is read from several places is packed."""
    if packed.is_packed(layout.path):
        raise UserError(f"{layout.name}: a packed {layout.format} file; unpack it first")


def _parquet_rows(layout: Layout, columns: Sequence[str]) -> Iterator[Row]:
    _check_unpacked(layout)

    def wanted(known: list[str]) -> list[str]:
        check_columns(layout, columns, known)
        return [name for name in known if name in columns or not columns]

    yield from parquet_rows.rows(layout.path, layout.name, wanted)


READERS: dict[str, RowReader] = {
    "csv": _text_format(_separated_rows, newline=""),  # csv knows line ends inside quotes
    "tsv": _text_format(_separated_rows, newline=""),
    "json": _text_format(_json_array, newline="\n"),
    "jsonl": _text_format(_json_lines, newline="\n"),
    "parquet": _parquet_rows,
    "xlsx": _xlsx_rows,
    LINES: _text_format(_text_rows, newline=None),
}
