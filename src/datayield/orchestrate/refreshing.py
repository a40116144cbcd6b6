"""The flow `refresh`: a study brought up to date on a schedule, with artifacts for Prefect's pages."""

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from prefect import flow, get_run_logger, runtime, task
from prefect.artifacts import create_link_artifact, create_markdown_artifact
from prefect.cache_policies import NO_CACHE
from prefect.events import emit_event
from prefect.states import Completed, Failed

from datayield import refresh
from datayield.orchestrate.carry import slug

NAME = "refresh"
FAILED = "datayield.refresh.failed"


def tell_failure(flow: Any, flow_run: Any, state: Any) -> None:
    """Send an event about a failed run that automations hear at once.

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
    """What a run is called on Prefect's pages: its deployment and when it was to begin.

    A run without a deployment is called "by hand".
    """
    planned = runtime.flow_run.scheduled_start_time or datetime.now(UTC)
    return f"{runtime.deployment.name or 'by hand'} {planned.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


@task(name="dvc repro", task_run_name="dvc repro", cache_policy=NO_CACHE, persist_result=False)
def _refreshed(folder: Path) -> refresh.Refreshed:
    return refresh.refresh(folder, get_run_logger().info)


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
    found = _refreshed(refresh.folder_of(folder, preset or None))
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
    _tell_report(found, report_url, f"report-{key}")
    if found.refused:
        return Failed(message="; ".join(found.refused))
    return Completed(
        message=f"{len(found.ran)} stages were stale" if found.ran else "nothing stale"
    )


def _tell_report(found: refresh.Refreshed, report_url: str, key: str) -> None:
    """A link where the reports are served; else the file's name, since pages open no `file:` link."""
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


def _bullets(found: refresh.Refreshed) -> list[str]:
    groups = {"New rows": found.taken, "Refused": found.refused, "Stages that ran": found.ran}
    return [
        line
        for title, entries in groups.items()
        if entries
        for line in ("", f"## {title}", *(f"- {entry}" for entry in entries))
    ]


def _minutes_late() -> float:
    """How long after its scheduled time this run began; 0 without a schedule."""
    planned = runtime.flow_run.scheduled_start_time
    if planned is None or not runtime.flow_run.id:
        return 0.0
    return max(0.0, float((datetime.now(UTC) - planned).total_seconds()) / 60)
