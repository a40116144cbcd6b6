"""The Prefect server of a study: one for all of its flows, and none left behind."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import requests

from datayield.integrations import prefect_server
from tests.conftest import tool_environment

FLOW = """
import os, sys, time
from pathlib import Path
from datayield.core.system import machine
from datayield.integrations import prefect_server
machine.prepare_process()
machine.prepare_prefect_home(Path())
with prefect_server.serving(Path()) as wait_until_ready:
    wait_until_ready()
    print(os.environ["PREFECT_API_URL"], flush=True)
    time.sleep(float(sys.argv[1]))
"""


@contextmanager
def flow(folder: Path, seconds: float) -> "Iterator[subprocess.Popen[str]]":
    """A process that needs a server for so long."""
    with subprocess.Popen(
        [sys.executable, "-c", FLOW, str(seconds)],
        cwd=folder,
        env=tool_environment(),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield process


def address(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def answers(url: str) -> bool:
    try:
        return requests.get(f"{url}/health", timeout=5).ok
    except requests.ConnectionError:
        return False


def test_a_named_server_is_used_as_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://flows.example/api")
    with prefect_server.owned(tmp_path), prefect_server.serving(tmp_path) as wait_until_ready:
        wait_until_ready()
        assert os.environ["PREFECT_API_URL"] == "http://flows.example/api"
    assert os.environ["PREFECT_API_URL"] == "http://flows.example/api"
    assert not (tmp_path / "state").exists()


def test_a_study_without_flows_starts_no_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    began = time.monotonic()
    with prefect_server.owned(tmp_path):
        pass
    assert time.monotonic() - began < 1
    assert {p.name for p in (tmp_path / "state/prefect").iterdir()} == {"owner.lock", "server.lock"}


@pytest.mark.slow
def test_the_flows_of_a_study_share_one_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with prefect_server.owned(tmp_path):
        found = set()
        for _ in range(2):
            with flow(tmp_path, 0) as process:
                found.add(address(process))
                assert process.wait(60) == 0
        (url,) = found
        assert answers(url)
        page = requests.get(url.removesuffix("/api"), timeout=5)
        assert page.ok and "<html" in page.text, "the address can be opened in a browser"
    assert not answers(url)
    assert (tmp_path / "state/prefect/prefect.db").exists(), "`datayield ui` shows the runs later"


@pytest.mark.slow
def test_who_reads_the_output_of_a_flow_need_not_wait_for_the_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The owner captures what a flow prints, as `datayield.run_study` does; the server lives on."""
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with prefect_server.owned(tmp_path):
        done = subprocess.run(
            [sys.executable, "-c", FLOW, "0"],
            cwd=tmp_path, env=tool_environment(), capture_output=True, text=True, timeout=120,
            check=True,
        )  # fmt: skip
        assert answers(done.stdout.strip()) and "flows: " in done.stderr


@pytest.mark.slow
def test_no_server_outlives_a_killed_flow(tmp_path: Path) -> None:
    with flow(tmp_path, 600) as process:
        url = address(process)
        assert answers(url)
        process.send_signal(signal.SIGKILL)
    deadline = time.monotonic() + 30
    while answers(url):
        assert time.monotonic() < deadline, f"{url} outlived the flow that started it"
        time.sleep(0.2)
