"""Joins what a topic model of the pool's texts knows of a text to the classifier."""

from collections.abc import Mapping, Sequence

import numpy as np

from datayield.models.hooks import Start
from datayield.strategies.base import Strategy, StrategyContext, check_count

SCALE = 0.1  # root mean square of the first embeddings, as of word vectors
WORDS = "features.words.weight"  # of the encoder: (words, embedding dimensions)


def topics(count: int = 50, passes: int = 20) -> Strategy:
    """Read the topics of each text next to the network's own reading of it.

    A variational topic model learns from the words of every pool text, without labels and order; test
    texts are never read. Its features (the shares of the topics and the hidden layer that tells them) are
    joined to the pooled states before the output layer and stay as they are. Other than in its source,
    the network's embeddings start from the topic model's own, so that words of no label mean something.

    Args:
        count: number of topics.
        passes: passes over the texts.
    """
    check_count("count", count, 2, 1000)
    check_count("passes", passes, 1, 1000)

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], context: StrategyContext) -> Start:
        model = context.topic_model(count, passes)
        rows = model.arrays[WORDS] - model.arrays[WORDS].mean(0)
        rows = rows * (SCALE / max(float(np.sqrt((rows**2).mean())), 1e-9))
        return Start({**model.arrays, "embedding.weight": rows.astype(np.float32)}, model.words)

    return Strategy(
        "topics",
        "reads the topics of each text, from a topic model of the pool, next to its words",
        "topics of your texts",
        pretrain=pretrain,
        needs=("language_model",),
        compute="a topic model of the pool, trained once for all cells of a corpus",
        effort=2.0,
        source="Gururangan et al. 2019, arXiv 1906.02242 (VAMPIRE)",
    )
