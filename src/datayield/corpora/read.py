"""The rows of a file as they stand there: csv, tsv, jsonl or parquet."""

import codecs
import csv
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import pyarrow.parquet as pq

from datayield import table, text
from datayield.config import FileSource
from datayield.corpora import groups
from datayield.errors import UserError, nearest

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
LONGEST_LINE = 2**24  # characters of a line of JSON or text; a field of csv has 131,072 at most
ENCODINGS = "--encoding utf-8, latin-1, cp1252, ..."
_HALF = re.compile(r"\\u[dD][89a-fA-F]")  # of a pair of escapes in JSON
SEPARATORS = (",", ";", "\t", "|")


def format_of(path: Path) -> str:
    """By the file's ending.

    Raises:
        UserError: for an unknown one.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: wanted a file ending in {', '.join(sorted(FORMATS))}")
    return FORMATS[path.suffix.lower()]


def encoding_of(path: Path) -> str:
    """utf-16 where the file begins with its mark, else utf-8."""
    try:
        with path.open("rb") as file:
            return (
                "utf-16" if file.read(2) in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE) else "utf-8"
            )
    except OSError:
        return "utf-8"  # said by those who read all of it


def separator_of(path: Path, encoding: str) -> str | None:
    """What separates the columns of a csv file: its header's most frequent mark; None for a comma."""
    if format_of(path) != "csv":
        return None
    try:
        with path.open("rb") as file:
            header = file.readline(2**20).decode(encoding, errors="replace")
    except (OSError, LookupError, UnicodeError):
        return None  # said by those who read all of it
    bare = re.sub(r'"[^"]*"', "", header)
    best = max(SEPARATORS, key=bare.count)
    return best if best != "," and bare.count(best) else None


def digest(path: Path) -> str:
    """The file's sha256, if it can be read and holds more than white space.

    Raises:
        UserError: if not.
    """
    try:
        with path.open("rb") as file:
            if not any(block.strip() for block in iter(lambda: file.read(2**20), b"")):
                raise UserError(f"{path} is empty; wanted labelled texts")
            file.seek(0)
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError as e:
        raise UserError(
            f"{path} does not exist. Check the path; it is relative to params.yaml."
        ) from e
    except OSError as e:
        raise UserError(f"{path} cannot be read: {e.strerror}") from e


def rows(path: Path, encoding: str) -> Iterator[dict[str, Any]]:
    """Every row of a file with all its columns.

    Raises:
        UserError: naming the file and the place in it; for an unknown file ending.
    """
    digest(path)
    probe = FileSource.model_construct(
        loader="file", path=str(path), text=None, label=None, split=None, encoding=encoding,
        format=format_of(path), separator=separator_of(path, encoding), more=(),
    )  # fmt: skip
    for _, row in numbered_rows(probe, path):
        yield row


