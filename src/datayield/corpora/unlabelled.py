"""Reads texts without labels: those that a corpus has next to its pool, and those of `predict`.

The unlabelled texts of a corpus are read by the strategies that read texts without labels, and are never
drawn. A text that the test set or the pool holds too, or that came before, is left out and counted.
"""

import contextlib
import shutil
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from itertools import chain
from pathlib import Path
from typing import BinaryIO

from datayield.config import UnlabelledFile
from datayield.core import files
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.core.types import Corpus
from datayield.corpora import recognise, tabular
from datayield.corpora.build import digest
from datayield.corpora.loaders import file
from datayield.corpora.text_fields import fields_in, fields_of, joined
from datayield.text import sequences, tokens

TEST = "unlabelled texts that are test texts"
POOL = "unlabelled texts that are texts of the pool"
TWICE = "unlabelled texts that occurred before"
EMPTY = "unlabelled rows without a text"


# ---- unlabelled texts of a corpus
def everything(corpus: Corpus) -> Sequence[str]:
    """Return the texts by id: those of the pool, then the unlabelled ones."""
    return (
        sequences.JoinedTexts(corpus.texts, corpus.unlabelled)
        if len(corpus.unlabelled)
        else corpus.texts
    )


def attach(
    corpus: Corpus, source: UnlabelledFile | None, root: Path, partly: Iterable[str] = ()
) -> tuple[Corpus, dict[str, int]]:
    """Return the corpus with unlabelled texts, and how many were left out, by reason.

    Args:
        corpus: the corpus without them.
        source: a file of unlabelled texts.
        root: the folder from which its path counts.
        partly: texts without a label of the files of the corpus.

    Raises:
        UserError: the file changed, cannot be read, has no such column, or leaves no text.
    """
    lines = chain(partly, _lines(source, root) if source is not None else ())
    removed = Counter({TEST: 0, POOL: 0, TWICE: 0, EMPTY: 0})
    kept = sequences.TextColumn.spooled(_new_texts(corpus, lines, removed))
    if not kept and source is not None:
        raise UserError(
            f"{source.path}: every text is empty, or in the corpus as well; nothing is left to read"
        )
    joined = replace(corpus, unlabelled=kept)
    return replace(joined, digest=digest(joined)), dict(removed)


def _lines(source: UnlabelledFile, root: Path) -> Iterator[str]:
    """Yield the texts of a file, whose content must be the one that was added."""
    file.check_digest(source, root)
    layout = replace(tabular.layout_of(root / source.path, source.encoding), title=source.path)
    fields = fields_in(layout, source.text)
    for place, (number, row) in enumerate(tabular.rows(layout, fields), 1):
        if place % file.MEMORY_CHECK == 0:  # before the system ends a process that grows too large
            machine.require_corpus(source.path, place)
        yield joined(layout, number, row, fields)


def _new_texts(corpus: Corpus, lines: Iterable[str], removed: Counter[str]) -> Iterator[str]:
    """Yield the texts that are nowhere else; `removed` counts the others."""
    empty = tokens.fingerprint("")
    test = {tokens.fingerprint(t) for t in corpus.test_texts}
    pool = {tokens.fingerprint(t) for t in corpus.texts}
    seen: set[bytes] = set()
    for text in lines:
        mark = tokens.fingerprint(text)
        reason = (
            EMPTY if mark == empty else TEST if mark in test else POOL if mark in pool
            else TWICE if mark in seen else None
        )  # fmt: skip
        if reason is None:
            seen.add(mark)
            yield text
        else:
            removed[reason] += 1


# ---- texts to predict
@contextmanager
def open_texts(
    path: Path | None,
    format: str | None = None,
    column: str | None = None,
    encoding: str | None = None,
    notify: Callable[[str], object] | None = None,
) -> Iterator[Iterator[str]]:
    """Open a file of texts; the block gets an iterator that reads them in order.

    An empty field of csv or tsv is an empty text; null in jsonl or parquet is a missing one.

    Args:
        path: the file; None: standard input.
        format: "csv", "tsv", "jsonl", "parquet" or "lines"; None: by the ending; standard input: lines.
        column: the column of the texts; None: the only column, or "text".
        encoding: of the file; None: found from its content.
        notify: gets the sentence that says which encoding was found.

    Raises:
        UserError: naming the file and the place in it; also for a row whose text is missing.
    """
    title = "standard input" if path is None else str(path)
    if format is None:
        format = tabular.LINES if path is None else tabular.format_of(path)
    if format == tabular.LINES and column is not None:
        raise UserError(
            f"--text {column}: {title} is read as a text per line, without columns; name its form:"
            " --format csv, tsv, jsonl or parquet"
        )
    with contextlib.ExitStack() as stack:
        if path is None:  # some formats are read from several places
            path = Path(stack.enter_context(_spooled(sys.stdin.buffer)).name)
        elif not path.exists():
            raise UserError(f"{path} does not exist. Check the path.")
        else:
            files.check_regular(path)
        found = recognise.encoding(path, encoding, format, title)
        if found.sentence and notify is not None:
            notify(found.sentence)
        separator = tabular.separator_of(path, found.name, format)
        yield _texts(tabular.Layout(path, format, found.name, separator, title), column)


def _spooled(stream: BinaryIO) -> "tempfile._TemporaryFileWrapper[bytes]":
    """Return a temporary file with the content of a stream; the caller closes it."""
    try:
        kept = tempfile.NamedTemporaryFile()  # noqa: SIM115 - closed by the caller
        try:
            shutil.copyfileobj(stream, kept)
            kept.flush()
        except OSError:
            with contextlib.suppress(OSError):  # closing writes the rest and fails again
                kept.close()
            raise
    except OSError as e:
        raise sequences.no_room(e) from e
    return kept


def _texts(layout: tabular.Layout, column: str | None) -> Iterator[str]:
    known = tabular.column_names(layout)
    if not known:
        return
    fields = _text_columns(layout, column, known)
    for number, row in tabular.rows(layout, fields):
        if all(tabular.is_missing(row.get(name)) for name in fields):
            raise UserError(
                f'{layout.name}, line {number}: column "{", ".join(fields)}" has no text. Leave such rows'
                " out, or write an empty text if one is meant."
            )
        yield joined(layout, number, row, fields)


def _text_columns(layout: tabular.Layout, column: str | None, known: list[str]) -> tuple[str, ...]:
    if column is not None:
        fields = fields_of(column, known, layout.name)
        tabular.check_columns(layout, fields, known)
        return fields
    if len(known) == 1:
        return (known[0],)
    if tabular.LINE_COLUMN in known:
        return (tabular.LINE_COLUMN,)
    raise UserError(
        f"{layout.name} has the columns {', '.join(known)}; name that of the texts: --text COLUMN"
    )
