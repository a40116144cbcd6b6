"""Sections → index.html, report.md and figures/*.svg."""

import re
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined

from datayield.report import figures, view
from datayield.report.section import Section

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")


def render(statistics: dict[str, Any], root: Path) -> dict[str, str]:
    """All files of a report by their name inside the report's folder."""
    pictures: dict[str, str] = {}
    parts = []
    for c in statistics["corpora"]:
        found = view.sections(c, statistics)
        pictures |= _pictures(c, statistics, found)
        parts.append({"corpus": c, "sections": found})
    context = {
        "s": statistics,
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
    return {
        "index.html": templates.get_template("report.html").render(pictures=pictures, **context),
        "report.md": templates.get_template("report.md").render(**context),
        **{f"figures/{name}.svg": svg for name, svg in pictures.items()},
    }


def _pictures(c: dict[str, Any], s: dict[str, Any], sections: list[Section]) -> dict[str, str]:
    draw = {
        "curves": lambda: figures.learning_curves(c, s["baseline"]),
        "multipliers": lambda: figures.multipliers(c),
        "differences": lambda: figures.differences(c),
        "tuning": lambda: figures.tuning(c, s["baseline"]),
        "history": lambda: figures.history(c, s["baseline"]),
    }
    return {f"{c['corpus']}-{p.name}": draw[p.name]() for x in sections for p in x.pictures}


def _escaped(text: str) -> str:
    """Markdown in which a user's text stays text."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))
