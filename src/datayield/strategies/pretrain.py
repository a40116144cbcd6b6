"""What comes before: where the network starts."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from datayield import text
from datayield.strategies.base import Desk, Start, Strategy

SCALE = 0.1  # root mean square of the embeddings at the start


def vectors() -> Strategy:
    """The corpus's own word vectors (PPMI-SVD, label-free) as the first embeddings.

    Words that the vectors lack (fewer than three occurrences in the pool) are unknown words.
    """

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], desk: Desk) -> Start:
        words = sorted({w for t in texts for w in text.tokens(t)})
        found = desk.facts.vectors(words)
        known: NDArray[np.bool_] = ~np.isnan(found[:, 0])
        table = np.zeros((int(known.sum()), shape["embedding"]), np.float32)
        shared = min(found.shape[1], shape["embedding"])  # leading dimensions; the rest start at 0
        table[:, :shared] = found[known][:, :shared]
        table = table * (SCALE / max(float(np.sqrt((table**2).mean())), 1e-9))
        special = np.zeros((2, table.shape[1]), np.float32)  # padding and the unknown word
        vocabulary = ("<pad>", "<unk>", *(w for w, k in zip(words, known, strict=True) if k))
        rows = np.concatenate([special, table]).astype(np.float32)
        return Start({"embedding.weight": rows}, vocabulary)

    return Strategy(
        "vectors",
        "starts from the corpus's own word vectors, made from unlabelled text",
        facts=("vectors",),
        pretrain=pretrain,
        source="Levy, Goldberg & Dagan 2015 (PPMI-SVD)",
    )
