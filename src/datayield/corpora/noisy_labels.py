"""Reads labels that were bought cheaply, of a language model or of untrained annotators, for texts of the pool.

They are kept apart from the labels of the corpus: no draw, no test set and no validation reads them.
"""

from collections import Counter, defaultdict
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa

from datayield.config import NoisyFile
from datayield.core import tables
from datayield.core.errors import UserError, nearest
from datayield.core.types import Corpus, Ints
from datayield.corpora import tabular
from datayield.corpora.loaders import file
from datayield.text import tokens

FILE = "noisy.parquet"
SCHEMA = pa.schema([("id", pa.int64()), ("label", pa.int64()), ("bought", pa.int64())])


def write_noisy_labels(
    corpus: Corpus, source: NoisyFile | None, root: Path, folder: Path
) -> tuple[int, dict[str, int]]:
    """Write `noisy.parquet`: id, label and number of bought labels of every pool text that has any.

    Texts are matched by their fingerprints, so that copies of a text share its labels. Of several labels
    the most frequent counts, among equals the first.

    Returns:
        How many pool texts have a noisy label, and how many rows were left out, by reason.

    Raises:
        UserError: the file changed, cannot be read, holds a text of the test set or a label that is not
            a class, or has no text of the pool. Nothing is written then.
    """
    votes, removed = _votes(corpus, source, root) if source is not None else ({}, {})
    columns = {
        "id": [i for i, _ in votes.items()],
        "label": [counted.most_common(1)[0][0] for counted in votes.values()],
        "bought": [counted.total() for counted in votes.values()],
    }
    tables.write_table(pa.table(columns, SCHEMA), folder / FILE, ("id",))
    return len(votes), removed


def read_noisy_labels(folder: Path, pool: int) -> Ints:
    """Return the noisy label of every pool text, -1 where none was bought; (pool,)."""
    rows = tables.read_table(folder / FILE, SCHEMA)
    out = np.full(pool, -1, np.int64)
    out[rows["id"].to_numpy()] = rows["label"].to_numpy()
    return out


def noisy_digest(folder: Path) -> str:
    """Return the digest of the noisy labels of a corpus; "none" before the file is made."""
    path = folder / FILE
    return tables.hash_of(path)[:32] if path.exists() else "none"


def _votes(
    corpus: Corpus, source: NoisyFile, root: Path
) -> tuple[dict[int, Counter[int]], dict[str, int]]:
    """Return, by pool id, how often the file gives each class, and the rows that were left out."""
    file.check_digest(source, root)
    test = {tokens.fingerprint(t) for t in corpus.test_texts}
    ids: defaultdict[bytes, list[int]] = defaultdict(list)
    for i, text in enumerate(corpus.texts):
        ids[tokens.fingerprint(text)].append(i)
    numbers = {name: k for k, name in enumerate(corpus.classes)}
    votes: defaultdict[int, Counter[int]] = defaultdict(Counter)
    outside = 0
    layout = replace(tabular.layout_of(root / source.path, source.encoding), title=source.path)
    for number, row in tabular.rows(layout, [source.text, source.label]):
        mark = tokens.fingerprint(tabular.text_of(layout, number, row, source.text))
        label = str(row[source.label])
        if mark in test:
            raise UserError(
                f"{source.path}, line {number}: the text is one of the test set of {corpus.name}, whose"
                " labels must not train. Leave the test texts out of the file."
            )
        if label not in numbers:
            raise UserError(
                f'{source.path}, line {number}: column "{source.label}" has {label!r}, which is not a class'
                f" of {corpus.name}: {nearest(label, list(numbers))}"
            )
        outside += mark not in ids
        for i in ids.get(mark, ()):
            votes[i][numbers[label]] += 1
    if not votes:
        raise UserError(
            f"{source.path}: no text of it is in the pool of {corpus.name}; noisy labels are those of pool"
            " texts"
        )
    return dict(votes), {"noisy labels of texts outside the pool": outside}
