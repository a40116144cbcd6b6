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
from typing import Any

import numpy as np
import pyarrow as pa

from datayield import near, table, text
from datayield.types import Corpus

EXAMPLES = 3
EXAMPLE_LENGTH = 160

_UNDECODABLE = re.compile("�")
_CONTROL = re.compile("[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]")
_TWICE_DECODED = re.compile("Ã[\x80-\xbf]|â€|Â[\x80-\xbf]")
_HTML = re.compile(r"&(?:[a-z]{2,8}|#\d{1,6});|#\d{2,4};|</?[a-z][^<>]{0,60}>", re.IGNORECASE)


def audit(corpus: Corpus, removed: dict[str, int]) -> tuple[dict[str, Any], pa.Table]:
    """Findings of one corpus, and per text what concerns it (schema table.AUDIT).

    Args:
        corpus: the built corpus.
        removed: rows that the loader left out, by reason.

    Returns:
        {"findings": [{"what", "count", "of", "examples"}]}; all counts, the zeros too.
    """
    pool, test = len(corpus.texts), len(corpus.test_texts)
    texts = (*corpus.texts, *corpus.test_texts)
    labels = np.concatenate([corpus.labels, corpus.test_labels])
    keys = [text.key(t) for t in texts]
    groups = _groups(keys)
    twin = _twins(keys, groups, pool)
    in_pool, in_test = np.arange(len(texts)) < pool, np.arange(len(texts)) >= pool
    both = [g for g in groups.values() if len(g) > 1]
    conflicting = [i for g in both if len(set(labels[g])) > 1 for i in g]
    conflicting_pool = [g for g in both if len({labels[i] for i in g if i < pool}) > 1]
    of_pool = np.unique(np.array([k for k, p in zip(keys, in_pool, strict=True) if p]))
    findings = [
        *(_finding(f"left out: {why}", count, count + len(texts)) for why, count in removed.items()),
        _finding("exact duplicates in all rows", len(texts) - len(groups), len(texts)),
        _finding("exact duplicates in the pool", pool - len(of_pool), pool,
                 _shown(texts, [i for g in both for i in g[:1] if sum(j < pool for j in g) > 1])),
        _finding("texts of the pool with a near duplicate there",
                 int(((twin == "near") & in_pool).sum()), pool,
                 _shown(texts, np.flatnonzero((twin == "near") & in_pool))),
        _finding("test texts that also occur in the pool",
                 int(((twin == "exact") & in_test).sum()), test,
                 _shown(texts, np.flatnonzero((twin == "exact") & in_test))),
        _finding("further test texts with a near duplicate in the pool",
                 int(((twin == "near") & in_test).sum()), test,
                 _shown(texts, np.flatnonzero((twin == "near") & in_test))),
        _finding("texts of the pool that occur with two labels", len(conflicting_pool), len(of_pool),
                 _shown(texts, [g[0] for g in conflicting_pool])),
        _finding("rows whose text carries two labels, test set included", len(conflicting), len(texts)),
        *(_finding(what, *_matching(pattern, texts)) for what, pattern in (
            ("texts with undecodable characters", _UNDECODABLE),
            ("texts with control characters (windows-1252 read as latin-1?)", _CONTROL),
            ("texts that look decoded twice (Ã©)", _TWICE_DECODED),
            ("texts with remnants of HTML", _HTML),
        )),
        _finding("texts of one or two words", *_short(texts)),
        _finding("test texts longer than any text of the pool", *_longest(corpus)),
    ]  # fmt: skip
    rows = {
        "split": ["pool"] * pool + ["test"] * test,
        "id": [*range(pool), *range(test)],
        "class": [corpus.classes[k] for k in labels],
        "letters": [letters(t) for t in texts],
        "twin": twin.tolist(),
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


def _groups(keys: Sequence[str]) -> dict[str, list[int]]:
    found: dict[str, list[int]] = {}
    for i, key in enumerate(keys):
        found.setdefault(key, []).append(i)
    return found


def _twins(keys: Sequence[str], groups: dict[str, list[int]], pool: int) -> Any:
    """Per text "exact" or "near" where the pool has another text like it, else "", (texts,)."""
    twin = np.full(len(keys), "", dtype="<U5")
    for a, b in near.pairs(list(groups)):
        for i in groups[a]:
            if any(j < pool for j in groups[b]):
                twin[i] = "near"
        for j in groups[b]:
            if any(i < pool for i in groups[a]):
                twin[j] = "near"
    for own in groups.values():
        members = [i for i in own if i < pool]
        for i in own:
            if len(members) > (i < pool):
                twin[i] = "exact"
    return twin


def _matching(pattern: re.Pattern[str], texts: Sequence[str]) -> tuple[int, int, list[str]]:
    found = [i for i, t in enumerate(texts) if pattern.search(t)]
    return len(found), len(texts), _shown(texts, found)


def _short(texts: Sequence[str]) -> tuple[int, int, list[str]]:
    found = [i for i, t in enumerate(texts) if len(t.split()) <= 2]
    return len(found), len(texts), _shown(texts, found)


def _longest(corpus: Corpus) -> tuple[int, int]:
    longest = max(len(text.tokens(t)) for t in corpus.texts)
    return sum(len(text.tokens(t)) > longest for t in corpus.test_texts), len(corpus.test_texts)
