"""Measures what reading only the beginning of long texts costs, with a model that could read all."""

from dataclasses import dataclass

import numpy as np

from datayield.core import seeds
from datayield.core.types import Bools, Corpus, Ints, TrainingSet
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


def cut_cost(corpus: Corpus, max_tokens: int, seed: int) -> CutCost:
    """Compare TF-IDF on whole texts with TF-IDF on their first tokens, on the same texts and folds.

    Args:
        corpus: the corpus, of which up to TEXTS texts of the pool are read, never a test text.
        max_tokens: tokens of a text that are read.
        seed: of the sample and the folds.

    Returns:
        The accuracies, with a paired t interval over texts (normal, since there are many).
    """
    rng = seeds.rng(seed, "cut cost", corpus.name)
    ids = rng.permutation(len(corpus.texts))[:TEXTS]
    blocks = corpus.blocks[ids]
    fold = (rng.permutation(int(blocks.max()) + 1) % FOLDS)[blocks]
    texts = [corpus.texts[i] for i in ids]
    beginnings = [" ".join(tokens.tokens(t)[:max_tokens]) for t in texts]
    labels = corpus.labels[ids]
    whole = _right(texts, labels, fold, len(corpus.classes), seed)
    cut = _right(beginnings, labels, fold, len(corpus.classes), seed)
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
