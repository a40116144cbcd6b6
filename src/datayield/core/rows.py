"""Turns finished cells into rows of `cells.parquet` and `history.parquet`, and back."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield.core import files, tables
from datayield.core.arm import Arm
from datayield.core.types import Cell, Cost, Round, Row, names_of

ORDER = tuple(tables.CELL.names)


def pack_hits(hits: np.ndarray) -> bytes:
    """Pack one bit per test text, the first text in the highest bit."""
    return np.packbits(hits.astype(bool)).tobytes()


def unpack_hits(packed: bytes, size: int) -> np.ndarray:
    """Return what `pack_hits` packed: bool array of shape (size,)."""
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=size).astype(bool)


def pack_predicted(predicted: np.ndarray) -> bytes:
    """Pack the class index of every test text as little-endian uint16."""
    return predicted.astype("<u2").tobytes()


def unpack_predicted(packed: bytes) -> np.ndarray:
    """Return what `pack_predicted` packed: int64 array of shape (test,)."""
    return np.frombuffer(packed, "<u2").astype(np.int64)


def name_of(row: Row) -> dict[str, Any]:
    """Return the columns of `tables.CELL` that name the cell of a row."""
    cell = row.cell
    values = cell.corpus, str(cell.arm), cell.n, cell.draw, cell.seed, row.key
    return dict(zip(tables.CELL.names, values, strict=True))


def to_record(row: Row) -> dict[str, Any]:
    """Return a row as one record of `tables.CELLS`."""
    cell = row.cell
    return {
        **name_of(row),
        "architecture": cell.arm.architecture,
        "strategies": "+".join(cell.arm.strategies),
        "n_train": row.n_train,
        "n_validation": row.n_validation,
        "validation_accuracy": row.validation_accuracy,
        "validation_macro_f1": row.validation_macro_f1,
        "accuracy": row.accuracy,
        "macro_f1": row.macro_f1,
        "hits": pack_hits(row.hits),
        "predicted": pack_predicted(row.predicted),
        "test_size": len(row.hits),
        "test_digest": row.test_digest,
        **asdict(row.cost),
        "settings": files.canonical(cell.settings),
        "identity": files.canonical(cell.identity),
    }


def from_record(line: dict[str, Any], history: Iterable[dict[str, Any]]) -> Row:
    """Return the row of a record of `to_record`; `history` are the lines of its cell in `tables.HISTORY`."""
    cell = Cell(
        corpus=line["corpus"],
        n=line["n"],
        arm=Arm.named(line["arm"]),
        draw=line["draw"],
        seed=line["seed"],
        settings=json.loads(line["settings"]),
        identity=json.loads(line["identity"]),
    )
    rounds = names_of(Round)
    return Row(
        cell=cell,
        key=line["cell"],
        n_train=line["n_train"],
        n_validation=line["n_validation"],
        validation_accuracy=line["validation_accuracy"],
        validation_macro_f1=line["validation_macro_f1"],
        accuracy=line["accuracy"],
        macro_f1=line["macro_f1"],
        predicted=unpack_predicted(line["predicted"]),
        hits=unpack_hits(line["hits"], line["test_size"]),
        test_digest=line["test_digest"],
        cost=Cost(**{k: line[k] for k in names_of(Cost)}),
        history=tuple(
            Round(**{k: h[k] for k in rounds}) for h in sorted(history, key=lambda h: h["round"])
        ),
    )


def write_rows(rows: Iterable[Row], cells: Path, history: Path) -> None:
    """Write both tables, sorted, each under a temporary name that is then renamed."""
    rows = list(rows)
    lines = [{**name_of(r), **asdict(h)} for r in rows for h in r.history]
    tables.write_table(
        pa.Table.from_pylist([to_record(r) for r in rows], tables.CELLS), cells, ORDER
    )
    tables.write_table(pa.Table.from_pylist(lines, tables.HISTORY), history, (*ORDER, "round"))


def read_rows(cells: Path, history: Path) -> list[Row]:
    """Read the rows of one corpus.

    Raises:
        UserError: as `tables.read_table`, and if the fields of a row do not fit together.
    """
    by_cell: dict[str, list[dict[str, Any]]] = {}
    for line in tables.read_table(history, tables.HISTORY).to_pylist():
        by_cell.setdefault(line["cell"], []).append(line)
    lines = tables.read_table(cells, tables.CELLS).to_pylist()
    try:
        return [from_record(c, by_cell.get(c["cell"], [])) for c in lines]
    except (AttributeError, TypeError, ValueError, RecursionError) as e:
        raise files.damaged_error(cells, f"a row does not fit together: {e}") from e
