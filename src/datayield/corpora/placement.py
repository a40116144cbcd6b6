"""Decides from the texts' own content which are test texts, so that they stay so when a corpus grows.

Texts that must lie on one side make up a block: copies of each other, and all texts of one group (one
customer, one thread). A block's value is the smallest hash of its parts, so a block that grows, or two that
join, may move from the pool into the test set and never back.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from datayield.core import seeds
from datayield.core.types import Bools, Floats, Ints

EARLY = 5
"""Blocks of each class, from the first on, of which one at least is a test block."""
WAITING = "later texts that wait: test texts by their content, or copies of earlier ones"


@dataclass(frozen=True, slots=True)
class TextsToPlace:
    """Holds what the place of each text follows from; all arrays are (texts,), in reading order.

    Attributes:
        prints: the fingerprint of each text, in hexadecimal.
        copies: the number of its duplicate group.
        labels: the number of its class.
        groups: the value of its group column, "" for none; None: no such column.
        times: the moment it was made, larger is newer; None: no such column.
    """

    prints: Sequence[str]
    copies: Ints
    labels: Ints
    groups: Sequence[str] | None = None
    times: Floats | None = None


@dataclass(frozen=True, slots=True)
class Placement:
    """The side of every text."""

    in_test: Bools  # (texts,)
    waits: Bools  # (texts,) on neither side until the division is settled again
    settled: int  # texts of the pool that are drawn first


def place(texts: TextsToPlace, test_share: float, settled: int, seed: int) -> Placement:
    """Divide the first `settled` texts into pool and test set; later ones join the pool or wait.

    Args:
        texts: all texts.
        test_share: share of the test set, in (0, 1); exact only on average over texts.
        settled: number of texts, from the first on, that decide about the test set.
        seed: of the study; it keys the hashes.

    Returns:
        The test set is that of the first `settled` texts alone: those whose hash lies below the share, or
        where times are known the newest. Later texts that it would take, too, wait, and so do later copies.
    """
    settled = min(settled, len(texts.labels))
    of_block, values = _blocks(texts, seed, len(texts.labels))
    own_blocks, own_values = _blocks(texts, seed, settled)
    if texts.times is None:
        test_blocks = _by_value(own_blocks, own_values, texts.labels[:settled], test_share)
        beyond = values[of_block] < test_share
    else:
        oldest = _least(own_blocks, texts.times[:settled])
        newest = _newest(oldest, np.bincount(own_blocks), test_share)
        test_blocks = oldest >= newest
        beyond = _least(of_block, texts.times)[of_block] >= newest
    in_test = np.zeros(len(texts.labels), bool)
    in_test[:settled] = test_blocks[own_blocks]
    later = np.arange(len(texts.labels)) >= settled
    with_test = np.isin(of_block, of_block[in_test])
    with_pool = np.isin(of_block, of_block[~in_test & ~later])
    copy = np.isin(texts.copies, texts.copies[:settled])
    waits = later & (copy | with_test | (beyond & ~with_pool))
    return Placement(in_test, waits, int((~in_test[:settled]).sum()))


def _blocks(texts: TextsToPlace, seed: int, count: int) -> tuple[Ints, Floats]:
    """Return the block of each of the first texts, (count,), and the value of each block, in [0, 1)."""
    prints, copies = texts.prints[:count], texts.copies[:count]
    groups = texts.groups[:count] if texts.groups is not None else [""] * count
    words = [f"group {g}" if g else p for g, p in zip(groups, prints, strict=True)]
    of_block = blocks(words, copies)
    numbers, parts = _numbered(words)
    return of_block, _least(of_block, seeds.uniform(numbers, seed, "place")[parts])


def blocks(words: Sequence[str], copies: Ints) -> Ints:
    """Return the block of each text, (texts,): texts of one word or one duplicate group share one.

    Args:
        words: what joins a text with others, (texts,): its group, or what no other text has.
        copies: its duplicate group, (texts,).
    """
    numbers, parts = _numbered(words)
    # A graph of the words and the duplicate groups; each text joins its word with its duplicate group.
    size = len(numbers) + int(copies.max(initial=-1)) + 1
    joined = coo_array((np.ones(len(words)), (parts, len(numbers) + copies)), (size, size))
    found = connected_components(joined, directed=False)[1]
    return np.unique(found[parts], return_inverse=True)[1].astype(np.int64)


def _numbered(words: Sequence[str]) -> tuple[dict[str, int], Ints]:
    """Return the number of each different word, and that of each text, (texts,)."""
    numbers: dict[str, int] = {}
    return numbers, np.array([numbers.setdefault(w, len(numbers)) for w in words], np.int64)


def _least(blocks: Ints, values: Floats) -> Floats:
    """Return the smallest value of the texts of each block, (blocks,)."""
    least = np.full(int(blocks.max(initial=-1)) + 1, np.inf)
    np.minimum.at(least, blocks, values)
    return least


def _by_value(blocks: Ints, values: Floats, labels: Ints, test_share: float) -> Bools:
    """Return which blocks are test blocks, (blocks,): those of small values, and some of each class.

    A block belongs to the class of its first text. A class has one test block at least among its first
    EARLY blocks, which rows at the end of a file do not change; its only block stays in the pool.
    """
    chosen: Bools = values < test_share
    _, first = np.unique(blocks, return_index=True)
    for c in np.unique(labels):
        members = np.flatnonzero(labels[first] == c)
        members = members[np.argsort(first[members])]
        early = members[:EARLY]
        if len(members) and not chosen[early].any():
            chosen[early[np.argmin(values[early])]] = True
        if len(members) and chosen[members].all():
            chosen[members[np.argmax(values[members])]] = False
    return chosen


def _newest(oldest: Floats, sizes: Ints, test_share: float) -> float:
    """Return the moment from which on blocks are test blocks, so that their texts are nearest to the share.

    Args:
        oldest: the moment of the oldest text of each block, (blocks,).
        sizes: texts of each block, (blocks,).
        test_share: wanted share of the texts.
    """
    moments, place = np.unique(oldest, return_inverse=True)
    texts = np.bincount(place, sizes)
    share = np.cumsum(texts[::-1])[::-1] / texts.sum()  # in the test set from this moment on
    within = np.arange(len(moments)) > 0  # the oldest texts stay in the pool
    if not within.any():
        return float(np.inf)
    return float(moments[within][np.argmin(np.abs(share[within] - test_share))])
