"""Runs `dvc repro` in a project's folder: the one command that is started as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

from datayield.config import project
from datayield.core.errors import UserError
from datayield.core.system import machine, subprocesses
from datayield.integrations import prefect_server

_AGAIN = "The same command continues from there."
_LINES = 8  # last lines of DVC's own error that are quoted where no stage gave a message


@dataclass(frozen=True, slots=True)
class LoggedRun:
    """A running `dvc repro` with the log that it writes."""

    process: "subprocess.Popen[str]"
    _reader: BinaryIO

    def ended(self, seconds: float) -> bool:
        """Wait up to this many seconds and return whether DVC has ended."""
        with suppress(subprocess.TimeoutExpired):
            self.process.wait(seconds)
        return self.process.returncode is not None

    def new_lines(self) -> list[str]:
        """Return the whole lines that were written since the last call."""
        start = self._reader.tell()
        whole = self._reader.read().rpartition(b"\n")[0]
        self._reader.seek(start + len(whole) + bool(whole))
        return whole.decode("utf-8", "replace").splitlines()


def repro(
    root: Path, targets: Sequence[str] = (), quiet: bool = False, verbose: bool = False
) -> None:
    """Run `dvc repro` in a project's folder.

    Args:
        root: the project's folder.
        targets: stages; none: all of dvc.yaml.
        quiet: keep DVC's output back; the error then holds the message of the stage that failed.
        verbose: let DVC print what it does.

    Raises:
        UserError: a stage ended with an error.
    """
    options = ["--verbose"] if verbose else []
    pipe = subprocess.PIPE if quiet else None
    with _started(root, [*options, *targets], stdout=pipe, stderr=pipe) as running:
        _, errors = running.communicate()
    if running.returncode:
        reason = stage_error(errors) if quiet else "`dvc repro` ended with an error (above)."
        raise UserError(f"{reason}\n{_AGAIN}" if quiet else f"{reason} {_AGAIN}")


@contextmanager
def logged_repro(root: Path, log: Path) -> Iterator[LoggedRun]:
    """Run `dvc repro` while the block lasts; a log file takes what DVC and its stages write.

    Leaving the block waits for the end of DVC, or ends DVC if an exception leaves it.

    Args:
        root: the project's folder.
        log: the file, to which lines are added.

    Raises:
        UserError: a stage ended with an error, or the log cannot be written.
    """
    log.parent.mkdir(parents=True, exist_ok=True)
    with log.open("ab") as out, log.open("rb") as reader:
        reader.seek(0, os.SEEK_END)
        begin = reader.tell()
        with _started(root, [], stdout=out, stderr=subprocess.STDOUT) as running:
            yield LoggedRun(running, reader)
        reader.seek(begin)
        written = reader.read().decode("utf-8", "replace")
    if running.returncode:
        raise UserError(f"{stage_error(written)}\nAll messages: {log}\n{_AGAIN}")


@contextmanager
def _started(
    root: Path, arguments: Sequence[str], **output: Any
) -> "Iterator[subprocess.Popen[str]]":
    """Start `dvc repro` with the installed code's digests, below the owner of a Prefect server."""
    project.renew_code(root)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    with (
        prefect_server.owned(root),
        subprocesses.started(
            [sys.executable, "-m", "dvc", "repro", *arguments],
            cwd=root,
            env={**machine.QUIET, **os.environ, "PATH": path},
            encoding="utf-8",
            errors="replace",
            **output,
        ) as running,
    ):
        yield running


def stage_error(errors: str) -> str:
    """Return the message of the stage that failed, from everything that `dvc repro` wrote to stderr."""
    lines = errors.strip().splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("datayield: ")]
    if not starts:
        return "\n".join(["`dvc repro` ended with an error:", *lines[-_LINES:]])
    message = lines[starts[-1] :]
    end = next((i for i, line in enumerate(message) if line.startswith("ERROR:")), len(message))
    return "\n".join(message[:end]).removeprefix("datayield: ").strip()
