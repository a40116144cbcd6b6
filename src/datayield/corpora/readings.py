"""Reads bytes in every encoding that can be, and judges which reading makes words.

Latin script is judged by the letters that languages use (`alphabets`), other scripts by charset-normalizer.
"""

import codecs
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace

from charset_normalizer import from_bytes

from datayield.corpora import alphabets

LATIN = {
    "windows-1252": "Western European",
    "windows-1250": "Central European",
    "iso-8859-2": "Central European",
    "windows-1254": "Turkish",
    "windows-1257": "Baltic",
    "iso-8859-15": "Western European",
    "iso-8859-4": "Baltic",
    "iso-8859-13": "Baltic",
    "mac-roman": "Western European, of old Macintosh files",
    "cp850": "Western European, of MS-DOS",
    "cp852": "Central European, of MS-DOS",
}
"""Encodings of Latin script that are looked for; of two that fit equally well the first is taken."""

OTHERS = {
    "windows-1251": "Cyrillic",
    "koi8-r": "Cyrillic",
    "koi8-u": "Cyrillic",
    "cp866": "Cyrillic, of MS-DOS",
    "iso-8859-5": "Cyrillic",
    "mac-cyrillic": "Cyrillic, of old Macintosh files",
    "windows-1253": "Greek",
    "iso-8859-7": "Greek",
    "windows-1255": "Hebrew",
    "windows-1256": "Arabic",
    "iso-8859-6": "Arabic",
    "cp874": "Thai",
    "cp932": "Japanese, Shift-JIS",
    "euc-jp": "Japanese",
    "gb18030": "Chinese",
    "big5": "Chinese, traditional",
    "cp949": "Korean",
}
"""Encodings of other scripts that are looked for."""

TITLES = {**LATIN, **OTHERS, "iso2022_jp": "Japanese, of mail"}
RARE = {"iso-8859-4": 1.0, "iso-8859-13": 1.0, "mac-roman": 1.0, "cp850": 1.0, "cp852": 1.0}
"""Strange marks that are added for encodings of old files, so that one word does not speak for them."""

MOST_STRANGE = 0.1  # share of marks that do not fit the language, at most
MOST_ALONE = (
    0.5  # share of the words of another script that are one letter in a word of ASCII letters
)
FEWEST = 100  # bytes of another script than Latin from which on it can be told
CLOSE = 0.02  # difference between two readings of another script that decides nothing
MOST_DIFFERENT = 0.05  # share of the characters in which two readings of one script differ
MESS = 0.35  # of a reading, as charset-normalizer measures it, at most
COHERENCE = 0.2  # weight of the frequencies of letters against the mess of a reading
CAPITALS = 0.05  # weight of the share of words in capital letters
HALF_WIDTH = 0.2  # weight of the share of Japanese half-width letters, which single bytes make
PAIRS = 0.05  # what speaks for an encoding in which all bytes beyond ASCII must come in pairs
_IN_PAIRS = ("gb18030", "big5", "cp949", "euc-jp")
_WORDS = re.compile(r"(\w?)([^\x00-\x7f]+)(?=(\w?))")


@dataclass(frozen=True, slots=True)
class Reading:
    """The text that some bytes make in one encoding.

    Attributes:
        name: of the encoding.
        text: the decoded bytes.
        strange: what speaks against it, comparable between encodings of one kind; smaller is better.
        fits: whether the marks make words.
    """

    name: str
    text: str
    strange: float
    fits: bool


def readings(sample: bytes) -> list[Reading]:
    """Return what a sample is in each encoding that can be, the likeliest first.

    Args:
        sample: lines of a file that are not ASCII.
    """
    latin = sorted(_latin(sample), key=lambda x: x.strange)
    if latin and latin[0].fits:
        return latin
    others = sorted(_others(sample), key=lambda x: (not x.fits, x.strange))
    near = [x for x in others if x.fits and x.strange - others[0].strange < CLOSE]
    few = len(sample.translate(None, bytes(range(128)))) < FEWEST
    if few or not all(_alike(x.text, near[0].text) for x in near):
        return [*(replace(x, fits=False) for x in others), *latin]
    near.sort(key=lambda x: list(OTHERS).index(x.name))
    return [*near, *(x for x in others if x not in near), *latin]


def _alike(one: str, other: str) -> bool:
    """Return whether two readings differ in few characters, as those of one script may."""
    if len(one) != len(other):
        return False
    differ = sum(a != b for a, b in zip(one, other, strict=True))
    return differ <= MOST_DIFFERENT * len(one)


def _latin(sample: bytes) -> Iterator[Reading]:
    for name in LATIN:
        try:
            text = sample.decode(name)
        except UnicodeDecodeError:
            continue
        found = alphabets.judged(text)
        yield Reading(name, text, found.strange + RARE.get(name, 0.0), found.share <= MOST_STRANGE)


def _others(sample: bytes) -> Iterator[Reading]:
    names = {codecs.lookup(name).name: name for name in OTHERS}
    for match in from_bytes(
        sample, threshold=MESS, cp_isolation=list(OTHERS), enable_fallback=False
    ):
        name = names.get(codecs.lookup(match.encoding).name)
        if name is not None:
            text = sample.decode(name)
            strange = match.chaos - COHERENCE * match.coherence + _unlikely(name, text)
            yield Reading(name, text, strange, _in_words(text))


def _unlikely(name: str, text: str) -> float:
    """Return what speaks against a reading in another script, whatever its language."""
    words = [marks for _, marks, _ in _WORDS.findall(text)]
    count = max(1, len(words))
    capitals = sum(len(x) > 1 and x.isupper() for x in words) / count
    narrow = sum("\uff61" <= x[0] <= "\uff9f" for x in words) / count
    return float(CAPITALS * capitals + HALF_WIDTH * narrow - PAIRS * (name in _IN_PAIRS))


def _in_words(text: str) -> bool:
    """Return whether the marks of another script than Latin stand together, as they do in its words."""
    alone = words = 0
    for before, marks, after in _WORDS.findall(text):
        words += 1
        alone += len(marks) == 1 and bool(before or after)
    return alone <= MOST_ALONE * words
