"""Prints how easily README and the default report are read: `python -m tests.docs.reading_ease [REVISION]`.

The score is Flesch's reading ease: 206.835 - 1.015 words per sentence - 84.6 syllables per word; 60 to 70 is plain
English, below 30 is for specialists. A syllable is a group of the vowels a, e, i, o, u, y; an e at the end of a
word counts only after a consonant and l, and every word has at least one. Only sentences count: no code, tables,
headings, pictures or addresses; a number is a word of one syllable. A technical term is a word that the glossary
of today (docs/glossary.md) explains, names of settings and everyday words
aside. The first screen is the first 250 words.
"""

import re
import subprocess
import sys
from dataclasses import dataclass
from itertools import islice

from tests.conftest import REPO

PAGES = {"README": "README.md", "default report": "reports/showcase/default/report.md"}
FIRST_SCREEN = 250  # words
WORD = re.compile(r"[A-Za-z][A-Za-z'’-]*|\d[\d,.]*")
EVERYDAY = frozenset("label class word report point search test set seed time run".split())
"""Words of the glossary that mean on a first screen what they mean everywhere."""


@dataclass(frozen=True)
class Ease:
    """How easily a text is read."""

    score: float
    longest: int
    terms: tuple[str, ...]


def sentences(markdown: str) -> list[str]:
    """Return the sentences of a Markdown text, without code, tables, headings, pictures and addresses."""
    bare = re.sub(r"```.*?```|<!--.*?-->", "", markdown, flags=re.DOTALL)
    bare = re.sub(r"(?m)^(#|\|| {4}|\[?!\[).*$", "\n", bare)
    bare = re.sub(r"\]\([^)]*\)", "]", bare)
    bare = re.sub(r"[\[\]*_`>\\]", "", bare)
    found = []
    for paragraph in re.split(r"\n\s*\n|\n- |\n\d+\. ", bare):
        line = " ".join(paragraph.split())
        found += re.split(r"(?<=[.!?:])\s+(?=[A-Z0-9(]|datayield)", line)
    return [s for s in found if len(WORD.findall(s)) > 2]


def syllables(word: str) -> int:
    """Return the number of syllables of a word by the rule above."""
    groups = len(re.findall(r"[aeiouy]+", word.lower()))
    silent = re.search(r"[^aeiouy]e$", word.lower()) and not re.search(
        r"[^aeiouy]le$", word.lower()
    )
    return max(1, groups - bool(silent))


def ease(markdown: str, terms: list[str]) -> Ease:
    """Return score, longest sentence and the technical terms of the first screen."""
    lines = sentences(markdown)
    words = [w for line in lines for w in WORD.findall(line)]
    per_sentence, per_word = len(words) / len(lines), sum(map(syllables, words)) / len(words)
    longest = max(len(WORD.findall(line)) for line in lines)
    screen = first_screen(markdown).lower()
    seen = tuple(
        t for t in terms if re.search(rf"(?<![\w:]){re.escape(t.lower())}s?(?![\w:])", screen)
    )
    return Ease(206.835 - 1.015 * per_sentence - 84.6 * per_word, longest, seen)


def first_screen(markdown: str) -> str:
    """Return the first words of a Markdown text."""
    return " ".join(islice(" ".join(sentences(markdown)).split(), FIRST_SCREEN))


def terms() -> list[str]:
    """Return the ideas that docs/glossary.md explains, longest first."""
    page = (REPO / "docs/glossary.md").read_text(encoding="utf-8").split("## Commands")[0]
    cells = [line.split("|")[1] for line in page.splitlines() if line.startswith("| ")]
    words = {word.strip() for cell in cells for word in cell.split(",")}  # settings stand in `code`
    plain = {
        w for w in words if re.fullmatch(r"[A-Za-z][A-Za-z -]+", w) and w.lower() not in EVERYDAY
    }
    return sorted(plain, key=lambda word: (-len(word), word))


def at(revision: str | None, path: str) -> str:
    """Return a file as it is, or as it was at a revision."""
    if revision is None:
        return (REPO / path).read_text(encoding="utf-8")
    shown = ["git", "show", f"{revision}:{path}"]
    return subprocess.run(shown, cwd=REPO, check=True, capture_output=True, text=True).stdout


def main() -> None:
    """Print a table."""
    revision = sys.argv[1] if len(sys.argv) > 1 else None
    print(
        "| page | reading ease | longest sentence, words | terms on the first screen |\n|---|---|---|---|"
    )
    for name, path in PAGES.items():
        found = ease(at(revision, path), terms())
        listed = f"{len(found.terms)}: {', '.join(found.terms)}" if found.terms else "0"
        print(f"| {name} | {found.score:.0f} | {found.longest} | {listed} |")


if __name__ == "__main__":
    main()
