"""Makes the random generators of a study, each from a key and never from a running state.

A key is a tuple such as `(study_seed, "draw", corpus, draw)`. The same key gives the same generator
in any process, whatever ran before, so results cannot depend on worker count, order or restarts.
"""

import hashlib
from collections.abc import Iterable, Iterator
from typing import Any, TypeAlias

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

Key: TypeAlias = str | int


def _part(key: Key) -> str:
    # The type is part of the text: 1 and "1" are different keys; the separator cannot occur in ints
    # and is escaped in strings, so ("a", "b") and ("a\x1fb",) differ too.
    return f"{type(key).__name__}:{str(key).replace(chr(31), chr(31) * 2)}"


def _digest(key: tuple[Key, ...], size: int) -> bytes:
    return hashlib.blake2b(chr(31).join(map(_part, key)).encode(), digest_size=size).digest()


def _digests(key: tuple[Key, ...], words: Iterable[str], size: int) -> Iterator[bytes]:
    """Yield the digest of (*key, word) for every word, having hashed the key once."""
    common = hashlib.blake2b("".join(_part(k) + chr(31) for k in key).encode(), digest_size=size)
    for word in words:
        hashed = common.copy()
        hashed.update(_part(word).encode())
        yield hashed.digest()


class _Words(ISeedSequence):
    """The two words of a Philox key.

    Given the key as a number, numpy would first ask the system for entropy that is not used. Making a
    generator takes half the time this way, and each variant of each text has one.
    """

    def __init__(self, digest: bytes) -> None:
        self._words = np.frombuffer(digest, "<u8")

    def generate_state(self, n_words: int, dtype: Any = np.uint64) -> NDArray[Any]:
        """Return the words; numpy calls this for two words of 64 bits."""
        return self._words[:n_words].astype(dtype)


def rng(*key: Key) -> np.random.Generator:
    """Return a numpy generator for this key (Philox, counter-based)."""
    return np.random.Generator(np.random.Philox(_Words(_digest(key, 16))))  # type: ignore[arg-type]


def integer(*key: Key) -> int:
    """Return a seed in [0, 2**63) for this key, for libraries that take an integer."""
    return int.from_bytes(_digest(key, 8), "little") >> 1


def uniform(words: Iterable[str], *key: Key) -> NDArray[np.float64]:
    """Return one uniform number in [0, 1) per word, (words,); it depends on the key and the word alone."""
    digests = np.frombuffer(b"".join(_digests(key, words, 8)), dtype="<u8")
    numbers: NDArray[np.float64] = (digests >> np.uint64(11)).astype(np.float64) * 2.0**-53
    return numbers


def uniform_rows(words: list[str], width: int, *key: Key) -> NDArray[np.float32]:
    """Return one row of uniform numbers in [-1, 1) per word, shape (len(words), width), float32.

    A word's row depends on the key and the word alone, so two vocabularies that share a word share
    its row. splitmix64 over (word hash + column), vectorised.
    """
    base = np.frombuffer(b"".join(_digests(key, words, 8)), dtype="<u8", count=len(words))
    columns = np.arange(1, width + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    z = base[:, None] + columns[None, :]
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z = z ^ (z >> np.uint64(31))
    uniform = (z >> np.uint64(40)).astype(np.float32) * np.float32(
        2.0**-24
    )  # 24 bits: exact in fp32
    rows: NDArray[np.float32] = uniform * np.float32(2.0) - np.float32(1.0)
    return rows
