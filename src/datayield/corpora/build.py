"""Labelled texts of any source → a checked corpus with a pool and a test set."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datayield import seeds, table, text
from datayield.errors import UserError
from datayield.types import Corpus, Ints

SMALLEST_CLASS = 10
SMALLEST_POOL = 50


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a loader returns: texts with their class names, and what is known of their origin."""

    texts: list[str]
    labels: list[str]
    in_test: list[bool] | None  # None: the split is made here
    source: dict[str, Any]  # for the card
    family: str
    removed: Mapping[str, int] = field(default_factory=dict)  # reason -> rows that were left out


@dataclass(frozen=True, slots=True)
class Noise:
    """Wrong labels to plant in the pool; the test set stays clean."""

    share: float = 0.0
    kind: str = "symmetric"  # to any other class evenly; "class": to the next class

    def plant(self, labels: Ints, classes: int, rng: np.random.Generator) -> Ints:
        """The labels with each wrong with probability `share`."""
        step = rng.integers(1, classes, len(labels)) if self.kind == "symmetric" else 1
        wrong = rng.random(len(labels)) < self.share
        planted: Ints = np.where(wrong, (labels + step) % classes, labels)
        return planted


def build(
    name: str, loaded: Labelled, test_share: float, seed: int, noise: Noise | None = None
) -> Corpus:
    """Check, number the classes, split by units, plant noise.

    Raises:
        UserError: one class only, a class or a pool too small for splitting.
    """
    classes = tuple(sorted(set(loaded.labels)))
    _check_classes(name, classes, loaded.labels)
    labels = np.array([classes.index(x) for x in loaded.labels], np.int64)
    units = _units(loaded.texts)
    if loaded.in_test is None:
        in_test = split(units, labels, test_share, seeds.rng(seed, "split", name))
    else:
        in_test = np.array(loaded.in_test, bool)
    pool, test = np.flatnonzero(~in_test), np.flatnonzero(in_test)
    if noise is not None and noise.share:
        rng = seeds.rng(seed, "label noise", name)
        labels[pool] = noise.plant(labels[pool], len(classes), rng)
    if len(pool) < SMALLEST_POOL or not len(test):
        raise UserError(
            f"corpus {name}: {len(pool)} texts to learn from and {len(test)} to test on;"
            f" at least {SMALLEST_POOL} and 1 are needed. Bring more texts or another test_share."
        )
    texts = tuple(loaded.texts[i] for i in pool)
    test_texts = tuple(loaded.texts[i] for i in test)
    pool_units = _units(texts)
    content = [classes, texts, labels[pool].tolist(), pool_units.tolist()]
    return Corpus(
        name=name,
        family=loaded.family,
        classes=classes,
        texts=texts,
        labels=labels[pool],
        units=pool_units,
        test_texts=test_texts,
        test_labels=labels[test],
        digest=digest([*content, test_texts, labels[test].tolist()]),
    )


def digest(content: Any) -> str:
    """The hash of a corpus's content; its name is no part of it."""
    return hashlib.sha256(table.canonical(content).encode()).hexdigest()


def _check_classes(name: str, classes: tuple[str, ...], labels: list[str]) -> None:
    if len(classes) < 2:
        raise UserError(
            f"corpus {name}: every text has the same label"
            f" ({classes[0] if classes else 'there are none'}); at least two classes are needed"
        )
    if len(classes) > 65535:
        raise UserError(
            f"corpus {name}: {len(classes)} classes; is the label column the right one?"
        )
    counts = dict.fromkeys(classes, 0)
    for label in labels:
        counts[label] += 1
    small = sorted((n, c) for c, n in counts.items() if n < SMALLEST_CLASS)
    if small:
        shown = ", ".join(f"{c!r} has {n}" for n, c in small[:5])
        raise UserError(
            f"corpus {name}: every class needs at least {SMALLEST_CLASS} texts (to train, validate and"
            f" test on); {shown}{' ...' if len(small) > 5 else ''}. Merge or remove small classes."
        )


def _units(texts: tuple[str, ...] | list[str]) -> Ints:
    """The same number for texts that are duplicates of each other, in order of appearance."""
    numbers: dict[str, int] = {}
    return np.array([numbers.setdefault(text.key(t), len(numbers)) for t in texts], np.int64)


def split(
    units: Ints, labels: Ints, test_share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Which texts are test texts, bool (texts,): stratified, whole units.

    Of each class round(test_share x its units) units, at least one, go to the test set; a unit
    counts for the class of its first text.
    """
    _, first, inverse = np.unique(units, return_index=True, return_inverse=True)
    chosen = np.zeros(len(first), bool)
    for c in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels[first] == c))
        chosen[members[: max(1, round(test_share * len(members)))]] = bool(len(members) > 1)
    in_test: NDArray[np.bool_] = chosen[inverse]
    return in_test
