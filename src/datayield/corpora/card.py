"""The corpus card: what a reader must know of a corpus before believing its scores."""

from collections import Counter
from typing import Any

import numpy as np

from datayield import text
from datayield.corpora.build import Labelled
from datayield.types import Corpus


def card(corpus: Corpus, loaded: Labelled) -> dict[str, Any]:
    """Counts, lengths, duplicates, overlap and source; no wall clock, no path.

    Args:
        corpus: the built corpus.
        loaded: what the loader knows: origin, licence as stated, encoding, versions, what was
            left out.
    """
    lengths = np.array([len(text.tokens(t)) for t in (*corpus.texts, *corpus.test_texts)])
    keys = [text.key(t) for t in corpus.texts]
    in_pool = set(keys)
    overlap = sum(text.key(t) in in_pool for t in corpus.test_texts)
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
        "vocabulary of the pool": len({w for t in corpus.texts for w in text.tokens(t)}),
        "duplicates in the pool": len(keys) - len(in_pool),
        "texts with two labels in the pool": _conflicts(keys, corpus),
        "test texts that also occur in the pool": overlap,
        "texts with undecodable characters": sum(
            "�" in t for t in (*corpus.texts, *corpus.test_texts)
        ),
        "removed": dict(loaded.removed),
        "source": loaded.source,
    }


def _conflicts(keys: list[str], corpus: Corpus) -> int:
    pairs = {(k, int(label)) for k, label in zip(keys, corpus.labels, strict=True)}
    return sum(count > 1 for count in Counter(k for k, _ in pairs).values())
