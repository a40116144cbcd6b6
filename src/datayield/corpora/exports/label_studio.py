"""Reads exports of Label Studio: tasks (JSON) and one row for each annotation (JSON_MIN, CSV, TSV).

Every control of the labelling interface is a column, named as the control is. Cancelled annotations and
skipped tasks have no label.
"""

import json
from collections.abc import Iterator, Sequence
from typing import Any

from datayield.corpora.exports.tool import Fields, Tool, plain
from datayield.corpora.row_labels import NO_LABEL, Absent, of_annotators, single

ANNOTATOR = "annotator"
_CHOICES = "choices"
_OF_ROWS = (
    "annotation_id", "id", "created_at", "updated_at", "lead_time", "cancelled_annotations",
    "total_annotations", "total_predictions", "inner_id", "agreement", "file_upload", "project",
)  # fmt: skip


# ---- tasks
def _read_task(row: Fields) -> dict[str, Any]:
    data = row.get("data")
    answers: dict[str, list[tuple[str, list[Any]]]] = {}
    for number, annotation in enumerate(_annotations(row)):
        who = annotation.get("completed_by")
        who = who.get("id") if isinstance(who, dict) else who
        for control, labels in _chosen(annotation):
            answers.setdefault(control, []).append((str(number if who is None else who), labels))
    found = {control: of_annotators(given) for control, given in answers.items()}
    return plain(data if isinstance(data, dict) else {}) | found


def _annotations(row: Fields) -> Iterator[Fields]:
    """Yield the annotations of a task that were not cancelled; old versions name them completions."""
    given = row.get("annotations", row.get("completions"))
    for annotation in given if isinstance(given, list) else ():
        if isinstance(annotation, dict) and not annotation.get("was_cancelled"):
            yield annotation


def _chosen(annotation: Fields) -> Iterator[tuple[str, list[Any]]]:
    """Yield the control and the classes of every result of an annotation that names classes."""
    results = annotation.get("result")
    for result in results if isinstance(results, list) else ():
        value = result.get("value") if isinstance(result, dict) else None
        labels = _classes(value) if isinstance(value, dict) else None
        if labels is not None:
            yield str(result.get("from_name", _CHOICES)), labels


def _classes(value: Fields) -> list[Any] | None:
    """Return the choices, the rating or the paths in a taxonomy that a result holds; None: none of them."""
    if isinstance(value.get(_CHOICES), list):
        return list(value[_CHOICES])
    if isinstance(value.get("taxonomy"), list):
        return [" / ".join(map(str, x)) if isinstance(x, list) else x for x in value["taxonomy"]]
    return [value["rating"]] if isinstance(value.get("rating"), int) else None


# ---- rows
def _read_row(row: Fields) -> dict[str, Any]:
    found = {name: _value(value) for name, value in row.items() if name not in _OF_ROWS}
    return {name: value for name, value in found.items() if not isinstance(value, (list, dict))}


def _value(value: Any) -> Any:
    """Return a field; several choices are {"choices": [...]}, in CSV as text."""
    if isinstance(value, str) and value.startswith('{"choices"'):
        try:
            value = json.loads(value)
        except (ValueError, RecursionError):
            return Absent("whose choices are not JSON", left_out=True)
    if isinstance(value, dict) and isinstance(value.get(_CHOICES), list):
        return single(value[_CHOICES])
    return NO_LABEL if value is None else value


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(map(_is_task, rows)) or all({"annotation_id", ANNOTATOR} <= set(row) for row in rows)


def _is_task(row: Fields) -> bool:
    return isinstance(row.get("data"), dict)


def _read(row: Fields) -> dict[str, Any]:
    return _read_task(row) if _is_task(row) else _read_row(row)


TASKS = Tool("label_studio", "Label Studio", _recognises, _read, ANNOTATOR)