def numbered_rows(source: FileSource, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line or row number, fields by column) of every row."""
    if source.format == "parquet":
        yield from enumerate(_parquet_rows(source, path), 1)
        return
    newline = "\n" if source.format == "jsonl" else ""  # csv knows line ends inside quotes
    try:
        file = path.open(encoding=source.encoding, newline=newline)
    except LookupError as e:
        raise UserError(
            f"{source.path}: unknown encoding {source.encoding!r}; try utf-8, latin-1, cp1252 or utf-16"
        ) from e
    with file:
        try:
            if file.read(1) != "\ufeff":
                file.seek(0)
            read = _json_rows if source.format == "jsonl" else _separated_rows
            yield from read(source, file)
        except UnicodeError as e:  # utf-16 without its mark raises one that has no place
            if isinstance(e, UnicodeDecodeError):
                _say_where(source, path.read_bytes())
            raise UserError(
                f"{source.path} is not {source.encoding}: {e}; name the file's encoding ({ENCODINGS})"
            ) from e
        except OSError as e:
            raise UserError(f"{source.path} cannot be read: {e.strerror}") from e


def _parquet_rows(source: FileSource, path: Path) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            named = _named(source)
            wanted = [c for c in file.schema_arrow.names if c in named or not named]
            if len(wanted) < len(named):
                check_columns(source, dict.fromkeys(file.schema_arrow.names))
            groups.require(f"{source.path}, its largest row group,", file, path, wanted)
            for batch in file.iter_batches(text.ROWS, columns=wanted):
                yield from batch.to_pylist()
    except table.UNREADABLE as e:
        why = " ".join(str(e).split())[:200]  # no parquet, no UTF-8, a date that is none
        raise UserError(f"{source.path} is not a readable parquet file: {why}") from e


def _say_where(source: FileSource, content: bytes) -> None:
    """Raise the error that names the first byte that is not of this encoding."""
    try:
        codecs.lookup(source.encoding).decode(content)
    except UnicodeDecodeError as e:
        line = content[: e.start].count(b"\n") + 1
        raise UserError(
            f"{source.path}, line {line}: byte {content[e.start]:#04x} is not {source.encoding};"
            f" name the file's encoding ({ENCODINGS})"
        ) from e
    except UnicodeError:
        return


def lines(file: TextIO, name: str) -> Iterator[str]:
    """The lines of a file, none longer than LONGEST_LINE.

    Raises:
        UserError: for a longer one; no more than LONGEST_LINE of it is read.
    """
    number = 0
    while line := file.readline(LONGEST_LINE + 1):
        number += 1
        if len(line) > LONGEST_LINE:
            raise UserError(
                f"{name}, line {number}: longer than {LONGEST_LINE:,} characters; wanted a text per line."
                " Is it the right file, and are its lines ended by a line end?"
            )
        yield line


def _json_rows(source: FileSource, file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(lines(file, source.path), 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as e:
            raise UserError(
                f"{source.path}, line {number}: not JSON ({e.msg} at column {e.colno})"
            ) from e
        except (ValueError, RecursionError) as e:  # a number of thousands of digits, deep nesting
            raise UserError(f"{source.path}, line {number}: not JSON that can be read ({e})") from e
        if not isinstance(row, dict):
            raise UserError(
                f"{source.path}, line {number}: wanted a JSON object, got {type(row).__name__}"
            )
        if _HALF.search(line):
            _check_whole(source, number, row)
        yield number, row


def _check_whole(source: FileSource, number: int, row: dict[str, Any]) -> None:
    """Whether every character of a row can be written: JSON can escape half of one."""
    try:
        json.dumps(row, ensure_ascii=False).encode()
    except UnicodeEncodeError as e:
        raise UserError(
            f"{source.path}, line {number}: half a character ({e.object[e.start]!r}); wanted whole ones:"
            " write the file anew as UTF-8"
        ) from e


def _separated_rows(source: FileSource, file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    separator = "\t" if source.format == "tsv" else source.separator or ","
    reader = csv.reader(file, delimiter=separator, strict=True)
    try:
        header = next(reader, None)
        if header is None:
            raise UserError(f"{source.path} is empty; wanted a line of column names and rows")
        if len(set(header)) < len(header):
            raise UserError(f"{source.path}: a column name occurs twice in the header: {header}")
        for row in reader:
            if not row:
                continue
            if len(row) != len(header):
                raise UserError(
                    f"{source.path}, line {reader.line_num}: {len(row)} fields, the header has"
                    f" {len(header)}; quote texts that hold separators or line ends"
                )
            yield reader.line_num, dict(zip(header, row, strict=True))
    except csv.Error as e:
        raise UserError(f"{source.path}, line {reader.line_num}: {e}") from e


def _named(source: FileSource) -> list[str]:
    return [c for c in (source.text, source.label, source.split) if c is not None]


def check_columns(source: FileSource, row: dict[str, Any]) -> None:
    """Whether a row has every column that the source names.

    Raises:
        UserError: naming the first that it lacks, the nearest and the known.
    """
    for column in _named(source):
        if column not in row:
            raise UserError(f'{source.path} has no column "{column}": {nearest(column, list(row))}')


def string(source: FileSource, row: dict[str, Any], line: int, column: str) -> str:
    """A field as text; "" where it is missing."""
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, (list, dict, bytes)):
        kind = "bytes" if isinstance(value, bytes) else "a list"
        raise UserError(f'{source.path}, line {line}: column "{column}" holds {kind}, wanted text')
    return str(value)
