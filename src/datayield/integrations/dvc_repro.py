"""Runs `dvc repro` in a project's folder: the one command that is started as a process of its own."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

from datayield.config import project
from datayield.core.errors import UserError
from datayield.core.system import machine, subprocesses
from datayield.integrations import prefect_server

_AGAIN = "The same command continues from there."
_LINES = 8  # last lines of DVC's own error that are quoted where no stage gave a message


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
    project.renew_code(root)
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}"
    options = ["--verbose"] if verbose else []
    pipe = subprocess.PIPE if quiet else None
    with (
        prefect_server.owned(root),
        subprocesses.started(
            [sys.executable, "-m", "dvc", "repro", *options, *targets],
            cwd=root,
            env={**machine.QUIET, **os.environ, "PATH": path},
            stdout=pipe,
            stderr=pipe,
            encoding="utf-8",
            errors="replace",
        ) as running,
    ):
        _, errors = running.communicate()
    if running.returncode:
        reason = stage_error(errors) if quiet else "`dvc repro` ended with an error (above)."
        raise UserError(f"{reason}\n{_AGAIN}" if quiet else f"{reason} {_AGAIN}")


def stage_error(errors: str) -> str:
    """Return the message of the stage that failed, from everything that `dvc repro` wrote to stderr."""
    lines = errors.strip().splitlines()
    starts = [i for i, line in enumerate(lines) if line.startswith("datayield: ")]
    if not starts:
        return "\n".join(["`dvc repro` ended with an error:", *lines[-_LINES:]])
    message = lines[starts[-1] :]
    end = next((i for i, line in enumerate(message) if line.startswith("ERROR:")), len(message))
    return "\n".join(message[:end]).removeprefix("datayield: ").strip()
