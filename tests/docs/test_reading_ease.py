"""The first texts that people read stay as easy as they are, by the score of `reading_ease`."""

import pytest

from tests.docs import reading_ease


@pytest.mark.parametrize(
    ("word", "count"),
    [("label", 2), ("table", 2), ("these", 1), ("data", 2), ("any", 2), ("the", 1), ("3,000", 1)],
)
def test_syllables_of_known_words(word: str, count: int) -> None:
    assert reading_ease.syllables(word) == count


def test_a_known_score() -> None:
    """Two sentences of four words with one syllable each: 206.835 - 1.015 * 4 - 84.6."""
    found = reading_ease.ease("The cat sat down.\nThe dog ran off.", [])
    assert found.score == pytest.approx(206.835 - 1.015 * 4 - 84.6) and found.longest == 4


def test_code_tables_and_addresses_are_not_read() -> None:
    page = "# A heading\n```sh\nsome code here it is\n```\n| a | b | c |\nSee [this page](http://a.b) now.\n"
    assert reading_ease.sentences(page) == ["See this page now."]


@pytest.mark.parametrize("name", reading_ease.PAGES)
def test_a_first_text_is_plain(name: str) -> None:
    found = reading_ease.ease(reading_ease.at(None, reading_ease.PAGES[name]), reading_ease.terms())
    assert found.score >= 60 and found.longest <= 45 and len(found.terms) <= 10, found
