"""A labelled text file of your own: csv, tsv, jsonl or parquet."""

import codecs
import csv
import hashlib
import json
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TextIO

import pyarrow as pa
import pyarrow.parquet as pq

from datayield import text
from datayield.config import FileSource
from datayield.corpora.build import Labelled
from datayield.errors import UserError, nearest

FORMATS = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
}
_SPLITS = {"train": False, "pool": False, "test": True}


def load(name: str, source: FileSource, seed: int, root: Path) -> Labelled:
    """Texts and labels as the entry in params.yaml describes them.

    Raises:
        UserError: naming the file, the place in it, what was wanted and what to do.
    """
    path = root / source.path
    found = _digest(path)
    if found != source.sha256:
        raise UserError(
            f"{source.path} changed since it was added: wanted sha256 {source.sha256}, got {found}."
            " If the change is meant, run `datayield corpora add` again and renew its entry."
        )
    return _labelled(name, source, path)


def describe(path: Path, text: str, label: str, encoding: str, split: str | None) -> FileSource:
    """The entry for params.yaml of a file, checked by reading all of it.

    Raises:
        UserError: as `load`, and for an unknown file ending.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: wanted a file ending in {', '.join(sorted(FORMATS))}")
    source = FileSource.model_validate(
        {
            "loader": "file",
            "path": str(path),
            "sha256": _digest(path),
            "text": text,
            "label": label,
            "format": FORMATS[path.suffix.lower()],
            "encoding": encoding,
            "split": split,
        }
    )
    _labelled(path.stem, source, path)
    return source


def _digest(path: Path) -> str:
    """The file's sha256, if it can be read and holds more than white space."""
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


@dataclass(slots=True)
class _Columns:
    """What is kept of every row but its text, and the places of rows that lack something."""

    labels: list[str] = field(default_factory=list)
    in_test: list[bool] = field(default_factory=list)
    without: dict[str, list[int]] = field(default_factory=lambda: {"text": [], "label": []})


def _labelled(name: str, source: FileSource, path: Path) -> Labelled:
    kept = _Columns()
    texts = text.Column.spooled(_texts(source, path, kept))
    if not len(texts):
        raise UserError(f"{source.path} has no rows below its header; wanted labelled texts")
    _check_filled(source, kept.without)
    return Labelled(
        texts,
        kept.labels,
        None if source.split is None else kept.in_test,
        {"loader": "file", "file": Path(source.path).name, "sha256": source.sha256,
         "licence": "not stated", "encoding": source.encoding, "rows": len(texts)},
        source.family or name,
    )  # fmt: skip


def _texts(source: FileSource, path: Path, kept: _Columns) -> Iterator[str]:
    """The texts, row by row; `kept` gets the rest."""
    for line, row in rows(source, path):
        if not kept.labels:
            _check_columns(source, row)
        value = string(source, row, line, source.text)
        label = string(source, row, line, source.label).strip()
        kept.labels.append(sys.intern(label))
        if source.split is not None:
            kept.in_test.append(_in_test(source, row, line))
        for what, content in (("text", value), ("label", label)):
            if not content.strip():
                kept.without[what].append(line)
        yield value


def rows(source: FileSource, path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
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
        except UnicodeDecodeError:
            _say_where(source, path.read_bytes())
            raise
        except OSError as e:
            raise UserError(f"{source.path} cannot be read: {e.strerror}") from e


def _parquet_rows(source: FileSource, path: Path) -> Iterator[dict[str, Any]]:
    try:
        with pq.ParquetFile(path) as file:
            wanted = [c for c in file.schema_arrow.names if c in _named(source)]
            if len(wanted) < len(_named(source)):
                _check_columns(source, dict.fromkeys(file.schema_arrow.names))
            for batch in file.iter_batches(text.ROWS, columns=wanted):
                yield from batch.to_pylist()
    except (pa.ArrowInvalid, OSError) as e:
        raise UserError(f"{source.path} is not a readable parquet file: {e}") from e


def _say_where(source: FileSource, content: bytes) -> None:
    """Raise the error that names the first byte that is not of this encoding."""
    try:
        codecs.lookup(source.encoding).decode(content)
    except UnicodeDecodeError as e:
        line = content[: e.start].count(b"\n") + 1
        raise UserError(
            f"{source.path}, line {line}: byte {content[e.start]:#04x} is not {source.encoding};"
            " name the file's encoding (--encoding latin-1, cp1252, ...)"
        ) from e


def _json_rows(source: FileSource, file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as e:
            raise UserError(
                f"{source.path}, line {number}: not JSON ({e.msg} at column {e.colno})"
            ) from e
        if not isinstance(row, dict):
            raise UserError(
                f"{source.path}, line {number}: wanted a JSON object, got {type(row).__name__}"
            )
        yield number, row


def _separated_rows(source: FileSource, file: TextIO) -> Iterator[tuple[int, dict[str, Any]]]:
    separator = "\t" if source.format == "tsv" else ","
    reader = csv.reader(file, delimiter=separator, strict=True)
    try:
        header = next(reader)
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


def _check_columns(source: FileSource, row: dict[str, Any]) -> None:
    for column in _named(source):
        if column not in row:
            raise UserError(f'{source.path} has no column "{column}": {nearest(column, list(row))}')


def string(source: FileSource, row: dict[str, Any], line: int, column: str) -> str:
    """A field as text; "" where it is missing."""
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        raise UserError(f'{source.path}, line {line}: column "{column}" holds a list, wanted text')
    return str(value)


def _check_filled(source: FileSource, without: Mapping[str, Sequence[int]]) -> None:
    for what, empty in without.items():
        if empty:
            shown = ", ".join(map(str, empty[:5])) + (" ..." if len(empty) > 5 else "")
            raise UserError(
                f"{source.path}: {len(empty)} rows without a {what} (line {shown}); fill or remove them"
            )


def _in_test(source: FileSource, row: dict[str, Any], line: int) -> bool:
    value = str(row.get(source.split or "")).strip().lower()
    if value not in _SPLITS:
        raise UserError(
            f'{source.path}, line {line}: column "{source.split}" says {value!r}, wanted train or test'
        )
    return _SPLITS[value]
