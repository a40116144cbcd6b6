"""Reads exports of doccano: JSON or JSON lines with `data` or `text` and a list of labels."""

from collections.abc import Sequence
from typing import Any

from datayield.corpora.exports.tool import LABEL, TEXT, Fields, Tool, plain
from datayield.corpora.row_labels import Absent, single

_TEXTS, _LISTS = ("text", "data"), ("label", "labels")


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(_named(row, _TEXTS, str) and _named(row, _LISTS, list) for row in rows)


def _named(row: Fields, names: Sequence[str], kind: type) -> str | None:
    return next((name for name in names if isinstance(row.get(name), kind)), None)


def _read(row: Fields) -> dict[str, Any]:
    text = _named(row, _TEXTS, str)
    labels = row.get(_named(row, _LISTS, list) or LABEL)
    named = plain(row, (*_TEXTS, *_LISTS))
    return named | {TEXT: row[text] if text else None, LABEL: _label(labels)}


def _label(labels: Any) -> str | Absent:
    if not isinstance(labels, list):
        return single([] if labels is None else [labels])
    if any(isinstance(label, (list, dict)) for label in labels):
        return Absent("whose labels are spans of text, not classes", left_out=True)
    return single(labels)


LABELS = Tool("doccano", "doccano", _recognises, _read)
