"""Reads files of rows: csv, tsv, JSON lines, parquet, and plain text with one text per line.

A further format is one function that yields (line number, {column: value}) and one line in READERS.
"""

import codecs
import csv
import hashlib
import json
import math
import re
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import pyarrow.parquet as pq

from datayield.core import tables
from datayield.core.errors import UserError, nearest
from datayield.text import sequences

FORMATS = {f".{e}": e for e in ("csv", "tsv", "jsonl", "parquet")} | {".ndjson": "jsonl"}
"""Format of a labelled file by its ending."""

LINES = "lines"  # the format of a plain text file: one text per line
LINE_COLUMN = "text"  # the only column of that format
LONGEST_LINE = 2**24  # characters of a line of JSON or text; a field of csv has 131,072 at most
ENCODINGS = "--encoding utf-8, latin-1, cp1252, ..."
SEPARATORS = (",", ";", "\t", "|")
_HALF_PAIR = re.compile(
    r"\\u[dD][89a-fA-F]"
)  # in JSON: first of two escapes that are one character

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
    """

    path: Path
    format: str
    encoding: str = "utf-8"
    separator: str | None = None
    title: str = ""

    @property
    def name(self) -> str:
        """The name of the file in messages."""
        return self.title or str(self.path)


RowReader: TypeAlias = Callable[[Layout, Sequence[str]], Iterator[Row]]
"""Layout and the columns that are needed (none: all of them) → rows."""


def format_of(path: Path) -> str:
    """Return the format of a file by its ending.

    Raises:
        UserError: the ending is not a known one.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: wanted a file ending in {', '.join(sorted(FORMATS))}")
    return FORMATS[path.suffix.lower()]


def encoding_of(path: Path) -> str:
    """Return "utf-16" if the file begins with the byte order mark of UTF-16, else "utf-8"."""
    try:
        with path.open("rb") as file:
            marked = file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
    except OSError:
        return "utf-8"  # whoever reads the rows raises the error
    return "utf-16" if marked else "utf-8"


def separator_of(path: Path, encoding: str, format: str = "csv") -> str | None:
    """Return the separator that occurs most often in a csv header; None for a comma or another format."""
    if format != "csv":
        return None
    try:
        with path.open("rb") as file:
            header = file.readline(2**20).decode(encoding, errors="replace")
    except (OSError, LookupError, UnicodeError):
        return None  # whoever reads the rows raises the error
    unquoted = re.sub(r'"[^"]*"', "", header)
    best = max(SEPARATORS, key=unquoted.count)
    return best if best != "," and unquoted.count(best) else None


def layout_of(path: Path, encoding: str) -> Layout:
    """Return the layout of a file by its ending and its header.

    Raises:
        UserError: the ending is not a known one, or the file is missing, unreadable or empty.
    """
    format = format_of(path)
    check_filled(path)
    return Layout(path, format, encoding, separator_of(path, encoding, format))


