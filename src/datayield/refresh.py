"""A whole study brought up to date, unattended: new rows taken in, `dvc repro`, what changed.

Plain functions; `orchestrate.refresh_study` is the Prefect flow around them.
"""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datayield import children, config, intake, project, table
from datayield.errors import UserError
from datayield.report import versus, words


@dataclass(frozen=True, slots=True)
class Refreshed:
    """What a refresh found and left."""

    study: str
    report: Path  # of the study, absolute
    taken: tuple[str, ...]
    refused: tuple[str, ...]
    ran: tuple[str, ...]  # names of the stages that were stale
    headline: str  # Markdown table: best arm, score and multiplier per corpus and budget
    changed: str  # Markdown: what moved since the last run


def folder_of(root: Path, preset: str | None) -> Path:
    """Where the study lies: the folder itself, or `studies/<preset>` below it, made when missing.

    Raises:
        UserError: the preset is unknown or its folder holds something else.
    """
    if preset is None:
        if not (root / "dvc.yaml").exists():
            raise UserError(f"{root.resolve()} has no dvc.yaml; name a project's folder")
        return root
    folder = root / "studies" / preset
    if not project.is_project(folder):
        project.make(folder, config.preset(preset), preset)
    return folder


def refresh(folder: Path, say: Callable[[str], None]) -> Refreshed:
    """Take in new rows and compute what is stale.

    Args:
        folder: the project.
        say: is told what happens, line by line.

    Raises:
        UserError: the study ended with an error; the next refresh goes on from there.
    """
    found = intake.take_in(folder)
    for sentence in (*found.taken, *found.refused):
        say(sentence)
    study = config.load(folder / "params.yaml").study.name
    report = folder.resolve() / "reports" / study
    before = _side(report, "the last run")
    ran = _repro(folder, say)
    after = _side(report, "this run")
    if after is None:
        raise UserError(
            f"{report / versus.FILE} is missing after `dvc repro`; is the study in git?"
        )
    return Refreshed(
        study,
        report,
        found.taken,
        found.refused,
        tuple(ran),
        headline(after.metrics),
        _changed(before, after),
    )


def _side(report: Path, name: str) -> versus.Side | None:
    path = report / versus.FILE
    if not path.exists():
        return None
    return versus.Side(name, None, table.read_json(path))


def _repro(folder: Path, say: Callable[[str], None]) -> list[str]:
    """`datayield study` in that folder; returns the stages that ran."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT__")}
    ran, last = [], ""
    with children.started(
        [sys.executable, "-m", "datayield.cli", "study"],
        cwd=folder,
        env=own,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if said := line.rstrip():
                say(said)
                last = said
            if line.startswith("Running stage '"):
                ran.append(line.split("'")[1])
    if running.returncode:
        raise UserError(f"the study in {folder.resolve()} ended with an error: {last}")
    return ran


def headline(metrics: Mapping[str, Any]) -> str:
    """The best arm by validation per corpus and budget, as a Markdown table."""
    rows = [
        "| corpus | labels | best arm by validation | score | worth, in plain's labels |",
        "|---|---:|---|---|---|",
    ]
    for name, c in metrics["corpora"].items():
        for n, arm in sorted(c["best"].items(), key=lambda x: int(x[0])):
            at = c["arms"][arm][n]
            score = c["metric"]
            told = words.score(
                {"estimate": at[score], "low": at[f"{score}_low"], "high": at[f"{score}_high"]}
            )
            worth = _worth(at["multiplier"]) if "multiplier" in at else "the baseline"
            rows.append(f"| {name} | {int(n):,} | {arm} | {told} | {worth} |")
    return "\n".join(rows)


def _worth(multiplier: Mapping[str, float | None]) -> str:
    if multiplier["point"] is None:
        return "beyond what was measured"
    low, high = (
        "open" if (end := multiplier[k]) is None else f"{end:.2f}" for k in ("low", "high")
    )
    return f"{multiplier['point']:.2f}× [{low}, {high}]"


def _changed(before: versus.Side | None, after: versus.Side) -> str:
    if before is None:
        return "The first run of this study: nothing to compare with."
    if before.metrics == after.metrics:
        return "Nothing: every number is as it was."
    return "\n".join(["```", *versus.lines(before, after), "```"])
