"""Reads lines of fastText: `__label__NAME` and the text."""

from collections.abc import Sequence
from typing import Any

from datayield.corpora.exports.tool import LABEL, TEXT, Fields, Tool
from datayield.corpora.row_labels import single

PREFIX = "__label__"


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(set(row) == {TEXT} for row in rows) and any(
        str(row[TEXT]).startswith(PREFIX) for row in rows
    )


def _read(row: Fields) -> dict[str, Any]:
    rest, labels = str(row.get(TEXT) or ""), []
    while rest.startswith(PREFIX):
        word, *after = rest.split(None, 1)
        labels.append(word.removeprefix(PREFIX))
        rest = after[0] if after else ""
    return {TEXT: rest, LABEL: single(labels)}


LINES = Tool("fasttext", "fastText", _recognises, _read)
