"""The servers of other tools, named by the environment: whether they can be used, and why not."""

import os
from collections.abc import Mapping
from importlib.metadata import version

from datayield.errors import UserError, masked

TIMEOUT = 5  # seconds for an answer


def unfit_prefect() -> str | None:
    """Why the Prefect server that PREFECT_API_URL names cannot be used.

    Returns:
        A sentence with the setting and the remedy; None if it can, or if none is named (then every
        flow starts one of its own).
    """
    import requests

    address = os.environ.get("PREFECT_API_URL")
    if address is None:
        return None
    url, own = masked(address), version("prefect")  # what messages name
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
            " PREFECT_API_AUTH_STRING (or PREFECT_API_KEY) to its own"
        )
    try:
        theirs = str(answer.json()) if answer.ok else ""
    except ValueError:
        theirs = ""
    if not theirs:
        return f"what answers at PREFECT_API_URL={url} is no Prefect server (it must end in /api)"
    if theirs.split(".")[:2] != own.split(".")[:2]:
        return (
            f"the Prefect server at PREFECT_API_URL={url} has version {theirs}, this environment"
            f" {own}; install the same on both"
        )
    return None


def require_prefect() -> None:
    """What needs a server of its own standing, unlike a study.

    Raises:
        UserError: none is named, or it cannot be used.
    """
    if "PREFECT_API_URL" not in os.environ:
        raise UserError(
            "schedules need a Prefect server: start it with `prefect server start --host 127.0.0.1` and"
            " set PREFECT_API_URL=http://127.0.0.1:4200/api"
        )
    if why := unfit_prefect():
        raise UserError(why)


USER = (
    "set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD (or MLFLOW_TRACKING_TOKEN) to one of its"
    " users'"
)
SIGNS = "signs such as @ : / % in a password are written %40 %3A %2F %25"


def database_fault(error: Exception, setting: str) -> str:
    """What is wrong with a database, and what to do.

    Args:
        error: what its driver or SQLAlchemy raised.
        setting: the environment variable that holds its address.

    Returns:
        A clause whose subject is the database.
    """
    said = " ".join(str(error).split())
    known = {
        "no module named": "wants a driver: pip install 'datayield[postgres]'",
        "could not parse": f"has no address that can be read; write {setting}=postgresql://user:password@host/name"
        f" ({SIGNS})",
        "password authentication failed": f"refuses this user and password; mend them in {setting} ({SIGNS})",
        "no password supplied": f"wants a password; write {setting}=postgresql://user:password@host/name",
        "does not exist": f"is not there; make it (`createdb`), or mend {setting}",
        "connection refused": f"does not answer; start its server, or mend {setting}",
        "could not translate host name": f"has no such host; mend {setting}",
        "timeout expired": f"does not answer; start its server, or mend {setting}",
        "schema version": f"was written by another version of Optuna; install the same everywhere, or name"
        f" another database in {setting}",
    }
    return _told(said, known) or _unknown(error, setting)


def log_fault(error: Exception, address: str) -> str:
    """What is wrong with MLflow, and what to do.

    Args:
        error: what MLflow or its store raised.
        address: of the server, or of the database where there is none.

    Returns:
        A clause whose subject is MLflow.
    """
    setting = "MLFLOW_TRACKING_URI"
    known = {
        "database schema": "has a database of another version of MLflow; back it up, then `mlflow db upgrade` with"
        " its address, or install the MLflow that wrote it",
        "unsupported uri": f"does not know such an address; write {setting}=http://host:port",
        "invalid host": "does not serve this host name; start it with --allowed-hosts",
        "error code 401": f"refuses these credentials; {USER}",
        "error code 403": f"refuses these credentials; {USER}",
        "permission_denied": f"refuses this user; {USER}",
        "error code 404": f"is no MLflow server, or one of another version ({version('mlflow')} is installed"
        f" here); mend {setting}",
        "failed with exception": f"does not answer; start it (`mlflow server`), mend {setting} or unset it",
        "failed with timeout": f"does not answer in time; look at its log, or mend {setting}",
    }
    told = _told(" ".join(str(error).split()), known)
    if not told and not address.startswith(("http", "sqlite")):
        return database_fault(error, setting)
    return told or _unknown(error, setting)


def _told(said: str, known: Mapping[str, str]) -> str:
    """The clause whose sign the error has, with what the error said; "" where none fits."""
    told = next((clause for sign, clause in known.items() if sign in said.lower()), "")
    return told and f"{told} ({said[:200]})"


def _unknown(error: Exception, setting: str) -> str:
    said = " ".join(str(error).split())
    return f"fails ({type(error).__name__}: {said[:200]}); check {setting} and its server"


def _credentials() -> dict[str, str]:
    import base64

    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return {}
