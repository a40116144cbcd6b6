"""Damaged texts, and texts unlike the others: found where they are planted, and not where they are not."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datayield.corpora.text_faults import (
    ADVICE,
    OTHER_LANGUAGE,
    OTHER_SCRIPT,
    PATTERNS,
    SHORT,
    text_faults,
)
from datayield.text import languages

TWICE = "texts that look decoded twice (Ã©)"
ENGLISH = [
    "the rain in the hills was not what they had hoped for",
    "it is a very nice day for this",
]


def found(texts: list[str]) -> dict[str, list[int]]:
    return {name: places for name, places in text_faults(texts).places.items() if places}


def test_every_finding_says_what_to_do() -> None:
    assert (
        set(text_faults(ENGLISH).places)
        == set(ADVICE)
        == {*PATTERNS, SHORT, OTHER_SCRIPT, OTHER_LANGUAGE}
    )


@pytest.mark.parametrize("wrong", ["latin-1", "cp1252"])
@given(word=st.text(st.sampled_from("éèàüößñçåøПриветмир"), min_size=1, max_size=8))
def test_text_that_was_decoded_twice_is_found(wrong: str, word: str) -> None:
    assert TWICE in found([f"so {word} so".encode().decode(wrong, "replace")])


@given(
    word=st.text(st.sampled_from("éèàüößñçåøžšÚÍÁПриветмир日本語한국😀"), min_size=1, max_size=8)
)
def test_words_of_many_letters_were_not_decoded_twice(word: str) -> None:
    assert TWICE not in found([f"so {word} so"])


@pytest.mark.parametrize(
    "text",
    ["Le « été » est là", "NÃO é São Paulo", "»der Spaß« und Süß“", "été\xa0» oui", "5 °C à\xa0«Paris»",
     "£5, Âge, Ñandú, naïve “x”", "Ünïcödé – ØÆ", "très «bien», déjà”", "Úžas, Íš a åžž"],
)  # fmt: skip
def test_right_text_of_many_letters_is_left_alone(text: str) -> None:
    assert set(found([f"{text} and more"])) <= {OTHER_LANGUAGE}


def test_scripts_and_languages_unlike_most_are_found() -> None:
    texts = [
        *ENGLISH * 3,
        "это просто хороший день для всех",
        "das ist nicht der Tag, auf den wir mit dem Zug gewartet haben",
        "una de las mejores comedias que no se olvida por mucho tiempo",
        "今日はとても良い天気です",
        "pаypal is the one to send it to",  # its second letter is Cyrillic
        "12 34 !!",
    ]
    assert found(texts) == {
        OTHER_SCRIPT: [6, 9],
        OTHER_LANGUAGE: [7, 8],
        "texts with a word of Latin and Cyrillic letters": [10],
        SHORT: [11],
    }


def test_a_corpus_of_another_language_is_measured_by_itself() -> None:
    german = [
        "das ist nicht der Tag für die Reise",
        "wir haben auch nach dem Essen noch nichts",
    ] * 3
    assert found([*german, ENGLISH[0]]) == {OTHER_LANGUAGE: [6]}
    assert found([]) == {}


@pytest.mark.parametrize(
    ("text", "script"),
    [("rain", "Latin"), ("été", "Latin"), ("ｆｕｌｌ", "Latin"), ("дождь", "Cyrillic"), ("日本のカメラ", "Cjk"),
     ("비가 온다", "Hangul"), ("مطر", "Arabic"), ("12 !", ""), ("", ""), ("🙂", "")],
)  # fmt: skip
def test_the_script_is_that_of_most_letters(text: str, script: str) -> None:
    assert languages.script(text) == script
