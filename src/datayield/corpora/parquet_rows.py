"""Reads rows of parquet files; numbers that stand for named classes of `datasets` become the names."""

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datayield.core import tables
from datayield.core.errors import UserError
from datayield.text import sequences

_METADATA = b"huggingface"


def rows(
    path: Path, name: str, wanted: Callable[[list[str]], Sequence[str]]
) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the number, from 1, and the fields of every row.

    Args:
        path: the file.
        name: of the file, for messages.
        wanted: columns of the file → those to be read.

    Raises:
        UserError: the file is not a readable parquet file, or holds another number of rows than its end
            promises.
    """
    number = 0
    try:
        with pq.ParquetFile(path) as file:
            chosen = wanted(list(file.schema_arrow.names))
            classes = _class_names(file.schema_arrow)
            for batch in file.iter_batches(sequences.ROWS, columns=chosen):
                for row in batch.to_pylist():
                    number += 1
                    for column in classes.keys() & row.keys():
                        row[column] = _named(row[column], classes[column])
                    yield number, row
            promised = file.metadata.num_rows
    except tables.UNREADABLE as e:  # also texts that are not UTF-8, dates out of range
        raise unreadable(name, e) from e
    if number != promised:
        raise UserError(
            f"{name} is damaged: its end promises {promised:,} rows, and it holds {number:,}. Write it again."
        )


def column_names(path: Path, name: str) -> list[str]:
    """Return the columns of a file.

    Raises:
        UserError: the file is not a readable parquet file.
    """
    try:
        return list(pq.read_schema(path).names)
    except tables.UNREADABLE as e:
        raise unreadable(name, e) from e


def _class_names(schema: pa.Schema) -> dict[str, list[str]]:
    """Return the names of the classes of every column that `datasets` wrote as ClassLabel."""
    try:
        features = json.loads((schema.metadata or {})[_METADATA])["info"]["features"]
        return {
            column: list(map(str, feature["names"]))
            for column, feature in features.items()
            if isinstance(feature, dict) and feature.get("_type") == "ClassLabel"
        }
    except (KeyError, TypeError, ValueError, AttributeError):
        return {}  # not written by datasets


def _named(value: Any, names: Sequence[str]) -> Any:
    """Return the name of a class; None for -1, by which hidden labels are marked."""
    if not isinstance(value, int) or value >= len(names):
        return value
    return names[value] if value >= 0 else None


def unreadable(name: str, error: Exception) -> UserError:
    """Return the error about a file that is not a readable parquet file."""
    why = " ".join(str(error).split())[:200]
    return UserError(f"{name} is not a readable parquet file: {why}")
