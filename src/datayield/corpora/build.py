"""Builds a checked corpus with a pool and a test set from the labelled texts of any source."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from datayield.core import files, seeds
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.core.types import Corpus, Floats, Ints
from datayield.corpora import placement
from datayield.corpora.placement import Placement, TextsToPlace
from datayield.corpora.row_account import ReadingReport
from datayield.text import sequences, tokens

SMALLEST_CLASS = 10
SMALLEST_POOL = 50


@dataclass(frozen=True, slots=True)
class Labelled:
    """The result of a loader: texts with their class names, and facts about their origin."""

    texts: Sequence[str]
    labels: list[str]
    in_test: list[bool] | None  # None: the split is made here
    source: dict[str, Any]  # for the card
    family: str
    removed: Mapping[str, int] = field(default_factory=dict)  # reason -> rows that were left out
    unlabelled: Sequence[str] = ()  # texts of the same source that have no label
    report: ReadingReport | None = None  # what became of every row, where the source is files
    groups: Sequence[str] | None = None  # texts of one group, other than "", stay on one side
    times: Floats | None = None  # (texts,) larger is newer; the newest are the test set


@dataclass(frozen=True, slots=True)
class Noise:
    """Wrong labels to plant in the pool; the test set stays clean."""

    share: float = 0.0
    kind: str = "symmetric"  # to any other class evenly; "class": to the next class

    def plant(self, labels: Ints, classes: int, rng: np.random.Generator) -> Ints:
        """Return the labels, each made wrong with probability `share`."""
        step = rng.integers(1, classes, len(labels)) if self.kind == "symmetric" else 1
        wrong = rng.random(len(labels)) < self.share
        planted: Ints = np.where(wrong, (labels + step) % classes, labels)
        return planted


def build_corpus(
    name: str,
    loaded: Labelled,
    test_share: float,
    seed: int,
    noise: Noise | None = None,
    settled: int = 0,
) -> Corpus:
    """Check the texts, number the classes, split by duplicate groups and plant noise.

    Args:
        name: of the corpus.
        loaded: the result of a loader.
        test_share: share of the test set, if the source has none.
        seed: of the study.
        noise: wrong labels to plant in the pool.
        settled: texts, from the first on, whose places follow from their content (`placement`); 0: the
            seed draws all places.

    Raises:
        UserError: there is one class only, a class or the pool is too small to be split, or the texts do
            not fit into memory.
    """
    machine.require_corpus(f"corpus {name}", len(loaded.texts))
    classes = tuple(sorted(set(loaded.labels)))
    _check_classes(name, classes, loaded.labels)
    numbers = {c: k for k, c in enumerate(classes)}
    labels = np.array([numbers[x] for x in loaded.labels], np.int64)
    duplicate_groups = duplicate_groups_of(loaded.texts)
    placed = _placed(name, loaded, duplicate_groups, labels, (test_share, settled, seed))
    pool = np.flatnonzero(~placed.in_test & ~placed.waits)
    test = np.flatnonzero(placed.in_test)
    if noise is not None and noise.share:
        rng = seeds.rng(seed, "label noise", name)
        labels[pool] = noise.plant(labels[pool], len(classes), rng)
    _check_sizes(name, len(pool), len(test))
    corpus = Corpus(
        name=name,
        family=loaded.family,
        classes=classes,
        texts=sequences.SelectedTexts(loaded.texts, pool),
        labels=labels[pool],
        duplicate_groups=_in_order(duplicate_groups[pool]),
        blocks=_in_order(_blocks(duplicate_groups, loaded.groups)[pool]),
        test_texts=sequences.SelectedTexts(loaded.texts, test),
        test_labels=labels[test],
        digest="",
        settled=placed.settled,
    )
    return replace(corpus, digest=digest(corpus))


def _placed(
    name: str,
    loaded: Labelled,
    duplicate_groups: Ints,
    labels: Ints,
    rule: tuple[float, int, int],
) -> Placement:
    """Return the places of all texts; a test set of the source's own stays as it is.

    Args:
        name: of the corpus.
        loaded: the result of a loader.
        duplicate_groups: (texts,)
        labels: (texts,)
        rule: test share, settled texts, seed, as in `build_corpus`.
    """
    test_share, settled, seed = rule
    if loaded.in_test is not None:
        in_test = np.array(loaded.in_test, bool)
        later = np.arange(len(labels)) >= (settled or len(labels))
        copies = np.isin(duplicate_groups, duplicate_groups[~in_test & ~later])
        pool = int((~in_test & ~later).sum())
        return Placement(in_test, later & ~in_test & copies, pool if settled else 0)
    if settled:
        prints = [tokens.fingerprint(x).hex() for x in loaded.texts]
        texts = TextsToPlace(prints, duplicate_groups, labels, loaded.groups, loaded.times)
        return placement.place(texts, test_share, settled, seed)
    drawn = split(duplicate_groups, labels, test_share, seeds.rng(seed, "split", name))
    return Placement(drawn, np.zeros(len(labels), bool), 0)


def _blocks(duplicate_groups: Ints, groups: Sequence[str] | None) -> Ints:
    """Return the number of the block of every text, (texts,): its duplicate group where there are no groups."""
    if groups is None:
        return duplicate_groups
    words = [
        f"group {group}" if group else f"copies {i}"
        for group, i in zip(groups, duplicate_groups, strict=True)
    ]
    return placement.blocks(words, duplicate_groups)


def digest(corpus: Corpus) -> str:
    """Return the hash of the content of a corpus, without its name and family; texts are read in pieces.

    It is the sha256 of the canonical JSON of [classes, texts, labels, duplicate groups, test texts, test
    labels], and after them the unlabelled texts and [the number of settled texts] if there are any, and the
    blocks if they are others than the duplicate groups.
    """
    content: tuple[Iterable[Any], ...] = (
        corpus.classes, corpus.texts, map(int, corpus.labels), map(int, corpus.duplicate_groups),
        corpus.test_texts, map(int, corpus.test_labels),
    )  # fmt: skip
    found = hashlib.sha256()
    if len(corpus.unlabelled):
        content = (*content, corpus.unlabelled)
    if corpus.settled:
        content = (*content, [corpus.settled])
    if (corpus.blocks != corpus.duplicate_groups).any():
        content = (*content, map(int, corpus.blocks))
    for number, part in enumerate(content):
        found.update(b",[" if number else b"[[")
        for place, piece in enumerate(sequences.pieces(part)):
            found.update(b"," if place else b"")
            found.update(files.canonical(piece)[1:-1].encode())
        found.update(b"]")
    found.update(b"]")
    return found.hexdigest()


def _check_sizes(name: str, pool: int, test: int) -> None:
    """Raise UserError if the pool is too small, or there is no test text."""
    if pool < SMALLEST_POOL or not test:
        raise UserError(
            f"corpus {name}: {pool} texts to learn from and {test} to test on;"
            f" at least {SMALLEST_POOL} and 1 are needed. Bring more texts or another test_share."
        )


def _check_classes(name: str, classes: tuple[str, ...], labels: list[str]) -> None:
    """Raise UserError if there are fewer than two or more than 65,535 classes, or one is too small."""
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


def duplicate_groups_of(texts: Iterable[str]) -> Ints:
    """Return the number of the duplicate group of every text, counted in order of appearance.

    Texts are compared by their fingerprints, so that no text is kept.
    """
    prints = bytearray()
    for value in texts:
        prints += tokens.fingerprint(value)
    both = np.frombuffer(prints, np.uint64).reshape(-1, 2)
    order = np.lexsort((both[:, 1], both[:, 0]))
    starts = np.ones(len(both), np.int64)
    starts[1:] = (both[order[1:]] != both[order[:-1]]).any(1)
    groups = np.empty(len(both), np.int64)
    groups[order] = np.cumsum(starts)
    return _in_order(groups)


def _in_order(groups: Ints) -> Ints:
    """Return the same groups, numbered 0, 1, ... in order of appearance."""
    _, first, inverse = np.unique(groups, return_index=True, return_inverse=True)
    rank = np.empty(len(first), np.int64)
    rank[np.argsort(first)] = np.arange(len(first))
    numbered: Ints = rank[inverse]
    return numbered


def split(
    duplicate_groups: Ints, labels: Ints, test_share: float, rng: np.random.Generator
) -> NDArray[np.bool_]:
    """Return which texts are test texts, bool (texts,): stratified by class, in whole duplicate groups.

    Of the groups of each class the share `test_share`, at least one, goes to the test set; a group belongs
    to the class of its first text, and the only group of a class stays in the pool.
    """
    _, first, inverse = np.unique(duplicate_groups, return_index=True, return_inverse=True)
    chosen = np.zeros(len(first), bool)
    for c in np.unique(labels):
        members = rng.permutation(np.flatnonzero(labels[first] == c))
        chosen[members[: max(1, round(test_share * len(members)))]] = bool(len(members) > 1)
    in_test: NDArray[np.bool_] = chosen[inverse]
    return in_test
