"""Settings of the tools' processes, made before the tools are imported. Imports nothing heavy."""

import os
from pathlib import Path

from datayield.errors import UserError

QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # the study prints its own progress and errors
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_CLI_PROMPT": "false",
    "GIT_PYTHON_REFRESH": "quiet",
}
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


def prepare(root: Path) -> None:
    """Telemetry off and state inside the project, unless the user has set it otherwise."""
    for name, value in QUIET.items():
        os.environ.setdefault(name, value)
    if "PREFECT_API_URL" not in os.environ and "PREFECT_HOME" not in os.environ:
        home = (root / "state" / "prefect").resolve()
        try:
            home.mkdir(parents=True, exist_ok=True)
        except OSError as e:
            raise UserError(f"cannot write {home}: {e.strerror}. Choose a writable folder.") from e
        os.environ["PREFECT_HOME"] = str(home)


def workers(asked: int | str) -> int:
    """How many worker processes: the number asked for, or one per usable core."""
    if isinstance(asked, int):
        return asked
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1
