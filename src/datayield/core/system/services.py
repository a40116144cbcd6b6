"""Checks the servers of other tools that the environment names, and explains their errors."""

import os
from collections.abc import Mapping
from importlib.metadata import version

from datayield.core.errors import UserError
from datayield.core.system.secrets import masked

TIMEOUT = 5  # seconds for an answer


def unfit_prefect() -> str | None:
    """Return the reason why the Prefect server that PREFECT_API_URL names cannot be used.

    Returns:
        A sentence with the setting and the remedy; None if the server can be used or none is named
        (then a study starts a server for its flows).
    """
    import requests

    address = os.environ.get("PREFECT_API_URL")
    if address is None:
        return None
    url, installed = masked(address), version("prefect")
    try:
        answer = requests.get(f"{address}/admin/version", headers=_credentials(), timeout=TIMEOUT)
    except requests.RequestException as e:
        return (
            f"no Prefect server answers at PREFECT_API_URL={url} ({type(e).__name__});"
            " start it with `prefect server start`, or unset the variable"
        )
    if answer.status_code in (401, 403):
        return (
            f"the Prefect server at PREFECT_API_URL={url} refuses these credentials; set"
            " PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to those of the server"
        )
    try:
        theirs = str(answer.json()) if answer.ok else ""
    except ValueError:
        theirs = ""
    if not theirs:
        return (
            f"no Prefect server answers at PREFECT_API_URL={url}, but another program;"
            " the address must end in /api"
        )
    if theirs.split(".")[:2] != installed.split(".")[:2]:
        return (
            f"the Prefect server at PREFECT_API_URL={url} has version {theirs}, this environment"
            f" {installed}; install the same version on both"
        )
    return None


def require_prefect() -> None:
    """Raise UserError if PREFECT_API_URL names no server, or one that cannot be used."""
    if "PREFECT_API_URL" not in os.environ:
        raise UserError(
            "schedules need a Prefect server: start it with `prefect server start --host 127.0.0.1` and"
            " set PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    if why := unfit_prefect():
        raise UserError(why)


USER = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) to those of one of"
    " its users"
)
SIGNS = "in a password, @ : / % are written %40 %3A %2F %25"


def database_fault(error: Exception, setting: str) -> str:
    """Explain what is wrong with a database, and what to do.

    Args:
        error: the one that its driver or SQLAlchemy raised.
        setting: the environment variable that holds its address.

    Returns:
        A clause whose subject is the database.
    """
    message = " ".join(str(error).split())
    known = {
        "no module named": "needs a driver: pip install 'datayield[postgres]'",
        "could not parse": f"has an address that cannot be read; write {setting}=postgresql://user:password@host/name"
        f" ({SIGNS})",
        "password authentication failed": f"refuses this user and password; fix them in {setting} ({SIGNS})",
        "no password supplied": f"needs a password; write {setting}=postgresql://user:password@host/name",
        "does not exist": f"does not exist; create it (`createdb`), or fix {setting}",
        "connection refused": f"does not answer; start its server, or fix {setting}",
        "could not translate host name": f"has an unknown host; fix {setting}",
        "timeout expired": f"does not answer; start its server, or fix {setting}",
        "schema version": f"was written by another version of Optuna; install the same everywhere, or name"
        f" another database in {setting}",
    }
    return _clause(message, known) or _unknown(error, setting)


def log_fault(error: Exception, address: str) -> str:
    """Explain what is wrong with MLflow, and what to do.

    Args:
        error: the one that MLflow or its store raised.
        address: address of the server, or of the database where there is none.

    Returns:
        A clause whose subject is MLflow.
    """
    setting = "MLFLOW_TRACKING_URI"
    known = {
        "database schema": "has a database of another version of MLflow; back it up, then `mlflow db upgrade` with"
        " its address, or install the MLflow that wrote it",
        "unsupported uri": f"does not know this kind of address; write {setting}=http://host:port",
        "invalid host": "does not serve this host name; start it with --allowed-hosts",
        "error code 401": f"refuses these credentials; {USER}",
        "error code 403": f"refuses these credentials; {USER}",
        "permission_denied": f"refuses this user; {USER}",
        "error code 404": f"is not an MLflow server, or has another version ({version('mlflow')} is installed"
        f" here); fix {setting}",
        "failed with exception": f"does not answer; start it (`mlflow server`), fix {setting} or unset it",
        "failed with timeout": f"does not answer in time; look at its log, or fix {setting}",
    }
    clause = _clause(" ".join(str(error).split()), known)
    if not clause and not address.startswith(("http", "sqlite")):
        return database_fault(error, setting)
    return clause or _unknown(error, setting)


def _clause(message: str, known: Mapping[str, str]) -> str:
    """Return the clause whose sign the message contains, with the message; "" where none fits."""
    found = next((clause for sign, clause in known.items() if sign in message.lower()), "")
    return found and f"{found} ({message[:200]})"


def _unknown(error: Exception, setting: str) -> str:
    message = " ".join(str(error).split())
    return f"fails ({type(error).__name__}: {message[:200]}); check {setting} and its server"


def _credentials() -> dict[str, str]:
    import base64

    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return {}
