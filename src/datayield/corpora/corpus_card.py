"""Writes the corpus card: the facts a reader needs before trusting scores on a corpus."""

from collections.abc import Mapping
from itertools import chain
from typing import Any

import numpy as np

from datayield.core.types import Corpus, Ints
from datayield.corpora.build import Labelled
from datayield.text import tokens

WITHIN = "share of tokens within the first"
LIMITS = (16, 32, 64, 128, 256, 512, 1024, 2048, 4096)  # tokens of a text


def card(corpus: Corpus, loaded: Labelled) -> dict[str, Any]:
    """Return counts, lengths, duplicates, overlap and source; no time and no path, so it is reproducible.

    Args:
        corpus: the built corpus.
        loaded: the result of the loader, with origin, licence, encoding, versions and left-out rows.
    """
    lengths, vocabulary = _read(corpus)
    keys = {tokens.key(t) for t in corpus.test_texts}
    shared = {k for t in corpus.texts if (k := tokens.key(t)) in keys}
    duplicate_groups = len(np.unique(corpus.duplicate_groups))
    return {
        "corpus": corpus.name,
        "family": corpus.family,
        "digest": corpus.digest,
        "texts": {"pool": len(corpus.texts), "test": len(corpus.test_texts)},
        "classes": {
            name: {
                "pool": int((corpus.labels == c).sum()),
                "test": int((corpus.test_labels == c).sum()),
            }
            for c, name in enumerate(corpus.classes)
        },
        "tokens per text": {
            "shortest": int(lengths.min()),
            "median": float(np.median(lengths)),
            "mean": round(float(lengths.mean()), 2),
            "95 %": float(np.percentile(lengths, 95)),
            "longest": int(lengths.max()),
        },
        WITHIN: {
            str(limit): round(float(np.minimum(lengths, limit).sum() / max(lengths.sum(), 1)), 4)
            for limit in LIMITS
        },
        "vocabulary of the pool": vocabulary,
        "duplicates in the pool": len(corpus.duplicate_groups) - duplicate_groups,
        "texts with two labels in the pool": _conflicts(corpus),
        "test texts that also occur in the pool": sum(
            tokens.key(t) in shared for t in corpus.test_texts
        ),
        "texts with undecodable characters": sum(
            "�" in t for t in chain(corpus.texts, corpus.test_texts)
        ),
        "removed": dict(loaded.removed),
        **(loaded.report.as_card() if loaded.report else {}),
        "source": loaded.source,
    }


def share_read(described: Mapping[str, Any], max_tokens: int) -> float:
    """Return the share of all tokens that stand within the first `max_tokens` of their text, in [0, 1].

    Between two LIMITS it is at least the straight line between their shares, which is returned.

    Args:
        described: a corpus card.
        max_tokens: tokens of a text that are read.
    """
    shares = [described[WITHIN][str(limit)] for limit in LIMITS]
    return float(np.interp(max_tokens, [0, *LIMITS], [0.0, *shares]))


def _read(corpus: Corpus) -> tuple[Ints, int]:
    """Return the number of tokens of every text, pool first, and the size of the vocabulary of the pool."""
    vocabulary: set[str] = set()
    lengths = []
    for value in corpus.texts:
        words = tokens.tokens(value)
        vocabulary.update(words)
        lengths.append(len(words))
    lengths += [len(tokens.tokens(t)) for t in corpus.test_texts]
    return np.array(lengths), len(vocabulary)


def _conflicts(corpus: Corpus) -> int:
    """Return the number of duplicate groups with more than one label."""
    pairs = np.unique(corpus.duplicate_groups * len(corpus.classes) + corpus.labels)
    return int((np.unique(pairs // len(corpus.classes), return_counts=True)[1] > 1).sum())
