"""Decides whether the letters of a text fit a language of Latin script, so that wrong encodings stand out."""

import re
from collections import Counter
from dataclasses import dataclass

_ALPHABETS = {
    "French": "àâæçéèêëîïôœùûüÿ",
    "German": "äöüß",
    "Spanish": "áéíñóúü",
    "Catalan": "àçèéíïòóúü",
    "Portuguese": "àáâãçéêíóôõúü",
    "Italian": "àèéìíîòóùú",
    "Dutch": "áèéëïóöüú",
    "Swedish, Finnish": "àåäéö",
    "Danish, Norwegian": "æøåéèóòôê",
    "Icelandic": "áðéíóúýþæö",
    "Polish": "ąćęłńóśźż",
    "Czech": "áčďéěíňóřšťúůýž",
    "Slovak": "áäčďéíĺľňóôŕšťúýž",
    "Hungarian": "áéíóöőúüű",
    "Romanian": "ăâîșțşţ",
    "Croatian, Slovene": "čćđšž",
    "Turkish": "âçğıİîöşüû",
    "Estonian": "äõöüšž",
    "Latvian": "āčēģīķļņšūž",
    "Lithuanian": "ąčęėįšųūž",
}
"""Small letters of each language beyond a to z; of Turkish one capital that has no small letter of its own."""

_MIXED = (
    (0.03, ("French", "German", "Spanish", "Catalan", "Portuguese", "Italian", "Dutch", "Swedish, Finnish",
            "Danish, Norwegian")),
    (0.06, ("Polish", "Czech", "Slovak", "Hungarian", "Romanian", "Croatian, Slovene", "German")),
)  # fmt: skip
"""Languages whose words may stand in one file, after the share of strange marks that such a mix costs."""

_SIGNS = frozenset("‘’“”‚„‹›«»–—…·•°§©®™€£¥¢¡¿ªº¹²³½¼¾×÷±µ´¨¬¶†‡‰ˆ˜¸¯¦\xa0\xad")
"""Signs that are no letters and that people write between words of Latin script."""
_INSIDE = frozenset("’‘·–—…\xad\xa0´")  # of these, those that may stand between two letters
_OPENING = frozenset("‚„¿¡")  # those that do not follow a letter
_RUN = re.compile(r"[^\x00-\x7f\xa0]{4,}|(?<!\w)[^\W\d_a-zA-Z]{2,3}(?!\w)")
"""Four such marks in a row and words of them alone: words of Latin script hold ASCII letters in between."""
_FOREIGN = re.compile(r"(.?)([^\x00-\x7f])(?=(.?))", re.S)


@dataclass(frozen=True, slots=True)
class Judgement:
    """The verdict on how the marks of a text that are not ASCII fit one language.

    Attributes:
        foreign: number of these marks.
        strange: of these, the number that do not fit the language that they fit best; a part of a mark
            is added where they fit several languages only.
    """

    foreign: int
    strange: float

    @property
    def share(self) -> float:
        """The share of strange marks, 0 to 1 and a little."""
        return self.strange / max(1, self.foreign)


def judged(text: str) -> Judgement:
    """Return how the letters and signs of a text fit a language of Latin script.

    Strange in each language are a sign between two letters, a capital letter after a small one, four such
    letters in a row, and a word of them alone.

    >>> judged("una mañana").strange, judged("una mańana con más").strange
    (0, 0.06)
    """
    letters: Counter[str] = Counter()
    foreign = broken = sum(len(run) for run in _RUN.findall(text) if sum(map(str.isalpha, run)) > 1)
    text = _RUN.sub(" ", text)
    for found in _FOREIGN.finditer(text):
        before, mark, after = found.groups()
        foreign += 1
        if mark.isalpha() and mark not in "ªº":
            if mark.isupper() and before.islower():
                broken += 1
            else:
                letters[mark if mark == "İ" else mark.lower()] += 1
        else:
            broken += _is_broken(before, mark, after)
    if not letters:
        return Judgement(foreign, broken)
    single = min(_outside(letters, alphabet) for alphabet in _ALPHABETS.values())
    mixed = min(
        _outside(letters, "".join(_ALPHABETS[x] for x in names)) + share * foreign
        for share, names in _MIXED
    )
    return Judgement(foreign, broken + min(single, mixed))


def _is_broken(before: str, sign: str, after: str) -> bool:
    """Return whether a sign cannot stand where it stands."""
    between = before.isalpha() and after.isalpha() and sign not in _INSIDE
    return sign not in _SIGNS or between or (before.isalpha() and sign in _OPENING)


def _outside(letters: Counter[str], alphabet: str) -> int:
    return sum(count for letter, count in letters.items() if letter not in alphabet)
