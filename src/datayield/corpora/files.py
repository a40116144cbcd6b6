"""A labelled text file of your own: csv, tsv, jsonl or parquet."""

import codecs
import csv
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

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
    content = _bytes(path)
    found = hashlib.sha256(content).hexdigest()
    if found != source.sha256:
        raise UserError(
            f"{source.path} changed since it was added: wanted sha256 {source.sha256}, got {found}."
            " If the change is meant, run `datayield corpora add` again and renew its entry."
        )
    return _labelled(name, source, content)


def describe(path: Path, text: str, label: str, encoding: str, split: str | None) -> FileSource:
    """The entry for params.yaml of a file, checked by reading all of it.

    Raises:
        UserError: as `load`, and for an unknown file ending.
    """
    if path.suffix.lower() not in FORMATS:
        raise UserError(f"{path}: wanted a file ending in {', '.join(sorted(FORMATS))}")
    content = _bytes(path)
    source = FileSource.model_validate(
        {
            "loader": "file",
            "path": str(path),
            "sha256": hashlib.sha256(content).hexdigest(),
            "text": text,
            "label": label,
            "format": FORMATS[path.suffix.lower()],
            "encoding": encoding,
            "split": split,
        }
    )
    _labelled(path.stem, source, content)
    return source


def _bytes(path: Path) -> bytes:
    try:
        content = path.read_bytes()
    except FileNotFoundError as e:
        raise UserError(
            f"{path} does not exist. Check the path; it is relative to params.yaml."
        ) from e
    except OSError as e:
        raise UserError(f"{path} cannot be read: {e.strerror}") from e
    if not content.strip():
        raise UserError(f"{path} is empty; wanted labelled texts")
    return content


def _labelled(name: str, source: FileSource, content: bytes) -> Labelled:
    rows = list(_rows(source, content))
    if not rows:
        raise UserError(f"{source.path} has no rows below its header; wanted labelled texts")
    _check_columns(source, rows[0][1])
    texts = [_string(source, row, line, source.text) for line, row in rows]
    labels = [_string(source, row, line, source.label).strip() for line, row in rows]
    _check_filled(source, [line for line, _ in rows], texts, labels)
    in_test = None
    if source.split is not None:
        in_test = [_in_test(source, row, line) for line, row in rows]
    return Labelled(
        texts,
        labels,
        in_test,
        {"loader": "file", "file": Path(source.path).name, "sha256": source.sha256,
         "licence": "not stated", "encoding": source.encoding, "rows": len(rows)},
        source.family or name,
    )  # fmt: skip


def _rows(source: FileSource, content: bytes) -> Iterator[tuple[int, dict[str, Any]]]:
    """(line or row number, fields by column) of every row."""
    if source.format == "parquet":
        try:
            table = pq.read_table(io.BytesIO(content))
        except (pa.ArrowInvalid, OSError) as e:
            raise UserError(f"{source.path} is not a readable parquet file: {e}") from e
        yield from enumerate(table.to_pylist(), 1)
    elif source.format == "jsonl":
        yield from _json_rows(source, _decoded(source, content))
    else:
        yield from _separated_rows(source, _decoded(source, content))


def _decoded(source: FileSource, content: bytes) -> str:
    try:
        codec = codecs.lookup(source.encoding)
    except LookupError as e:
        raise UserError(
            f"{source.path}: unknown encoding {source.encoding!r}; try utf-8, latin-1, cp1252 or utf-16"
        ) from e
    try:
        decoded, _ = codec.decode(content)
    except UnicodeDecodeError as e:
        line = content[: e.start].count(b"\n") + 1
        raise UserError(
            f"{source.path}, line {line}: byte {content[e.start]:#04x} is not {source.encoding};"
            " name the file's encoding (--encoding latin-1, cp1252, ...)"
        ) from e
    return decoded.removeprefix("\ufeff")


def _json_rows(source: FileSource, decoded: str) -> Iterator[tuple[int, dict[str, Any]]]:
    for number, line in enumerate(decoded.split("\n"), 1):
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


def _separated_rows(source: FileSource, decoded: str) -> Iterator[tuple[int, dict[str, Any]]]:
    separator = "\t" if source.format == "tsv" else ","
    reader = csv.reader(io.StringIO(decoded, newline=""), delimiter=separator, strict=True)
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


def _check_columns(source: FileSource, row: dict[str, Any]) -> None:
    for column in (source.text, source.label, source.split):
        if column is not None and column not in row:
            raise UserError(f'{source.path} has no column "{column}": {nearest(column, list(row))}')


def _string(source: FileSource, row: dict[str, Any], line: int, column: str) -> str:
    value = row.get(column)
    if value is None:
        return ""
    if isinstance(value, (list, dict)):
        raise UserError(f'{source.path}, line {line}: column "{column}" holds a list, wanted text')
    return str(value)


def _check_filled(
    source: FileSource, lines: list[int], texts: list[str], labels: list[str]
) -> None:
    for what, values in (("text", texts), ("label", labels)):
        empty = [line for line, value in zip(lines, values, strict=True) if not value.strip()]
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
