"""Finds near duplicates: character 5-grams, MinHash for candidates, Jaccard for the decision.

MinHash with affine permutations h -> a h + b mod 2^32 of the mixed first 32 bits of a 5-gram's SHA-1,
banded (Leskovec, Rajaraman & Ullman, Mining of Massive Datasets, 3.4). Texts are read in pieces, and
only the hashes of the bands of each text are kept.
"""

import hashlib
from collections.abc import Iterator, Sequence
from functools import cache
from typing import TypeAlias

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from scipy.integrate import quad

from datayield.text import sequences

SHINGLE = 5
NEAR = 0.8
SLACK = 0.1  # how far below the similarity candidates are sought, since MinHash is not exact
PERMUTATIONS = 128
Hashes: TypeAlias = NDArray[np.uint64]

_MIX = np.uint64(0x9E3779B97F4A7C15)
_BEYOND = 0x110000  # not a character: fills up texts shorter than SHINGLE


def pairs(keys: Sequence[str], similarity: float = NEAR) -> Iterator[tuple[int, int]]:
    """Yield places i < j of keys (`tokens.key`, all different) that are near duplicates.

    Two keys are near duplicates if the Jaccard similarity of their sets of 5-grams, in [0, 1], is at least
    `similarity`.
    """
    bands = _bands(keys, max(0.05, similarity - SLACK))
    for i, j in _candidates(bands):
        a, b = shingled(keys[i]), shingled(keys[j])
        if len(a & b) >= similarity * len(a | b):
            yield i, j


def shingled(key: str) -> set[str]:
    """Return the character 5-grams of a text; for a shorter text, the text itself."""
    return {key[i : i + SHINGLE] for i in range(max(1, len(key) - SHINGLE + 1))}


def _candidates(bands: Sequence[Hashes]) -> Iterator[tuple[int, int]]:
    """Yield the pairs of places that agree in some band, each once, i < j, by j and then by i."""
    size = np.uint64(len(bands[0]))
    found = [np.empty(0, np.uint64)]
    for band in bands:
        order = np.argsort(band, kind="stable").astype(np.uint64)
        values = band[order]
        gap = 1
        same = np.flatnonzero(values[1:] == values[:-1])
        while len(same):  # runs of equal values: neighbours, next but one, ...
            found.append(order[same + gap] * size + order[same])
            gap += 1
            same = same[same + gap < len(values)]
            same = same[values[same + gap] == values[same]]
    for code in np.unique(np.concatenate(found)):
        yield int(code % size), int(code // size)


def _bands(keys: Sequence[str], threshold: float) -> list[Hashes]:
    """Return, for each band, one hash of its rows for every text, (texts,)."""
    bands, rows_per_band = bands_and_rows(threshold)
    a, b = _permutations()
    out = [np.empty(len(keys), np.uint64) for _ in range(bands)]
    start = 0
    for piece in sequences.pieces(keys):
        hashed, numbers, starts = _shingles(piece)
        rows = slice(start, start := start + len(piece))
        for k, band in enumerate(out):
            mixed = np.zeros(len(piece), np.uint64)
            for p in range(k * rows_per_band, (k + 1) * rows_per_band):
                least = np.minimum.reduceat((hashed * a[p] + b[p])[numbers], starts)
                mixed = (mixed ^ least) * _MIX
                mixed ^= mixed >> np.uint64(29)
            band[rows] = mixed
    return out


@cache
def bands_and_rows(threshold: float) -> tuple[int, int]:
    """Return the number of bands and of rows in each that errs least at a threshold in (0, 1).

    The error is half the area of false positives below the threshold (a pair of similarity s agrees in
    some band with probability 1 - (1 - s^r)^b) and half that of false negatives above it.
    """

    def error(shape: tuple[int, int]) -> float:
        b, r = float(shape[0]), float(shape[1])
        positives = quad(lambda s: 1 - (1 - s**r) ** b, 0.0, threshold)[0]
        negatives = quad(lambda s: 1 - (1 - (1 - s**r) ** b), threshold, 1.0)[0]
        return float(positives * 0.5 + negatives * 0.5)

    shapes = ((b, r) for b in range(1, PERMUTATIONS + 1) for r in range(1, PERMUTATIONS // b + 1))
    return min(shapes, key=error)


def _permutations() -> NDArray[np.uint32]:
    """Return the odd factor a and the summand b of every permutation, (2, PERMUTATIONS)."""
    rng = np.random.RandomState(1)
    a = rng.randint(0, 2**31, PERMUTATIONS, np.uint32) * np.uint32(2) + np.uint32(1)
    return np.stack([a, rng.randint(0, 2**32, PERMUTATIONS, np.uint32)])


def _shingles(keys: list[str]) -> tuple[NDArray[np.uint32], NDArray[np.int32], NDArray[np.int64]]:
    """Return the 5-grams of some keys.

    Returns:
        The hash of every different 5-gram; by number in that array the 5-grams of all keys, one key
        after another; and where each key's begin, (keys,).
    """
    padded = [k if len(k) >= SHINGLE else k + chr(0) * (SHINGLE - len(k)) for k in keys]
    lengths = np.array([len(k) for k in padded])
    joined = "".join(padded)
    characters = np.frombuffer(joined.encode("utf-32-le", "surrogatepass"), np.uint32).astype(
        np.uint64
    )
    ends = np.cumsum(lengths)
    for end, key in zip(ends, keys, strict=True):
        if len(key) < SHINGLE:
            characters[end - SHINGLE + len(key) : end] = _BEYOND
    codes = np.zeros(len(characters) - SHINGLE + 1, np.uint64)
    for k in range(SHINGLE):
        codes = (codes ^ characters[k : k + len(codes)]) * _MIX
        codes ^= codes >> np.uint64(32)
    inside = np.ones(len(codes), bool)
    for k in range(1, SHINGLE):  # none reaches from one key into the next
        inside[ends[:-1] - k] = False
    places = np.flatnonzero(inside)
    numbers = pa.array(codes[places]).dictionary_encode().indices.to_numpy()
    first = places[np.unique(numbers, return_index=True)[1]]
    widths = np.minimum(
        SHINGLE, np.array([len(k) for k in keys])[np.searchsorted(ends, first, "right")]
    )
    hashed = np.array(
        [_sha1(joined[i : i + w]) for i, w in zip(first, widths, strict=True)], np.uint32
    )
    counts = lengths - SHINGLE + 1
    return _mixed(hashed), numbers, np.cumsum(counts) - counts


def _sha1(shingle: str) -> int:
    return int.from_bytes(hashlib.sha1(shingle.encode()).digest()[:4], "little")


def _mixed(h: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """Return the hashes with every bit spread, by the finaliser of MurmurHash3."""
    h = (h ^ (h >> np.uint32(16))) * np.uint32(0x85EBCA6B)
    h = (h ^ (h >> np.uint32(13))) * np.uint32(0xC2B2AE35)
    mixed: NDArray[np.uint32] = h ^ (h >> np.uint32(16))
    return mixed
