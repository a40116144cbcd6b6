"""Makes the project's own log of MLflow, `state/mlflow.db`, and sets one aside that can never be opened.

MLflow builds a new database in some forty steps. A process that is killed in between leaves one that
MLflow cannot go on with, so a new log is built elsewhere and appears when it is whole.
"""

import os
import sqlite3
from contextlib import closing, suppress
from datetime import datetime
from pathlib import Path
from tempfile import TemporaryDirectory

from mlflow import MlflowClient

from datayield.core.errors import UserError

BUSY = 10.0  # seconds to wait for another process that writes
VERSION = "SELECT version_num FROM alembic_version"


def prepare(path: Path) -> str:
    """Make sure that MLflow can open this log; return a sentence if a broken one was set aside, else "".

    A log is broken if SQLite finds it damaged, or if it was half-made and holds no run.

    Raises:
        UserError: something else stands at its place, or it cannot be written.
    """
    if path.exists() and not path.is_file():
        raise UserError(
            f"{path} is not a file, and MLflow's log belongs there. Move it away;"
            " `datayield record` writes the log."
        )
    path.parent.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=path.parent, prefix="mlflow-") as folder:
        new = Path(folder) / "new.db"
        if not path.exists():
            _appear(_made(new), path)
            return ""
        if not os.access(path, os.W_OK):
            raise UserError(
                f"{path} is read-only. Make it writable (chmod u+w), or move it away;"
                " `datayield record` writes a new log."
            )
        reason = _damage(path) or _half_made(path, new)
        if not reason:
            return ""
        aside = path.with_name(f"{path.stem}.broken-{datetime.now():%Y%m%d-%H%M%S-%f}.db")
        path.rename(aside)
        _appear(new if new.exists() else _made(new), path)
    return (
        f"MLflow's log {path} cannot be opened ({reason}). It was set aside as {aside.name}, and a new log"
        " begins; `datayield record` writes every finished cell into it."
    )


def _made(new: Path) -> Path:
    """Let MLflow build an empty log."""
    MlflowClient(tracking_uri=f"sqlite:///{new}").search_experiments(max_results=1)
    return new


def _appear(new: Path, path: Path) -> None:
    """Put a whole log into place, unless another process was first."""
    copy = new.with_suffix(".copy")  # MLflow keeps the other file open
    copy.write_bytes(new.read_bytes())
    with suppress(FileExistsError):
        os.link(copy, path)


def _damage(path: Path) -> str:
    """Return what SQLite finds wrong with a file; "" if nothing."""
    try:
        with closing(sqlite3.connect(path, timeout=BUSY)) as log:
            found: str = log.execute("PRAGMA quick_check(1)").fetchone()[0]
    except sqlite3.OperationalError:
        return ""  # busy or away: MLflow itself says what it meets
    except sqlite3.DatabaseError as e:
        return str(e)
    return "" if found == "ok" else found.splitlines()[0]


def _half_made(path: Path, new: Path) -> str:
    """Return why a log without runs is not one that MLflow finished; "" if it is, or has runs.

    Args:
        path: the log.
        new: place for a new log, which it is compared with.
    """
    try:
        with closing(sqlite3.connect(path, timeout=BUSY)) as log:
            runs, version = _first(log, "SELECT count(*) FROM runs"), _first(log, VERSION)
    except sqlite3.OperationalError:
        return ""  # busy or away: MLflow itself says what it meets
    if runs:
        return ""
    with closing(sqlite3.connect(_made(new))) as log:
        wanted = _first(log, VERSION)
    return "" if version == wanted else "its database was never finished"


def _first(log: sqlite3.Connection, query: str) -> object:
    """Return the first value that a query finds; None if there is no such table or row."""
    try:
        row = log.execute(query).fetchone()
    except sqlite3.OperationalError as e:
        if "no such" not in str(e):
            raise
        return None
    return row[0] if row else None
