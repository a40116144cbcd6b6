"""Finished cells as rows of tables and back: `cells.parquet` and `history.parquet`."""

import json
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield import table
from datayield.types import Account, Arm, Cell, Round, Row, names_of

_ORDER = ("corpus", "arm", "n", "draw", "seed", "cell")


def pack_hits(hits: np.ndarray) -> bytes:
    """One bit per test text, first text in the highest bit."""
    return np.packbits(hits.astype(bool)).tobytes()


def unpack_hits(packed: bytes, size: int) -> np.ndarray:
    """The inverse of `pack_hits`: bool array of shape (size,)."""
    return np.unpackbits(np.frombuffer(packed, np.uint8), count=size).astype(bool)


def pack_predicted(predicted: np.ndarray) -> bytes:
    """Class index per test text as little-endian uint16."""
    return predicted.astype("<u2").tobytes()


def unpack_predicted(packed: bytes) -> np.ndarray:
    """The inverse of `pack_predicted`: int64 array of shape (test,)."""
    return np.frombuffer(packed, "<u2").astype(np.int64)


def record(row: Row) -> dict[str, Any]:
    """A row as one record of CELLS."""
    cell = row.cell
    return {
        "corpus": cell.corpus,
        "arm": str(cell.arm),
        "architecture": cell.arm.architecture,
        "strategies": "+".join(cell.arm.strategies),
        "n": cell.n,
        "draw": cell.draw,
        "seed": cell.seed,
        "cell": row.key,
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
        **asdict(row.account),
        "settings": table.canonical(cell.settings),
        "identity": table.canonical(cell.identity),
    }


def row_of(line: dict[str, Any], history: Iterable[dict[str, Any]]) -> Row:
    """The inverse of `record`; `history` are this cell's lines of HISTORY."""
    strategies = tuple(line["strategies"].split("+")) if line["strategies"] else ()
    cell = Cell(
        corpus=line["corpus"],
        n=line["n"],
        arm=Arm(line["architecture"], strategies),
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
        account=Account(**{k: line[k] for k in names_of(Account)}),
        history=tuple(
            Round(**{k: h[k] for k in rounds}) for h in sorted(history, key=lambda h: h["round"])
        ),
    )


def write(rows: Iterable[Row], cells: Path, history: Path) -> None:
    """Both tables, sorted, each written to a temporary name and renamed."""
    rows = list(rows)
    lines = [
        {
            "corpus": r.cell.corpus,
            "arm": str(r.cell.arm),
            "n": r.cell.n,
            "draw": r.cell.draw,
            "seed": r.cell.seed,
            "cell": r.key,
            **asdict(h),
        }
        for r in rows
        for h in r.history
    ]
    table.write(pa.Table.from_pylist([record(r) for r in rows], table.CELLS), cells, _ORDER)
    table.write(pa.Table.from_pylist(lines, table.HISTORY), history, (*_ORDER, "round"))


def read(cells: Path, history: Path) -> list[Row]:
    """The rows of one corpus.

    Raises:
        UserError: as `table.read`, and when a row does not fit together.
    """
    by_cell: dict[str, list[dict[str, Any]]] = {}
    for line in table.read(history, table.HISTORY).to_pylist():
        by_cell.setdefault(line["cell"], []).append(line)
    lines = table.read(cells, table.CELLS).to_pylist()
    try:
        return [row_of(c, by_cell.get(c["cell"], [])) for c in lines]
    except (AttributeError, TypeError, ValueError, RecursionError) as e:
        raise table.damaged(cells, f"a row does not fit together: {e}") from e
