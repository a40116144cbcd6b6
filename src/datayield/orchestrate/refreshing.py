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


@task(name="dvc repro", cache_policy=NO_CACHE, persist_result=False)
def _refreshed(folder: Path) -> refresh.Refreshed:
    return refresh.refresh(folder, get_run_logger().info)


@flow(name=NAME, log_prints=False, persist_result=False, on_failure=[tell_failure])
def refresh_study(
    folder: Path = Path(),
    preset: str | None = None,
    latest_minutes: int = 720,
    report_url: str | None = None,
) -> Any:
    """Bring a study up to date: new labelled rows, then whatever DVC finds stale.

    Args:
        folder: the project, relative to the deployment's folder.
        preset: the study of this name in studies/<preset> below the folder; none: the folder's own.
        latest_minutes: a scheduled run that begins later than this is skipped; the next one does all.
        report_url: where the folder `reports` is served; none: the report's file on this machine.
    """
    late = _minutes_late()
    if late > latest_minutes:
        return Completed(message=f"skipped: it began {late:.0f} minutes late", name="Skipped")
    found = _refreshed(refresh.folder_of(folder, preset))
    key = slug(found.study)
    description = "the best arm by validation; scores with intervals"
    create_markdown_artifact(found.headline, key=f"headline-{key}", description=description)
    changed = "\n".join(["## Since the last run", found.changed, *_bullets(found)])
    create_markdown_artifact(changed, key=f"changed-{key}", description="what moved, and why")
    page = f"{report_url.rstrip('/')}/{found.study}/index.html" if report_url else None
    link = page or (found.report / "index.html").as_uri()
    create_link_artifact(link, link_text="the report", key=f"report-{key}")
    if found.refused:
        return Failed(message="; ".join(found.refused))
    return Completed(
        message=f"{len(found.ran)} stages were stale" if found.ran else "nothing stale"
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
