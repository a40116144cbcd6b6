"""Reads from what `dvc repro` writes which stage runs, and which messages of stages are for the user."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

_RUNNING = re.compile(r"Running stage '([^']+)'")
_SKIPPED = re.compile(r"Stage '([^']+)' (?:didn't change|is cached)")
_MESSAGE = re.compile(r"(?:notice|failed): |after \d+ draws: |of \d+ strategies go on: ")


@dataclass(frozen=True, slots=True)
class DvcRun:
    """The stages of a run of DVC so far, named as in dvc.yaml: `study@pydocs`."""

    running: str = ""  # "" before the first stage and while stages are skipped
    ended: tuple[str, ...] = ()  # in their order, the skipped ones included

    def after(self, lines: Iterable[str]) -> "DvcRun":
        """Return the run after further lines of its log."""
        run = self
        for line in lines:
            if begun := _RUNNING.match(line):
                run = DvcRun(begun[1], run._all_ended())
            elif skipped := _SKIPPED.match(line):
                run = DvcRun("", (*run._all_ended(), skipped[1]))
        return run

    def _all_ended(self) -> tuple[str, ...]:
        return (*self.ended, self.running) if self.running else self.ended


def messages(lines: Iterable[str]) -> list[str]:
    """Return the lines that a stage wrote for the user: notices, failed cells, verdicts of looks and rounds."""
    return [line for line in lines if _MESSAGE.match(line)]
