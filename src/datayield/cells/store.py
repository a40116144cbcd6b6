"""Stores finished cells: one small file per cell, named by the cell's key.

Only the flow process writes, and it writes atomically. A damaged file is moved aside and its cell is
computed again.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datayield.core import dynamics_rows, files, probability_rows
from datayield.core.errors import UserError
from datayield.core.rows import from_record, to_record
from datayield.core.types import Row

_BINARY = ("hits", "predicted")


def dumps(row: Row) -> str:
    """Return a row as one JSON text with a checksum of its content."""
    record = to_record(row)
    body: dict[str, Any] = {
        "line": {k: base64.b64encode(v).decode() if k in _BINARY else v for k, v in record.items()},
        "history": [asdict(h) for h in row.history],
    }
    if row.dynamics is not None:
        body["dynamics"] = dynamics_rows.pack_dynamics(row.dynamics)
    if row.probabilities is not None:
        body["probabilities"] = probability_rows.pack_probabilities(row.probabilities)
    return json.dumps({"sha256": files.digest(body), "body": body})


def loads(text: str) -> Row:
    """Read a row that `dumps` wrote.

    Raises:
        ValueError: when the text is damaged or of another version.
    """
    try:
        outer = json.loads(text)
        body: dict[str, Any] = outer["body"]
        if files.digest(body) != outer["sha256"]:
            raise ValueError("its checksum does not match its content")
        record = {k: base64.b64decode(v) if k in _BINARY else v for k, v in body["line"].items()}
        row = from_record(record, body["history"])
        if "dynamics" in body:
            row = replace(row, dynamics=dynamics_rows.unpack_dynamics(body["dynamics"]))
        if "probabilities" in body:
            packed = body["probabilities"]
            row = replace(row, probabilities=probability_rows.unpack_probabilities(packed))
        return row
    except (AttributeError, KeyError, RecursionError, TypeError) as e:
        raise ValueError(f"a field is missing or has another type: {e}") from e


class CellStore:
    """A folder of finished cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[str] = []  # one sentence for each file that was moved aside

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def has(self, key: str) -> bool:
        """Return whether there is a file for this key, damaged or not."""
        return self._path(key).exists()

    def put(self, row: Row) -> None:
        """Write a row under its key, whole or not at all."""
        files.write_text(dumps(row), self._path(row.key))

    def get(self, key: str) -> Row | None:
        """Return the row of this key; None if there is no file or it was damaged and moved aside."""
        path = self._path(key)
        try:
            row = loads(path.read_text(encoding="utf-8"))
            if row.key != key:
                raise ValueError(f"it holds another cell, {row.key}")
            return row
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as e:
            self._set_aside(path, str(e))
            return None

    def rows(self) -> Iterator[Row]:
        """Yield every readable row in the order of the keys; skip damaged files."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                yield loads(path.read_text(encoding="utf-8"))
            except (ValueError, OSError):
                continue

    def adopt(self, rows: Iterable[Row]) -> None:
        """Add the rows of a result table that the store does not have."""
        for row in rows:
            if not self.has(row.key):
                self.put(row)

    def _set_aside(self, path: Path, why: str) -> None:
        aside = self.folder / "damaged"
        try:
            aside.mkdir(exist_ok=True)
            path.replace(aside / path.name)
        except OSError as e:
            raise UserError(f"{path} is damaged ({why}) and cannot be moved to {aside}: {e}") from e
        self.damaged.append(
            f"{path} was damaged ({why}); moved to {aside}, the cell is computed again"
        )
