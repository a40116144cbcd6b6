"""The report in a real browser: it fits its window, wide and narrow, and its figures are drawn."""

import shutil
import subprocess
from pathlib import Path

import pytest

from datayield.report import render
from tests.conftest import need
from tests.report_data import statistics

PROBE = """
<script>addEventListener("load", () => {
  const wide = document.documentElement.scrollWidth - innerWidth;
  const drawn = [...document.querySelectorAll("figure svg")].map(f => f.getBoundingClientRect().height);
  const p = document.createElement("pre"); p.id = "probe";
  p.textContent = JSON.stringify({wide, drawn, headings: document.querySelectorAll("h1").length});
  document.body.append(p);
});</script>
"""


@pytest.mark.parametrize("width", [390, 1200])
def test_the_page_fits_its_window(tmp_path: Path, width: int) -> None:
    import json
    import re

    chromium = shutil.which("chromium")
    need(chromium is not None, "Chromium (Debian: chromium)")
    page = tmp_path / "index.html"
    html = render(statistics(effects={"strong": 3.0, "useless": 1.0}), Path())["index.html"]
    page.write_text(html.replace("</body>", PROBE + "</body>"))
    frame = tmp_path / "frame.html"  # a phone's width, which headless windows cannot be made
    frame.write_text(
        f'<iframe src="index.html" width="{width}" height="3000"></iframe><pre id="out"></pre>'
        '<script>addEventListener("load", () => setTimeout(() => { out.textContent = document'
        '.querySelector("iframe").contentDocument.querySelector("#probe").textContent }, 300));</script>'
    )
    options = (
        "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
        " --disable-background-networking --disable-component-update --allow-file-access-from-files"
        " --virtual-time-budget=5000 --dump-dom"
    ).split()
    done = subprocess.run(
        [chromium, *options, f"--user-data-dir={tmp_path / 'profile'}", frame.as_uri()],
        capture_output=True, text=True, timeout=120, check=True,
    )  # fmt: skip
    found = json.loads(re.search(r'<pre id="out">(.*?)</pre>', done.stdout, re.S).group(1))
    assert found["wide"] <= 0, "the page scrolls sideways"
    assert len(found["drawn"]) >= 3 and min(found["drawn"]) > 80
    assert found["headings"] == 1
