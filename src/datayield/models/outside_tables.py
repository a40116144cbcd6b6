"""Makes the tables of what models from outside know of a corpus: of its texts, or of its words."""

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datayield import corpora
from datayield.core import files
from datayield.core.types import Corpus
from datayield.models import outside
from datayield.models.outside_model import OutsideModel, check_language, check_texts_alone
from datayield.models.settings import ENCODER_TOKENS, OUTSIDE, OUTSIDE_TABLES, STATIC_WORDS
from datayield.text import tokens


def rows_of(corpus: Corpus, table: str) -> list[str]:
    """Return what each row of a table belongs to: the words of the pool, or all texts, test texts last."""
    pool = corpora.everything(corpus)
    if table == STATIC_WORDS:
        return sorted({w for line in pool for w in tokens.tokens(line)})
    return [*pool, *corpus.test_texts]


def make_tables(
    tables: Collection[str], models: Mapping[str, str], corpus: Corpus
) -> tuple[dict[str, NDArray[Any]], dict[str, str]]:
    """Make tables of a corpus; labels are not read.

    Args:
        tables: keys of settings.OUTSIDE_TABLES.
        models: name of the model by kind (settings.OUTSIDE).
        corpus: its texts and words are embedded.

    Returns:
        arrays: table -> (rows, dimensions), in the order of `rows_of`; of token states also their lengths.
        digests: table -> digest of its model and the corpus.

    Raises:
        UserError: a model cannot be opened, is of another language, or does not embed texts one by one.
    """
    arrays: dict[str, NDArray[Any]] = {}
    digests: dict[str, str] = {}
    for kind in OUTSIDE:
        wanted = [t for t in tables if OUTSIDE_TABLES[t] == kind]
        if not wanted:
            continue
        model = outside.open_model(kind, models[kind])
        check_language(model, corpus.texts)
        for table in wanted:
            arrays |= _made(model, table, corpus)
        digests |= dict.fromkeys(wanted, files.digest([model.digest, corpus.digest])[:32])
    return arrays, digests


def _made(model: OutsideModel, table: str, corpus: Corpus) -> dict[str, NDArray[Any]]:
    rows = rows_of(corpus, table)
    if table == STATIC_WORDS and model.word_vectors is not None:
        return {table: model.word_vectors(rows)}
    if table == ENCODER_TOKENS and model.token_states is not None:
        states, lengths = model.token_states(rows)
        ends, read = np.cumsum(lengths), model.token_states
        check_texts_alone(
            model.name,
            rows,
            lambda i: states[ends[i] - lengths[i] : ends[i]],
            lambda text: read([text])[0],
        )
        return {table: states, lengths_of(table): lengths}
    embedded = model.embed(rows)
    check_texts_alone(model.name, rows, lambda i: embedded[i], lambda text: model.embed([text])[0])
    return {table: embedded}


def lengths_of(table: str) -> str:
    """Return the name of the array with the tokens of each text in a table of token states."""
    return f"{table} lengths"
