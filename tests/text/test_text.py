import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from datayield.text import tokens


def test_words_numbers_and_marks() -> None:
    assert tokens.tokens("Don't   stop! It's 3.5, ok?") == [
        *("don't", "stop", "!", "it's", "3", ".", "5", ",", "ok", "?")
    ]
    assert tokens.tokens("naïve 東京 😀") == ["naïve", "東", "京", "😀"]
    assert tokens.tokens("cafe\u0301") == tokens.tokens("café")


@given(st.text())
def test_tokens_are_stable_and_never_empty(line: str) -> None:
    words = tokens.tokens(line)
    assert all(w and not w.isspace() for w in words)
    assert tokens.tokens(" ".join(words)) == [v for w in words for v in tokens.tokens(w)]


def test_duplicates_are_recognised() -> None:
    assert tokens.key("  A  Bc\n") == tokens.key("a bC")
    assert tokens.key("a.b") != tokens.key("a b")


def test_the_tokenisers_version_is_raised_when_it_changes() -> None:
    """Exported models name it: with other tokens, raise text.TOKENISER and renew this line."""
    line = "Don't STOP at 3.5 café—naïve_x’s (e.g. 東京) ﬁne!"
    assert tokens.TOKENISER == 2
    assert "|".join(tokens.tokens(line)) == (
        "don't|stop|at|3|.|5|café|—|naïve_x’s|(|e|.|g|.|東|京|)|ﬁne|!"
    )


# ---- scripts
SAMPLES = {
    "chinese": (
        "这家店的服务很好，iPhone15也便宜！",
        "这 家 店 的 服 务 很 好 ， iphone15 也 便 宜 ！",
    ),
    "japanese": ("東京タワーは高いです。", "東 京 タ ワ ー は 高 い で す 。"),
    "japanese, decomposed": (unicodedata.normalize("NFD", "がっこう"), "が っ こ う"),
    "thai": ("ร้านนี้ดี 100%", "ร้ า น นี้ ดี 100 %"),
    "hindi": ("यह किताब बहुत अच्छी है।", "यह किताब बहुत अच्छी है ।"),
    "arabic": ("السَّلامُ عليكم، كيف الحال؟", "السَّلامُ عليكم ، كيف الحال ؟"),
    "arabic with direction marks": ("\u200fمرحبا\u200e world\u202c", "مرحبا world"),
    "hebrew": ("שָׁלוֹם עולם!", "שָׁלוֹם עולם !"),
    "hebrew with an apostrophe": ("צ'ק ג׳ירפה", "צ'ק ג ׳ ירפה"),
    "persian": ("می\u200cخواهم بروم", "می\u200cخواهم بروم"),
    "korean": ("한국어 문장입니다.", "한국어 문장입니다 ."),
    "emoji": ("👨‍👩‍👧 ❤️👍🏽🇩🇪🇫🇷 1️⃣ ok😀😀", "👨‍👩‍👧 ❤ \ufe0f 👍🏽 🇩🇪 🇫🇷 1 \ufe0f \u20e3 ok 😀 😀"),
    "greek, cyrillic, vietnamese": ("Ελλάδα Привет, người", "ελλάδα привет , người"),
}


@pytest.mark.parametrize("script", SAMPLES)
def test_every_script_has_tokens(script: str) -> None:
    line, wanted = SAMPLES[script]
    found = tokens.tokens(line)
    assert found == [unicodedata.normalize("NFC", w) for w in wanted.split(" ")]
    assert tokens.tokens(unicodedata.normalize("NFD", line)) == found


@given(st.text(alphabet=st.characters(codec="utf-8")))
def test_tokens_of_any_script_are_stable(line: str) -> None:
    words = tokens.tokens(line)
    assert all(w and not w.isspace() for w in words)
    assert tokens.tokens(" ".join(words)) == [v for w in words for v in tokens.tokens(w)]


@given(st.text(alphabet=st.characters(max_codepoint=0x2FF)))
def test_texts_of_european_scripts_are_as_they_were(line: str) -> None:
    before = tokens._TOKEN.findall(unicodedata.normalize("NFC", line).lower())
    if not tokens._scripts()[0].search(unicodedata.normalize("NFC", line).lower()):
        assert tokens.tokens(line) == before


def test_words_are_letters_with_their_marks() -> None:
    assert tokens.is_word("हिन्दी") and tokens.is_word("word") and tokens.is_word("می\u200cخواهم")
    assert not any(map(tokens.is_word, ("3", "a1", "!", "", "\u0301", "don't")))


@pytest.mark.slow
def test_corpora_hold_no_text_that_changed() -> None:
    """What is read in another way since scripts are told apart: nothing of pydocs or the catalog."""
    from pathlib import Path

    from datayield import config, corpora

    ours = config.load_text(config.preset("default")).corpora
    for name in ("sms_spam", "eda_trec", "eda_cr", "cr", "trec", "pydocs"):
        source = ours.get(name) or config.CatalogSource(loader="catalog")
        built, _ = corpora.build(name, source, 1, Path())
        for line in (*built.texts, *built.test_texts):
            if not line.isascii():
                old = tokens._TOKEN.findall(unicodedata.normalize("NFC", line).lower())
                assert tokens.tokens(line) == old, line
