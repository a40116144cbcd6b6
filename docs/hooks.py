"""Extends mkdocs: copies files from outside docs/, lists the decisions, shows the notebook as a page.

Links in docs/ are relative to the repository, so that they work where its files are browsed. On the
site a link to a file outside docs/ leads to a copy of it below `repository/`; a report's Markdown
leads to the report itself.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from html import escape
from pathlib import Path
from typing import Any

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

NOTEBOOK, PAGE = "example.ipynb", "example.md"
COPIES = "repository"
_LINK = re.compile(r"(\]\()([^)\s#]+)((?:#[^)\s]*)?\))")
_FENCE = re.compile(r"^\s*(```|~~~)")
_ITEM = re.compile(r"^(-|\d+\.) ")
_AS_TEXT = {"", ".py", ".md", ".yaml", ".yml", ".toml", ".lock", ".csv", ".parquet"}


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Put the decisions into the navigation under their own headings."""
    docs = Path(config.docs_dir)
    for entry in config.nav or []:
        if "Decisions" in entry:
            pages = sorted((docs / "adr").glob("*.md"))
            entry["Decisions"] = [{_heading(p): p.relative_to(docs).as_posix()} for p in pages]
    return config


def _heading(page: Path) -> str:
    return page.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Add the notebook as a page, and a copy of every file outside docs/ that a page links to."""
    docs = Path(config.docs_dir)
    notebook = docs / NOTEBOOK
    made = as_markdown(json.loads(notebook.read_text(encoding="utf-8")))
    files.append(File.generated(config, PAGE, content=made))
    copied = set()
    for file in files.documentation_pages():
        for target in _outside(file.content_string, file.src_uri):
            source = docs.parent / _stand_in(target)
            if source.is_file() and target not in copied:
                copied.add(target)
                files.append(File.generated(config, _copy(target), abs_src_path=str(source)))
    return files


def on_page_markdown(markdown: str, page: Any, **_: Any) -> str:
    """Point links to files outside docs/ at their copies; begin lists after an empty line."""
    here = page.file.src_uri

    def led(link: re.Match[str]) -> str:
        target = _repository_path(link[2], here)
        if target is None:
            return link[0].replace(NOTEBOOK, PAGE)
        found = posixpath.relpath(_copy(target), posixpath.dirname(here) or ".")
        return f"{link[1]}{found}{link[3]}"

    return "\n".join(_spaced(_LINK.sub(led, markdown).split("\n")))


def _outside(markdown: str, here: str) -> Iterator[str]:
    for link in _LINK.finditer(markdown):
        target = _repository_path(link[2], here)
        if target is not None:
            yield target


def _repository_path(link: str, here: str) -> str | None:
    """Return the path in the repository of a link that leaves docs/, None for any other link."""
    if re.match(r"[a-z]+:|/", link):
        return None
    target = posixpath.normpath(posixpath.join("docs", posixpath.dirname(here), link))
    return None if target.startswith(("docs/", "../")) else target


def _stand_in(target: str) -> str:
    """Return the HTML page of a report's Markdown; any other path as it is."""
    return re.sub(r"^(reports/.*)/report\.md$", r"\1/index.html", target)


def _copy(target: str) -> str:
    """Return the place of a file's copy on the site; texts get an ending that browsers show."""
    shown = _stand_in(target)
    ending = ".txt" if Path(shown).suffix in _AS_TEXT else ""
    return f"{COPIES}/{shown}{ending}"


def _spaced(lines: list[str]) -> Iterator[str]:
    """Yield lines with an empty one before every list that follows a paragraph, as git hosts read it."""
    fenced, before = False, ""
    for line in lines:
        if _FENCE.match(line):
            fenced = not fenced
        after_text = bool(before.strip()) and not before.startswith(" ") and not _ITEM.match(before)
        if not fenced and _ITEM.match(line) and after_text:
            yield ""
        yield line
        before = line


def as_markdown(notebook: dict[str, Any]) -> str:
    """Return a notebook's cells with their stored outputs as Markdown."""
    return "\n\n".join(part for cell in notebook["cells"] for part in _cell(cell)) + "\n"


def _cell(cell: dict[str, Any]) -> Iterator[str]:
    source = "".join(cell["source"])
    if cell["cell_type"] == "markdown":
        yield source
        return
    yield f"```python\n{source}\n```"
    for output in cell["outputs"]:
        data = output.get("data", {})
        drawn = data.get("image/svg+xml") or data.get("text/html")
        if drawn:
            closed = re.sub(r"\n\s*\n", "\n", "".join(drawn).strip())  # an empty line ends HTML
            yield f"<div>{closed}</div>"
        elif "text" in output or "text/plain" in data:
            yield f"<pre>{escape(''.join(output.get('text') or data['text/plain']))}</pre>"
