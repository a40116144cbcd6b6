"""Guesses the script and the language of a text, to find texts that differ from the rest of a corpus.

The script is that of most letters, by their Unicode names. The language is guessed by function words, for a
few languages of Latin script alone; it is good enough to count texts, and not to label them.
"""

import unicodedata
from collections import Counter
from collections.abc import Iterable
from functools import lru_cache

_JAPANESE = ("HIRAGANA", "KATAKANA")  # written together with Chinese characters
FEWEST_WORDS = 3  # different function words of a language that a text must hold to be counted as of that language
LEAD = 2  # times as many function words as the other language has in that text

FUNCTION_WORDS: dict[str, frozenset[str]] = {
    language: frozenset(words.split())
    for language, words in {
        "English": "the of and to in is that it for was with as on are be this have from by not but they"
        " which you his her had were been would there their what so if we my your can will just a i an"
        " at or do me am he she who how no all one it's don't i'm u",
        "German": "der die das und ist nicht ich sie es ein eine mit den dem von zu auf für im sich auch"
        " als wie war bei aber nach oder wir werden wird hat haben sind kann noch einen einer nur sehr",
        "French": "le la les de des du et est un une que qui dans pour pas sur avec ce il elle au aux ne"
        " plus par je vous nous sont mais ou cette son sa ses être très c'est j'ai été tout",
        "Spanish": "el la los las de del y es que en un una por con para no se su lo como más pero sus le"
        " ya este sí porque esta entre cuando muy sin sobre también me hasta hay está todo",
        "Italian": "il lo la gli di del della che è e un una per non con sono si da come più anche ma al"
        " nel dei le ha questo alla delle nella mi molto ho questa tutto era se stato",
        "Portuguese": "o os as de do da dos das e é que em um uma para não com se por mais como mas foi"
        " ao ele ela seu sua ou muito já também eu pelo isso são está você meu",
        "Dutch": "de het een en van is dat in niet op te zijn ik met voor die er aan ook maar als bij uit"
        " om dan nog naar wel hij ze geen worden wordt deze heeft heb je zeer",
        "Swedish": "och att det är en ett som på av för inte med den till jag har de om var vi men så kan"
        " från han hon när mycket också eller nu efter vid skulle bara här alla",
    }.items()
}


def script(text: str) -> str:
    """Return the script that most letters of a text belong to, e.g. "Latin"; "" without letters.

    Chinese characters, hiragana and katakana are one script ("Cjk"), since Japanese mixes them.
    """
    if text.isascii():
        return "Latin" if any(map(str.isalpha, text)) else ""
    counts = Counter(map(_script_of, unicodedata.normalize("NFKC", text)))
    counts.pop("", None)
    return max(counts, key=lambda name: (counts[name], name)) if counts else ""


@lru_cache(maxsize=2**16)
def _script_of(character: str) -> str:
    if not character.isalpha():
        return ""
    name = unicodedata.name(character, "").split(" ")[0]
    return "Cjk" if name in _JAPANESE else name.capitalize()


def function_words(tokens: Iterable[str]) -> Counter[str]:
    """Return how many different tokens of a text are function words of each language of FUNCTION_WORDS."""
    own = set(tokens)
    return Counter({language: len(words & own) for language, words in FUNCTION_WORDS.items()})


def is_foreign(counts: Counter[str], common: str) -> bool:
    """Return whether a text with these function words is of another language than `common`."""
    most = max(counts.values())
    return most >= FEWEST_WORDS and most >= LEAD * max(1, counts[common])
