"""Downloads that go wrong, from a real server: one clear error each, nothing half-written."""

import hashlib
import io
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import ClassVar

import pytest

from datayield import config, corpora
from datayield.core.errors import UserError
from datayield.core.system import download
from tests.conftest import written_texts

# requests leaves the socket of a broken answer to the garbage collector
pytestmark = pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")

TEXTS, LABELS = written_texts(120)
GOOD = "".join(f"{b}\t{a}\n" for a, b in zip(TEXTS, LABELS, strict=True)).encode()


class Site(BaseHTTPRequestHandler):
    """Answers every path in its own bad way."""

    asked: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.asked.append(self.path)
        body = {
            "/good": GOOD,
            "/changed": GOOD.replace(b"rain", b"snow"),
            "/short": GOOD[:500],
            "/page": b"<!DOCTYPE html><html><body>Please log in</body></html>",
            "/cut": GOOD[:500],
            "/zip": _zip("inner/all.txt"),
            "/tar": _tar("inner/all.txt"),
            "/evil": _zip("../../evil.txt"),
        }.get(self.path)
        if body is None:
            self.send_error(404)
            return
        self.send_response(200)
        self.send_header("Content-Length", str(len(GOOD) if self.path == "/cut" else len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


def _zip(name: str) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        packed.writestr(zipfile.ZipInfo(name), GOOD)
    return out.getvalue()


def _tar(name: str) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as packed:
        info = tarfile.TarInfo(name)
        info.size = len(GOOD)
        packed.addfile(info, io.BytesIO(GOOD))
    return out.getvalue()


@pytest.fixture(scope="module")
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()


@pytest.fixture(autouse=True)
def _no_mirror(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DATAYIELD_MIRROR", raising=False)
    monkeypatch.setattr(download, "RETRIES", 0)


def source(url: str, content: bytes = GOOD, member: str | None = None, **more: object) -> object:
    file = {
        "name": "written/all.txt",
        "url": url,
        "sha256": hashlib.sha256(content).hexdigest(),
        "bytes": len(content),
        "member": member,
    }
    entry = {"title": "t", "licence": "none", "citation": "c", "format": "label_tab_text"}
    return config.DownloadSource.model_validate({**entry, "files": [file], **more})


def error(made: object, root: Path) -> str:
    with pytest.raises(UserError) as caught:
        corpora.build("written", made, 1, root)
    kept = [p for p in root.rglob("*") if p.is_file()]
    assert not kept, f"left behind: {kept}"
    return str(caught.value)


def test_a_good_file_is_fetched_once(site: str, tmp_path: Path) -> None:
    before = len(Site.asked)
    for _ in range(2):
        corpus, _ = corpora.build("written", source(f"{site}/good"), 1, tmp_path)
    assert len(Site.asked) == before + 1
    assert len(corpus.texts) + len(corpus.test_texts) == 120
    kept = list((tmp_path / "state" / "downloads").iterdir())
    assert [p.name for p in kept] == [hashlib.sha256(GOOD).hexdigest()]
    kept[0].write_bytes(b"damaged since")
    corpora.build("written", source(f"{site}/good"), 1, tmp_path)
    assert kept[0].read_bytes() == GOOD


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("changed", "not the file that was pinned: wanted .* sha256 .*, got .* sha256"),
        ("short", r"truncated: wanted [\d,]+ bytes .*, got 500 bytes"),
        ("cut", "ended before the whole file had come"),
        ("page", "answered with a web page instead of written/all.txt"),
        ("nothing", "the server answered 404"),
    ],
)
def test_bad_answers(site: str, tmp_path: Path, path: str, message: str) -> None:
    import re

    assert re.search(message, error(source(f"{site}/{path}"), tmp_path))


def test_no_network_and_no_mirror(tmp_path: Path) -> None:
    told = error(source("http://127.0.0.1:9/all.txt"), tmp_path)
    assert "no connection" in told and "DATAYIELD_MIRROR" in told


def test_mirrors(site: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root, mirror = tmp_path / "root", tmp_path / "mirror"
    root.mkdir()
    monkeypatch.setenv("DATAYIELD_MIRROR", str(mirror))
    assert "is not a folder" in error(source(f"{site}/good"), root)
    (mirror / "written").mkdir(parents=True)
    told = error(source("http://127.0.0.1:9/all.txt"), root)
    assert "The mirror" in told and "has no file" in told
    (mirror / "written" / "all.txt").write_bytes(GOOD[:400])
    assert "truncated" in error(source(f"{site}/good"), root)
    (mirror / "written" / "all.txt").unlink()
    (mirror / "of_another_name").write_bytes(GOOD)  # by hash, whatever it is called
    corpus, _ = corpora.build("written", source("http://127.0.0.1:9/all.txt"), 1, root)
    assert len(corpus.classes) == 3


def test_archives(site: str, tmp_path: Path) -> None:
    for kind, pack in (("zip", _zip), ("tar", _tar)):
        made = source(f"{site}/{kind}", pack("inner/all.txt"), "inner/all.txt")
        assert len(corpora.build("written", made, 1, tmp_path / kind)[0].classes) == 3
    with pytest.raises(UserError, match=r"a path outside of the archive \('../../evil.txt'\)"):
        made = source(f"{site}/evil", _zip("../../evil.txt"), "../../evil.txt")
        corpora.build("written", made, 1, tmp_path)
    with pytest.raises(UserError, match="holds no file named other.txt"):
        made = source(f"{site}/zip", _zip("inner/all.txt"), "other.txt")
        corpora.build("written", made, 1, tmp_path)
    with pytest.raises(UserError, match="not a readable zip or tar archive"):
        corpora.build("written", source(f"{site}/good", member="a.txt"), 1, tmp_path)
    assert not (tmp_path.parent / "evil.txt").exists()


def test_bad_entries(site: str, tmp_path: Path) -> None:
    told = error(source(f"{site}/good", format="label_tab_txt"), tmp_path)
    assert 'unknown format "label_tab_txt": did you mean "label_tab_text"' in told
    for more, message in (
        ({"encoding": "utf-9"}, "unknown encoding"),
        ({"format": "ag_csv"}, "is not ag_csv"),
        ({"classes": {"weather": "w"}}, "has no name among the entry's classes"),
    ):
        with pytest.raises(UserError, match=message):
            corpora.build("written", source(f"{site}/good", **more), 1, tmp_path)
    for name in ("/etc/passwd", "../up.txt", "a/../../b"):
        with pytest.raises(ValueError, match="pattern"):
            config.RemoteFileEntry(name=name, url=f"{site}/good", sha256="0" * 64, bytes=1)
