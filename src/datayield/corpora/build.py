"""Labelled texts of any source → a checked corpus with a pool and a test set."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datayield import memory, seeds, table, text
from datayield.errors import UserError
from datayield.types import Corpus, Ints

SMALLEST_CLASS = 10
SMALLEST_POOL = 50


@dataclass(frozen=True, slots=True)
class Labelled:
    """What a loader returns: texts with their class names, and what is known of their origin."""

    texts: Sequence[str]
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
        UserError: one class only, a class or a pool too small for splitting, too many texts for the
            memory that is left.
    """
    memory.require_corpus(f"corpus {name}", len(loaded.texts))
    classes = tuple(sorted(set(loaded.labels)))
    _check_classes(name, classes, loaded.labels)
    numbers = {c: k for k, c in enumerate(classes)}
    labels = np.array([numbers[x] for x in loaded.labels], np.int64)
    units = units_of(loaded.texts)
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
    corpus = Corpus(
        name=name,
        family=loaded.family,
        classes=classes,
        texts=text.Chosen(loaded.texts, pool),
        labels=labels[pool],
        units=_in_order(units[pool]),
        test_texts=text.Chosen(loaded.texts, test),
        test_labels=labels[test],
        digest="",
    )
    return replace(corpus, digest=digest(corpus))


def digest(corpus: Corpus) -> str:
    """The hash of a corpus's content, read piece by piece; its name is no part of it.

    sha256 of the canonical JSON of [classes, texts, labels, units, test texts, test labels], and of the
    texts beside the pool where there are some.
    """
    content: tuple[Iterable[Any], ...] = (
        corpus.classes, corpus.texts, map(int, corpus.labels), map(int, corpus.units),
        corpus.test_texts, map(int, corpus.test_labels),
    )  # fmt: skip
    found = hashlib.sha256()
    if len(corpus.beside):
        content = (*content, corpus.beside)
    for number, part in enumerate(content):
        found.update(b",[" if number else b"[[")
        for place, piece in enumerate(text.pieces(part)):
            found.update(b"," if place else b"")
            found.update(table.canonical(piece)[1:-1].encode())
        found.update(b"]")
    found.update(b"]")
    return found.hexdigest()


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


def units_of(texts: Iterable[str]) -> Ints:
    """The same number for texts that are duplicates of each other, in order of appearance.

    They are compared by their fingerprints, so that no text is kept.
    """
    prints = bytearray()
    for value in texts:
        prints += text.fingerprint(value)
    both = np.frombuffer(prints, np.uint64).reshape(-1, 2)
    order = np.lexsort((both[:, 1], both[:, 0]))
    starts = np.ones(len(both), np.int64)
    starts[1:] = (both[order[1:]] != both[order[:-1]]).any(1)
    groups = np.empty(len(both), np.int64)
    groups[order] = np.cumsum(starts)
    return _in_order(groups)


def _in_order(groups: Ints) -> Ints:
    """The same groups, numbered 0, 1, ... in order of appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: Ints = rank[inverse]
    return numbered


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
