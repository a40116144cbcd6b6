"""docs/ as a site: every link leads somewhere, nothing is loaded from elsewhere."""

import os
import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

from tests.conftest import REPO

LOADING = {"script": "src", "img": "src", "iframe": "src", "source": "src", "object": "data"}


class Page(HTMLParser):
    """The links, the loaded addresses and the ids of one page."""

    def __init__(self, content: str) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.ids: set[str] = set()
        self.feed(content)

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = {name: value or "" for name, value in attributes}
        self.ids |= {found["id"]} if "id" in found else set()
        self.ids |= {found["name"]} if tag == "a" and "name" in found else set()
        if tag == "a" and "href" in found:
            self.links.append(found["href"])
        if tag == "link" and found.get("rel") not in ("canonical", "prev", "next"):
            self.loaded.append(found.get("href", ""))
        if tag in LOADING and LOADING[tag] in found:
            self.loaded.append(found[LOADING[tag]])


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)],
        cwd=REPO, capture_output=True, text=True, check=False,
        env={**os.environ, "NO_MKDOCS_2_WARNING": "1"},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    own = [p for p in site.rglob("*.html") if "repository" not in p.parts]
    return {p: Page(p.read_text(encoding="utf-8")) for p in own}


def test_every_page_is_reached_from_the_first(site: Path, pages: dict[Path, Page]) -> None:
    reached, waiting = set(), [site / "index.html"]
    while waiting:
        page = waiting.pop()
        reached.add(page)
        for link in pages[page].links:
            target = (page.parent / unquote(urlsplit(link).path)).resolve()
            if not urlsplit(link).scheme and target in pages and target not in reached:
                waiting.append(target)
    written = {(site / p.relative_to(REPO / "docs")).with_suffix(".html")
               for p in (REPO / "docs").rglob("*.md")}  # fmt: skip
    assert written <= reached
    assert set(pages) - reached <= {site / "404.html"}


def test_links_and_their_anchors_exist(site: Path, pages: dict[Path, Page]) -> None:
    seen = 0
    for page, found in pages.items():
        if page.name == "404.html":  # served under any address: its links begin at the root
            continue
        for link in [*found.links, *found.loaded]:
            parts = urlsplit(link)
            if parts.scheme in ("http", "https", "mailto", "data"):
                continue
            target = (page.parent / unquote(parts.path)).resolve() if parts.path else page
            target = target / "index.html" if target.is_dir() else target
            assert target.is_file(), f"{page.name}: {link}"
            if parts.fragment and target in pages:
                assert unquote(parts.fragment) in pages[target].ids, f"{page.name}: {link}"
            seen += 1
    assert seen > 500


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    loaded = [address for page in pages.values() for address in page.loaded]
    assert loaded and not [a for a in loaded if urlsplit(a).scheme in ("http", "https")]
    assert not [a for a in loaded if a.startswith("//")]
    for sheet in site.rglob("*.css"):
        content = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(url\(\s*['\"]?|@import\s+['\"]?)(https?:)?//", content), sheet
    for page in pages:
        inline = re.findall(r"<style.*?</style>", page.read_text(encoding="utf-8"), re.S)
        assert not re.search(r"url\(\s*['\"]?(https?:)?//", "".join(inline)), page
        assert "google" not in page.read_text(encoding="utf-8").lower(), page


def test_the_reports_shown_are_the_reports(site: Path) -> None:
    shown = site / "repository/reports/showcase/default/index.html"
    assert shown.read_bytes() == (REPO / "reports/showcase/default/index.html").read_bytes()


def test_lists_and_tables_are_not_run_into_paragraphs(pages: dict[Path, Page]) -> None:
    for page in pages:
        content = page.read_text(encoding="utf-8")
        assert not re.search(r"<p>[^<]*\n(- |\d\. |\|)", content), page
        assert not re.search(r"<p>\|", content), page
