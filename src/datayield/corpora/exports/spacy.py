"""Reads texts with spaCy's `cats`: a score for each class, where the class above 0.5 is the label."""

from collections.abc import Sequence
from typing import Any

from datayield.corpora.exports.tool import LABEL, TEXT, Fields, Tool, plain
from datayield.corpora.row_labels import Absent, single

THRESHOLD = 0.5


def _recognises(rows: Sequence[Fields]) -> bool:
    return all(isinstance(row.get("cats"), dict) and TEXT in row for row in rows)


def _read(row: Fields) -> dict[str, Any]:
    return plain(row, (TEXT, LABEL)) | {TEXT: row.get(TEXT), LABEL: _label(row.get("cats"))}


def _label(scores: Any) -> str | Absent:
    if not isinstance(scores, dict):
        return single([])
    if any(_number(score) > 1 for score in scores.values()):
        return Absent("whose scores are not from 0 to 1", left_out=True)
    above = [name for name, score in scores.items() if _number(score) > THRESHOLD]
    return single(above) if above or not scores else Absent("without a class above 0.5")


def _number(score: Any) -> float:
    return float(score) if isinstance(score, (int, float)) else 0.0


CATS = Tool("spacy", "spaCy", _recognises, _read)
