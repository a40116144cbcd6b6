"""Checks and deploys prefect.yaml, with its work pool and a notification, for `datayield deploy`."""

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from prefect.automations import Automation
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import WorkPoolCreate
from prefect.client.schemas.schedules import CronSchedule, IntervalSchedule
from prefect.events import EventTrigger
from prefect.events.actions import SendNotification
from prefect.events.schemas.automations import Posture
from prefect.exceptions import ObjectNotFound
from pydantic import ValidationError

from datayield.core.errors import UserError
from datayield.core.system import services, subprocesses
from datayield.integrations.prefect_refresh import FAILED, NAME

AUTOMATION = "datayield: a refresh failed"
FAILURES = {FAILED, "prefect.flow-run.Crashed", "prefect.flow-run.TimedOut"}


def deploy(root: Path, notify: str | None = None) -> list[str]:
    """Bring the server's deployments up to prefect.yaml.

    Args:
        root: the project folder.
        notify: TYPE/NAME of a notification block on the server, which gets every run that fails.

    Returns:
        One sentence for each thing that was done.

    Raises:
        UserError: no usable server, an unreadable file, an impossible schedule, an unknown block.
    """
    deployments = read(root / "prefect.yaml")
    services.require_prefect()
    done = []
    with get_client(sync_client=True) as client:
        if notify is not None:
            _notify(client, notify)
            done.append(f"{notify} gets every refresh that fails")
        for pool in sorted({d["work_pool"]["name"] for d in deployments}):
            if _made(client, pool):
                done.append(f"created the process work pool {pool}")
    ended = subprocesses.ran(
        [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all"], root
    )
    if ended.returncode:
        message = " ".join((ended.stderr or ended.stdout).split())[-400:]
        raise UserError(f"`prefect deploy --all` ended with an error: {message}")
    for d in deployments:
        done.append(f"deployed {d['name']}: {', '.join(d['schedules']) or 'without a schedule'}")
    return done


def read(path: Path) -> list[dict[str, Any]]:
    """Return the deployments of a prefect.yaml, with their schedules in words.

    Raises:
        UserError: names the file, the deployment and the expected form.
    """
    try:
        found = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(f"{path} is missing; `datayield init --renew` writes it") from e
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as e:
        raise UserError(f"{path} is not YAML: {' '.join(str(e).split())}") from e
    listed = found.get("deployments") if isinstance(found, Mapping) else None
    if not isinstance(listed, list) or not listed:
        raise UserError(f"{path} has no list of deployments")
    return [_checked(path, number, d) for number, d in enumerate(listed, 1)]


def _checked(path: Path, number: int, deployment: Any) -> dict[str, Any]:
    if not isinstance(deployment, dict):
        raise UserError(f"{path}, deployment {number}: expected a mapping")
    name = deployment.get("name", f"number {number}")
    pool = deployment.get("work_pool")
    if not isinstance(pool, dict) or not isinstance(pool.get("name"), str):
        raise UserError(f"{path}, deployment {name}: expected work_pool: {{name: datayield}}")
    schedules = [
        _schedule(f"{path}, deployment {name}", x) for x in deployment.get("schedules") or []
    ]
    return {**deployment, "name": name, "schedules": schedules}


def _schedule(where: str, entry: Any) -> str:
    """Return a schedule in words."""
    if not isinstance(entry, dict) or len({"cron", "interval"} & set(entry)) != 1:
        raise UserError(
            f'{where}: expected schedules as {{cron: "0 2 * * *", timezone: UTC}} or {{interval: 3600}}'
            f" (seconds), got {entry}"
        )
    try:
        if "cron" in entry:
            cron = CronSchedule(cron=entry["cron"], timezone=entry.get("timezone", "UTC"))
            return f"{cron.cron} {cron.timezone}"
        interval = IntervalSchedule(interval=entry["interval"])
        return f"every {interval.interval}"
    except ValidationError as e:
        fault = e.errors()[0]
        field = str(fault["loc"][0]) if fault["loc"] else "schedule"
        raise UserError(
            f"{where}: {field} {entry.get(field, entry)!r} is not a"
            f" schedule: {fault['msg'].removeprefix('Value error, ')}. Expected five fields (minute hour"
            ' day month weekday), e.g. "0 2 * * *", and a timezone like Europe/Vienna; or seconds'
        ) from e


def _made(client: SyncPrefectClient, name: str) -> bool:
    """Create a process work pool unless one of this name exists; return whether it was created."""
    try:
        pool = client.read_work_pool(name)
    except ObjectNotFound:
        client.create_work_pool(WorkPoolCreate(name=name, type="process"))
        return True
    if pool.type != "process":
        raise UserError(
            f"the work pool {name} is of type {pool.type}, expected process. Name another in prefect.yaml."
        )
    return False


def _notify(client: SyncPrefectClient, block: str) -> None:
    """Replace the automation on the server that sends every failed refresh to the block."""
    kind, _, name = block.partition("/")
    try:
        document = client.read_block_document_by_name(name, kind).id
    except ObjectNotFound as e:
        raise UserError(
            f"--notify {block}: the server has no such block. Create one on its page Blocks (Slack, mail,"
            " webhook, …) and name it TYPE/NAME, e.g. slack-webhook/labels"
        ) from e
    automation = Automation(
        name=AUTOMATION,
        description="Written by `datayield deploy --notify`.",
        trigger=EventTrigger(
            expect=FAILURES,
            match_related={"prefect.resource.role": "flow", "prefect.resource.name": NAME},
            posture=Posture.Reactive,
            threshold=1,
        ),
        actions=[
            SendNotification(
                block_document_id=document,
                subject="datayield: {{ flow_run.name }} failed",
                body="{{ flow.name }} {{ flow_run.name }}: {{ flow_run.state.name }},"
                " {{ flow_run.state.message }}",
            )
        ],
    )
    for old in client.read_automations_by_name(AUTOMATION):
        client.delete_automation(old.id)
    automation.create()
