"""Reads exports of Argilla: records of version 2, nested or flat, and annotations of version 1.

Every question is a column, named as the question is; suggestions are no labels.
"""

from collections.abc import Sequence
from typing import Any

from datayield.corpora.exports.tool import LABEL, Fields, Tool, plain
from datayield.corpora.row_labels import NO_LABEL, Absent, of_annotators, single

_RESPONSES = ".responses"
_OLD = ("annotation", "annotation_agent", "status")
_DISCARDED = Absent("discarded in Argilla, so without a label")
_DRAFT = Absent("with a draft in Argilla, so without a label")


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(_is_nested(row) or _is_flat(row) or _is_old(row) for row in rows)


def _is_nested(row: Fields) -> bool:
    return isinstance(row.get("fields"), dict) and "responses" in row


def _is_flat(row: Fields) -> bool:
    return "status" in row and any(name.endswith(_RESPONSES) for name in row)


def _is_old(row: Fields) -> bool:
    return all(name in row for name in _OLD)


def _read(row: Fields) -> dict[str, Any]:
    if _is_nested(row):
        return _nested(row)
    return _old(row) if _is_old(row) else _flat(row)


def _nested(row: Fields) -> dict[str, Any]:
    responses = row.get("responses")
    if isinstance(responses, list):  # of older servers: one entry for each user, by question
        by_question: dict[str, list[Any]] = {}
        for response in responses:
            values = response.get("values") if isinstance(response, dict) else None
            for question, value in (values if isinstance(values, dict) else {}).items():
                part = value if isinstance(value, dict) else {"value": value}
                by_question.setdefault(question, []).append(dict(response) | part)
        responses = by_question
    found = {
        question: _voted(given)
        for question, given in (responses if isinstance(responses, dict) else {}).items()
        if isinstance(given, list)
    }
    return plain(row["fields"]) | found


def _voted(given: Sequence[Any]) -> Any:
    """Return the answers of a question from [{"value", "user_id", "status"}]."""
    answers = [x for x in given if isinstance(x, dict)]
    kept = [x for x in answers if x.get("status", "submitted") == "submitted"]
    if answers and not kept:
        return _DRAFT if any(x["status"] == "draft" for x in answers) else _DISCARDED
    return of_annotators(
        [(str(x.get("user_id", i)), _labels(x.get("value"))) for i, x in enumerate(kept)]
    )


def _flat(row: Fields) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, values in row.items():
        if name.endswith(_RESPONSES):
            users, states = (_list(row.get(f"{name}.{part}")) for part in ("users", "status"))
            found[name.removesuffix(_RESPONSES)] = _voted(
                [
                    {
                        "value": value,
                        "user_id": _at(users, i, i),
                        "status": _at(states, i, "submitted"),
                    }
                    for i, value in enumerate(_list(values))
                ]
            )
    inner = tuple(name for name in row if name.partition(".")[0] in found)
    return plain(row, ("id", "status", "inserted_at", "updated_at", *inner)) | found


def _old(row: Fields) -> dict[str, Any]:
    inputs = row.get("inputs")
    texts = plain(inputs) if isinstance(inputs, dict) else {}
    label = _DISCARDED if row.get("status") == "Discarded" else single(_labels(row["annotation"]))
    known = (
        *_OLD,
        "prediction",
        "prediction_agent",
        "id",
        "event_timestamp",
        "multi_label",
        "split",
    )
    return texts | plain(row, known) | {LABEL: label or NO_LABEL}


def _labels(value: Any) -> list[Any]:
    return [] if value in (None, "") else value if isinstance(value, list) else [value]


def _list(value: Any) -> list[Any]:
    return value if isinstance(value, list) else []


def _at(values: Sequence[Any], place: int, otherwise: Any) -> Any:
    return values[place] if place < len(values) else otherwise


RECORDS = Tool("argilla", "Argilla", _recognises, _read)
