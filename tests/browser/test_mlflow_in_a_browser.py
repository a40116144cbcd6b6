"""MLflow's pages of a true study, clicked through: run list, learning curves, two runs compared.

Pictures are kept under build/pages/ for people to look at.
"""

import json
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import quote

import pytest
from mlflow import MlflowClient

from datayield.integrations import mlflow_client
from tests.browser import chrome
from tests.conftest import REPO, datayield
from tests.integrations.test_servers import end, free_port, start, wait_for

pytestmark = pytest.mark.slow
PICTURES = REPO / "build" / "pages"


@pytest.fixture(scope="module")
def pages(studied: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """Addresses of run lists on a real server, by the kind of their runs."""
    folder = tmp_path_factory.mktemp("pages") / "project"
    shutil.copytree(studied, folder)
    port = free_port()
    options = ["server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    process = start(
        folder,
        sys.executable,
        "-m",
        "mlflow",
        *options,
        "--backend-store-uri",
        mlflow_client.uri(folder),
    )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/health")
        done = datayield(folder, "record", MLFLOW_TRACKING_URI=address)
        assert "0 runs written, 50 already there" in done.stdout, done.stderr
        experiment = MlflowClient(tracking_uri=address).get_experiment_by_name("datayield/small")
        base = f"{address}/#/experiments/{experiment.experiment_id}/runs?searchFilter="
        yield {kind: base + quote(f"tags.kind = '{kind}'") for kind in ("curve", "cell")}
    finally:
        end(process)


@pytest.fixture
def browser(tmp_path: Path) -> Iterator[chrome.Page]:
    with chrome.page(tmp_path) as opened:
        yield opened


def test_learning_curves_are_drawn(pages: dict[str, str], browser: chrome.Page) -> None:
    browser.open(pages["curve"] + "&compareRunsMode=CHART")
    _unfold(browser)
    browser.wait("lstm:plain written", "accuracy", "macro_f1", "Step", "30", "60")
    browser.wait("validation_accuracy")
    drawn = browser.run("document.querySelectorAll('.js-plotly-plot .scatterlayer .trace').length")
    assert drawn >= 20, "ten curves in each of the first charts"
    browser.picture(PICTURES / "curves.png")


def test_two_runs_are_compared_by_clicks(pages: dict[str, str], browser: chrome.Page) -> None:
    browser.open(pages["cell"])
    _unfold(browser)
    browser.wait("draw=1 seed=0 written")
    browser.picture(PICTURES / "cells.png")
    for number in (1, 2):
        box = f".ag-row[row-index='{number}'] input[type=checkbox]"
        browser.click(box)
        browser.expect(f"document.querySelector({json.dumps(box)}).checked")
    browser.click("button", "Compare")
    found = browser.wait("Comparing 2 Runs", "Parallel Coordinates Plot", "validation_accuracy")
    browser.picture(PICTURES / "compare.png")
    assert "draw=1 seed=0 written" in found and "arm" in found


def _unfold(browser: chrome.Page) -> None:
    """Click the study's row, the only one at first; its children stand below it then."""
    browser.wait("small", "matching runs")
    _close_assistant(browser)
    browser.click(".ag-row[row-index='0'] button")


def _close_assistant(browser: chrome.Page) -> None:
    """MLflow's own chat pane covers a quarter of the page."""
    if "MLflow Assistant" in browser.text():
        browser.run(
            "[...document.querySelectorAll('button')].findLast(b => /close/i.test(b.ariaLabel || ''))"
            "?.click()"
        )
