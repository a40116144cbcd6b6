"""Raw texts without labels, read from a file or from standard input."""

import contextlib
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import pyarrow.parquet as pq

from datayield import table, text
from datayield.config import FileSource
from datayield.corpora import read
from datayield.errors import UserError, nearest

LINES = "lines"  # the form of a file that is a text per line
FORMS = {**read.FORMATS, ".txt": LINES}
DEFAULT_COLUMN = "text"


@dataclass(frozen=True, slots=True)
class Asked:
    """Which texts.

    Attributes:
        path: the file; None for standard input.
        form: "csv", "tsv", "jsonl", "parquet" or "lines"; None: by the file's ending, else lines.
        column: of the texts; None: the only one, or "text".
        encoding: of the file.
    """

    path: Path | None
    form: str | None = None
    column: str | None = None
    encoding: str = "utf-8"


@contextmanager
def opened(asked: Asked) -> Iterator[Iterator[str]]:
    """The texts in order, read as they are asked for; a missing field is an empty text.

    Raises:
        UserError: naming the file and the place in it.
    """
    form = asked.form or _form(asked)
    if form == LINES and asked.column is not None:
        raise UserError(
            f"--text {asked.column}: {_shown(asked)} is read as a text per line, without columns; name"
            " its form: --format csv, tsv, jsonl or parquet"
        )
    if asked.path is not None:
        yield _texts(asked.path, form, asked)
        return
    with _spooled(sys.stdin.buffer) as kept:  # some forms are read from several places
        yield _texts(Path(kept.name), form, asked)


def _spooled(stream: BinaryIO) -> "tempfile._TemporaryFileWrapper[bytes]":
    try:
        kept = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed by the caller
        try:
            shutil.copyfileobj(stream, kept)
            kept.flush()
        except OSError:
            with contextlib.suppress(OSError):  # closing writes the rest, again in vain
                kept.close()
            raise
    except OSError as e:
        raise text.no_room(e) from e
    return kept


def _shown(asked: Asked) -> str:
    return str(asked.path) if asked.path is not None else "standard input"


def _form(asked: Asked) -> str:
    if asked.path is None:
        return LINES
    ending = asked.path.suffix.lower()
    if ending not in FORMS:
        raise UserError(
            f"{asked.path}: wanted a file ending in {', '.join(sorted(FORMS))}, or its form: --format"
        )
    return FORMS[ending]


def _texts(path: Path, form: str, asked: Asked) -> Iterator[str]:
    if not path.exists():
        raise UserError(f"{path} does not exist. Check the path.")
    if form == LINES:
        return _lines(path, asked)
    return _fields(path, form, asked)


def _lines(path: Path, asked: Asked) -> Iterator[str]:
    try:
        with path.open(encoding=asked.encoding) as file:
            for number, line in enumerate(read.lines(file, _shown(asked))):
                yield line.removesuffix("\n").removeprefix("\ufeff" if number == 0 else "")
    except UnicodeError as e:
        what = (
            f"byte {e.object[e.start]:#04x} is not {asked.encoding}"
            if isinstance(e, UnicodeDecodeError)
            else f"it is not {asked.encoding}: {e}"
        )
        raise UserError(
            f"{_shown(asked)}: {what}; name the file's encoding ({read.ENCODINGS})"
        ) from e
    except LookupError as e:
        raise UserError(f"unknown encoding {asked.encoding!r}; try utf-8, latin-1 or cp1252") from e
    except OSError as e:
        raise UserError(f"{_shown(asked)} cannot be read: {e.strerror}") from e


def _fields(path: Path, form: str, asked: Asked) -> Iterator[str]:
    if form == "parquet":  # which is read by columns
        column = _column(_parquet_columns(path, asked), asked)
        source = _source(form, column, asked)
        for line, row in read.numbered_rows(source, path):
            yield read.string(source, row, line, column)
        return
    rows = read.numbered_rows(_source(form, asked.column or "", asked), path)
    first = next(rows, None)
    if first is None:
        return
    column = _column(list(first[1]), asked)
    source = _source(form, column, asked)
    for line, row in chain([first], rows):
        yield read.string(source, row, line, column)


def _parquet_columns(path: Path, asked: Asked) -> list[str]:
    try:
        return list(pq.read_schema(path).names)
    except table.UNREADABLE as e:
        why = " ".join(str(e).split())[:200]
        raise UserError(f"{_shown(asked)} is not a readable parquet file: {why}") from e


def _column(known: list[str], asked: Asked) -> str:
    if asked.column is not None:
        if asked.column not in known:
            raise UserError(
                f'{_shown(asked)} has no column "{asked.column}": {nearest(asked.column, known)}'
            )
        return asked.column
    if len(known) == 1:
        return known[0]
    if DEFAULT_COLUMN in known:
        return DEFAULT_COLUMN
    raise UserError(
        f"{_shown(asked)} has the columns {', '.join(known)}; name that of the texts: --text COLUMN"
    )


def _source(form: str, column: str, asked: Asked) -> FileSource:
    """What the readers of labelled files want to know, of a file without labels."""
    return FileSource.model_construct(
        loader="file", path=_shown(asked), sha256="", text=column, label=column, format=form,
        encoding=asked.encoding, split=None,
    )  # fmt: skip
