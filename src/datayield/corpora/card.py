"""The corpus card: what a reader must know of a corpus before believing its scores."""

from itertools import chain
from typing import Any

import numpy as np

from datayield import text
from datayield.corpora.build import Labelled
from datayield.types import Corpus, Ints


def card(corpus: Corpus, loaded: Labelled) -> dict[str, Any]:
    """Counts, lengths, duplicates, overlap and source; no wall clock, no path.

    Args:
        corpus: the built corpus.
        loaded: what the loader knows: origin, licence as stated, encoding, versions, what was
            left out.
    """
    lengths, vocabulary = _read(corpus)
    keys = {text.key(t) for t in corpus.test_texts}
    shared = {k for t in corpus.texts if (k := text.key(t)) in keys}
    units = len(np.unique(corpus.units))
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
        "vocabulary of the pool": vocabulary,
        "duplicates in the pool": len(corpus.units) - units,
        "texts with two labels in the pool": _conflicts(corpus),
        "test texts that also occur in the pool": sum(
            text.key(t) in shared for t in corpus.test_texts
        ),
        "texts with undecodable characters": sum(
            "�" in t for t in chain(corpus.texts, corpus.test_texts)
        ),
        "removed": dict(loaded.removed),
        "source": loaded.source,
    }


def _read(corpus: Corpus) -> tuple[Ints, int]:
    """Tokens of every text, pool first, and how many different ones the pool has."""
    vocabulary: set[str] = set()
    lengths = []
    for value in corpus.texts:
        words = text.tokens(value)
        vocabulary.update(words)
        lengths.append(len(words))
    lengths += [len(text.tokens(t)) for t in corpus.test_texts]
    return np.array(lengths), len(vocabulary)


def _conflicts(corpus: Corpus) -> int:
    """Units with more than one label."""
    pairs = np.unique(corpus.units * len(corpus.classes) + corpus.labels)
    return int((np.unique(pairs // len(corpus.classes), return_counts=True)[1] > 1).sum())
