"""The statistics behind the report's tables as CSV, one line per row, numbers unrounded."""

import io
from typing import Any

from datayield import spreadsheet
from datayield.spreadsheet import guarded

KINDS = (
    "scores", "differences", "multipliers", "multipliers_simple", "recommended", "target", "next",
    "outlooks", "interactions", "against_controls", "checks", "costs", "architectures",
    "hardest",
)  # fmt: skip


def csv_files(statistics: dict[str, Any]) -> dict[str, str]:
    """Name → CSV with a corpus column; columns of nested values are named `difference.low`."""
    found = {}
    for kind in KINDS:
        rows = [
            {"corpus": c["corpus"], **_flat(row)} for c in statistics["corpora"] for row in c[kind]
        ]
        if rows:
            found[kind] = _csv(rows)
    if statistics["across"]["rows"]:
        found["across"] = _csv([_flat(row) for row in statistics["across"]["rows"]])
    return found


def _flat(value: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    out: dict[str, Any] = {}
    for key, v in value.items():
        if isinstance(v, dict):
            out |= _flat(v, f"{prefix}{key}.")
        else:
            out[prefix + key] = _value(v)
    return out


def _value(v: Any) -> Any:
    """Lists as one text; a user's text that a spreadsheet would compute gets a quote before it."""
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
