"""Runs the flow `refresh`, which brings a study up to date, with artifacts for Prefect's pages."""

import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.states import Completed, Failed

from datayield import config
from datayield.config import project
from datayield.core import files
from datayield.core.errors import UserError
from datayield.core.system import subprocesses
from datayield.corpora import incoming
from datayield.integrations.prefect_tasks import slug
from datayield.report import compare_studies, wording

NAME = "refresh"
FAILED = "datayield.refresh.failed"


@dataclass(frozen=True, slots=True)
class Refreshed:
    """The outcome of a refresh."""

    study: str
    report: Path  # of the study, absolute
    taken: tuple[str, ...]
    refused: tuple[str, ...]
    ran: tuple[str, ...]  # names of the stages that were stale
    headline: str  # Markdown table: best arm, score and multiplier per corpus and budget
    changed: str  # Markdown: what moved since the last run


def tell_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Send an event about a failed run, which automations get at once.

    Prefect's own event of a run waits 15 minutes for the one that it follows, and its scheduler
    sends none for the runs that it makes (Prefect 3.8).
    """
    emit_event(
        FAILED,
        {
            "prefect.resource.id": f"prefect.flow-run.{flow_run.id}",
            "prefect.resource.name": flow_run.name,
        },
        related=[
            {
                "prefect.resource.id": f"prefect.flow.{flow_run.flow_id}",
                "prefect.resource.role": "flow",
                "prefect.resource.name": flow.name,
            }
        ],
    )


def run_name() -> str:
    """Return the name of a run on Prefect's pages: its deployment and when it was to begin.

    A run without a deployment is called "by hand".
    """
    planned = runtime.flow_run.scheduled_start_time or datetime.now(UTC)
    return f"{runtime.deployment.name or 'by hand'} {planned.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@task(name="dvc repro", task_run_name="dvc repro", cache_policy=NO_CACHE, persist_result=False)
def _refreshed(folder: Path) -> Refreshed:
    return refresh(folder, get_run_logger().info)


@flow(
    name=NAME,
    flow_run_name=run_name,
    log_prints=False,
    persist_result=False,
    on_failure=[tell_failure],
)
def refresh_study(
    folder: Path = Path(),
    preset: str = "",
    latest_minutes: int = 720,
    report_url: str = "",
) -> Any:
    """Bring a study up to date: new labelled rows, then whatever DVC finds stale.

    Args:
        folder: the project, relative to the deployment's folder.
        preset: the study of this name in studies/<preset> below the folder; empty: the folder's own.
        latest_minutes: a scheduled run that begins later than this is skipped; the next one does all.
        report_url: where the folder `reports` is served; empty: the report's file on this machine.
    """
    late = _minutes_late()
    if late > latest_minutes:
        return Completed(message=f"skipped: it began {late:.0f} minutes late", name="Skipped")
    found = _refreshed(folder_of(folder, preset or None))
    key = slug(found.study)
    # Prefect's cards show some 40 characters of a description.
    create_markdown_artifact(
        found.headline,
        key=f"headline-{key}",
        description="best arm per budget, score with interval",
    )
    changed = "\n".join(["## Since the last run", found.changed, *_bullets(found)])
    create_markdown_artifact(
        changed, key=f"changed-{key}", description="what moved since the last run, and why"
    )
    _link_report(found, report_url, f"report-{key}")
    if found.refused:
        return Failed(message="; ".join(found.refused))
    return Completed(
        message=f"{len(found.ran)} stages were stale" if found.ran else "nothing stale"
    )


def _link_report(found: Refreshed, report_url: str, key: str) -> None:
    """Link the report where it is served; else name its file, since pages open no `file:` link."""
    if report_url:
        address = f"{report_url.rstrip('/')}/{found.study}/index.html"
        name = f"the report of {found.study}"
        create_link_artifact(address, link_text=name, key=key, description="the report")
        return
    text = (
        f"`{found.report / 'index.html'}`\n\nA link stands here where the deployment's parameter"
        " `report_url` says where the folder `reports` is served."
    )
    create_markdown_artifact(
        text, key=key, description="the report, a file on the worker's machine"
    )


def _bullets(found: Refreshed) -> list[str]:
    groups = {"New rows": found.taken, "Refused": found.refused, "Stages that ran": found.ran}
    return [
        line
        for title, entries in groups.items()
        if entries
        for line in ("", f"## {title}", *(f"- {entry}" for entry in entries))
    ]


def _minutes_late() -> float:
    """Return how many minutes after its scheduled time this run began; 0 without a schedule."""
    planned = runtime.flow_run.scheduled_start_time
    if planned is None or not runtime.flow_run.id:
        return 0.0
    return max(0.0, float((datetime.now(UTC) - planned).total_seconds()) / 60)


def folder_of(root: Path, preset: str | None) -> Path:
    """Return the study's folder: the folder itself, or `studies/<preset>`, created when missing.

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
    """Add new rows to the study and compute everything that is stale.

    Args:
        folder: the project.
        say: called with every line of progress.

    Raises:
        UserError: the study ended with an error; the next refresh continues from there.
    """
    found = incoming.take_in(folder)
    for sentence in (*found.taken, *found.refused):
        say(sentence)
    study = config.load(folder / "params.yaml").study.name
    report = folder.resolve() / "reports" / study
    before = _side(report, "the last run")
    ran = _repro(folder, say)
    after = _side(report, "this run")
    if after is None:
        raise UserError(
            f"{report / compare_studies.FILE} is missing after `dvc repro`; is the study in git?"
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


def _side(report: Path, name: str) -> compare_studies.Side | None:
    path = report / compare_studies.FILE
    if not path.exists():
        return None
    return compare_studies.Side(name, None, files.read_json(path))


def _repro(folder: Path, say: Callable[[str], None]) -> list[str]:
    """Run `datayield study` in that folder; return the stages that ran."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PREFECT__")}
    ran, last = [], ""
    with subprocesses.started(
        [sys.executable, "-m", "datayield", "study"],
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
    ) as running:
        assert running.stdout is not None
        for line in running.stdout:
            if text := line.rstrip():
                say(text)
                last = text
            if line.startswith("Running stage '"):
                ran.append(line.split("'")[1])
    if running.returncode:
        raise UserError(f"the study in {folder.resolve()} ended with an error: {last}")
    return ran


def headline(metrics: Mapping[str, Any]) -> str:
    """Return the best arm by validation per corpus and budget, as a Markdown table."""
    rows = [
        "| corpus | labels | best arm by validation | score | worth, in plain's labels |",
        "|---|---:|---|---|---|",
    ]
    for name, c in metrics["corpora"].items():
        for n, arm in sorted(c["best"].items(), key=lambda x: int(x[0])):
            at = c["arms"][arm][n]
            score = c["metric"]
            range_of_score = wording.score_of(at[score], at[f"{score}_low"], at[f"{score}_high"])
            worth = _worth(at["multiplier"]) if "multiplier" in at else "the baseline"
            rows.append(f"| {name} | {int(n):,} | {arm} | {range_of_score} | {worth} |")
    return "\n".join(rows)


def _worth(multiplier: Mapping[str, float | None]) -> str:
    if multiplier["point"] is None:
        return "beyond what was measured"
    low, high = (
        "open" if (end := multiplier[k]) is None else f"{end:.2f}" for k in ("low", "high")
    )
    return f"{multiplier['point']:.2f}× [{low}, {high}]"


def _changed(before: compare_studies.Side | None, after: compare_studies.Side) -> str:
    if before is None:
        return "The first run of this study: nothing to compare with."
    if before.metrics == after.metrics:
        return "Nothing: every number is as it was."
    return "\n".join(["```", *compare_studies.lines(before, after), "```"])
