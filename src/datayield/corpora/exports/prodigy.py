"""Reads exports of Prodigy (`db-out`): binary answers, and choices among options."""

from collections.abc import Sequence
from typing import Any

from datayield.corpora.exports.tool import LABEL, TEXT, Fields, Tool, plain
from datayield.corpora.row_labels import NO_LABEL, SPANS, Absent, single

ANNOTATOR = "annotator"
_UNDECIDED = {
    "reject": Absent("rejected in Prodigy, so without a label"),
    "ignore": Absent("ignored in Prodigy, so without a label"),
}


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(row.get("answer") in ("accept", *_UNDECIDED) and TEXT in row for row in rows)


def _read(row: Fields) -> dict[str, Any]:
    annotator = row.get("_annotator_id") or row.get("_session_id")
    named = plain(row, (TEXT, LABEL, "answer", "accept"))
    answered = {TEXT: row.get(TEXT), LABEL: _label(row)}
    return named | answered | ({ANNOTATOR: annotator} if annotator else {})


def _label(row: Fields) -> str | Absent:
    answer = row.get("answer")
    if answer in _UNDECIDED:
        return _UNDECIDED[answer]
    accepted = row.get("accept")
    if isinstance(accepted, list):
        return single(accepted)
    if row.get(LABEL) in (None, ""):
        return SPANS if row.get("spans") else NO_LABEL
    return single([row[LABEL]])


ANSWERS = Tool("prodigy", "Prodigy", _recognises, _read, ANNOTATOR)
