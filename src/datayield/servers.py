"""The servers of other tools, named by the environment: whether they can be used, and why not."""

import os
from importlib.metadata import version

import requests

from datayield.errors import UserError, masked

TIMEOUT = 5  # seconds for an answer


def unfit_prefect() -> str | None:
    """Why the Prefect server that PREFECT_API_URL names cannot be used.

    Returns:
        A sentence with the setting and the remedy; None if it can, or if none is named (then every
        flow starts one of its own).
    """
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


def _credentials() -> dict[str, str]:
    import base64

    if key := os.environ.get("PREFECT_API_KEY"):
        return {"Authorization": f"Bearer {key}"}
    if secret := os.environ.get("PREFECT_API_AUTH_STRING"):
        return {"Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"}
    return {}
