"""Texts without labels in a file of their own, beside a corpus's pool.

They are read by whatever reads texts without labels, and are never drawn. A text that the test set or
the pool holds as well, or that came before, is left out and counted.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from datayield import memory, text
from datayield.config import BesideFile
from datayield.corpora import files, read
from datayield.corpora.build import digest
from datayield.errors import UserError
from datayield.types import Corpus

TEST = "unlabelled texts that are test texts"
POOL = "unlabelled texts that are texts of the pool"
TWICE = "unlabelled texts that occurred before"
EMPTY = "unlabelled rows without a text"


def everything(corpus: Corpus) -> Sequence[str]:
    """Texts by id: the pool's, then those beside it."""
    return text.Joined(corpus.texts, corpus.beside) if len(corpus.beside) else corpus.texts


def attach(corpus: Corpus, source: BesideFile, root: Path) -> tuple[Corpus, dict[str, int]]:
    """The corpus with the texts of the file, and how many were left out, by reason.

    Raises:
        UserError: the file changed, cannot be read, lacks the column, or leaves no text.
    """
    files.check_digest(source, root)
    removed = Counter({TEST: 0, POOL: 0, TWICE: 0, EMPTY: 0})
    kept = text.Column.spooled(_new(corpus, source, root / source.path, removed))
    if not kept:
        raise UserError(
            f"{source.path}: every text is empty, or in the corpus as well; nothing is left to read"
        )
    joined = replace(corpus, beside=kept)
    return replace(joined, digest=digest(joined)), dict(removed)


def _new(corpus: Corpus, source: BesideFile, path: Path, removed: Counter[str]) -> Iterator[str]:
    """The file's texts that are nowhere else; `removed` counts the others."""
    empty = text.fingerprint("")
    test = {text.fingerprint(t) for t in corpus.test_texts}
    pool = {text.fingerprint(t) for t in corpus.texts}
    seen: set[bytes] = set()
    for number, row in enumerate(read.rows(path, source.encoding), 1):
        if source.text not in row:
            raise UserError(f'{source.path} has no column "{source.text}": {", ".join(row)}')
        if number % files.LOOK == 0:  # before the system ends what grows too large
            memory.require_corpus(source.path, number)
        value = row[source.text]
        line = "" if value is None else str(value)
        own = text.fingerprint(line)
        why = (
            EMPTY if own == empty else TEST if own in test else POOL if own in pool
            else TWICE if own in seen else None
        )  # fmt: skip
        if why is None:
            seen.add(own)
            yield line
        else:
            removed[why] += 1
