"""Measures what reading only the beginning of long texts costs, with a model that could read all."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datayield.core import seeds
from datayield.core.types import Bools, Ints, TrainingSet
from datayield.models import linear
from datayield.text import tokens

TEXTS = 1000  # of the pool, at most
FOLDS = 3


@dataclass(frozen=True, slots=True)
class CutCost:
    """The accuracy of TF-IDF on whole texts and on their beginnings, by cross-validation in the pool."""

    max_tokens: int  # tokens of a text that are read
    texts: int  # that were predicted
    whole: float  # accuracy, in [0, 1]
    cut: float
    low: float  # 95 % interval of cut - whole over texts
    high: float

    def sentence(self) -> str:
        """Return what a reader should know."""
        points, low, high = (100 * x for x in (self.cut - self.whole, self.low, self.high))
        return (
            f"reading only the first {self.max_tokens} tokens changes the accuracy of TF-IDF from"
            f" {100 * self.whole:.1f} % by {points:+.1f} [{low:+.1f}, {high:+.1f}] points ({self.texts:,} texts)"
        )


def cut_cost(
    texts: Sequence[str], labels: Ints, groups: Ints, max_tokens: int, seed: int, name: str
) -> CutCost:
    """Compare TF-IDF on whole texts with TF-IDF on their first tokens, on the same texts and folds.

    Args:
        texts: labelled texts, never test texts; up to TEXTS of them are read.
        labels: their class indices, (texts,).
        groups: (texts,); equal for duplicates, which are never in two folds.
        max_tokens: tokens of a text that are read.
        seed: of the sample, the folds and the models.
        name: of the corpus, by which its sample and folds differ from another's.

    Returns:
        The accuracies, with a paired t interval over texts (normal, since there are many).
    """
    rng = seeds.rng(seed, "cut cost", name)
    ids = rng.permutation(len(texts))[:TEXTS]
    fold = (rng.permutation(int(groups[ids].max()) + 1) % FOLDS)[groups[ids]]
    read = [texts[i] for i in ids]
    beginnings = [" ".join(tokens.tokens(t)[:max_tokens]) for t in read]
    classes = int(labels.max()) + 1
    whole, cut = (_right(t, labels[ids], fold, classes, seed) for t in (read, beginnings))
    difference = cut.astype(float) - whole
    spread = 1.96 * float(difference.std(ddof=1)) / len(ids) ** 0.5
    mean = float(difference.mean())
    return CutCost(
        max_tokens, len(ids), float(whole.mean()), float(cut.mean()), mean - spread, mean + spread
    )


def _right(texts: list[str], labels: Ints, fold: Ints, classes: int, seed: int) -> Bools:
    """Return whether each text is predicted rightly by a model of the other folds, (texts,)."""
    right = np.zeros(len(texts), bool)
    for k in range(FOLDS):
        held_out, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        rows = TrainingSet(
            tuple(texts[i] for i in others),
            np.eye(classes, dtype=np.float32)[labels[others]],
            np.ones(len(others), np.float32),
            others,
        )
        model = linear.tfidf(rows, seeds.integer(seed, "cut cost", k))
        predicted = model.predict([texts[i] for i in held_out]).argmax(1)
        right[held_out] = predicted == labels[held_out]
    return right
