"""Memory that can still be had, so that what would not fit is refused before the system kills it."""

import os
import resource
from collections.abc import Iterator
from pathlib import Path

from datayield.errors import UserError

PER_TEXT = (
    1000  # bytes at the hungriest stage of a corpus (docs/performance.md: 1 GB for a million)
)
PER_WORKER = 400 * 2**20  # bytes of a worker process beside libraries that all of them share
BASE = 200 * 2**20  # bytes beside them
_PROC, _CGROUP = Path("/proc"), Path("/sys/fs/cgroup")
_UNLIMITED = 2**60  # what control groups say where they set no limit


def available(proc: Path = _PROC, cgroup: Path = _CGROUP) -> int | None:
    """Bytes that this process can still take: of the machine, its control group, its own limit.

    Args:
        proc: the kernel's folder of processes.
        cgroup: the folder of the process's control group.

    Returns:
        The least of what is known; None where the system tells nothing.
    """
    known = [*machine(proc), *_group(cgroup), *_own(proc)]
    return max(0, min(known)) if known else None


def shared(proc: Path = _PROC, cgroup: Path = _CGROUP) -> int | None:
    """As `available`, for other processes: without this one's own limit."""
    known = [*machine(proc), *_group(cgroup)]
    return max(0, min(known)) if known else None


def machine(proc: Path = _PROC) -> Iterator[int]:
    """What the kernel says is left; nothing where it does not tell."""
    for line in _text(proc / "meminfo").splitlines():
        if line.startswith("MemAvailable:"):
            yield 1024 * int(line.split()[1])


def _group(cgroup: Path) -> Iterator[int]:
    """Version 2, else version 1; pages of files that can be dropped count as free."""
    for folder, most, used, files in (
        (cgroup, "memory.max", "memory.current", "inactive_file"),
        (cgroup / "memory", "memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    ):  # fmt: skip
        limit, now = _text(folder / most).strip(), _text(folder / used).strip()
        if limit.isdigit() and now.isdigit() and int(limit) < _UNLIMITED:
            told = dict(x.split() for x in _text(folder / "memory.stat").splitlines())
            yield int(limit) - int(now) + int(told.get(files, 0))


def _own(proc: Path) -> Iterator[int]:
    """What `ulimit -v` leaves."""
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    pages = _text(proc / "self" / "statm").split()
    if limit != resource.RLIM_INFINITY and pages:
        yield limit - int(pages[0]) * os.sysconf("SC_PAGE_SIZE")


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # not on this system
        return ""


def require_corpus(what: str, texts: int) -> None:
    """Whether the stages of a corpus of so many texts fit.

    Args:
        what: for the message: the corpus, or the file that is being read.
        texts: counted so far.

    Raises:
        UserError: they do not; before anything is taken.
    """
    require(f"{what} ({texts:,} texts)", BASE + PER_TEXT * texts)


def require(what: str, wanted: int, free: int | None = None) -> None:
    """Whether so many bytes can be had.

    Args:
        what: for the message.
        wanted: bytes.
        free: bytes that can be had; None: what the system tells.

    Raises:
        UserError: fewer can be had.
    """
    known = available() if free is None else free
    if known is not None and wanted > known:
        raise UserError(
            f"{what} wants more memory than this machine has left: about {wanted / 2**30:.1f} GiB, and"
            f" {known / 2**30:.1f} GiB can be had. Close other programs, take fewer texts, or use a"
            " machine with more memory. Nothing was written."
        )


def require_workers(count: int, free: int | None = None) -> None:
    """Whether so many worker processes fit.

    Args:
        count: of workers.
        free: bytes that can be had; None: what the system tells.

    Raises:
        UserError: they do not; it names how many do.
    """
    known = shared() if free is None else free
    if known is not None and count * PER_WORKER > known:
        fit = known // PER_WORKER
        do = f"set execution.workers: {fit} in params.yaml" if fit else "close other programs"
        raise UserError(
            f"{count} workers want more memory than this machine has left: about"
            f" {count * PER_WORKER / 2**30:.1f} GiB, and {known / 2**30:.1f} GiB can be had; {do}."
        )
