"""The audit: what is wrong with a corpus, found before anything is trained on it.

exact duplicate: equal after case-folding and white-space normalisation (`text.key`);
near duplicate: Jaccard similarity of character 5-grams of at least 0.8, candidates by MinHash (128
permutations, 0.7), each confirmed on the 5-grams themselves;
same letters: equal in letters and digits alone, accents removed; finds texts that two collections
spell or tokenise differently.
"""

import hashlib
import re
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from datayield import near, table, text
from datayield.corpora.build import units_of
from datayield.types import Corpus, Ints

EXAMPLES = 3
EXAMPLE_LENGTH = 160

TWINS = ("", "near", "exact")
NEAR, EXACT = 1, 2
_SHORT = "texts of one or two words"
_PATTERNS = {
    "texts with undecodable characters": re.compile("�"),
    "texts with control characters (windows-1252 read as latin-1?)": re.compile(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    ),
    "texts that look decoded twice (Ã©)": re.compile("Ã[\x80-\xbf]|â€|Â[\x80-\xbf]"),
    "texts with remnants of HTML": re.compile(
        r"&(?:[a-z]{2,8}|#\d{1,6});|#\d{2,4};|</?[a-z][^<>]{0,60}>", re.IGNORECASE
    ),
}


def audit(corpus: Corpus, removed: dict[str, int]) -> tuple[dict[str, Any], pa.Table]:
    """Findings of one corpus, and per text what concerns it (schema table.AUDIT).

    Args:
        corpus: the built corpus.
        removed: rows that the loader left out, by reason.

    Returns:
        {"findings": [{"what", "count", "of", "examples"}]}; all counts, the zeros too.
    """
    pool, test = len(corpus.texts), len(corpus.test_texts)
    texts = text.Joined(corpus.texts, corpus.test_texts)
    labels = np.concatenate([corpus.labels, corpus.test_labels])
    in_pool, in_test = np.arange(len(texts)) < pool, np.arange(len(texts)) >= pool
    units = units_of(texts)
    first, sizes = np.unique(units, return_index=True, return_counts=True)[1:]
    of_pool = np.bincount(units[in_pool], minlength=len(first))
    twin = _twins(text.Keys(texts, first), units, of_pool, in_pool)
    conflicting = _labels_of(units, labels, len(first)) > 1
    conflicting_pool = _labels_of(units[in_pool], labels[in_pool], len(first)) > 1
    seen = _read(texts)
    longest = seen.tokens[in_pool].max()
    findings = [
        *(_finding(f"left out: {why}", count, count + len(texts)) for why, count in removed.items()),
        _finding("exact duplicates in all rows", len(texts) - len(first), len(texts)),
        _finding("exact duplicates in the pool", pool - int((of_pool > 0).sum()), pool,
                 _shown(texts, first[of_pool > 1])),
        _finding("texts of the pool with a near duplicate there",
                 int(((twin == NEAR) & in_pool).sum()), pool,
                 _shown(texts, np.flatnonzero((twin == NEAR) & in_pool))),
        _finding("test texts that also occur in the pool",
                 int(((twin == EXACT) & in_test).sum()), test,
                 _shown(texts, np.flatnonzero((twin == EXACT) & in_test))),
        _finding("further test texts with a near duplicate in the pool",
                 int(((twin == NEAR) & in_test).sum()), test,
                 _shown(texts, np.flatnonzero((twin == NEAR) & in_test))),
        _finding("texts of the pool that occur with two labels", int(conflicting_pool.sum()),
                 int((of_pool > 0).sum()), _shown(texts, first[conflicting_pool])),
        _finding("rows whose text carries two labels, test set included",
                 int(sizes[conflicting].sum()), len(texts)),
        *(_finding(what, len(ids), len(texts), _shown(texts, ids)) for what, ids in seen.found.items()),
        _finding("test texts longer than any text of the pool",
                 int((seen.tokens[in_test] > longest).sum()), test),
    ]  # fmt: skip
    rows = {
        "split": ["pool"] * pool + ["test"] * test,
        "id": np.concatenate([np.arange(pool), np.arange(test)]),
        "class": pa.array(corpus.classes).take(pa.array(labels)),
        "letters": seen.letters,
        "twin": pa.array(TWINS).take(pa.array(twin)),
    }
    return {"corpus": corpus.name, "findings": findings}, pa.table(rows, table.AUDIT)


def letters(value: str) -> int:
    """A hash of a text's letters and digits: equal where only accents, case and marks differ."""
    plain = unicodedata.normalize("NFKD", value).casefold()
    kept = "".join(c for c in plain if c.isalnum())
    return int.from_bytes(hashlib.blake2b(kept.encode(), digest_size=8).digest(), signed=True)


def _finding(what: str, count: int, of: int, examples: Sequence[str] = ()) -> dict[str, Any]:
    return {"what": what, "count": count, "of": of, "examples": list(examples)}


def _shown(texts: Sequence[str], ids: Iterable[int]) -> list[str]:
    chosen = [texts[int(i)] for i, _ in zip(ids, range(EXAMPLES), strict=False)]
    return [t if len(t) <= EXAMPLE_LENGTH else t[:EXAMPLE_LENGTH] + "…" for t in chosen]


def _labels_of(units: Ints, labels: Ints, count: int) -> Ints:
    """How many different labels each unit carries, (count,)."""
    classes = int(labels.max()) + 1
    pairs = np.unique(units * classes + labels)
    return np.bincount(pairs // classes, minlength=count)


def _twins(keys: text.Keys, units: Ints, of_pool: Ints, in_pool: NDArray[np.bool_]) -> Ints:
    """Per text the place in TWINS: what the pool has of other texts like it, (texts,).

    Args:
        keys: one per unit.
        units: (texts,)
        of_pool: texts of each unit in the pool, (units,).
        in_pool: (texts,)
    """
    close = np.zeros(len(keys), bool)
    for i, j in near.pairs(keys):
        close[i] |= of_pool[j] > 0
        close[j] |= of_pool[i] > 0
    twin = np.where(close[units], NEAR, 0)
    twin[of_pool[units] > in_pool] = EXACT
    return twin


@dataclass(frozen=True, slots=True)
class _Seen:
    """What one pass over the texts finds."""

    tokens: Ints  # (texts,)
    letters: Ints  # (texts,)
    found: dict[str, list[int]]  # what -> places of texts


def _read(texts: Sequence[str]) -> _Seen:
    counts, hashes = np.empty(len(texts), np.int64), np.empty(len(texts), np.int64)
    found: dict[str, list[int]] = {what: [] for what in (*_PATTERNS, _SHORT)}
    for i, value in enumerate(texts):
        counts[i], hashes[i] = len(text.tokens(value)), letters(value)
        for what, pattern in _PATTERNS.items():
            if pattern.search(value):
                found[what].append(i)
        if len(value.split()) <= 2:
            found[_SHORT].append(i)
    return _Seen(counts, hashes, found)
