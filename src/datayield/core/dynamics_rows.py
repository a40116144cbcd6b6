"""Reads and writes training dynamics: `dynamics.parquet`, and as texts inside JSON."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield.core import tables
from datayield.core.rows import ORDER, name_of
from datayield.core.types import Dynamics, Row

DYNAMICS = pa.schema(
    [
        *tables.CELL,
        ("id", pa.int32()),  # pool id of the text
        ("presentations", pa.int32()),  # how often; the rest is measured at each, before the update
        ("confidence", pa.float32()),  # mean probability of the given label
        ("variability", pa.float32()),  # its standard deviation
        ("correctness", pa.float32()),  # share of presentations at which the given label led
        ("confused_with", pa.int32()),  # index of the other class that led most often; -1: none
    ]
)
"""`dynamics.parquet`: the dynamics of plain arms at their largest budget, from the cells that have them."""

_NUMBERS = {
    "ids": "<u4", "presentations": "<u4", "confidence": "<f4", "variability": "<f4",
    "correctness": "<f4", "confused_with": "<i4",
}  # fmt: skip


def pack_dynamics(d: Dynamics) -> dict[str, str]:
    """Return training dynamics as texts for JSON, numbers in single precision."""
    return {
        k: base64.b64encode(getattr(d, k).astype(kind).tobytes()).decode()
        for k, kind in _NUMBERS.items()
    }


def unpack_dynamics(texts: Mapping[str, str]) -> Dynamics:
    """Return the training dynamics that `pack_dynamics` packed.

    Raises:
        KeyError: an array is missing.
        ValueError: a text is not a packed array.
    """
    return _dynamics({k: np.frombuffer(base64.b64decode(texts[k]), v) for k, v in _NUMBERS.items()})


def _dynamics(columns: Mapping[str, Any]) -> Dynamics:
    wide = {k: float if kind == "<f4" else np.int64 for k, kind in _NUMBERS.items()}
    return Dynamics(**{k: np.asarray(columns[k]).astype(wide[k]) for k in _NUMBERS})


def write_dynamics(rows: Iterable[Row], path: Path) -> None:
    """Write the dynamics of the rows that have them, sorted; equal rows give equal bytes."""
    pieces = [DYNAMICS.empty_table()]
    for r in rows:
        if (d := r.dynamics) is None:
            continue
        columns = [*([x] * len(d) for x in name_of(r).values()), *(getattr(d, k) for k in _NUMBERS)]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, DYNAMICS, strict=True)]
        pieces.append(pa.table(arrays, DYNAMICS))
    tables.write_table(pa.concat_tables(pieces), path, (*ORDER, "id"))


def attach_dynamics(rows: Iterable[Row], path: Path) -> list[Row]:
    """Return the rows with the dynamics that `dynamics.parquet` has of them.

    Raises:
        UserError: the table exists and is damaged or of another version.
    """
    rows = list(rows)
    if not path.exists():
        return rows
    found = dynamics_by_cell(tables.read_table(path, DYNAMICS))
    return [replace(r, dynamics=found.get(r.key)) for r in rows]


def dynamics_by_cell(lines: pa.Table) -> dict[str, Dynamics]:
    """Return dynamics by cell; `write_dynamics` has sorted the lines, so those of a cell are neighbours."""
    cells = lines["cell"].combine_chunks().dictionary_encode()
    codes = cells.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    columns = {k: lines["id" if k == "ids" else k].to_numpy() for k in _NUMBERS}
    return {
        cells.dictionary[int(codes[a])].as_py(): _dynamics({k: v[a:b] for k, v in columns.items()})
        for a, b in pairwise([*starts, len(codes)])
    }
