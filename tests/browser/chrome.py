"""Chromium, driven over its own protocol: open a page, read it, click in it, take its picture."""

import base64
import json
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from websockets.sync.client import ClientConnection, connect

from tests.conftest import need

OPTIONS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync"
    " --disable-background-networking --disable-component-update --remote-debugging-port=0"
).split()
SECONDS = 120  # until an expected text must stand on the page


class Page:
    """One tab."""

    def __init__(self, socket: ClientConnection) -> None:
        self._socket, self._last = socket, 0

    def call(self, method: str, **parameters: Any) -> dict[str, Any]:
        """One command of the protocol and its answer; events in between are passed over."""
        self._last += 1
        self._socket.send(json.dumps({"id": self._last, "method": method, "params": parameters}))
        while True:
            answer = json.loads(self._socket.recv(timeout=SECONDS))
            if answer.get("id") == self._last:
                assert "error" not in answer, answer
                return dict(answer["result"])

    def open(self, address: str) -> None:
        """Go there; a page of the same server is loaded anew too."""
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)

    def run(self, script: str) -> Any:
        """The value of an expression in the page."""
        found = self.call("Runtime.evaluate", expression=script, returnByValue=True)
        assert "exceptionDetails" not in found, found
        return found["result"].get("value")

    def text(self) -> str:
        """What a reader sees: white space as single spaces; texts of drawings included."""
        script = (
            "document.body ? document.body.innerText + ' ' + [...document.querySelectorAll('svg text')]"
            ".map(t => t.textContent).join(' ') : ''"
        )
        return " ".join(str(self.run(script)).split())

    def wait(self, *wanted: str) -> str:
        """The page's text once it holds all that is wanted."""
        deadline = time.monotonic() + SECONDS
        while missing := [w for w in wanted if w not in (found := self.text())]:
            assert time.monotonic() < deadline, f"{missing} is not on the page: {found[:3000]}"
            time.sleep(0.5)
        return found

    def click(self, selector: str, named: str = "") -> None:
        """A true click in the middle of the first visible element that holds the text.

        As a person would, it waits until the element can be used, stands still, and nothing covers it.
        """
        script = (
            f"(() => {{ const e = [...document.querySelectorAll({json.dumps(selector)})].find(e =>"
            f" (e.textContent + e.title + e.ariaLabel).includes({json.dumps(named)})"
            " && e.getClientRects().length && !e.disabled);"
            " if (!e) return null; e.scrollIntoView({block: 'center'});"
            " const r = e.getBoundingClientRect(), x = r.x + r.width / 2, y = r.y + r.height / 2;"
            " const top = document.elementFromPoint(x, y);"
            " return top && (e.contains(top) || top.contains(e)) ? [x, y] : null; })()"
        )
        deadline = time.monotonic() + SECONDS
        before = None
        while (place := self.run(script)) is None or place != before:
            assert time.monotonic() < deadline, (
                f"no {selector} with {named!r} to click: {self.text()[:3000]}"
            )
            before = place
            time.sleep(0.3)
        at: dict[str, Any] = {"x": place[0], "y": place[1], "button": "left", "clickCount": 1}
        for kind in ("mousePressed", "mouseReleased"):
            self.call("Input.dispatchMouseEvent", type=kind, **at)

    def expect(self, script: str) -> None:
        """Waits until an expression in the page is true."""
        deadline = time.monotonic() + SECONDS
        while not self.run(script):
            assert time.monotonic() < deadline, f"never true: {script}: {self.text()[:3000]}"
            time.sleep(0.3)

    def picture(self, path: Path) -> None:
        """What is seen now, as PNG."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(base64.b64decode(self.call("Page.captureScreenshot")["data"]))


@contextmanager
def page(folder: Path, width: int = 1500, height: int = 1000) -> Iterator[Page]:
    """A tab of a browser with a fresh profile in the folder."""
    chromium = shutil.which("chromium")
    need(chromium is not None, "Chromium (Debian: chromium)")
    profile = folder / "profile"
    process = subprocess.Popen(
        [str(chromium), *OPTIONS, f"--user-data-dir={profile}", f"--window-size={width},{height}",
         "about:blank"],
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
    )  # fmt: skip
    try:
        with connect(_address(profile), max_size=None, proxy=None) as socket:
            opened = Page(socket)
            opened.call("Page.enable")
            yield opened
    finally:
        process.terminate()
        process.wait()


def _address(profile: Path) -> str:
    """Where the tab listens; the browser writes its port once it is up."""
    import urllib.request

    port = profile / "DevToolsActivePort"
    deadline = time.monotonic() + SECONDS
    while True:
        try:
            number = port.read_text().splitlines()[0]
            with urllib.request.urlopen(f"http://127.0.0.1:{number}/json", timeout=5) as answer:
                tabs = [t for t in json.loads(answer.read()) if t["type"] == "page"]
            return str(tabs[0]["webSocketDebuggerUrl"])
        except (OSError, IndexError):
            assert time.monotonic() < deadline, "Chromium did not start"
            time.sleep(0.3)
