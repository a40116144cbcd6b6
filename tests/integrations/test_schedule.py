"""A real Prefect server with its worker: schedules, the two deployments of prefect.yaml, what pages show."""

import http.server
import json
import shutil
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from datayield.config import project
from tests.browser import chrome
from tests.conftest import REPO, call, datayield, make_project, read_params
from tests.integrations.test_refresh import drop
from tests.integrations.test_servers import end, free_port, start, wait_for

pytestmark = pytest.mark.slow
PICTURES = REPO / "build" / "pages"


class _Listener:
    """Keeps what is posted to it."""

    def __init__(self) -> None:
        self.heard: list[str] = []
        heard = self.heard

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                heard.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                return

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/"


class _Server:
    """A Prefect server, asked through its API."""

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.api = f"http://127.0.0.1:{self.port}/api"
        self.environment = {"PREFECT_HOME": str(folder / "home"), "PREFECT_API_URL": self.api}
        options = ["server", "start", "--host", "127.0.0.1", "--port", str(self.port)]
        quick = {
            "PREFECT_SERVER_SERVICES_SCHEDULER_LOOP_SECONDS": "2",
            "PREFECT_SERVER_UI_API_URL": self.api,  # its pages would ask port 4200
        }
        own = {"PREFECT_HOME": self.environment["PREFECT_HOME"], **quick}
        self.process = start(folder, sys.executable, "-m", "prefect", *options, **own)
        wait_for(f"{self.api}/health")

    def ask(self, path: str, **body: object) -> Any:
        told = self._post(path, json.dumps(body).encode())
        return json.loads(told) if told else None

    def _post(self, path: str, body: bytes) -> bytes:
        """Once more, as Prefect's own client does, where a busy server says that it is (503)."""
        request = urllib.request.Request(
            f"{self.api}{path}", data=body, headers={"Content-Type": "application/json"}
        )
        for wait in (2, 4, 8, None):
            try:
                with urllib.request.urlopen(request, timeout=30) as answer:
                    content: bytes = answer.read()
                    return content
            except urllib.error.HTTPError as e:
                if e.code != 503 or wait is None:
                    raise
                time.sleep(wait)
        raise AssertionError("unreachable")

    def pause(self, deployment: str) -> None:
        """No new scheduled runs; those that wait are taken back."""
        self._post(f"/deployments/{deployment}/pause_deployment", b"")

    def runs(self, deployment: str = "nightly") -> list[dict[str, Any]]:
        """The runs of a deployment that have ended, oldest first."""
        found = self.ask(
            "/flow_runs/filter",
            deployments={"name": {"any_": [deployment]}},
            flow_runs={"state": {"type": {"any_": ["COMPLETED", "FAILED", "CRASHED"]}}},
            sort="EXPECTED_START_TIME_ASC",
            limit=100,
        )
        return list(found)

    def run_that(
        self, said: str, deployment: str = "nightly", after: int = 0, seconds: float = 300
    ) -> dict[str, Any]:
        """Wait for a run whose end says this, not among the first so many."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for run in self.runs(deployment)[after:]:
                if said in (run["state"]["message"] or ""):
                    return run
            time.sleep(1)
        raise AssertionError(f"no run said {said!r}: {[r['state'] for r in self.runs(deployment)]}")

    def of_run(self, run: dict[str, Any]) -> list[dict[str, Any]]:
        """The artifacts of one run."""
        found = self.ask("/artifacts/filter", artifacts={"flow_run_id": {"any_": [run["id"]]}})
        return list(found)

    def artifacts(self) -> dict[str, str]:
        """The newest of every key."""
        found = self.ask("/artifacts/latest/filter", limit=100)
        return {a["key"]: a["data"] for a in found if a["key"]}


@dataclass(frozen=True)
class Deployed:
    """A small project, its deployments, what carries them and who is told."""

    server: _Server
    folder: Path
    listener: _Listener
    reports: str  # where the folder `reports` is served


class _Quiet(http.server.SimpleHTTPRequestHandler):
    """Serves a folder and writes no log."""

    def log_message(self, *_: object) -> None:
        return


BLOCK = """
from prefect.blocks.notifications import CustomWebhookNotificationBlock as Hook
Hook(name="labels", url="{url}", json_data={{"text": "{{{{subject}}}}: {{{{body}}}}"}}).save("labels")
"""


def small(folder: Path, source: Path, name: str) -> None:
    """A project of twelve small cells and a choice of three arms, with the files of `datayield init`."""
    params = read_params(source)
    params["study"]["name"] = name
    params["study"]["grid"] = [{"arms": ["lstm:plain", "tfidf", "nbsvm"], "budgets": [30, 60]}]
    project.make(folder, yaml.safe_dump(params, sort_keys=False), name)
    shutil.copy(source / "written.csv", folder)


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployed]:
    """prefect.yaml deployed on a real server, `nightly` every 20 s, and a worker at work."""
    base = tmp_path_factory.mktemp("deployed")
    source, folder = make_project(base / "source"), base / "project"
    small(folder, source, "small")
    small(folder / "studies" / "full", source, "full")  # the preset's place, but a study of seconds
    wanted = yaml.safe_load((folder / "prefect.yaml").read_text())
    assert [d["name"] for d in wanted["deployments"]] == ["nightly", "weekly"]
    wanted["deployments"][0]["schedules"] = [{"interval": 20}]
    reports = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), partial(_Quiet, directory=str(folder / "reports"))
    )
    threading.Thread(target=reports.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{reports.server_port}"
    wanted["deployments"][0]["parameters"]["report_url"] = address
    (folder / "prefect.yaml").write_text(yaml.safe_dump(wanted))
    listener = _Listener()
    server = _Server(base)
    started = [server.process]
    try:
        block = BLOCK.format(url=listener.url)
        made = call(folder, sys.executable, "-c", block, **server.environment)
        assert made.returncode == 0, made.stderr
        hook = "custom-webhook/labels"
        done = datayield(folder, "deploy", "--notify", hook, **server.environment)
        assert done.returncode == 0, done.stderr
        assert "created the process work pool datayield" in done.stdout
        assert "deployed nightly: every 0:00:20" in done.stdout
        assert "deployed weekly: 0 4 * * 6 UTC" in done.stdout
        options = ["worker", "start", "--pool", "datayield"]
        started.append(
            start(folder, sys.executable, "-m", "prefect", *options, **server.environment)
        )
        yield Deployed(server, folder, listener, address)
    finally:
        for process in reversed(started):
            end(process)
        reports.shutdown()
        reports.server_close()


def test_a_schedule_refreshes_a_study(deployed: Deployed) -> None:
    server, folder = deployed.server, deployed.folder
    server.run_that("stages were stale")
    metrics = json.loads((folder / "reports/small/metrics.json").read_text())
    assert metrics["corpora"]["written"]["complete"] == 1
    run = server.run_that("nothing stale")
    assert run["name"].startswith("nightly 20") and run["name"].endswith(" UTC")

    drop(folder, "monday.csv", 60)
    server.run_that("stages were stale", after=len(server.runs()))
    now = json.loads((folder / "reports/small/metrics.json").read_text())
    assert now["corpora"]["written"]["pool"] > metrics["corpora"]["written"]["pool"]
    every = server.ask("/artifacts/filter", limit=200)
    changes = [a["data"] for a in every if a["key"] == "changed-small"]
    assert any("monday.csv is new, 60 rows" in c for c in changes), changes
    artifacts = server.artifacts()
    assert "| written | 30 |" in artifacts["headline-small"]
    assert (
        artifacts["report-small"] == f"[the report of small]({deployed.reports}/small/index.html)"
    )


def test_a_refresh_that_fails_tells(deployed: Deployed) -> None:
    path = drop(deployed.folder, "tuesday.csv", 30, label="wether")
    run = deployed.server.run_that('has the label "wether"')
    assert run["state_type"] == "FAILED"
    deadline = time.monotonic() + 60
    while not any("wether" in said for said in deployed.listener.heard):
        assert time.monotonic() < deadline, deployed.listener.heard
        time.sleep(0.5)
    assert any("datayield: nightly 20" in said for said in deployed.listener.heard)
    path.unlink()


def test_the_weekly_deployment_runs_the_study_of_its_own_folder(deployed: Deployed) -> None:
    """As prefect.yaml has it, begun now and not on Saturday."""
    server, full = deployed.server, deployed.folder / "studies" / "full"
    (nightly,) = server.ask("/deployments/filter", deployments={"name": {"any_": ["nightly"]}})
    server.pause(nightly["id"])
    (weekly,) = server.ask("/deployments/filter", deployments={"name": {"any_": ["weekly"]}})
    assert weekly["parameters"] == {"folder": ".", "preset": "full", "latest_minutes": 2880}
    assert weekly["concurrency_options"]["collision_strategy"] == "CANCEL_NEW"
    assert not (full / "reports").exists()
    for said in ("stages were stale", "nothing stale"):
        begun = server.ask(f"/deployments/{weekly['id']}/create_flow_run")
        run = server.run_that(said, "weekly")
        assert run["id"] == begun["id"] and run["name"].startswith("weekly 20")
    metrics = json.loads((full / "reports/full/metrics.json").read_text())
    assert metrics["corpora"]["written"]["complete"] == 1
    artifacts = server.artifacts()
    assert "| written | 30 |" in artifacts["headline-full"]
    assert "Nothing: every number is as it was." in artifacts["changed-full"]
    assert f"`{(full / 'reports/full/index.html').resolve()}`" in artifacts["report-full"]


def test_prefects_pages_show_a_refresh(deployed: Deployed, tmp_path: Path) -> None:
    """From the list of runs to a run, by its tab to the artifacts, into each, and on to the report."""
    server = deployed.server
    pages = f"http://127.0.0.1:{server.port}/v2"
    run = server.run_that("stages were stale")
    with chrome.page(tmp_path) as browser:
        browser.open(f"{pages}/runs")
        found = browser.wait("study / small: written", "tune / small: written", "Completed")
        assert "study / full: written" in found, "the weekly one's"
        browser.picture(PICTURES / "prefect_runs.png")

        def shown(key: str, *wanted: str) -> None:
            """Click from the run to one of its artifacts."""
            browser.open(f"{pages}/runs/flow-run/{run['id']}")
            browser.wait(run["name"], "refresh", "1 Task run")
            browser.click("[role=tab]", "Artifacts")
            browser.wait("headline-small", "report-small", "changed-small")
            browser.picture(PICTURES / "prefect_run.png")
            browser.click("a[href*='/artifacts/key/']", key)
            own = next(a["id"] for a in server.of_run(run) if a["key"] == key)
            browser.click(f"a[href*='{own}']")
            browser.wait(*wanted, run["name"])
            browser.picture(PICTURES / f"prefect_{key}.png")

        shown("headline-small", "best arm by validation", "written 30", "written 60", "%")
        shown("changed-small", "The first run of this study", "Stages that ran", "study@written")
        shown("report-small", "the report of small")
        link = "[...document.querySelectorAll('a')].find(a => a.innerText == 'the report of small').href"
        assert browser.run(link) == f"{deployed.reports}/small/index.html"
        browser.open(browser.run(link))
        browser.wait("small", "How the methods compare")

        deployment = run["deployment_id"]
        browser.open(f"{pages}/deployments/deployment/{deployment}?tab=Parameters")
        found = browser.wait("nightly", "latest_minutes", "report_url", "preset", "integer")
        assert found.count("string") >= 3, "every parameter shows its type"
        browser.picture(PICTURES / "prefect_deployment.png")
