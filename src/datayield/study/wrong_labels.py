"""Finds the labels of a file that are likely wrong, by confident learning (Northcutt et al. 2021).

Every text gets class probabilities from TF-IDF models that saw neither it nor a duplicate of it. Labels that
these contradict confidently are found as the strategy `clean` finds them, which takes no study and no network.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import TfidfVectorizer

from datayield.core import seeds
from datayield.core.types import Ints
from datayield.models import linear, logistic
from datayield.strategies.selection import confident_errors

FOLDS = 5


@dataclass(frozen=True, slots=True)
class WrongLabel:
    """A label that the models of the other texts contradict."""

    place: int  # of the text
    suggested: int  # the class that they find likeliest instead
    certainty: float  # its probability, 0 to 1
    margin: float  # by how much it exceeds the probability of the label, 0 to 1


@dataclass(frozen=True, slots=True)
class JudgedLabels:
    """The labels that are likely wrong, and how far the models that say so can be trusted."""

    wrong: tuple[WrongLabel, ...]  # the surest first
    judged: int  # labels
    agreement: float  # share of the labels that the models predict, 0 to 1
    largest: float  # share of the largest class, which knows nothing of the texts, 0 to 1

    @property
    def informed(self) -> bool:
        """Return whether the models predict more labels than the largest class does, by two standard errors."""
        error = math.sqrt(self.agreement * (1 - self.agreement) / self.judged)
        return self.agreement > self.largest + 2 * error


def judge_labels(
    texts: Sequence[str], labels: Ints, groups: Ints, classes: int, seed: int
) -> JudgedLabels:
    """Return the labels that are likely wrong.

    Args:
        texts: the labelled texts, of at least two classes, each of at least one token.
        labels: their class indices, (texts,).
        groups: (texts,); equal for duplicates, exact or near.
        classes: number of classes.
        seed: seed of the folds.
    """
    p = out_of_fold(texts, labels, groups, classes, seed)
    found = []
    for place in confident_errors(p, labels).tolist():
        suggested = int(p[place].argmax())
        certainty = float(p[place, suggested])
        found.append(
            WrongLabel(place, suggested, certainty, certainty - float(p[place, labels[place]]))
        )
    return JudgedLabels(
        tuple(sorted(found, key=lambda x: (-x.margin, x.place))),
        len(labels),
        float((p.argmax(1) == labels).mean()),
        float(np.bincount(labels).max() / len(labels)),
    )


def out_of_fold(
    texts: Sequence[str], labels: Ints, groups: Ints, classes: int, seed: int
) -> NDArray[np.float32]:
    """Return each text's class probabilities by a model of the other folds, (texts, classes).

    Arguments as of `judge_labels`. A duplicate group lies in one fold, and folds share the classes. The
    weights of the words are counted once in all texts, which reads no label; C is chosen once, too.
    """
    x = TfidfVectorizer(**linear.GRAMS, sublinear_tf=True).fit_transform(texts)
    order = seeds.rng(seed, "audit order").permutation(len(labels))  # a file may be sorted by class
    own_seed = seeds.integer(seed, "audit strength")
    strength, _ = linear.logistic_strength(x[order], labels[order], own_seed)
    fold = _folds(labels, groups, seed)
    p = np.empty((len(labels), classes), np.float32)
    for k in np.unique(fold).tolist():
        held_out, others = np.flatnonzero(fold == k), np.flatnonzero(fold != k)
        [model] = logistic.path(x[others], labels[others], [strength])
        p[held_out] = linear.spread(model.predict_proba(x[held_out]), model.classes_, classes)
    return p


def _folds(labels: Ints, groups: Ints, seed: int) -> Ints:
    """Return the fold of every text, (texts,): groups are dealt out by the class of their first text."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    order = np.lexsort((seeds.rng(seed, "audit folds").random(len(first)), labels[first]))
    fold = np.empty(len(first), np.int64)
    fold[order] = np.arange(len(first)) % FOLDS
    dealt: Ints = fold[inverse]
    return dealt
