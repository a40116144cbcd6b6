"""Opens MLflow: the server that is named, or else the project's own log, which is made where it is missing."""

import os
import sys
from pathlib import Path

from mlflow import MlflowClient
from sqlalchemy import create_engine
from sqlalchemy.pool import NullPool

from datayield.integrations import mlflow_file


def uri(root: Path) -> str:
    """Return MLFLOW_TRACKING_URI, or the address of the project's own `state/mlflow.db`."""
    return os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{_own_log(root)}"


def _own_log(root: Path) -> Path:
    return (root / "state").resolve() / "mlflow.db"


def prepare(root: Path) -> None:
    """Make the project's own log, or set a broken one aside and say so, where no other log is named.

    Raises:
        UserError: something else stands at its place, or it cannot be written.
    """
    if os.environ.get("MLFLOW_TRACKING_URI"):
        return
    if sentence := mlflow_file.prepare(_own_log(root)):
        print(f"notice: {sentence}", file=sys.stderr)


def client(root: Path) -> MlflowClient:
    """Return MLflow's client for this project, whose own log is made first if it is missing.

    Raises:
        UserError: the project's own log cannot be opened.
        SQLAlchemyError: its address is a database that cannot be reached. MLflow itself would try
            for more than a minute, and the caller would wait as long.
    """
    address = uri(root)
    prepare(root)
    if address.startswith(("postgresql", "mysql", "mssql")):
        create_engine(address, poolclass=NullPool).connect().close()
    return MlflowClient(tracking_uri=address)
