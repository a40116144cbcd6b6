"""Makes the tables of what models from outside know of a corpus: of its texts, or of its words."""

from collections.abc import Collection, Mapping

import numpy as np
from numpy.typing import NDArray

from datayield import corpora
from datayield.core import files
from datayield.core.types import Corpus
from datayield.models import outside
from datayield.models.outside_model import OutsideModel, check_language, check_texts_alone
from datayield.models.settings import OUTSIDE, OUTSIDE_TABLES, STATIC_WORDS
from datayield.text import tokens


def rows_of(corpus: Corpus, table: str) -> list[str]:
    """Return what each row of a table belongs to: the words of the pool, or all texts, test texts last."""
    pool = corpora.everything(corpus)
    if table == STATIC_WORDS:
        return sorted({w for line in pool for w in tokens.tokens(line)})
    return [*pool, *corpus.test_texts]


def make_tables(
    tables: Collection[str], models: Mapping[str, str], corpus: Corpus
) -> tuple[dict[str, NDArray[np.float32]], dict[str, str]]:
    """Make tables of a corpus; labels are not read.

    Args:
        tables: keys of settings.OUTSIDE_TABLES.
        models: name of the model by kind (settings.OUTSIDE).
        corpus: its texts and words are embedded.

    Returns:
        arrays: table -> (rows, dimensions), in the order of `rows_of`.
        digests: table -> digest of its model and the corpus.

    Raises:
        UserError: a model cannot be opened, is of another language, or does not embed texts one by one.
    """
    arrays: dict[str, NDArray[np.float32]] = {}
    digests: dict[str, str] = {}
    for kind in OUTSIDE:
        wanted = [t for t in tables if OUTSIDE_TABLES[t] == kind]
        if not wanted:
            continue
        model = outside.open_model(kind, models[kind])
        check_language(model, corpus.texts)
        arrays |= {table: _made(model, table, corpus) for table in wanted}
        digests |= dict.fromkeys(wanted, files.digest([model.digest, corpus.digest])[:32])
    return arrays, digests


def _made(model: OutsideModel, table: str, corpus: Corpus) -> NDArray[np.float32]:
    rows = rows_of(corpus, table)
    if table == STATIC_WORDS and model.word_vectors is not None:
        return model.word_vectors(rows)
    embedded = model.embed(rows)
    check_texts_alone(model, rows, embedded)
    return embedded
