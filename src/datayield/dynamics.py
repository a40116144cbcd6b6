"""Training dynamics: one line per text of a training (the data map), and `dynamics.parquet`."""

import base64
from collections.abc import Iterable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pyarrow as pa

from datayield import table
from datayield.types import Dynamics, Floats, Ints, Row

if TYPE_CHECKING:
    from datayield.strategies.base import Shown

DYNAMICS = pa.schema(
    [
        ("corpus", pa.string()),
        ("arm", pa.string()),
        ("n", pa.int64()),
        ("draw", pa.int64()),
        ("seed", pa.int64()),
        ("cell", pa.string()),
        ("id", pa.int32()),  # of the pool
        ("times", pa.int32()),  # presentations; the rest is measured at each, before the update
        ("confidence", pa.float32()),  # mean probability of the given label
        ("variability", pa.float32()),  # its standard deviation
        ("correctness", pa.float32()),  # share of presentations at which the given label led
        ("instead", pa.int32()),  # class index that led most often in its place; -1: none
    ]
)
"""`dynamics.parquet`: the plain arms at the largest budget of each, as far as cells carry them."""

_NUMBERS = {
    "ids": "<u4", "times": "<u4", "confidence": "<f4", "variability": "<f4", "correctness": "<f4",
    "instead": "<i4",
}  # fmt: skip


def of(shown: "Shown", parents: Ints) -> Dynamics | None:
    """Per text that was presented at least once; None where nothing was shown.

    Args:
        shown: every presentation of a training.
        parents: (rows,) pool id of every training row; variants count for their text.
    """
    if not len(shown.rows):
        return None
    ids, texts = np.unique(parents[shown.rows], return_inverse=True)
    times = np.bincount(texts)
    confidence, variability = map_of(texts, shown.gold, len(ids))
    right = np.bincount(texts, shown.correct) / times
    instead = _instead(texts[~shown.correct], shown.said[~shown.correct], len(ids))
    return Dynamics(ids, times, confidence, variability, right, instead)


def map_of(rows: Ints, gold: Floats, count: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of p(label) over a row's presentations, (count,) each."""
    times = np.maximum(np.bincount(rows, minlength=count), 1)
    mean = np.bincount(rows, gold, minlength=count) / times
    square = np.bincount(rows, gold**2, minlength=count) / times
    return mean, np.sqrt(np.maximum(square - mean**2, 0))


def _instead(texts: Ints, said: Ints, count: int) -> Ints:
    """The class said most often of each text, the first among equals; -1: none, (count,)."""
    pairs, votes = np.unique(np.stack([texts, said]), axis=1, return_counts=True)
    order = np.lexsort((pairs[1], -votes, pairs[0]))
    named, first = np.unique(pairs[0][order], return_index=True)
    out = np.full(count, -1)
    out[named] = pairs[1][order][first]
    return out


def packed(d: Dynamics) -> dict[str, str]:
    """As texts for JSON, numbers in single precision."""
    return {
        k: base64.b64encode(getattr(d, k).astype(kind).tobytes()).decode()
        for k, kind in _NUMBERS.items()
    }


def unpacked(texts: Mapping[str, str]) -> Dynamics:
    """The inverse of `packed`.

    Raises:
        KeyError, ValueError: when something lacks or is no such text.
    """
    return _made({k: np.frombuffer(base64.b64decode(texts[k]), v) for k, v in _NUMBERS.items()})


def _made(columns: Mapping[str, Any]) -> Dynamics:
    wide = {k: float if kind == "<f4" else np.int64 for k, kind in _NUMBERS.items()}
    return Dynamics(**{k: np.asarray(columns[k]).astype(wide[k]) for k in _NUMBERS})


def write(rows: Iterable[Row], path: Path) -> None:
    """`dynamics.parquet` of the rows that carry dynamics, sorted; equal rows give equal bytes."""
    pieces = [DYNAMICS.empty_table()]
    for r in rows:
        if (d := r.dynamics) is None:
            continue
        who = [r.cell.corpus, str(r.cell.arm), r.cell.n, r.cell.draw, r.cell.seed, r.key]
        columns = [*([x] * len(d) for x in who), *(getattr(d, k) for k in _NUMBERS)]
        arrays = [pa.array(c, f.type) for c, f in zip(columns, DYNAMICS, strict=True)]
        pieces.append(pa.table(arrays, DYNAMICS))
    table.write(
        pa.concat_tables(pieces), path, ("corpus", "arm", "n", "draw", "seed", "cell", "id")
    )


def attached(rows: Iterable[Row], path: Path) -> list[Row]:
    """The rows with their dynamics from `dynamics.parquet`, where that table holds any.

    Raises:
        UserError: when the table is there and damaged or of another version.
    """
    rows = list(rows)
    if not path.exists():
        return rows
    found = by_cell(table.read(path, DYNAMICS))
    return [replace(r, dynamics=found.get(r.key)) for r in rows]


def by_cell(lines: pa.Table) -> dict[str, Dynamics]:
    """Cell → its dynamics; the lines of a cell stand together, as `write` sorts them."""
    cells = lines["cell"].combine_chunks().dictionary_encode()
    codes = cells.indices.to_numpy()
    starts = np.flatnonzero(np.diff(codes, prepend=-1))
    columns = {k: lines["id" if k == "ids" else k].to_numpy() for k in _NUMBERS}
    return {
        cells.dictionary[int(codes[a])].as_py(): _made({k: v[a:b] for k, v in columns.items()})
        for a, b in pairwise([*starts, len(codes)])
    }
