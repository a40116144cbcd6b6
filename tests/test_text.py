from hypothesis import given
from hypothesis import strategies as st

from datayield import text


def test_words_numbers_and_marks() -> None:
    assert text.tokens("Don't   stop! It's 3.5, ok?") == [
        *("don't", "stop", "!", "it's", "3", ".", "5", ",", "ok", "?")
    ]
    assert text.tokens("naïve 東京 😀") == ["naïve", "東京", "😀"]
    assert text.tokens("cafe\u0301") == text.tokens("café")


@given(st.text())
def test_tokens_are_stable_and_never_empty(line: str) -> None:
    words = text.tokens(line)
    assert all(w and not w.isspace() for w in words)
    assert text.tokens(" ".join(words)) == [v for w in words for v in text.tokens(w)]


def test_duplicates_are_recognised() -> None:
    assert text.key("  A  Bc\n") == text.key("a bC")
    assert text.key("a.b") != text.key("a b")


def test_the_tokenisers_version_is_raised_when_it_changes() -> None:
    """Exported models name it: with other tokens, raise text.TOKENISER and renew this line."""
    line = "Don't STOP at 3.5 café—naïve_x’s (e.g. 東京) ﬁne!"
    assert text.TOKENISER == 1
    assert "|".join(text.tokens(line)) == (
        "don't|stop|at|3|.|5|café|—|naïve_x’s|(|e|.|g|.|東京|)|ﬁne|!"
    )
