"""Reads exports of doccano: JSON or JSON lines with `data` or `text` and a list of labels.

Old versions wrote a list of `annotations`, each with its user and the number of a label.
"""

from collections.abc import Sequence
from typing import Any

from datayield.corpora.exports.tool import LABEL, TEXT, Fields, Tool, plain
from datayield.corpora.row_labels import Absent, Answers, of_annotators, single

_TEXTS, _LISTS = ("text", "data"), ("label", "labels")
_OLD = "annotations"


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(_named(row, _TEXTS, str) and _has_labels(row) for row in rows)


def _has_labels(row: Fields) -> bool:
    old = row.get(_OLD)
    of_users = isinstance(old, list) and all(isinstance(x, dict) and "user" in x for x in old)
    return bool(of_users or _named(row, _LISTS, list))


def _named(row: Fields, names: Sequence[str], kind: type) -> str | None:
    return next((name for name in names if isinstance(row.get(name), kind)), None)


def _read(row: Fields) -> dict[str, Any]:
    text = _named(row, _TEXTS, str)
    given = row.get(_named(row, _LISTS, list) or LABEL)
    label = single(given if isinstance(given, list) else [] if given is None else [given])
    named = plain(row, (*_TEXTS, *_LISTS)) | {TEXT: row[text] if text else None}
    return named | {LABEL: _of_users(row[_OLD]) if isinstance(row.get(_OLD), list) else label}


def _of_users(annotations: Sequence[Fields]) -> Answers | Absent:
    given: dict[str, list[Any]] = {}
    for each in annotations:
        whole = isinstance(each, dict) and "start_offset" not in each and "label" in each
        user = str(each.get("user")) if isinstance(each, dict) else ""
        given.setdefault(user, []).append(each["label"] if whole else [each])
    return of_annotators(list(given.items()))


LABELS = Tool("doccano", "doccano", _recognises, _read)