def check_filled(path: Path) -> None:
    """Raise UserError if a file is missing, cannot be read, or holds only white space."""
    try:
        with path.open("rb") as file:
            if any(block.strip() for block in iter(lambda: file.read(2**20), b"")):
                return
    except OSError as e:
        raise _unreadable(str(path), e) from e
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
        UserError: naming the file and the place in it; also if the first row has no such column.
    """
    for place, (number, row) in enumerate(READERS[layout.format](layout, columns)):
        if place == 0:
            check_columns(layout, columns, list(row))
        yield number, row


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
        try:
            return list(pq.read_schema(layout.path).names)
        except tables.UNREADABLE as e:
            raise _no_parquet(layout, e) from e
    return next((list(row) for _, row in rows(layout)), [])


def is_missing(value: object) -> bool:
    """Return whether a field has no value: None, or the NaN that stands for it among numbers."""
    return value is None or (isinstance(value, float) and math.isnan(value))


def text_of(layout: Layout, number: int, row: dict[str, Any], column: str) -> str:
    """Return a field as text; "" if it is missing.

    Raises:
        UserError: the field holds bytes, a list or a mapping.
    """
    value = row.get(column)
    if is_missing(value):
        return ""
    if isinstance(value, (list, dict, bytes)):
        kind = "bytes" if isinstance(value, bytes) else "a list"
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
            with _opened(layout, newline) as file:
                if file.read(1) != "\ufeff":
                    file.seek(0)
                yield from read(layout, file)
        except UnicodeError as e:
            raise _undecodable(layout, e) from e
        except OSError as e:
            raise _unreadable(layout.name, e) from e

    return read_file


def _opened(layout: Layout, newline: str | None) -> TextIO:
    try:
        return layout.path.open(encoding=layout.encoding, newline=newline)
    except LookupError as e:
        raise UserError(
            f"{layout.name}: unknown encoding {layout.encoding!r}; try utf-8, latin-1, cp1252 or utf-16"
        ) from e


def _separated_rows(layout: Layout, file: TextIO) -> Iterator[Row]:
    separator = "\t" if layout.format == "tsv" else layout.separator or ","
    reader = csv.reader(file, delimiter=separator, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise UserError(f"{layout.name} is empty; wanted a line of column names and rows")
        if len(set(header)) < len(header):
            raise UserError(f"{layout.name}: a column name occurs twice in the header: {header}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{layout.name}, line {reader.line_num}: {len(row)} fields, the header has"
                    f" {len(header)}; quote texts that hold separators or line ends"
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as e:
        raise UserError(f"{layout.name}, line {reader.line_num}: {e}") from e


def _json_rows(layout: Layout, file: TextIO) -> Iterator[Row]:
    for number, line in _bounded_lines(layout, file):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as e:
            raise UserError(
                f"{layout.name}, line {number}: not JSON ({e.msg} at column {e.colno})"
            ) from e
        except (ValueError, RecursionError) as e:  # a number of thousands of digits, deep nesting
            raise UserError(f"{layout.name}, line {number}: not JSON that can be read ({e})") from e
        if not isinstance(row, dict):
            raise UserError(
                f"{layout.name}, line {number}: wanted a JSON object, got {type(row).__name__}"
            )
        if _HALF_PAIR.search(line):
            try:
                json.dumps(row, ensure_ascii=False).encode()
            except UnicodeEncodeError as e:  # one escape without the other: no file can hold it
                raise UserError(
                    f"{layout.name}, line {number}: half a character ({e.object[e.start]!r}); wanted"
                    " whole ones: write the file again as UTF-8"
                ) from e
        yield number, row


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


# ---- parquet
def _parquet_rows(layout: Layout, columns: Sequence[str]) -> Iterator[Row]:
    number = 0
    try:
        with pq.ParquetFile(layout.path) as file:
            known = list(file.schema_arrow.names)
            check_columns(layout, columns, known)
            chosen = [name for name in known if name in columns or not columns]
            for batch in file.iter_batches(sequences.ROWS, columns=chosen):
                for row in batch.to_pylist():
                    number += 1
                    yield number, row
    except tables.UNREADABLE as e:  # also texts that are not UTF-8, dates out of range
        raise _no_parquet(layout, e) from e


READERS: dict[str, RowReader] = {
    "csv": _text_format(_separated_rows, newline=""),  # csv knows line ends inside quotes
    "tsv": _text_format(_separated_rows, newline=""),
    "jsonl": _text_format(_json_rows, newline="\n"),
    "parquet": _parquet_rows,
    LINES: _text_format(_text_rows, newline=None),
}


# ---- errors
def _unreadable(name: str, error: OSError) -> UserError:
    if isinstance(error, FileNotFoundError):
        return UserError(
            f"{name} does not exist. Check the path; in params.yaml it is relative to its folder."
        )
    return UserError(f"{name} cannot be read: {error.strerror}")


def _no_parquet(layout: Layout, error: Exception) -> UserError:
    why = " ".join(str(error).split())[:200]
    return UserError(f"{layout.name} is not a readable parquet file: {why}")


def _undecodable(layout: Layout, error: UnicodeError) -> UserError:
    """Return the error that names the first byte that is not of this encoding, where one byte is wrong."""
    advice = f"name the file's encoding ({ENCODINGS})"
    if isinstance(error, UnicodeDecodeError):  # its place counts from the last block that was read
        content = layout.path.read_bytes()
        try:
            codecs.lookup(layout.encoding).decode(content)
        except UnicodeDecodeError as e:
            line = content[: e.start].count(b"\n") + 1
            return UserError(
                f"{layout.name}, line {line}: byte {content[e.start]:#04x} is not {layout.encoding};"
                f" {advice}"
            )
        except UnicodeError as e:
            error = e
    return UserError(f"{layout.name} is not {layout.encoding}: {error}; {advice}")
