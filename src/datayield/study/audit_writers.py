"""Writes the audit of a file: lines for the terminal, a Markdown page, and a CSV file of all texts found."""

import io
from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

from datayield.core import spreadsheet
from datayield.core.markdown import escaped
from datayield.core.spreadsheet import guarded
from datayield.study.file_audit import ClassCount, FileAudit
from datayield.study.file_duplicates import FileFinding, SuspiciousText
from datayield.study.wrong_labels import JudgedLabels

SHOWN = 12  # rows of a table of the page
PRINTED = 3  # texts of a finding in the terminal
EXCERPT = 100  # characters of a text in the page and in the terminal
COLUMNS = ("finding", "part", "row", "label", "suggested", "certainty", "like", "text", "like_text")


def as_csv(audit: FileAudit) -> str:
    """Return CSV with a line for each text of each finding; texts are guarded against formulas."""
    out = io.StringIO()
    writer = spreadsheet.writer(out)
    writer.writerow(COLUMNS)
    for finding in audit.findings:
        for x in finding.texts:
            writer.writerow(
                (
                    finding.name,
                    _part(audit, x.place),
                    int(audit.rows[x.place]),
                    guarded(_label(audit, x.place)),
                    guarded(x.suggested),
                    "" if x.certainty is None else round(x.certainty, 4),
                    "" if x.like is None else _where(audit, x.like),
                    guarded(audit.texts[x.place]),
                    "" if x.like is None else guarded(audit.texts[x.like]),
                )
            )
    return out.getvalue()


def as_markdown(name: str, audit: FileAudit) -> str:
    """Return the page: all findings, the classes, and the first texts of each finding."""
    lines = [
        f"# Audit of {_cell(name)}",
        "",
        _counts(audit),
        "",
        *_findings(audit),
        *_classes(audit),
    ]
    for finding in audit.findings:
        if finding.texts:
            lines += _texts(audit, finding)
    return "\n".join(lines) + "\n"


def as_data(audit: FileAudit) -> dict[str, Any]:
    """Return the counts as plain values for JSON."""
    return {
        "labelled": len(audit.labels),
        "unlabelled": len(audit.texts) - len(audit.labels),
        "unread": round(audit.unread, 4),
        "cut": asdict(audit.cut) if audit.cut else None,
        "agreement": None if audit.judgement is None else round(audit.judgement.agreement, 4),
        "informed": audit.judgement is not None and audit.judgement.informed,
        "classes": [
            {"name": c.name, "texts": c.texts, "wrong": c.wrong, "instead": c.instead}
            for c in audit.classes
        ],
        "findings": [
            {"name": f.name, "texts": len(f.texts), "of": f.of, "advice": f.advice}
            for f in audit.findings
        ],
    }


def terminal_lines(name: str, audit: FileAudit) -> Iterator[str]:
    """Yield the counts of what was found, and the first texts of the labels that are likely wrong."""
    yield f"{_printable(name)}: {_counts(audit)}"
    for finding in audit.findings:
        if finding.texts:
            yield f"  {len(finding.texts):7,} of {finding.of:7,}  {finding.name}"
        for x in (x for x in finding.texts[:PRINTED] if x.certainty is not None):
            judged = f"{_label(audit, x.place)}, rather {x.suggested} ({x.certainty:.2f})"
            yield f"{'':21}{_where(audit, x.place)}: {_printable(judged)}: {_excerpt(audit, x.place)}"
    yield from (f"  {sentence}" for sentence in _sentences(audit))


def _counts(audit: FileAudit) -> str:
    more = len(audit.texts) - len(audit.labels)
    return (
        f"{len(audit.labels):,} labelled texts of {len(audit.classes):,} classes"
        f"{f', {more:,} unlabelled texts' if more else ''}"
    )


def _findings(audit: FileAudit) -> Iterator[str]:
    yield from ("| finding | texts | of | what to do |", "|---|---|---|---|")
    for x in audit.findings:
        if x.texts:
            yield f"| {x.name} | {len(x.texts):,} | {x.of:,} | {x.advice} |"
    for sentence in _sentences(audit):
        yield from ("", sentence)


