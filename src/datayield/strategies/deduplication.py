"""Keeps one of several similar labelled texts."""

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import Ints, TrainingSet
from datayield.models.outside_model import unit_length
from datayield.models.settings import ENCODER, STATIC
from datayield.strategies.base import Strategy, StrategyContext, check_one_of, check_share
from datayield.text import near_duplicates, tokens

SHINGLES = "shingles"
ROUNDING = 1e-6  # of the cosine of a text with itself


def dedup(similarity: float = 0.8, embedding: str = SHINGLES) -> Strategy:
    """Keep one row of every group of exact or near duplicates.

    Args:
        similarity: similarity from which two texts are near duplicates: the Jaccard similarity of their
            character 5-grams, or the cosine of their embeddings.
        embedding: "shingles" (5-grams), "outside-encoder" or "outside-static" (both have read other text).
    """
    check_share("similarity", similarity)
    check_one_of("embedding", embedding, (SHINGLES, ENCODER, STATIC))

    def by_cosine(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        embedded = context.precomputed.embeddings(embedding, training_set.texts)
        return training_set.take(first_of_groups(unit_length(embedded), similarity))

    def by_shingles(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        keys = [tokens.key(t) for t in training_set.texts]
        first: dict[str, int] = {}
        for i, key in enumerate(keys):
            first.setdefault(key, i)
        rows = list(first.values())
        dropped = {rows[j] for _, j in near_duplicates.pairs(list(first), similarity)}
        return training_set.take(np.array(sorted(set(rows) - dropped), np.int64))

    return Strategy(
        "dedup",
        "keeps one text of every group of exact or near duplicates",
        "duplicates left out",
        precomputed=() if embedding == SHINGLES else (embedding,),
        transform=by_shingles if embedding == SHINGLES else by_cosine,
        compute="MinHash of the training texts" if embedding == SHINGLES else "cosines of all rows",
        source="Broder 1997 (MinHash); Lee et al. 2022, arXiv 2107.06499",
    )


def first_of_groups(points: NDArray[np.float32], similarity: float) -> Ints:
    """Return the rows whose cosine with every kept earlier row is below `similarity`, ascending.

    Args:
        points: (rows, dimensions) of unit length, or zero; rows of zeros are kept.
        similarity: in (0, 1].
    """
    kept: list[int] = []
    for row, point in enumerate(points):
        if not kept or (points[kept] @ point).max() < similarity - ROUNDING:
            kept.append(row)
    return np.array(kept, np.int64)
