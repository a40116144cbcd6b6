"""Settings of the tools' processes, made before the tools are imported. Imports nothing heavy."""

import ctypes
import os
from pathlib import Path

from datayield.errors import UserError

QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # of `ui`: eight processes that nothing here uses
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a study tries again by itself (recorder.py)
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # the study prints its own progress and errors
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",  # of the server that a flow starts for itself
    "PREFECT_CLI_PROMPT": "false",
    "PREFECT_CLIENT_MAX_RETRIES": "3",  # each call waits 2 + 4 + 8 s for a server that went away
    "GIT_PYTHON_REFRESH": "quiet",
}
ONE_THREAD = {
    "CUBLAS_WORKSPACE_CONFIG": ":4096:8",  # deterministic sums on a GPU
    "OMP_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
}


M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # glibc's mallopt
KEPT = 2**30  # bytes of freed memory that a process keeps for its next batch


def prepare() -> None:
    """Telemetry off, one thread per process, unless the user has set it otherwise.

    One thread, so that sums are added in the same order on any machine; work is spread over
    processes instead.
    """
    for name, value in {**QUIET, **ONE_THREAD}.items():
        os.environ.setdefault(name, value)
    _keep_memory()


def _keep_memory() -> None:
    """Freed memory stays with the process: every batch frees and takes the same megabytes.

    Without it glibc hands large blocks back and the system clears each page anew (docs/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(M_TRIM_THRESHOLD, KEPT)
    mallopt(M_MMAP_THRESHOLD, KEPT)


def prepare_prefect(root: Path) -> None:
    """Prefect's own files inside the project, unless a server or another home was named.

    Raises:
        UserError: when the folder cannot be made.
    """
    if "PREFECT_API_URL" not in os.environ:
        os.environ["PREFECT_CLIENT_MAX_RETRIES"] = "1"  # its own server, once gone, stays away
    if "PREFECT_API_URL" in os.environ or "PREFECT_HOME" in os.environ:
        return
    home = (root / "state" / "prefect").resolve()
    try:
        home.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise UserError(f"cannot write {home}: {e.strerror}. Choose a writable folder.") from e
    os.environ["PREFECT_HOME"] = str(home)


SHARING = 4  # processes that share one GPU at most, unless more are asked for
CORES_OF_A_GPU = 8  # that train what is not stacked, trials above all, as fast as one GPU


def cores() -> int:
    """Cores that this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def workers(asked: int | str, device: str = "cpu") -> int:
    """How many worker processes: the number asked for, or one per usable core (few on one GPU)."""
    if isinstance(asked, int):
        return asked
    return min(cores(), SHARING) if device == "cuda" else cores()


def device(asked: str) -> str:
    """Where networks are trained: "cpu" or "cuda".

    "auto" is cuda where PyTorch finds one and few cores could do its work (docs/performance.md).
    """
    if asked != "auto":
        return asked
    if cores() >= CORES_OF_A_GPU:
        return "cpu"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:  # no driver: known without the second that importing torch takes
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"
