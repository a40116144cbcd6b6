"""The report as people meet it: phone, tablet, desk, dark, on paper, by keyboard alone.

A picture of each is kept in build/report-pages/ for people to look at.
"""

import base64
import re
from collections.abc import Iterator

import pytest

from tests.browser import chrome
from tests.browser.test_report_in_a_browser import page
from tests.conftest import REPO

pytestmark = pytest.mark.slow
PICTURES = REPO / "build" / "report-pages"
SIZES = ((390, 1600), (768, 1024), (1200, 800))
KEYS = {"Tab": 9, "Enter": 13}


@pytest.fixture(scope="module")
def opened(tmp_path_factory: pytest.TempPathFactory) -> Iterator[chrome.Page]:
    """A tab with a report that has everything in it."""
    folder = tmp_path_factory.mktemp("report")
    (folder / "index.html").write_text(page())
    with chrome.page(folder) as tab:
        tab.address = (folder / "index.html").as_uri()
        yield tab


@pytest.fixture
def report(opened: chrome.Page) -> chrome.Page:
    """The report as it is first seen, in light colours, at a desk."""
    opened.call("Emulation.setEmulatedMedia", media="", features=[])
    _resize(opened, *SIZES[-1])
    opened.open(opened.address)
    opened.wait("How the methods compare")
    return opened


def _resize(tab: chrome.Page, width: int, height: int) -> None:
    size = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": False}
    tab.call("Emulation.setDeviceMetricsOverride", **size)


def _press(tab: chrome.Page, key: str) -> None:
    named = {"key": key, "code": key, "windowsVirtualKeyCode": KEYS[key]}
    text = {"text": "\r"} if key == "Enter" else {}
    tab.call("Input.dispatchKeyEvent", type="keyDown", **named, **text)
    tab.call("Input.dispatchKeyEvent", type="keyUp", **named)


@pytest.mark.parametrize(("width", "height"), SIZES)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_a_first_screen_fits_and_its_picture_is_kept(
    report: chrome.Page, width: int, height: int, scheme: str
) -> None:
    _resize(report, width, height)
    preference = {"name": "prefers-color-scheme", "value": scheme}
    report.call("Emulation.setEmulatedMedia", media="screen", features=[preference])
    assert report.run("document.documentElement.scrollWidth <= innerWidth")
    colour = report.run("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(x) for x in colour.removeprefix("rgb(").rstrip(")").split(","))
    assert (brightness < 150) == (scheme == "dark"), colour
    report.picture(PICTURES / f"{width}-{scheme}.png")


def test_paper_shows_every_fold(report: chrome.Page) -> None:
    """Closed folds are printed open, and nothing is wider than the sheet."""
    hidden = (
        "[...document.querySelectorAll('details.group h3')].filter(h => !h.getClientRects().length"
        " || !h.getBoundingClientRect().height).length"
    )
    seen = "[...document.querySelectorAll('details.group h3')].length"
    assert (
        report.run(seen) > 5
        and report.run("document.querySelectorAll('details[open]').length") == 0
    )
    printed = report.call("Page.printToPDF", printBackground=True, preferCSSPageSize=True)
    paper = base64.b64decode(printed["data"])
    PICTURES.mkdir(parents=True, exist_ok=True)
    (PICTURES / "print.pdf").write_bytes(paper)
    sheets = re.findall(rb"/Type\s*/Page\b", paper)
    report.call("Emulation.setEmulatedMedia", media="print", features=[])
    assert report.run(hidden) == 0, "a fold is closed on paper"
    assert paper.startswith(b"%PDF") and len(sheets) > 5, "the folds are not on paper"


def test_the_keyboard_alone_reaches_and_opens_every_fold(report: chrome.Page) -> None:
    folds = report.run("document.querySelectorAll('details.group').length")
    reached = set()
    for _ in range(400):
        _press(report, "Tab")
        at = report.run(
            "[...document.querySelectorAll('details.group > summary')].indexOf(document.activeElement)"
        )
        if at >= 0 and at not in reached:
            reached.add(at)
            shown = report.run(
                "(s => s.outlineStyle !== 'none' || s.boxShadow !== 'none')"
                "(getComputedStyle(document.activeElement))"
            )
            assert shown, "the focus is not seen"
            _press(report, "Enter")
            assert report.run("document.activeElement.parentElement.open")
            report.picture(PICTURES / "keyboard.png")
            _press(report, "Enter")
        if len(reached) == folds:
            break
    assert len(reached) == folds >= 6
