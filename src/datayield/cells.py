"""The cell store: one small file per finished cell, named by the hash of what determines it.

Written atomically, by the flow process alone. A file that cannot be trusted is set aside and its
cell computed again.
"""

import base64
import json
from collections.abc import Iterable, Iterator
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

from datayield import dynamics, records, table
from datayield.errors import UserError
from datayield.types import Row

_BINARY = ("hits", "predicted")


def dumps(row: Row) -> str:
    """A row as one JSON text, with a checksum of its content.

    Training dynamics stand there only where the row has them: older cells lack them.
    """
    line = records.record(row)
    body: dict[str, Any] = {
        "line": {k: base64.b64encode(v).decode() if k in _BINARY else v for k, v in line.items()},
        "history": [asdict(h) for h in row.history],
    }
    if row.dynamics is not None:
        body["dynamics"] = dynamics.packed(row.dynamics)
    return json.dumps({"sha256": table.digest(body), "body": body})


def loads(text: str) -> Row:
    """The inverse of `dumps`.

    Raises:
        ValueError: when the text is damaged or of another version.
    """
    try:
        outer = json.loads(text)
        body: dict[str, Any] = outer["body"]
        if table.digest(body) != outer["sha256"]:
            raise ValueError("its checksum does not fit its content")
        line = {k: base64.b64decode(v) if k in _BINARY else v for k, v in body["line"].items()}
        row = records.row_of(line, body["history"])
        return (
            replace(row, dynamics=dynamics.unpacked(body["dynamics"]))
            if "dynamics" in body
            else row
        )
    except (AttributeError, KeyError, RecursionError, TypeError) as e:
        raise ValueError(f"it lacks {e}") from e


class CellStore:
    """A folder of finished cells."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.damaged: list[str] = []  # one sentence per file set aside

    def _path(self, key: str) -> Path:
        return self.folder / f"{key}.json"

    def has(self, key: str) -> bool:
        """Whether a file lies under this key; it may be damaged."""
        return self._path(key).exists()

    def put(self, row: Row) -> None:
        """Store a row under its key, whole or not at all."""
        table.write_text(dumps(row), self._path(row.key))

    def get(self, key: str) -> Row | None:
        """The row under this key; None if there is none or its file had to be set aside."""
        path = self._path(key)
        try:
            row = loads(path.read_text(encoding="utf-8"))
            if row.key != key:
                raise ValueError(f"it holds the cell {row.key}")
            return row
        except FileNotFoundError:
            return None
        except (ValueError, OSError) as e:
            self._set_aside(path, str(e))
            return None

    def rows(self) -> Iterator[Row]:
        """Every row that can be read, in the order of the keys; damaged files are passed over."""
        for path in sorted(self.folder.glob("*.json")):
            try:
                yield loads(path.read_text(encoding="utf-8"))
            except (ValueError, OSError):
                continue

    def adopt(self, rows: Iterable[Row]) -> None:
        """Put rows from a table that the store does not hold yet, or holds without their dynamics."""
        for row in rows:
            if not self.has(row.key):
                self.put(row)
            elif row.dynamics is not None:
                own = self.get(row.key) or row
                if own.dynamics is None:
                    self.put(replace(own, dynamics=row.dynamics))

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
