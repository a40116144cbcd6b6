"""Renders a report: index.html, report.md, figures/*.svg and *.png, tables/*.csv."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.core.markdown import escaped
from datayield.report import csv_tables, figures, first_figures, wording
from datayield.report.figures import Drawing, data_map
from datayield.report.price_figure import price_figure
from datayield.report.reliability_figure import reliability
from datayield.report.section import FirstScreen, Group, Section, Table
from datayield.report.sections import (
    across,
    answer,
    classes,
    costs,
    doubts,
    effects,
    extrapolation,
    methods,
    prices,
    probabilities,
    recommendation,
    screening,
    texts,
    tuning,
)
from datayield.report.sections.first_screen import first_screen, names

ROWS = 12  # of a table on the page; all of them are in its CSV file

_REFERENCE = re.compile(r'((?:\bid|href)="#?|url\(#)(?=[^"])')


@dataclass(frozen=True, slots=True)
class Part:
    """Everything that a report shows of one corpus."""

    corpus: CorpusStatistics
    first: FirstScreen
    groups: tuple[Group, ...]


def render(statistics: StudyStatistics) -> dict[str, str | bytes]:
    """Return all files of a report by their name inside the report's folder."""
    parts, printed = [], csv_tables.csv_files(statistics)
    for c in statistics.corpora:
        shown, more = _shortened(c, groups(c, statistics))
        parts.append(Part(c, first_screen(c, statistics), shown))
        printed |= more
    pictured = {name: draw() for name, draw in drawings(statistics).items()}
    context = {
        "s": statistics,
        "parts": parts,
        "overview": across.overview(statistics),
        "limits": limits(statistics),
        "level": f"{100 * statistics.level:.0f}",
        "files": sorted(printed),
    }
    templates = Environment(
        loader=PackageLoader("datayield.report"),
        autoescape=lambda name: bool(name and name.endswith(".html")),
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    templates.filters |= {"md": escaped, "explained": _explained}
    pictures = {name: _inlined(d.svg, name) for name, d in pictured.items()}
    return {
        "index.html": templates.get_template("report.html").render(pictures=pictures, **context),
        "report.md": templates.get_template("report.md").render(**context),
        **{f"figures/{name}.svg": d.svg for name, d in pictured.items()},
        **{f"figures/{name}.png": d.png for name, d in pictured.items()},
        **{f"tables/{name}.csv": text for name, text in printed.items()},
    }


def answer_of(s: StudyStatistics) -> tuple[str, ...]:
    """Return the sentences that the report begins with."""
    whole = across.overview(s)
    if whole is not None:
        return whole.answer
    return tuple(x for c in s.corpora for x in first_screen(c, s).answer)


def main_tables(s: StudyStatistics) -> list[Table]:
    """Return the table that compares the methods, of every corpus; before them the matrix of several."""
    whole = across.overview(s)
    tables = [table for c in s.corpora for table in methods.methods(c, s).tables]
    return tables if whole is None else [whole.matrix, *tables]


def drawings(statistics: StudyStatistics) -> dict[str, Callable[[], Drawing]]:
    """Return the function that draws each figure of a report, by the figure's name."""
    functions: dict[str, Callable[[], Drawing]] = {}
    if len(statistics.corpora) > 1:
        functions["all-curves"] = lambda: first_figures.all_curves(
            statistics.corpora, statistics.baseline
        )
    for c in statistics.corpora:
        functions |= _drawings(c, statistics)
    return functions


def _drawings(c: CorpusStatistics, s: StudyStatistics) -> dict[str, Callable[[], Drawing]]:
    draw = {
        "first": lambda: first_figures.first(c, s.baseline),
        "curves": lambda: figures.learning_curves(c, s.baseline),
        "multipliers": lambda: figures.multipliers(c),
        "differences": lambda: figures.differences(c),
        "tuning": lambda: figures.tuning(c, s.baseline),
        "map": lambda: data_map(c.map),
        "reliability": lambda: reliability(
            probabilities.drawn(c, s.baseline), len(c.classes), c.test_size
        ),
        "prices": lambda: price_figure(c, prices.priced(c), names(c), s.baseline),
        "history": lambda: figures.history(c, s.baseline),
    }
    shown = [x for group in groups(c, s) for x in group.sections]
    named = ["first", *(p.name for x in shown for p in x.pictures)]
    return {f"{c.corpus}-{name}": draw[name] for name in named}


def _shortened(
    c: CorpusStatistics, every: tuple[Group, ...]
) -> tuple[tuple[Group, ...], dict[str, str]]:
    """Return the groups with tables of `ROWS` rows at most, and the whole long ones as CSV by name."""
    files: dict[str, str] = {}
    out = []
    for group in every:
        sections = []
        for section in group.sections:
            tables = tuple(_with_file(c, table) for table in section.tables)
            sections.append(replace(section, tables=tables))
            files |= {
                new.csv: csv_tables.printed(new)
                for new, table in zip(tables, section.tables, strict=True)
                if new is not table
            }
        out.append(replace(group, sections=tuple(sections)))
    return tuple(out), files


def _with_file(c: CorpusStatistics, table: Table) -> Table:
    """Return a long table with the name of a CSV file, where no unrounded one has its numbers."""
    if len(table.rows) <= ROWS or table.csv:
        return table
    words = re.findall(r"[a-z0-9]+", table.caption.lower())
    return replace(table, csv="-".join([c.corpus, *words[:6]]))


def _inlined(svg: str, name: str) -> str:
    """Return the figure with ids of its own, so that several can share one page."""
    return _REFERENCE.sub(rf"\1{name}-", svg)


def _explained(text: str, words: tuple[tuple[str, str], ...]) -> Markup:
    """Escape a sentence for HTML and explain its technical words where the mouse rests, each once."""
    left = {str(escape(word)): str(escape(meaning)) for word, meaning in words}

    def explain(found: re.Match[str]) -> str:
        meaning = left.pop(found[0], None)
        return found[0] if meaning is None else f'<abbr title="{meaning}">{found[0]}</abbr>'

    known = "|".join(map(re.escape, sorted(left, key=len, reverse=True)))
    return Markup(
        re.sub(rf"(?<!\w)(?:{known})(?!\w)", explain, str(escape(text))) if known else escape(text)
    )


def groups(c: CorpusStatistics, s: StudyStatistics) -> tuple[Group, ...]:
    """Return the folded parts about one corpus in the order in which a reader asks; no empty ones."""
    every = (
        Group(
            "How the methods compare",
            (
                methods.methods(c, s), Section("In words", tuple(answer.sentences(c, s))),
                effects.curves(c, s), effects.differences(c, s), effects.multipliers(c),
                recommendation.recommendation(c, s), screening.screening(c),
                effects.against_controls(c, s), effects.interactions(c),
            ),
        ),
        Group("Which classes need labels", (classes.section(c, s),)),
        Group(
            "How many labels a target needs",
            (recommendation.targets(c, s), extrapolation.next_labels(c)),
        ),
        Group(
            "What it costs",
            (prices.prices(c), costs.costs(c), costs.architectures(c), costs.history(c, s)),
        ),
        Group("What tuning changed", (tuning.section(c, s),)),
        Group("How far the probabilities can be trusted", (probabilities.section(c, s),)),
        Group("Controls and checks", (effects.checks(c, s),)),
        Group("The texts", (texts.section(c, s), costs.audit(c, s), costs.card(c))),
        Group("Beyond the measured labels", (extrapolation.extrapolation(c, s),)),
        Group("What speaks against it", (doubts.section(c, s), costs.missing(c))),
    )  # fmt: skip
    filled = (replace(g, sections=tuple(x for x in g.sections if _filled(x))) for g in every)
    return tuple(g for g in filled if g.sections)


def _filled(x: Section) -> bool:
    return bool(x.paragraphs or x.tables or x.pictures)


def limits(s: StudyStatistics) -> list[str]:
    """Return the conclusions that a reader must not draw."""
    out = [
        *tuning.caveat(s),
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
