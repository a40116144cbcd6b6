"""Keeps how far a stage is in a small file, from which `datayield study` draws its board."""

import json
import shutil
import time
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path

from datayield.core import files
from datayield.core.errors import UserError


@dataclass(frozen=True, slots=True)
class MeanCurve:
    """The mean test score of one arm over the cells computed so far; a picture, never a claim."""

    title: str  # of the arm, for readers
    points: tuple[tuple[int, float], ...]  # (labels, mean score in [0, 1]), labels ascending


@dataclass(frozen=True, slots=True)
class StageProgress:
    """Says how far the stage `tune` or `study` is at one corpus."""

    corpus: str
    unit: str  # what is counted: "cells" or "searches"
    done: int  # of `total`, those of earlier runs and failed ones included
    total: int  # known so far; the steps of a race and of `draws: auto` add to it
    step: str = ""  # as messages name it: "look 1 of 4"
    failed: int = 0
    seconds_left: float | None = None  # predicted, until `total`; None before anything is finished
    latest: str = ""  # what was finished last
    metric: str = ""  # "accuracy" or "macro_f1"
    curves: tuple[MeanCurve, ...] = ()  # the baseline's, then that of the arm that leads it by most
    written: float = field(default_factory=time.time)  # seconds since the epoch


def write_progress(progress: StageProgress, root: Path) -> None:
    """Write the file of a corpus; a folder that cannot be written stops no stage."""
    with suppress(UserError):
        files.write_text(json.dumps(asdict(progress)), _path(root, progress.corpus))


def read_progress(root: Path, corpus: str) -> StageProgress | None:
    """Read the file of a corpus; None if there is none that can be read."""
    try:
        found = json.loads(_path(root, corpus).read_text(encoding="utf-8"))
        curves = (
            MeanCurve(c["title"], tuple((int(n), float(x)) for n, x in c["points"]))
            for c in found["curves"]
        )
        return StageProgress(**{**found, "curves": tuple(curves)})
    except (KeyError, OSError, TypeError, ValueError):
        return None


def forget_progress(root: Path) -> None:
    """Remove the files of an earlier run."""
    shutil.rmtree(root / "state" / "progress", ignore_errors=True)


def _path(root: Path, corpus: str) -> Path:
    return root / "state" / "progress" / f"{corpus}.json"
