"""Sets up processes before the tools are imported, and measures cores and memory.

Its imports are light, because every command imports it first.
"""

import ctypes
import os
import resource
from pathlib import Path

from datayield.core.errors import UserError

QUIET = {
    "DVC_NO_ANALYTICS": "1",
    "DO_NOT_TRACK": "1",
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",  # else `ui` starts eight processes that nothing uses
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",  # a study retries by itself (integrations/mlflow_queue.py)
    "MLFLOW_HTTP_REQUEST_TIMEOUT": "20",
    "RAY_USAGE_STATS_ENABLED": "0",
    "PREFECT_SERVER_EPHEMERAL_STARTUP_TIMEOUT_SECONDS": "90",
    "PREFECT_LOGGING_LEVEL": "CRITICAL",  # the study prints its own progress and errors
    "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
    "PREFECT_SERVER_LOGGING_LEVEL": "CRITICAL",  # for the server that a flow starts itself
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

M_TRIM_THRESHOLD, M_MMAP_THRESHOLD = -1, -3  # options of glibc's mallopt
KEPT = 2**30  # bytes of freed memory that a process keeps for its next batch


def prepare_process() -> None:
    """Turn telemetry off and set one thread per process, unless the user has set it otherwise.

    One thread, so that sums are added in the same order on any machine; work is spread over
    processes instead.
    """
    for name, value in {**QUIET, **ONE_THREAD}.items():
        os.environ.setdefault(name, value)
    _keep_memory()


def _keep_memory() -> None:
    """Keep freed memory in the process, since every batch frees and takes the same megabytes.

    Otherwise glibc hands large blocks back and the system clears each page again (docs/performance.md).
    """
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError):
        return  # another C library
    mallopt(M_TRIM_THRESHOLD, KEPT)
    mallopt(M_MMAP_THRESHOLD, KEPT)


def prepare_prefect_home(root: Path) -> None:
    """Put the files of Prefect inside the project, unless the user named a server or another home.

    Raises:
        UserError: the folder cannot be made.
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


SHARING = 4  # most processes that share one GPU, unless the user sets more


def cores() -> int:
    """Return how many cores this process may use."""
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:  # not on this system
        return os.cpu_count() or 1


def workers(number: int | str, device: str = "cpu") -> int:
    """Return the number of worker processes; for "auto" one per usable core, at most SHARING on a GPU."""
    if isinstance(number, int):
        return number
    return min(cores(), SHARING) if device == "cuda" else cores()


def reset_peak_memory() -> None:
    """Start a new measurement of the peak memory of this process, if the system can."""
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return  # not Linux: the peak is then that of the whole process


def peak_memory_mib() -> float:
    """Return the largest resident size since the last reset, in MiB."""
    try:
        lines = Path("/proc/self/status").read_text().splitlines()
        return float(next(x for x in lines if x.startswith("VmHWM")).split()[1]) / 1024
    except (OSError, StopIteration):
        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


PER_TEXT = 1000
"""Bytes a text takes at the stage that needs most (docs/performance.md: 1 GB for a million texts)."""

PER_WORKER = 400 * 2**20
"""Bytes a worker process takes, without the libraries that all workers share."""

BASE = 200 * 2**20
"""Bytes a stage takes before its first text."""

_CGROUP = Path("/sys/fs/cgroup")


def available(cgroup: Path = _CGROUP) -> int:
    """Return the bytes that this process can still take.

    The least of the free memory of the machine, of its control group (version 2), and of its own limit
    (`ulimit -v`).

    Args:
        cgroup: the folder of the control group of the process.
    """
    return max(0, min([system_memory(), *_group_memory(cgroup), *_own_memory()]))


def shared(cgroup: Path = _CGROUP) -> int:
    """Return the bytes that further processes can take: as `available`, without the own limit."""
    return max(0, min([system_memory(), *_group_memory(cgroup)]))


def system_memory() -> int:
    """Return the bytes of memory that the machine has free."""
    import psutil

    return int(psutil.virtual_memory().available)


def _group_memory(cgroup: Path) -> list[int]:
    """Return the bytes that a control group has free; none where it sets no limit.

    Cached pages of files count as free, since the kernel drops them when memory is short.
    """
    try:
        limit = (cgroup / "memory.max").read_text().strip()
        used = int((cgroup / "memory.current").read_text())
        counts = dict(x.split() for x in (cgroup / "memory.stat").read_text().splitlines())
    except (OSError, ValueError):  # no control groups of version 2 on this system
        return []
    return [int(limit) - used + int(counts["inactive_file"])] if limit.isdigit() else []


def _own_memory() -> list[int]:
    """Return the bytes that `ulimit -v` leaves; none where it sets no limit."""
    import psutil

    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    return [] if limit == resource.RLIM_INFINITY else [limit - psutil.Process().memory_info().vms]


def require_corpus(title: str, texts: int) -> None:
    """Raise UserError if the stages of a corpus of so many texts do not fit into memory.

    Args:
        title: the corpus, or the file that is being read, for the message.
        texts: how many texts it has so far.
    """
    require(f"{title} ({texts:,} texts)", BASE + PER_TEXT * texts)


def require(title: str, wanted: int, free: int | None = None) -> None:
    """Raise UserError if fewer than so many bytes of memory are free.

    Args:
        title: what needs them, for the message.
        wanted: bytes.
        free: bytes that are free; None: `available`.
    """
    free = available() if free is None else free
    if wanted > free:
        raise UserError(
            f"{title} needs more memory than this machine has left: about {wanted / 2**30:.1f} GiB, and"
            f" {free / 2**30:.1f} GiB are free. Close other programs, take fewer texts, or use a"
            " machine with more memory. Nothing was written."
        )


def require_workers(count: int, free: int | None = None) -> None:
    """Raise UserError, with the number that fits, if so many worker processes do not fit into memory.

    Args:
        count: number of workers.
        free: bytes that are free; None: `shared`.
    """
    free = shared() if free is None else free
    if count * PER_WORKER > free:
        fit = free // PER_WORKER
        do = f"set execution.workers: {fit} in params.yaml" if fit else "close other programs"
        raise UserError(
            f"{count} workers need more memory than this machine has left: about"
            f" {count * PER_WORKER / 2**30:.1f} GiB, and {free / 2**30:.1f} GiB are free; {do}."
        )
