"""Audits a corpus: finds duplicates, label conflicts and damaged texts before anything is trained.

exact duplicate: equal after case-folding and white-space normalisation (`tokens.key`);
near duplicate: Jaccard similarity of character 5-grams of at least 0.8, candidates by MinHash (128
permutations, 0.7), each confirmed on the 5-grams themselves;
same letters: equal in letters and digits alone, accents removed; finds texts that two collections
spell or tokenise differently.
"""

import hashlib
import unicodedata
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datayield.core import tables
from datayield.core.types import Corpus, Ints
from datayield.corpora.build import duplicate_groups_of
from datayield.corpora.text_faults import text_faults
from datayield.text import near_duplicates, sequences

EXAMPLES = 3
EXAMPLE_LENGTH = 160

TWINS = ("", "near", "exact")  # values of the column "twin" of `tables.AUDIT`
NEAR, EXACT = 1, 2


def audit(corpus: Corpus, removed: dict[str, int]) -> tuple[dict[str, Any], pa.Table]:
    """Return the findings about one corpus, and a table with a row for each text (`tables.AUDIT`).

    Args:
        corpus: the built corpus.
        removed: number of rows that the loader left out, by reason.

    Returns:
        {"corpus", "findings": [{"what", "count", "of", "examples"}]}, with counts of zero too, and the table.
    """
    pool, test = len(corpus.texts), len(corpus.test_texts)
    texts = sequences.JoinedTexts(corpus.texts, corpus.test_texts)
    labels = np.concatenate([corpus.labels, corpus.test_labels])
    in_pool, in_test = np.arange(len(texts)) < pool, np.arange(len(texts)) >= pool
    duplicate_groups = duplicate_groups_of(texts)
    first, sizes = np.unique(duplicate_groups, return_index=True, return_counts=True)[1:]
    of_pool = np.bincount(duplicate_groups[in_pool], minlength=len(first))
    twin = _twins(sequences.TextKeys(texts, first), duplicate_groups, of_pool, in_pool)
    conflicting = _labels_of(duplicate_groups, labels, len(first)) > 1
    conflicting_pool = _labels_of(duplicate_groups[in_pool], labels[in_pool], len(first)) > 1
    faults = text_faults(texts)
    longest = faults.lengths[in_pool].max()
    findings = [
        *(_finding(f"left out: {why}", count, count + len(texts)) for why, count in removed.items()),
        _finding("exact duplicates in all rows", len(texts) - len(first), len(texts)),
        _finding("exact duplicates in the pool", pool - int((of_pool > 0).sum()), pool,
                 _examples(texts, first[of_pool > 1])),
        _finding("texts of the pool with a near duplicate there",
                 int(((twin == NEAR) & in_pool).sum()), pool,
                 _examples(texts, np.flatnonzero((twin == NEAR) & in_pool))),
        _finding("test texts that also occur in the pool",
                 int(((twin == EXACT) & in_test).sum()), test,
                 _examples(texts, np.flatnonzero((twin == EXACT) & in_test))),
        _finding("further test texts with a near duplicate in the pool",
                 int(((twin == NEAR) & in_test).sum()), test,
                 _examples(texts, np.flatnonzero((twin == NEAR) & in_test))),
        _finding("texts of the pool that occur with two labels", int(conflicting_pool.sum()),
                 int((of_pool > 0).sum()), _examples(texts, first[conflicting_pool])),
        _finding("rows whose text carries two labels, test set included",
                 int(sizes[conflicting].sum()), len(texts)),
        *(_finding(what, len(ids), len(texts), _examples(texts, ids)) for what, ids in faults.places.items()),
        _finding("test texts longer than any text of the pool",
                 int((faults.lengths[in_test] > longest).sum()), test),
    ]  # fmt: skip
    hashes = np.fromiter(map(letters, texts), np.int64, len(texts))
    rows = _rows(corpus, labels, hashes, twin)
    return {"corpus": corpus.name, "findings": findings}, rows


def _rows(corpus: Corpus, labels: Ints, letters: Ints, twin: Ints) -> pa.Table:
    pool, test = len(corpus.texts), len(corpus.test_texts)
    columns = {
        "split": ["pool"] * pool + ["test"] * test,
        "id": np.concatenate([np.arange(pool), np.arange(test)]),
        "class": pa.array(corpus.classes).take(pa.array(labels)),
        "letters": letters,
        "twin": pa.array(TWINS).take(pa.array(twin)),
    }
    return pa.table(columns, tables.AUDIT)


def letters(value: str) -> int:
    """Return a hash of the letters and digits of a text: equal if only accents, case and marks differ."""
    plain = unicodedata.normalize("NFKD", value).casefold()
    kept = "".join(c for c in plain if c.isalnum())
    return int.from_bytes(hashlib.blake2b(kept.encode(), digest_size=8).digest(), signed=True)


def _finding(what: str, count: int, of: int, examples: Sequence[str] = ()) -> dict[str, Any]:
    return {"what": what, "count": count, "of": of, "examples": list(examples)}


def _examples(texts: Sequence[str], ids: Iterable[int]) -> list[str]:
    chosen = [texts[int(i)] for i, _ in zip(ids, range(EXAMPLES), strict=False)]
    return [t if len(t) <= EXAMPLE_LENGTH else t[:EXAMPLE_LENGTH] + "…" for t in chosen]


def _labels_of(duplicate_groups: Ints, labels: Ints, count: int) -> Ints:
    """Return how many different labels each duplicate group has, (count,)."""
    classes = int(labels.max()) + 1
    pairs = np.unique(duplicate_groups * classes + labels)
    return np.bincount(pairs // classes, minlength=count)


def _twins(
    keys: sequences.TextKeys, duplicate_groups: Ints, of_pool: Ints, in_pool: NDArray[np.bool_]
) -> Ints:
    """Return, for each text, the place in TWINS of its closest other text in the pool, (texts,).

    Args:
        keys: one per duplicate group.
        duplicate_groups: (texts,)
        of_pool: how many texts of each duplicate group are in the pool, (groups,).
        in_pool: (texts,)
    """
    close = np.zeros(len(keys), bool)
    for i, j in near_duplicates.pairs(keys):
        close[i] |= of_pool[j] > 0
        close[j] |= of_pool[i] > 0
    twin = np.where(close[duplicate_groups], NEAR, 0)
    twin[of_pool[duplicate_groups] > in_pool] = EXACT
    return twin
