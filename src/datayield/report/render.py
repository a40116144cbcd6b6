"""Sections → index.html, report.md, figures/*.svg and *.png, tables/*.csv."""

import re
from collections.abc import Callable
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from datayield.report import figures, maps, tables, view
from datayield.report.figures import Drawing
from datayield.report.section import Section

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_REFERENCE = re.compile(r'((?:\bid|href)="#?|url\(#)(?=[^"])')


def render(statistics: dict[str, Any]) -> dict[str, str | bytes]:
    """All files of a report by their name inside the report's folder."""
    pictured: dict[str, Drawing] = {}
    parts = []
    for c in statistics["corpora"]:
        found = view.sections(c, statistics)
        pictured |= {name: draw() for name, draw in _drawings(c, statistics, found).items()}
        # What the corpus is, where somebody wrote it down.
        source = c["card"].get("source", {})
        told = source.get("title") or source.get("what")
        parts.append({"corpus": c, "sections": found, "told": told})
    context = {
        "s": statistics,
        "short": view.first_screen(statistics),
        "overview": view.overview(statistics),
        "parts": parts,
        "limits": view.limits(statistics),
    }
    templates = Environment(
        loader=PackageLoader("datayield.report"),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters["md"] = _escaped
    pictures = {name: _inlined(d.svg, name) for name, d in pictured.items()}
    return {
        "index.html": templates.get_template("report.html").render(pictures=pictures, **context),
        "report.md": templates.get_template("report.md").render(**context),
        **{f"figures/{name}.svg": d.svg for name, d in pictured.items()},
        **{f"figures/{name}.png": d.png for name, d in pictured.items()},
        **{f"tables/{name}.csv": text for name, text in tables.csv_files(statistics).items()},
    }


def drawings(statistics: dict[str, Any]) -> dict[str, Callable[[], Drawing]]:
    """What draws each figure of a report, by the figure's name."""
    found: dict[str, Callable[[], Drawing]] = {}
    for c in statistics["corpora"]:
        found |= _drawings(c, statistics, view.sections(c, statistics))
    return found


def _drawings(
    c: dict[str, Any], s: dict[str, Any], sections: list[Section]
) -> dict[str, Callable[[], Drawing]]:
    draw = {
        "curves": lambda: figures.learning_curves(c, s["baseline"]),
        "multipliers": lambda: figures.multipliers(c),
        "differences": lambda: figures.differences(c),
        "tuning": lambda: figures.tuning(c, s["baseline"]),
        "map": lambda: maps.data_map(c["map"]),
        "history": lambda: figures.history(c, s["baseline"]),
    }
    return {f"{c['corpus']}-{p.name}": draw[p.name] for x in sections for p in x.pictures}


def _inlined(svg: str, name: str) -> str:
    """The figure with ids of its own, so that several can share one page."""
    return _REFERENCE.sub(rf"\1{name}-", svg)


def _escaped(text: str) -> str:
    """Markdown in which a user's text stays text."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
