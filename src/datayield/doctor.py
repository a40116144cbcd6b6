"""What of this machine and this folder a study needs, and what to do where it is not so.

Nothing is changed and nothing is sent but a question to the servers that the environment names.
"""

import os
import shutil
import socket
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from datayield import children, environment, memory
from datayield.errors import UserError

State = Literal["ok", "notice", "problem"]
TOOLS = ("torch", "prefect", "dvc", "optuna", "mlflow", "numpy", "scikit-learn", "pyarrow")
LEAST_DISK, LEAST_MEMORY = 2, 2  # GiB
SERVERS = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "DATAYIELD_OPTUNA_STORAGE")
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}
WAIT = 3.0  # seconds for an answer


@dataclass(frozen=True, slots=True)
class Finding:
    """One line."""

    what: str
    state: State
    found: str
    do: str = ""  # what to do; "" where nothing is to be done


def examine(root: Path) -> list[Finding]:
    """Every finding, in the order in which a study would meet them."""
    parts: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _versions, _processor, _device, _room, _mirror, _servers, _versioning, _study,
    )  # fmt: skip
    return [finding for part in parts for finding in part(root)]


def _versions(root: Path) -> Iterator[Finding]:
    python = ".".join(map(str, sys.version_info[:3]))
    yield Finding("python", "ok", python)
    wanted = pins()
    for name in TOOLS:
        bound = wanted.get(name, "")
        try:
            own = version(name)
        except PackageNotFoundError:
            yield Finding(name, "problem", "not installed", f"pip install '{name}{bound}'")
            continue
        yield fits(name, own, bound)


def fits(name: str, own: str, bound: str) -> Finding:
    """Whether an installed version lies within its bound."""
    from packaging.specifiers import SpecifierSet

    if bound and not SpecifierSet(bound).contains(own):
        return Finding(name, "problem", f"{own}, wanted {bound}", f"pip install '{name}{bound}'")
    return Finding(name, "ok", f"{own}{f' ({bound})' if bound else ''}")


def pins() -> dict[str, str]:
    """Package → bound, as the installed datayield asks for."""
    from packaging.requirements import Requirement

    try:
        asked = [Requirement(line) for line in requires("datayield") or [] if "extra" not in line]
    except PackageNotFoundError:
        return {}
    return {r.name: str(r.specifier) for r in asked}


def _processor(root: Path) -> Iterator[Finding]:
    workers = environment.workers("auto")
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads != "1":
        yield Finding(
            "threads", "notice", f"OMP_NUM_THREADS={threads}",
            "unset it: each worker computes with one thread, and rows repeat to the last bit only so",
        )  # fmt: skip
    else:
        yield Finding("threads", "ok", f"{workers} workers of one thread")
    flags = _flags()
    found = [name for name, flag in (("bf16", "avx512_bf16"), ("AMX", "amx_bf16")) if flag in flags]
    told = ", ".join(found) or ("none of bf16, AMX" if flags else "not told by this system")
    yield Finding(
        "processor", "ok", told, "execution.precision: bf16 may be faster" if found else ""
    )


def _flags() -> set[str]:
    """What /proc/cpuinfo says of the processor; nothing on other systems."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(x.split(":", 1)[1].split()) for x in lines if x.startswith("flags")), set())


def _device(root: Path) -> Iterator[Finding]:
    try:
        import torch
    except ImportError as e:
        yield Finding("device", "problem", f"torch cannot be imported: {e}", "install torch again")
        return
    if torch.cuda.is_available():
        yield Finding("device", "ok", f"cuda: {torch.cuda.get_device_name()}")
    else:
        yield Finding("device", "ok", "cpu (PyTorch finds no GPU)")


def _room(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root.resolve()).free / 2**30
    yield room("disk", free, LEAST_DISK, "make room: cells, tables and language models lie here")
    for left in memory.machine():
        do = "close other programs, or set execution.workers: 1 in params.yaml"
        yield room("memory", left / 2**30, LEAST_MEMORY, do)


def room(what: str, free: float, least: float, do: str) -> Finding:
    """Whether so many GiB are enough; half of the least is a problem."""
    state: State = "ok" if free >= least else "notice" if free >= least / 2 else "problem"
    return Finding(what, state, f"{free:.1f} GiB free", "" if state == "ok" else do)


def _mirror(root: Path) -> Iterator[Finding]:
    named = os.environ.get("DATAYIELD_MIRROR")
    if not named:
        yield Finding("mirror", "ok", "none: corpora of the catalog are downloaded")
    elif Path(named).is_dir():
        yield Finding("mirror", "ok", named)
    else:
        yield Finding(
            "mirror",
            "problem",
            f"DATAYIELD_MIRROR={named} is no folder",
            "name a folder, or unset it",
        )


def _servers(root: Path) -> Iterator[Finding]:
    for name in SERVERS:
        url = os.environ.get(name)
        yield server(name, url) if url else Finding(name, "ok", "not set: none is needed")


def server(name: str, url: str) -> Finding:
    """Whether the host and port of an address take a connection; secrets in it are not shown."""
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme in ("sqlite", "file", ""):
        return Finding(name, "ok", f"a file ({scheme or 'path'})")
    try:
        port = parts.port or PORTS.get(scheme)
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        return Finding(name, "problem", "no host and port in its address", f"set {name} anew")
    shown = f"{scheme}://{parts.hostname}:{port}"
    try:
        with socket.create_connection((parts.hostname, port), timeout=WAIT):
            return Finding(name, "ok", f"{shown} answers")
    except OSError as e:
        return Finding(
            name, "problem", f"{shown}: {e.strerror or e}", f"start the server, or unset {name}"
        )


def _versioning(root: Path) -> Iterator[Finding]:
    if shutil.which("git") is None:
        yield Finding("git", "notice", "not found", "install git to keep versions of studies")
    elif children.ran(["git", "rev-parse", "--is-inside-work-tree"], root).returncode:
        yield Finding(
            "git", "notice", "this folder is in no repository", "git init, or datayield init"
        )
    else:
        changed = len(children.ran(["git", "status", "--porcelain"], root).stdout.splitlines())
        yield Finding("git", "ok", f"{changed} files not committed" if changed else "all committed")
    if not (root / "dvc.yaml").exists():
        yield Finding("dvc", "notice", "no dvc.yaml here", "cd into a project, or datayield init")
        return
    if not _dvc_root(root):
        yield Finding("dvc", "problem", "dvc.yaml without .dvc", "dvc init (without git: --no-scm)")
    else:
        yield Finding(
            "dvc", "ok", "dvc.lock" if (root / "dvc.lock").exists() else "nothing computed yet"
        )


def _dvc_root(root: Path) -> bool:
    own = root.resolve()
    return any((folder / ".dvc").is_dir() for folder in (own, *own.parents))


def _study(root: Path) -> Iterator[Finding]:
    from datayield import config

    if not (root / "params.yaml").exists():
        yield Finding("params.yaml", "notice", "none here", "datayield preset default, or init")
    else:
        try:
            params = config.load(root / "params.yaml")
            yield Finding("params.yaml", "ok", f"study {params.study.name}")
        except UserError as e:
            yield Finding("params.yaml", "problem", str(e).splitlines()[0], "mend it")
    held = root / "state" / "study.lock"
    if held.exists() and not _free(held):
        yield Finding("lock", "notice", "a study runs in this folder", "wait for it, or end it")
    else:
        yield Finding("lock", "ok", "no study runs in this folder")


def _free(path: Path) -> bool:
    """Whether nobody holds a lock."""
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=0):
            return True
    except (Timeout, OSError):
        return False
