"""Reads and writes class probabilities: `probabilities.parquet`, and as texts inside JSON."""

import base64
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from datayield.core import files, tables
from datayield.core.rows import ORDER, name_of
from datayield.core.types import Probabilities, Row

PROBABILITIES = pa.schema(
    [
        *tables.CELL,
        ("classes", pa.int64()),  # columns of both matrices
        ("test", pa.binary()),  # float16 (test texts, classes), little-endian, row by row
        ("held_out_ids", pa.binary()),  # uint32 (held-out texts,) pool ids, little-endian
        ("held_out", pa.binary()),  # float16 (held-out texts, classes), as `test`
    ]
)
"""`probabilities.parquet`: one line for each cell whose model gives probabilities."""


def _packed(probabilities: Probabilities) -> dict[str, Any]:
    return {
        "classes": probabilities.test.shape[1],
        "test": probabilities.test.astype("<f2").tobytes(),
        "held_out_ids": probabilities.held_out_ids.astype("<u4").tobytes(),
        "held_out": probabilities.held_out.astype("<f2").tobytes(),
    }


def _unpacked(values: Mapping[str, Any]) -> Probabilities:
    def matrix(packed: bytes) -> NDArray[np.float16]:
        return np.frombuffer(packed, "<f2").astype(np.float16).reshape(-1, values["classes"])

    ids = np.frombuffer(values["held_out_ids"], "<u4").astype(np.int64)
    probabilities = Probabilities(matrix(values["test"]), ids, matrix(values["held_out"]))
    if len(probabilities.held_out) != len(ids):
        raise ValueError(f"{len(ids)} held-out texts have {len(probabilities.held_out)} lines")
    return probabilities


def pack_probabilities(probabilities: Probabilities) -> dict[str, Any]:
    """Return probabilities as texts and numbers for JSON."""
    return {
        k: base64.b64encode(v).decode() if isinstance(v, bytes) else v
        for k, v in _packed(probabilities).items()
    }


def unpack_probabilities(values: Mapping[str, Any]) -> Probabilities:
    """Return the probabilities that `pack_probabilities` packed.

    Raises:
        KeyError: an array is missing.
        ValueError: an array is damaged, or the arrays do not fit together.
    """
    return _unpacked(
        {k: base64.b64decode(v) if isinstance(v, str) else v for k, v in values.items()}
    )


def write_probabilities(rows: Iterable[Row], path: Path) -> None:
    """Write the probabilities of the rows that have them, sorted; equal rows give equal bytes."""
    lines = [
        {**name_of(r), **_packed(r.probabilities)} for r in rows if r.probabilities is not None
    ]
    table = pa.Table.from_pylist(lines, PROBABILITIES)
    tables.write_table(table, path, ORDER)


def read_probabilities(
    path: Path, cells: Collection[str] | None = None
) -> dict[str, Probabilities]:
    """Return the probabilities of `probabilities.parquet` by cell; with `cells`, only of those.

    Raises:
        UserError: the table is missing, damaged or of another version.
    """
    found = {}
    table = tables.read_table(path, PROBABILITIES)
    if cells is not None:
        table = table.filter(pc.is_in(table["cell"], pa.array(sorted(cells), pa.string())))
    for line in table.to_pylist():
        try:
            found[line["cell"]] = _unpacked(line)
        except ValueError as e:
            raise files.damaged_error(path, f"the cell {line['cell']}: {e}") from e
    return found


def attach_probabilities(rows: Iterable[Row], path: Path) -> list[Row]:
    """Return the rows with their probabilities; without the table, which older studies lack, unchanged.

    Raises:
        UserError: the table exists and is damaged or of another version.
    """
    rows = list(rows)
    if not path.exists():
        return rows
    found = read_probabilities(path)
    return [replace(r, probabilities=found.get(r.key)) for r in rows]
