"""The report in a real browser: it fits its window, is drawn, unfolds, and axe finds no fault."""

import json
import re
import shutil
import subprocess
from dataclasses import replace
from functools import cache
from pathlib import Path

import pytest

from datayield.report.render import render
from tests.conftest import REPO, need
from tests.report_data import statistics, with_corpus

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    " --disable-background-networking --disable-component-update --allow-file-access-from-files"
    " --virtual-time-budget=20000 --dump-dom"
).split()
AXE = REPO / "build" / "axe" / "axe_playwright_python" / "axe.min.js"
HOSTILE = (
    "<script>document.title = 'owned'</script> "
    + "w" * 400
    + " \u202egnp.exe \u05e9\u05dc\u05d5\u05dd"
)


@cache
def page() -> str:
    """A report with everything in it, hostile text too."""
    s = statistics(effects={"strong": 3.0, "useless": 1.0}, twin=1.0)
    first, *others = s.corpora[0].hard_training_texts
    s = with_corpus(
        s,
        card=[[f"classes: {HOSTILE}: pool", 1]],
        notices=[HOSTILE],
        hard_training_texts=[replace(first, text=HOSTILE), *others],
    )
    return str(render(s)["index.html"])


def seen(tmp_path: Path, script: str, width: int, html: str | None = None) -> dict:
    """What the script, run in the page at this width, hands to `done`."""
    chromium = shutil.which("chromium")
    need(chromium is not None, "Chromium (Debian: chromium)")
    probe = (
        "<script>const done = (found) => { const p = document.createElement('pre'); p.id = 'probe';"
        f"p.textContent = JSON.stringify(found); document.body.append(p); }};{script}</script>"
    )
    (tmp_path / "index.html").write_text((html or page()).replace("</body>", probe + "</body>"))
    frame = tmp_path / "frame.html"  # a phone's width, which headless windows cannot be made
    frame.write_text(
        f'<!doctype html><iframe title="r" src="index.html" width="{width}" height="3000"></iframe>'
        '<pre id="out"></pre><script>const wait = () => { const p = document.querySelector("iframe")'
        '.contentDocument.querySelector("#probe"); if (p) document.querySelector("#out").textContent ='
        " p.textContent; else setTimeout(wait, 200); }; addEventListener('load', wait);</script>"
    )
    done = subprocess.run(
        [chromium, *OPTIONS, f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri()],
        capture_output=True, text=True, timeout=180, check=True,
    )  # fmt: skip
    found = re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.S).group(1)
    return json.loads(found.replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&"))


@pytest.mark.parametrize("width", [390, 768, 1200])
def test_the_page_fits_its_window(tmp_path: Path, width: int) -> None:
    found = seen(
        tmp_path,
        'addEventListener("load", () => { document.querySelectorAll("details").forEach((d) => { d.open = true; });'
        " done({wide: document.documentElement.scrollWidth - innerWidth,"
        ' drawn: [...document.querySelectorAll("figure svg")].map(f => f.getBoundingClientRect().height),'
        ' headings: document.querySelectorAll("h1").length, title: document.title}); });',
        width,
    )
    assert found["wide"] <= 0, "the page scrolls sideways"
    assert len(found["drawn"]) >= 3 and min(found["drawn"]) > 80
    assert found["headings"] == 1 and "owned" not in found["title"], "a corpus's script ran"


@pytest.mark.parametrize(("width", "end"), [(1200, 800), (390, 1600)])
def test_the_first_screen_holds_the_answer(tmp_path: Path, width: int, end: int) -> None:
    found = seen(
        tmp_path,
        'addEventListener("load", () => { const at = (q) => document.querySelector(q).getBoundingClientRect();'
        'done({answer: at(".answer").top, picture: at(".screen figure svg").height,'
        ' numbers: document.querySelectorAll(".numbers strong").length, sure: at(".sure").bottom,'
        ' words: at(".words").bottom, explained: document.querySelectorAll(".answer abbr[title]").length,'
        ' open: document.querySelectorAll("details[open]").length}); });',
        width,
    )
    assert found["answer"] < 200 and found["picture"] > 180
    assert found["numbers"] == 3 and found["explained"] >= 2 and found["open"] == 0
    assert found["sure"] < end and found["words"] < end


def test_every_fold_opens_by_keyboard_and_in_print(tmp_path: Path) -> None:
    found = seen(
        tmp_path,
        'addEventListener("load", () => { const all = [...document.querySelectorAll("details.group")];'
        "all.forEach((d) => { d.querySelector('summary').focus();"
        " d.focused = document.activeElement === d.querySelector('summary'); });"
        "done({folds: all.length, focused: all.filter((d) => d.focused).length,"
        ' printed: [...document.styleSheets[0].cssRules].some((r) => r.media && r.media.mediaText === "print"'
        ' && r.cssText.includes("details-content")), tips: document.querySelectorAll("svg [data-arm] >'
        ' title").length}); });',
        1200,
    )
    assert found["folds"] == found["focused"] >= 6 and found["printed"] and found["tips"] > 10


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 768, 1200])
def test_axe_finds_no_fault(tmp_path: Path, width: int, scheme: str) -> None:
    need(AXE.exists(), f"axe-core: see {Path(__file__).parent / 'requirements.txt'}")
    dark = page().replace("(prefers-color-scheme: dark)", "all")
    engine = f"</script><script>{AXE.read_text()}</script><script>"
    found = seen(
        tmp_path,
        engine + 'document.querySelectorAll("details").forEach((d) => { d.open = true; });'
        'addEventListener("load", () => axe.run(document, {resultTypes: ["violations"]}).then((r) =>'
        " done({rules: r.passes.length, violations: r.violations.map((v) => [v.id, v.impact,"
        " v.nodes.slice(0, 3).map((n) => n.html.slice(0, 200))])}), (e) => done({error: String(e)})));",
        width,
        dark if scheme == "dark" else None,
    )
    assert found.get("rules", 0) > 20, found
    assert found["violations"] == []
