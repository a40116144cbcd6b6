"""docs/tutorial.md is followed command by command, and says what is said."""

import os
import re
from pathlib import Path

import pytest

from docs import tutorial
from tests.conftest import REPO

PAGE = (REPO / "docs/tutorial.md").read_text()
NUMBER = re.compile(r"\d[\d,]*(?:\.\d+)?")


def quotes() -> list[str]:
    """Return the quoted pieces of output, without line ends and without what "…" leaves out."""
    blocks = re.findall(r"```text\n(.*?)```", PAGE, re.DOTALL)
    pieces = [" ".join(piece.split()) for block in blocks for piece in block.split("…")]
    return [piece for piece in pieces if piece]


def said_within(quote: str, output: str) -> bool:
    """Return whether the output has the quote, its numbers within a fifth: processors round differently."""
    words = [re.escape(part) for part in NUMBER.split(quote)]
    wanted = [float(x.replace(",", "")) for x in NUMBER.findall(quote)]
    for found in re.finditer(r"(\d[\d,]*(?:\.\d+)?)".join(words), output):
        numbers = [float(x.replace(",", "")) for x in found.groups()]
        if all(abs(a - b) <= max(1.5, b / 5) for a, b in zip(numbers, wanted, strict=True)):
            return True
    return False


def test_a_quote_is_found_only_near_its_numbers() -> None:
    assert said_within("expect 49 % from it", "so: expect 50 % from it.")
    assert not said_within("expect 49 % from it", "so: expect 80 % from it.")
    assert not said_within("expect 49 % from it", "so: expect 49 % of it.")
    assert len(quotes()) >= 10


@pytest.mark.slow
@pytest.mark.skipif(
    "DATAYIELD_TUTORIAL" not in os.environ, reason="a quarter of an hour; set DATAYIELD_TUTORIAL=1"
)
def test_the_tutorial_prints_what_it_quotes(tmp_path: Path) -> None:
    output = " ".join(tutorial.follow(tmp_path).split())
    missing = [quote for quote in quotes() if not said_within(quote, output)]
    assert missing == [], output[-6000:]
    assert (tmp_path / "labelled.csv").exists() and (tmp_path / "next.csv").exists()


def test_the_tutorial_shows_its_pictures() -> None:
    shown = set(re.findall(r"pictures/(tutorial-[\w-]+\.png)", PAGE))
    assert shown == {p.name for p in (REPO / "docs/pictures").glob("tutorial-*.png")}
    assert shown == {"tutorial-first-screen.png"} | {f"tutorial-{n}.png" for n in tutorial.FOLDS}
