"""Texts to label, as files of labelling tools: CSV, JSON lines, Label Studio's import."""

import csv
import io
import json
from collections.abc import Callable, Sequence
from typing import Any

from datayield.asking import Asked
from datayield.spreadsheet import guarded

COLUMNS = ("rank", "row", "text", "label", "reason")


def as_csv(asked: Sequence[Asked]) -> str:
    """Rank, row of the file, text, an empty label, reason; guarded against formulas."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n", quoting=csv.QUOTE_NONNUMERIC)
    writer.writerow(COLUMNS)
    for a in asked:
        writer.writerow([a.rank, a.place + 1, guarded(a.text), "", guarded(a.reason)])
    return out.getvalue()


def as_jsonl(asked: Sequence[Asked]) -> str:
    """The same columns, texts exactly as they came."""
    return "".join(json.dumps(_data(a), ensure_ascii=False) + "\n" for a in asked)


def as_label_studio(asked: Sequence[Asked]) -> str:
    """A list of tasks with their `data`; a labelling configuration shows "$text" and "$reason"."""
    tasks = [{"data": {k: v for k, v in _data(a).items() if k != "label"}} for a in asked]
    return json.dumps(tasks, ensure_ascii=False, indent=1) + "\n"


def _data(a: Asked) -> dict[str, Any]:
    return {"rank": a.rank, "row": a.place + 1, "text": a.text, "label": None, "reason": a.reason}


WRITERS: dict[str, Callable[[Sequence[Asked]], str]] = {
    ".csv": as_csv,
    ".jsonl": as_jsonl,
    ".json": as_label_studio,
}
