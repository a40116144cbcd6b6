"""Writes the statistics behind the report's tables as CSV, one line per row, numbers unrounded."""

import io
from typing import Any

from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.analysis.typed_json import to_json
from datayield.core import spreadsheet
from datayield.core.spreadsheet import guarded
from datayield.report.section import Table

KINDS = (
    "scores", "differences", "mean_differences", "components", "multipliers", "shared_multipliers",
    "multipliers_simple", "recommended", "target", "next",
    "extrapolations", "interactions", "against_controls", "checks", "costs", "architectures",
    "class_scores", "class_confusions", "class_gains", "methods",
)  # fmt: skip


def csv_files(statistics: StudyStatistics) -> dict[str, str]:
    """Return name → CSV with a corpus column; columns of nested values are named `difference.low`."""
    tables = {
        kind: [
            {"corpus": c.corpus, **_flat(row)}
            for c in statistics.corpora
            for row in to_json(getattr(c, kind))
        ]
        for kind in KINDS
    }
    tables["hardest"] = [
        {"corpus": c.corpus, **_flat(row)} for c in statistics.corpora for row in _hardest(c)
    ]
    tables["race"] = [
        {
            "corpus": c.corpus,
            "round": k,
            "draws": r.draws,
            "keep": r.keep,
            "arm": x.arm,
            "gain": x.gain,
        }
        for c in statistics.corpora
        for k, r in enumerate(c.race.rounds if c.race else (), start=1)
        for x in r.ranked
    ]
    tables["probabilities"] = [
        {"corpus": c.corpus, **_flat({k: v for k, v in to_json(a).items() if k != "bins"})}
        for c in statistics.corpora
        for a in c.probabilities.arms
    ]
    tables["reliability"] = [
        {"corpus": c.corpus, "arm": a.arm, "n": a.n, **_flat(to_json(b))}
        for c in statistics.corpora
        for a in c.probabilities.arms
        for b in a.bins
    ]
    tables["across"] = [_flat(to_json(row)) for row in statistics.across.rows]
    return {name: _csv(rows) for name, rows in tables.items() if rows}


def printed(table: Table) -> str:
    """Return a table of the page as CSV, as it is printed there, with all its rows."""
    return _csv([dict(zip(table.head, map(guarded, row), strict=True)) for row in table.rows])


def _hardest(c: CorpusStatistics) -> list[Any]:
    """Return the hardest texts as JSON objects; without the key `text` where texts are hidden."""
    rows = to_json((*c.hard_training_texts, *c.hard_test_texts))
    return [{k: v for k, v in row.items() if k != "text" or v is not None} for row in rows]


def _flat(value: Any, prefix: str = "") -> dict[str, Any]:
    """Return the leaves of a nested JSON object by their path."""
    out: dict[str, Any] = {}
    for key, v in value.items():
        if isinstance(v, dict):
            out |= _flat(v, f"{prefix}{key}.")
        else:
            out[prefix + key] = _value(v)
    return out


def _value(v: Any) -> Any:
    """Return lists as one text; put a quote before a user's text that a spreadsheet would compute."""
    if isinstance(v, str):
        return guarded(v)
    return guarded(" ".join(map(str, v))) if isinstance(v, list | tuple) else v


def _csv(rows: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for row in rows for name in row))
    out = io.StringIO()
    rows_to = spreadsheet.writer(out)
    rows_to.writerow(names)
    rows_to.writerows([row.get(name, "") for name in names] for row in rows)
    return out.getvalue()