def _sentences(audit: FileAudit) -> Iterator[str]:
    """Yield what was not found, how far the judged labels can be trusted, and what is not read."""
    none = [x.name for x in audit.findings if x.of and not x.texts]
    if none:
        yield f"Looked for and not found: {'; '.join(none)}."
    if audit.judgement is None:
        yield "No label was judged: that takes two classes of ten different texts each."
    else:
        yield _trust(audit.judgement)
    read = f"{audit.tokens_read:,}"
    if audit.unread:
        beyond = f"{audit.unread:.1%} of all tokens lie beyond the first {read} of their text"
        yield f"{beyond}, where a study does not read."
    if audit.cut:
        yield f"A study of this file reads up to {read} tokens of a text; {audit.cut.sentence()}."


def _trust(j: JudgedLabels) -> str:
    agreement = (
        f"The models that judge the labels predict {j.agreement:.0%} of them without having seen them; the"
        f" largest class is {j.largest:.0%}."
    )
    if j.informed:
        return agreement
    return f"{agreement} They know too little of these texts to judge labels: what they list says nothing."


def _classes(audit: FileAudit) -> Iterator[str]:
    ranked = sorted(audit.classes, key=lambda c: (-(c.wrong or 0) / c.texts, -c.texts, c.name))
    shown = ranked[:SHOWN]
    rest = len(ranked) - len(shown)
    yield from (
        "",
        "## Classes",
        "",
        "| class | texts | likely wrong | most often suggested |",
        "|---|---|---|---|",
    )
    yield from map(_class, shown)
    if rest:
        yield from (
            "",
            f"{rest:,} further classes have a smaller share of labels that are likely wrong.",
        )


def _class(c: ClassCount) -> str:
    wrong = "not judged" if c.wrong is None else f"{c.wrong:,} ({c.wrong / c.texts:.0%})"
    return f"| {_cell(c.name)} | {c.texts:,} | {wrong} | {_cell(c.instead)} |"


def _texts(audit: FileAudit, finding: FileFinding) -> Iterator[str]:
    shown = finding.texts[:SHOWN]
    yield from ("", f"## {finding.name[0].upper()}{finding.name[1:]}", "")
    if len(shown) < len(finding.texts):
        yield from (f"The first {len(shown)} of {len(finding.texts):,}; all are in rows.csv.", "")
    cells = [_cells(audit, x) for x in shown]
    columns = [c for c in cells[0] if any(row[c] for row in cells)]
    yield from (f"| {' | '.join(columns)} |", f"|{'---|' * len(columns)}")
    for row in cells:
        yield f"| {' | '.join(_cell(row[c]) for c in columns)} |"


def _cells(audit: FileAudit, x: SuspiciousText) -> dict[str, str]:
    """Return the cells of a text by column; those that nothing is known of are empty."""
    sure = "" if x.certainty is None else f" ({x.certainty:.2f})"
    return {
        "row": _where(audit, x.place),
        "label": _label(audit, x.place),
        "suggested": f"{x.suggested}{sure}",
        "text": _excerpt(audit, x.place),
        "like": "" if x.like is None else f"{_where(audit, x.like)}: {_excerpt(audit, x.like)}",
    }


def _part(audit: FileAudit, place: int) -> str:
    return "labelled" if place < len(audit.labels) else "unlabelled"


def _where(audit: FileAudit, place: int) -> str:
    row = f"row {audit.rows[place]:,}"
    return row if place < len(audit.labels) else f"unlabelled {row}"


def _label(audit: FileAudit, place: int) -> str:
    return audit.labels[place] if place < len(audit.labels) else ""


def _excerpt(audit: FileAudit, place: int) -> str:
    line = _printable(audit.texts[place])
    return line if len(line) <= EXCERPT else f"{line[: EXCERPT - 1]}…"


def _cell(text: str) -> str:
    return escaped(_printable(text))


def _printable(text: str) -> str:
    """Return a text as one line without characters that a terminal or a page would obey."""
    return "".join(c if c.isprintable() else "�" for c in " ".join(text.split()))
