"""Finds texts that are damaged, or unlike the others in script, language or length."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from datayield.core.types import Ints
from datayield.text import languages, tokens

_CP1252 = bytes(range(0x80, 0xC0)).decode("cp1252", "ignore")
_AFTER = {
    *_CP1252,
    *map(chr, range(0x80, 0xC0)),
}  # a byte that goes on, as either encoding reads it
_LETTERS = re.escape("".join(sorted(c for c in _AFTER if c.isalpha())))
_MARKS = re.escape("".join(sorted(c for c in _AFTER if not c.isalpha())))
_MARKS_IN_WORDS = re.escape("".join(sorted(c for c in _AFTER if not c.isalpha() and c != "\xa0")))
_TWICE = (
    # Meant, and therefore not found: "CAFÉ»", "été »" with a no-break space, "Úžas".
    f"(?<![A-ZÀ-Þ])[Â-Þ][{_MARKS}]|[ÃÄÅÐÑ][{_LETTERS}]|[à-ï][{_MARKS_IN_WORDS}][{_MARKS}]|ðŸ"
)
SHORT = "texts of one or two words"
OTHER_SCRIPT = "texts in another script than most"
OTHER_LANGUAGE = "texts in another language than most (by function words)"
_READ_AGAIN = "write the file again as UTF-8 from its source, or name its encoding by --encoding"
PATTERNS = {
    "texts with undecodable characters": re.compile("�"),
    "texts with control characters (windows-1252 read as latin-1?)": re.compile(
        "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f]"
    ),
    "texts that look decoded twice (Ã©)": re.compile(_TWICE),
    "texts with remnants of HTML": re.compile(
        r"&(?:[a-z]{2,8}|#\d{1,6});|#\d{2,4};|</?[a-z][^<>]{0,60}>", re.IGNORECASE
    ),
    "texts with a word of Latin and Cyrillic letters": re.compile(
        "[A-Za-z][\u0400-\u04ff]|[\u0400-\u04ff][A-Za-z]"
    ),
}
ADVICE = {
    **dict(zip(PATTERNS, (*[_READ_AGAIN] * 3, "remove the tags, unless they tell the classes apart",
                          "look for letters that only look alike"), strict=True)),
    SHORT: "check that the label can be told from so few words",
    OTHER_SCRIPT: "check that they belong into this file",
    OTHER_LANGUAGE: "check that they belong into this file",
}  # fmt: skip
"""Name of each finding -> what to do about it."""


@dataclass(frozen=True, slots=True)
class TextFaults:
    """The result of one pass over texts."""

    lengths: Ints  # tokens of each text, (texts,)
    places: dict[
        str, list[int]
    ]  # name of a finding -> places of the texts that show it; empty lists too


def text_faults(texts: Sequence[str]) -> TextFaults:
    """Read every text once and return its length and the faults of all texts."""
    lengths = np.empty(len(texts), np.int64)
    found: dict[str, list[int]] = {what: [] for what in (*PATTERNS, SHORT)}
    scripts: list[str] = []
    words: list[Counter[str]] = []
    for place, value in enumerate(texts):
        for what, pattern in PATTERNS.items():
            if pattern.search(value):
                found[what].append(place)
        own = tokens.tokens(value)
        if sum(token[0].isalnum() for token in own) <= 2:
            found[SHORT].append(place)
        lengths[place] = len(own)
        scripts.append(languages.script(value))
        words.append(languages.function_words(own))
    places = {**found, OTHER_SCRIPT: _other_scripts(scripts), OTHER_LANGUAGE: _foreign(words)}
    return TextFaults(lengths, places)


def _other_scripts(scripts: Sequence[str]) -> list[int]:
    """Return the places of the scripts that are not the most frequent one; "" is none."""
    counts = Counter(name for name in scripts if name)
    common = max(counts, key=lambda name: (counts[name], name), default="")
    return [place for place, name in enumerate(scripts) if name not in ("", common)]


def _foreign(words: Sequence[Counter[str]]) -> list[int]:
    """Return the places of texts whose function words are not of the language of most texts."""
    votes = Counter(
        max(counts, key=lambda name: counts[name])
        for counts in words
        if max(counts.values()) >= languages.FEWEST_WORDS
    )
    if not votes:
        return []
    common = max(votes, key=lambda name: (votes[name], name))
    return [place for place, counts in enumerate(words) if languages.is_foreign(counts, common)]
