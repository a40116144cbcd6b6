"""Generates texts from a class-conditional grammar, whose best possible accuracy is known exactly.

text -> filler* phrase filler* ... ;  phrase -> cue | "not" cue
Every class has concepts, every concept has words that may stand for each other. Every phrase of
a text points to one class z: `cue` of z itself, or `not` and a cue of the class before z. Its
label is z, or with probability e = bayes_error another class, evenly. As z can be read off every
text, no classifier has an error below e, and reading z has exactly the error e.

Planted effects: synonyms (a thesaurus helps), `negation` (word order matters), `cues` (redundancy),
`duplicates`.
"""

from pathlib import Path
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield.config import SyntheticSource
from datayield.core import seeds
from datayield.core.types import Ints
from datayield.corpora.build import Labelled

Words: TypeAlias = NDArray[np.str_]

FILLERS = 2000
_ONSETS = ("b", "d", "f", "g", "h", "k", "l", "m", "n", "p", "r", "s", "t", "v", "z", "br", "dr",
           "gl", "kr", "pl", "st", "tr")  # fmt: skip
_VOWELS = ("a", "e", "i", "o", "u", "ai", "ou")


def load(name: str, source: SyntheticSource, seed: int, root: Path) -> Labelled:
    """Return the pool, then the test texts; the same for the same seed and settings."""
    fillers, cues = lexicon(name, source, seed)
    rng = seeds.rng(seed, "synthetic texts", name)
    total = source.pool + source.test
    pointed = rng.permutation(np.arange(total) % source.classes)
    texts = [_text(int(z), source, fillers, cues, rng) for z in pointed]
    labels = _flipped(pointed, source.bayes_error, source.classes, rng)
    fresh = round(source.pool * (1 - source.duplicates))
    for i in range(fresh, source.pool):  # a repeated text with the label it had
        original = int(rng.integers(fresh))
        texts[i], labels[i] = texts[original], labels[original]
    return Labelled(
        texts,
        [f"class {k}" for k in labels],
        [i >= source.pool for i in range(total)],
        {
            "loader": "synthetic",
            "what": "texts from a grammar; see docs/adding-a-corpus.md",
            "licence": "generated; free of rights",
            "encoding": "utf-8",
            "Bayes error": source.bayes_error,
            "best possible accuracy on the test set, expected": round(1 - source.bayes_error, 6),
            "settings": source.model_dump(exclude={"loader"}),
        },
        name,
    )


def lexicon(name: str, source: SyntheticSource, seed: int) -> tuple[list[str], Words]:
    """Return filler words, and cue words of shape (classes, concepts, synonyms); all different."""
    rng = seeds.rng(seed, "synthetic words", name)
    words = _words(FILLERS + source.classes * source.concepts * source.synonyms, rng)
    cues = np.array(words[FILLERS:]).reshape(source.classes, source.concepts, source.synonyms)
    return words[:FILLERS], cues


def _words(count: int, rng: np.random.Generator) -> list[str]:
    """Return different pronounceable words of two to four syllables."""
    found: dict[str, None] = {"not": None}
    while len(found) <= count:
        syllables = int(rng.integers(2, 5))
        found[
            "".join(str(rng.choice(_ONSETS)) + str(rng.choice(_VOWELS)) for _ in range(syllables))
        ] = None
    return list(found)[1:]


def _text(
    z: int, source: SyntheticSource, fillers: list[str], cues: Words, rng: np.random.Generator
) -> str:
    phrases = []
    for _ in range(source.cues):
        negated = rng.random() < source.negation
        class_cues = cues[(z - 1) % source.classes if negated else z]
        word = str(class_cues[_zipf(source.concepts, rng), rng.integers(source.synonyms)])
        phrases.append(["not", word] if negated else [word])
    loose = [[fillers[_zipf(FILLERS, rng)]] for _ in range(int(rng.poisson(source.length)))]
    parts = [*phrases, *loose]
    return " ".join(word for i in rng.permutation(len(parts)) for word in parts[i])


def _zipf(count: int, rng: np.random.Generator) -> int:
    """Return a rank in 0..count-1; rank r with a probability of about 1/(r + 1)."""
    return min(int(np.exp(rng.random() * np.log(count + 1))) - 1, count - 1)


def _flipped(labels: Ints, share: float, classes: int, rng: np.random.Generator) -> Ints:
    """Return the labels, each replaced with probability `share` by another class, evenly."""
    other = (labels + rng.integers(1, classes, len(labels))) % classes
    flipped: Ints = np.where(rng.random(len(labels)) < share, other, labels)
    return flipped


def best_class(text: str, cues: Words) -> int:
    """Return the class that a text points to: the best possible classifier, which knows every cue word."""
    classes = {str(w): k for k, class_cues in enumerate(cues) for w in class_cues.ravel()}
    words = text.split()
    place = next(i for i, word in enumerate(words) if word in classes)
    negated = place > 0 and words[place - 1] == "not"
    return (classes[words[place]] + negated) % len(cues)
