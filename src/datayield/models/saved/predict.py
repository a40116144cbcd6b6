"""Labels raw texts with an exported model and writes the labels batch by batch."""

import json
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TextIO, TypeAlias

import pyarrow as pa
import pyarrow.parquet as pq

from datayield.core import files, spreadsheet
from datayield.core.errors import UserError
from datayield.core.spreadsheet import guarded
from datayield.models.saved.format import Model
from datayield.text import sequences
from datayield.text.sequences import ROWS

Record: TypeAlias = Mapping[str, Any]
Write: TypeAlias = Callable[[list[Record]], None]  # takes a batch of records
BATCH = ROWS


def labelled(model: Model, texts: Iterable[str]) -> Iterator[list[Record]]:
    """Yield batches of records in the order of the texts.

    A record holds the text, its label, the label's score and the scores by class. The score's key is
    "probability", or "margin" if the model has no probabilities.
    """
    for piece in sequences.pieces(texts, BATCH):
        scores = model.scores(piece)
        yield [
            {
                "text": line,
                "label": model.classes[best],
                model.output: float(row[best]),
                "scores": dict(zip(model.classes, map(float, row), strict=True)),
            }
            for line, row, best in zip(piece, scores, scores.argmax(1), strict=True)
        ]


@contextmanager
def writer(out: Path | None, model: Model, as_json: bool) -> Iterator[Write]:
    """Give a function that writes records to standard output, or to a file that is complete or absent.

    Args:
        out: file ending in .csv, .tsv, .jsonl or .parquet; None: standard output, as csv. In csv and
            tsv a text that a spreadsheet would run as a formula begins with an apostrophe.
        model: model whose kind of score names the column.
        as_json: whether to print a JSON object per line, with the scores of all classes.

    Raises:
        UserError: if the file has another ending or cannot be written.
    """
    columns = ("text", "label", model.output)
    if out is None:
        yield _json(sys.stdout) if as_json else _separated(sys.stdout, ",", columns)
        return
    ending = out.suffix.lower()
    if ending not in (".csv", ".tsv", ".jsonl", ".parquet"):
        raise UserError(f"--out {out}: wanted a file ending in .csv, .tsv, .jsonl or .parquet")
    if as_json and ending != ".jsonl":
        raise UserError(f"--out {out}: --json writes lines of JSON. Name a file ending in .jsonl.")
    with files.atomic_path(out) as temporary:
        if ending == ".parquet":
            schema = pa.schema(
                [("text", pa.large_string()), ("label", pa.string()), (model.output, pa.float32())]
            )
            with pq.ParquetWriter(temporary, schema) as file:
                yield lambda records: file.write_table(
                    pa.Table.from_pylist([{c: r[c] for c in columns} for r in records], schema)
                )
            return
        with temporary.open("w", encoding="utf-8", newline="") as open_file:
            if ending == ".jsonl":
                yield _json(open_file)
            else:
                yield _separated(open_file, "\t" if ending == ".tsv" else ",", columns)


def _json(file: TextIO) -> Write:
    def write(records: list[Record]) -> None:
        file.writelines(json.dumps(r, ensure_ascii=False) + "\n" for r in records)

    return write


def _separated(file: TextIO, separator: str, columns: tuple[str, ...]) -> Write:
    out = spreadsheet.writer(file, separator)
    out.writerow(columns)

    def write(records: list[Record]) -> None:
        out.writerows(
            [f"{r[c]:.6g}" if c == columns[2] else guarded(r[c]) for c in columns] for r in records
        )

    return write
