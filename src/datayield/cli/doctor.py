"""Checks that this machine and folder have what a study needs, and says how to fix what is missing.

Nothing is changed, and nothing leaves the machine but a connection to the servers that the environment names.
"""

import argparse
import os
import shutil
import socket
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from importlib.metadata import PackageNotFoundError, requires, version
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from datayield.cli import common
from datayield.core.errors import UserError
from datayield.core.system import machine, subprocesses

State = Literal["ok", "notice", "problem"]
TOOLS = ("torch", "prefect", "dvc", "optuna", "mlflow", "numpy", "scikit-learn", "pyarrow")
LEAST_DISK, LEAST_MEMORY = 2, 2  # GiB
SERVERS = ("PREFECT_API_URL", "MLFLOW_TRACKING_URI", "DATAYIELD_OPTUNA_STORAGE")
PORTS = {"http": 80, "https": 443, "postgresql": 5432, "mysql": 3306}
TIMEOUT = 3.0  # seconds for a connection
SHELLS = ("bash", "zsh", "fish")
COLOURS = {"ok": "32", "notice": "33", "problem": "31"}  # ANSI: green, yellow, red


def add(commands: "common.Commands") -> None:
    """Add the commands `doctor` and `completion`."""
    doctor = common.command(
        commands,
        "doctor",
        "check that this machine and folder have what a study needs; exit code 1 on a problem",
        "datayield doctor",
        "datayield doctor --quiet        # notices and problems only",
        "datayield doctor --json",
    )
    doctor.add_argument(
        "--quiet", "-q", action="store_true", help="notices and problems only (default: all checks)"
    )
    common.add_json(doctor)
    doctor.set_defaults(run=_doctor)

    completion = common.command(
        commands,
        "completion",
        "print the script with which a shell completes commands and options",
        "datayield completion bash > ~/.local/share/bash-completion/completions/datayield",
        "datayield completion zsh > ~/.zfunc/_datayield     # with ~/.zfunc in fpath",
        "datayield completion fish > ~/.config/fish/completions/datayield.fish",
    )
    completion.add_argument(
        "shell", metavar="SHELL", choices=SHELLS, help=f"name of the shell: {', '.join(SHELLS)}"
    )
    completion.set_defaults(run=_completion)


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check."""

    name: str
    state: State
    message: str
    fix: str = ""  # command or edit that fixes it; "" where nothing needs fixing


def examine(root: Path) -> list[Finding]:
    """Return every finding, in the order in which a study would meet them."""
    checks: tuple[Callable[[Path], Iterator[Finding]], ...] = (
        _packages, _processor, _device, _disk_and_memory, _mirror, _servers, _versioning, _study,
    )  # fmt: skip
    return [finding for check in checks for finding in check(root)]


def _packages(root: Path) -> Iterator[Finding]:
    yield Finding("python", "ok", ".".join(map(str, sys.version_info[:3])))
    bounds = required_versions()
    for name in TOOLS:
        bound = bounds.get(name, "")
        try:
            installed = version(name)
        except PackageNotFoundError:
            yield Finding(name, "problem", "not installed", f"pip install '{name}{bound}'")
            continue
        yield check_version(name, installed, bound)


def check_version(name: str, installed: str, bound: str) -> Finding:
    """Return a problem if an installed version lies outside its bound."""
    from packaging.specifiers import SpecifierSet

    if bound and not SpecifierSet(bound).contains(installed):
        message = f"{installed}, needs {bound}"
        return Finding(name, "problem", message, f"pip install '{name}{bound}'")
    return Finding(name, "ok", f"{installed}{f' ({bound})' if bound else ''}")


def required_versions() -> dict[str, str]:
    """Return package → version bound, as the installed datayield requires them."""
    from packaging.requirements import Requirement

    try:
        lines = [line for line in requires("datayield") or [] if "extra" not in line]
    except PackageNotFoundError:
        return {}
    return {r.name: str(r.specifier) for r in map(Requirement, lines)}


def _processor(root: Path) -> Iterator[Finding]:
    threads = os.environ.get("OMP_NUM_THREADS", "")
    if threads != "1":
        yield Finding(
            "threads", "notice", f"OMP_NUM_THREADS={threads}",
            "unset OMP_NUM_THREADS: rows repeat to the last bit only with one thread per worker",
        )  # fmt: skip
    else:
        yield Finding("threads", "ok", f"{machine.workers('auto')} workers of one thread")
    flags = _processor_flags()
    fast = [name for name, flag in (("bf16", "avx512_bf16"), ("AMX", "amx_bf16")) if flag in flags]
    missing = "no bf16 and no AMX" if flags else "instructions unknown on this system"
    hint = "execution.precision: bf16 in params.yaml may be faster" if fast else ""
    yield Finding("processor", "ok", ", ".join(fast) or missing, hint)


def _processor_flags() -> set[str]:
    """Return the instruction sets that /proc/cpuinfo lists; none on systems without that file."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return set()
    return next((set(x.split(":", 1)[1].split()) for x in lines if x.startswith("flags")), set())


def _device(root: Path) -> Iterator[Finding]:
    from datayield.models import accelerator

    try:
        gpu = accelerator.gpu_name()
    except ImportError as e:
        yield Finding("device", "problem", f"torch cannot be imported: {e}", "install torch again")
        return
    yield Finding("device", "ok", f"cuda: {gpu}" if gpu else "cpu (PyTorch finds no GPU)")


