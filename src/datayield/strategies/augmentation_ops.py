"""Rewrites one text (EDA, AEDA): words -> words, with a thesaurus and a random number generator."""

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

import numpy as np

from datayield.core.errors import UserError
from datayield.strategies.base import Synonyms, check_share
from datayield.text.word_vectors import STOP_WORDS

MARKS = (".", ",", "!", "?", ";", ":")

Operation: TypeAlias = Callable[[list[str], Synonyms, float, np.random.Generator], list[str]]


def _touched(words: list[str], alpha: float) -> int:
    return max(1, int(alpha * len(words)))


def replace_synonyms(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """Replace a share of the distinct words, without stop words, by a random synonym each."""
    candidates = sorted({w for w in words if w not in STOP_WORDS and thesaurus.synonyms(w)})
    swaps = {}
    for i in rng.permutation(len(candidates))[: _touched(words, alpha)]:
        options = thesaurus.synonyms(candidates[i])
        swaps[candidates[i]] = options[rng.integers(len(options))]
    return [part for w in words for part in swaps.get(w, w).split()]


def insert_synonyms(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """Insert random synonyms of random words, without stop words, at random places."""
    out = list(words)
    candidates = [w for w in words if w not in STOP_WORDS and thesaurus.synonyms(w)]
    for _ in range(_touched(words, alpha) if candidates else 0):
        options = thesaurus.synonyms(candidates[rng.integers(len(candidates))])
        place = int(rng.integers(len(out) + 1))
        out[place:place] = options[rng.integers(len(options))].split()
    return out


def swap_words(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """Swap the words of two random places, several times."""
    out = list(words)
    for _ in range(_touched(words, alpha) if len(words) > 1 else 0):
        a, b = rng.choice(len(out), 2, replace=False)
        out[a], out[b] = out[b], out[a]
    return out


def delete_words(
    words: list[str], thesaurus: Synonyms, alpha: float, rng: np.random.Generator
) -> list[str]:
    """Delete each word with probability alpha; at least one stays if there is one."""
    kept = [w for w, u in zip(words, rng.random(len(words)), strict=True) if u >= alpha]
    return kept or [words[rng.integers(len(words))] for _ in words[:1]]


OPERATIONS: tuple[Operation, ...] = (
    replace_synonyms,
    insert_synonyms,
    swap_words,
    delete_words,
)


def insert_marks(
    words: list[str], thesaurus: Synonyms, k: int, rng: np.random.Generator
) -> list[str]:
    """Insert 1 to floor(0.3 L) + 1 marks before words at distinct places, L words being there; none if L = 0."""
    if not words:
        return []
    count = int(rng.integers(1, int(0.3 * len(words)) + 2))
    places = set(rng.choice(len(words), min(count, len(words)), replace=False).tolist())
    return [
        token
        for i, word in enumerate(words)
        for token in ((MARKS[rng.integers(len(MARKS))], word) if i in places else (word,))
    ]


# EDA paper, Table 3: (largest number of training labels, alpha, variants per text).
TABLE_3 = ((500, 0.05, 16), (2000, 0.05, 8), (None, 0.1, 4))


def table_3(labels: int) -> tuple[float, int]:
    """Return (alpha, variants per text) for a number of training labels."""
    return next((a, n) for most, a, n in TABLE_3 if most is None or labels <= most)


def alphas_of(alpha: float | Sequence[float] | None) -> list[list[float]]:
    """Return per strength, weakest first, a list with one alpha for each operation."""
    if alpha is None:
        return [[a] * len(OPERATIONS) for a in sorted({a for _, a, _ in TABLE_3})]
    alphas: list[Any] = (
        list(alpha) if isinstance(alpha, (list, tuple)) else [alpha] * len(OPERATIONS)
    )
    for value in alphas:
        check_share("alpha", value)
    if len(alphas) != len(OPERATIONS):
        raise UserError(f"alpha: wanted a number or {len(OPERATIONS)} numbers, got {alpha!r}")
    return [alphas]
