"""Reads lines of fastText: the text and, anywhere in it, `__label__NAME`."""

import re
from collections.abc import Sequence
from typing import Any

from datayield.corpora.exports.tool import LABEL, TEXT, Fields, Tool
from datayield.corpora.row_labels import single

_LABELS = re.compile(r"(?<!\S)((?:__label__\S+?)+),?(?:\s+|$)")
"""Labels of one word; several in a word or a comma after one separate them, and are not part of a name."""


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(set(row) == {TEXT} for row in rows) and any(
        _LABELS.search(str(row[TEXT])) for row in rows
    )


def _read(row: Fields) -> dict[str, Any]:
    line = str(row.get(TEXT) or "")
    names = [x.strip(",") for word in _LABELS.findall(line) for x in word.split("__label__")[1:]]
    return {TEXT: _LABELS.sub("", line).rstrip(), LABEL: single(names)}


LINES = Tool("fasttext", "fastText", _recognises, _read)