def _disk_and_memory(root: Path) -> Iterator[Finding]:
    free = shutil.disk_usage(root.resolve()).free / 2**30
    fix = "free disk space here: a project stores its cells, tables and language models"
    yield check_space("disk", free, LEAST_DISK, fix)
    fix = "close other programs, or set execution.workers: 1 in params.yaml"
    yield check_space("memory", machine.system_memory() / 2**30, LEAST_MEMORY, fix)


def check_space(name: str, free: float, least: float, fix: str) -> Finding:
    """Return a notice if fewer than `least` GiB are free, a problem below half of it."""
    state: State = "ok" if free >= least else "notice" if free >= least / 2 else "problem"
    return Finding(name, state, f"{free:.1f} GiB free", "" if state == "ok" else fix)


def _mirror(root: Path) -> Iterator[Finding]:
    mirror = os.environ.get("DATAYIELD_MIRROR")
    if not mirror:
        yield Finding("mirror", "ok", "none: corpora of the catalog are downloaded")
    elif Path(mirror).is_dir():
        yield Finding("mirror", "ok", mirror)
    else:
        message = f"DATAYIELD_MIRROR={mirror} is not a folder"
        yield Finding("mirror", "problem", message, "set DATAYIELD_MIRROR to a folder, or unset it")


def _servers(root: Path) -> Iterator[Finding]:
    for name in SERVERS:
        url = os.environ.get(name)
        yield check_server(name, url) if url else Finding(name, "ok", "not set: not needed")


def check_server(name: str, url: str) -> Finding:
    """Return a problem if the host and port of an address take no connection; show no secret in it."""
    parts = urlsplit(url)
    scheme = parts.scheme.partition("+")[0]
    if scheme in ("sqlite", "file", ""):
        return Finding(name, "ok", f"a file ({scheme or 'path'})")
    try:
        port = parts.port or PORTS.get(scheme)
    except ValueError:
        port = None
    if not parts.hostname or port is None:
        return Finding(name, "problem", "its address has no host and port", f"set {name} again")
    address = f"{scheme}://{parts.hostname}:{port}"
    try:
        with socket.create_connection((parts.hostname, port), timeout=TIMEOUT):
            return Finding(name, "ok", f"{address} answers")
    except OSError as e:
        message = f"{address}: {e.strerror or e}"
        return Finding(name, "problem", message, f"start the server, or unset {name}")


def _versioning(root: Path) -> Iterator[Finding]:
    if shutil.which("git") is None:
        yield Finding("git", "notice", "not found", "install git to keep versions of studies")
    elif subprocesses.ran(["git", "rev-parse", "--is-inside-work-tree"], root).returncode:
        message = "this folder is not in a repository"
        yield Finding("git", "notice", message, "run git init, or datayield init")
    else:
        changed = len(subprocesses.ran(["git", "status", "--porcelain"], root).stdout.splitlines())
        yield Finding("git", "ok", f"{changed} files not committed" if changed else "all committed")
    if not (root / "dvc.yaml").exists():
        fix = "change to a project's folder, or run datayield init"
        yield Finding("dvc", "notice", "no dvc.yaml here", fix)
    elif not _in_dvc_repository(root):
        fix = "run dvc init (without git: dvc init --no-scm)"
        yield Finding("dvc", "problem", "dvc.yaml without a folder .dvc", fix)
    else:
        computed = (root / "dvc.lock").exists()
        yield Finding("dvc", "ok", "dvc.lock" if computed else "nothing computed yet")


def _in_dvc_repository(root: Path) -> bool:
    folder = root.resolve()
    return any((parent / ".dvc").is_dir() for parent in (folder, *folder.parents))


def _study(root: Path) -> Iterator[Finding]:
    from datayield import config

    if not (root / "params.yaml").exists():
        fix = "run datayield preset default, or datayield init"
        yield Finding("params.yaml", "notice", "none here", fix)
    else:
        try:
            params = config.load(root / "params.yaml")
            yield Finding("params.yaml", "ok", f"study {params.study.name}")
        except UserError as e:
            yield Finding("params.yaml", "problem", str(e).splitlines()[0], "edit params.yaml")
    lock = root / "state" / "study.lock"
    if lock.exists() and not _is_free(lock):
        yield Finding("lock", "notice", "a study runs in this folder", "wait for it, or end it")
    else:
        yield Finding("lock", "ok", "no study runs in this folder")


def _is_free(path: Path) -> bool:
    from filelock import FileLock, Timeout

    try:
        with FileLock(path, timeout=0):
            return True
    except (Timeout, OSError):
        return False


def _doctor(options: argparse.Namespace) -> int:
    findings = examine(common.ROOT)
    if options.json:
        print(common.as_json([asdict(f) for f in findings]), end="")
    else:
        for f in findings:
            if f.state != "ok" or not options.quiet:
                fix = f" → {f.fix}" if f.fix else ""
                print(f"{_coloured(f.state)} {f.name:26} {f.message}{fix}")
        counts = Counter(f.state for f in findings)
        print(f"{counts['problem']} problems, {counts['notice']} notices")
    return int(any(f.state == "problem" for f in findings))


def _coloured(state: State) -> str:
    """Return the state, eight columns wide, in its colour if the output shows colours."""
    word = f"{state:8}"
    return f"\x1b[{COLOURS[state]}m{word}\x1b[0m" if _shows_colours() else word


def _shows_colours() -> bool:
    """Return whether standard output is a terminal and NO_COLOR (no-color.org) is not set."""
    plain = os.environ.get("NO_COLOR") or os.environ.get("TERM") == "dumb"
    return sys.stdout.isatty() and not plain


def _completion(options: argparse.Namespace) -> None:
    import shtab

    print(shtab.complete(options.parser, shell=options.shell))
