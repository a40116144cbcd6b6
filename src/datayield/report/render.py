"""Renders a report: index.html, report.md, figures/*.svg and *.png, tables/*.csv."""

import re
from collections.abc import Callable

from jinja2 import Environment, PackageLoader, StrictUndefined

from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import csv_tables, figures, wording
from datayield.report.figures import Drawing, data_map
from datayield.report.reliability_figure import reliability
from datayield.report.section import Section
from datayield.report.sections import (
    across,
    answer,
    classes,
    costs,
    effects,
    extrapolation,
    probabilities,
    recommendation,
    screening,
    texts,
    tuning,
)

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>|#])")
_REFERENCE = re.compile(r'((?:\bid|href)="#?|url\(#)(?=[^"])')


def render(statistics: StudyStatistics) -> dict[str, str | bytes]:
    """Return all files of a report by their name inside the report's folder."""
    pictured: dict[str, Drawing] = {}
    parts = []
    for c in statistics.corpora:
        shown = sections(c, statistics)
        pictured |= {name: draw() for name, draw in _drawings(c, statistics, shown).items()}
        parts.append({"corpus": c, "sections": shown})
    context = {
        "s": statistics,
        "short": first_screen(statistics),
        "overview": overview(statistics),
        "parts": parts,
        "limits": limits(statistics),
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
        **{f"tables/{name}.csv": text for name, text in csv_tables.csv_files(statistics).items()},
    }


def drawings(statistics: StudyStatistics) -> dict[str, Callable[[], Drawing]]:
    """Return the function that draws each figure of a report, by the figure's name."""
    functions: dict[str, Callable[[], Drawing]] = {}
    for c in statistics.corpora:
        functions |= _drawings(c, statistics, sections(c, statistics))
    return functions


def _drawings(
    c: CorpusStatistics, s: StudyStatistics, sections: list[Section]
) -> dict[str, Callable[[], Drawing]]:
    draw = {
        "curves": lambda: figures.learning_curves(c, s.baseline),
        "multipliers": lambda: figures.multipliers(c),
        "differences": lambda: figures.differences(c),
        "tuning": lambda: figures.tuning(c, s.baseline),
        "map": lambda: data_map(c.map),
        "reliability": lambda: reliability(
            probabilities.drawn(c, s.baseline), len(c.classes), c.test_size
        ),
        "history": lambda: figures.history(c, s.baseline),
    }
    return {f"{c.corpus}-{p.name}": draw[p.name] for x in sections for p in x.pictures}


def _inlined(svg: str, name: str) -> str:
    """Return the figure with ids of its own, so that several can share one page."""
    return _REFERENCE.sub(rf"\1{name}-", svg)


def _escaped(text: str) -> str:
    """Escape Markdown, so that a user's text stays text."""
    return _MARKDOWN.sub(r"\\\1", " ".join(str(text).split()))


overview = across.overview

first_screen = recommendation.first_screen


def sections(c: CorpusStatistics, s: StudyStatistics) -> list[Section]:
    """Return the sections about one corpus, in the order in which a reader decides; no empty ones."""
    every = [
        Section("The answer", tuple(answer.sentences(c, s))),
        recommendation.recommendation(c, s),
        effects.curves(c, s),
        effects.multipliers(c),
        extrapolation.next_labels(c),
        effects.differences(c, s),
        screening.screening(c),
        effects.interactions(c),
        effects.against_controls(c, s),
        effects.checks(c, s),
        costs.costs(c),
        costs.architectures(c),
        tuning.section(c, s),
        costs.history(c, s),
        probabilities.section(c, s),
        classes.section(c, s),
        texts.section(c, s),
        costs.audit(c, s),
        extrapolation.extrapolation(c, s),
        costs.missing(c),
        costs.card(c),
    ]
    return [x for x in every if x.paragraphs or x.tables or x.pictures]


def limits(s: StudyStatistics) -> list[str]:
    """Return the conclusions that a reader must not draw."""
    out = [
        f"Every statement is about {wording.listed([c.corpus for c in s.corpora])} and these"
        " settings.",
        *tuning.limits(s),
        "Multipliers and label counts are read off measured curves only; what is said beyond them are"
        " one-sided bounds, marked as such.",
        "The time that the data stages took to rewrite texts is not in the cells' preparation time.",
    ]
    if any(a.outside for c in s.corpora for a in c.arms.values()):
        out.append(
            "Seconds of arms that have read other text count neither the training of their encoder nor the"
            " time that it takes to read the texts, in training and in prediction."
        )
    if s.draws < 5:
        out.append(
            f"With {s.draws} draws intervals are wide; more draws in params.yaml narrow them."
        )
    return out
