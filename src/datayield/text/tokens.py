"""Splits texts into tokens, and makes the keys by which duplicates are recognised."""

import hashlib
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import cache

TOKENISER = 2  # raised by hand when `tokens` changes, since exported models depend on it

# A word, with inner apostrophes ("don't"), or a single other mark; white space separates.
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")

# Scripts that are written without spaces: Han, kana, Thai, Lao, Myanmar, Khmer.
_SPACELESS = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_JOINERS = "\u200c\u200d"
_INVISIBLE = (
    "\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"  # direction, no width
)
_FLAGS = "\U0001f1e6-\U0001f1ff"
_EMOJI_PARTS = "\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"


def tokens(text: str) -> list[str]:
    """Return lower-case words, numbers and single punctuation marks in order, NFC-normalised.

    In scripts without spaces every character, with the marks on it, is a token; marks and joiners
    stay with the letter before them in all scripts; an emoji of several code points is one token;
    characters that set the direction of writing are left out.
    """
    line = unicodedata.normalize("NFC", text).lower()
    if line.isascii():
        return _TOKEN.findall(line)
    special, token, invisible = _scripts()
    if not special.search(line):
        return _TOKEN.findall(line)
    return token.findall(invisible.sub(" ", line))


def is_word(token: str) -> bool:
    """Return whether a token consists of letters, with the marks on them."""
    return token.isalpha() or (
        token[:1].isalpha()
        and all(
            c.isalpha() or unicodedata.category(c)[0] == "M" or c in "\u200c\u200d" for c in token
        )
    )


@cache
def _scripts() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """Return patterns of special characters, of tokens, and of characters that are left out."""
    marks = _marks() + _JOINERS
    letter = rf"(?![{_SPACELESS}])\w[{marks}]*"
    word = rf"(?:{letter})+(?:['’](?:{letter})+)*"
    emoji = rf"[{_FLAGS}]{{2}}|[^\w\s](?:[{_EMOJI_PARTS}]|\ufe0f?\u200d[^\w\s])*"
    token = re.compile(rf"[{_SPACELESS}][{marks}]*|{word}|{emoji}")
    special = re.compile(f"[{marks}{_SPACELESS}{_FLAGS}{_EMOJI_PARTS}{_INVISIBLE}]")
    return special, token, re.compile(f"[{_INVISIBLE}]")


def _marks() -> str:
    """Return all combining marks as ranges of a character class."""
    places = (
        *range(0x300, 0xFE00),
        *range(0xFE10, 0x1F000),
    )  # without variation selectors, which are tokens
    found = [i for i in places if unicodedata.category(chr(i))[0] == "M"]
    starts = [i for i, before in zip(found, [-1, *found], strict=False) if i != before + 1]
    ends = [i for i, after in zip(found, [*found[1:], -1], strict=True) if i + 1 != after]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


def key(text: str) -> str:
    """Return a text case-folded and white-space-normalised; duplicates have equal keys."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def fingerprint(text: str) -> bytes:
    """Return 128 bits of the hash of `key`, by which duplicates are recognised without keeping texts."""
    return hashlib.blake2b(key(text).encode(), digest_size=16).digest()


def counts(texts: Iterable[str]) -> Counter[str]:
    """Return how often each token occurs in all texts, in order of appearance."""
    found: Counter[str] = Counter()
    for value in texts:
        found.update(tokens(value))
    return found
