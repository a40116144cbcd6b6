"""WordNet's dictionary files as a thesaurus (index.*, data.*, *.exc; version 3.0 as Debian ships it).

A word's synonyms are the other members of all synsets of all its base forms, as in EDA's own code.
"""

import hashlib
import os
import re
from dataclasses import dataclass, field
from pathlib import Path

from datayield.errors import UserError

FOLDER = "DATAYIELD_WORDNET"
USUAL = Path("/usr/share/wordnet")
PARTS = ("noun", "verb", "adj", "adv")

# Endings by which a base form is found where the list of exceptions has none (WordNet's morphy).
_ENDINGS = {
    "noun": (("s", ""), ("ses", "s"), ("ves", "f"), ("xes", "x"), ("zes", "z"), ("ches", "ch"),
             ("shes", "sh"), ("men", "man"), ("ies", "y")),
    "verb": (("s", ""), ("ies", "y"), ("es", "e"), ("es", ""), ("ed", "e"), ("ed", ""), ("ing", "e"),
             ("ing", "")),
    "adj": (("er", ""), ("est", ""), ("er", "e"), ("est", "e")),
    "adv": (),
}  # fmt: skip
_OTHER_MARKS = re.compile(r"[^a-z ]")


@dataclass(frozen=True, slots=True)
class WordNet:
    """The thesaurus of WordNet synonyms."""

    synsets: dict[str, dict[str, tuple[int, ...]]]  # part -> word -> offsets
    members: dict[str, dict[int, tuple[str, ...]]]  # part -> offset -> words
    exceptions: dict[str, dict[str, tuple[str, ...]]]  # part -> form -> base forms
    digest: str  # of the files
    _found: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Members of the word's synsets but itself, sorted; of several words where WordNet has such."""
        if word not in self._found:
            self._found[word] = self._look_up(word)
        return self._found[word]

    def _look_up(self, word: str) -> tuple[str, ...]:
        found = {
            _plain(member)
            for part in PARTS
            for form in self.base_forms(word, part)
            for offset in self.synsets[part][form]
            for member in self.members[part][offset]
        }
        return tuple(sorted(found - {word, ""}))

    def base_forms(self, word: str, part: str) -> list[str]:
        """The forms of a word that the index of a part of speech has."""
        known = self.synsets[part]
        listed = self.exceptions[part].get(word)
        if listed is not None:
            forms = [word, *listed]
        else:
            cut = [(word.removesuffix(a) + b) for a, b in _ENDINGS[part] if word.endswith(a)]
            forms = [word, *cut]
        return [f for f in dict.fromkeys(forms) if f in known]

    @classmethod
    def load(cls) -> "WordNet":
        """Read the folder named by DATAYIELD_WORDNET, or Debian's.

        Raises:
            UserError: when the files are missing or damaged.
        """
        folder = Path(os.environ.get(FOLDER) or USUAL)
        hashed = hashlib.sha256()
        lines: dict[str, list[str]] = {}
        for name in [f"{kind}.{p}" for kind in ("index", "data") for p in PARTS] + [
            f"{p}.exc" for p in PARTS
        ]:
            try:
                content = (folder / name).read_bytes()
            except OSError as e:
                raise UserError(
                    f"the strategy eda needs WordNet's dictionary files and {folder / name} cannot be"
                    f" read. Install them (Debian: wordnet-base), or set {FOLDER} to their folder, or"
                    " use eda_nn, whose synonyms come from the corpus itself."
                ) from e
            hashed.update(content)
            lines[name] = [
                x for x in content.decode("latin-1").split("\n") if x and not x.startswith("  ")
            ]
        try:
            return cls(
                {p: dict(_indexed(x) for x in lines[f"index.{p}"]) for p in PARTS},
                {p: dict(_synset(x) for x in lines[f"data.{p}"]) for p in PARTS},
                {p: dict(_exception(x) for x in lines[f"{p}.exc"]) for p in PARTS},
                hashed.hexdigest()[:32],
            )
        except (ValueError, IndexError) as e:
            raise UserError(f"{folder} holds no dictionary files of WordNet 3: {e}") from e


def _indexed(line: str) -> tuple[str, tuple[int, ...]]:
    fields = line.split()
    return fields[0], tuple(int(x) for x in fields[-int(fields[2]) :])


def _synset(line: str) -> tuple[int, tuple[str, ...]]:
    fields = line.split(" ")
    count = int(fields[3], 16)
    return int(fields[0]), tuple(fields[4 : 4 + 2 * count : 2])


def _exception(line: str) -> tuple[str, tuple[str, ...]]:
    form, *bases = line.split()
    return form, tuple(bases)


def _plain(member: str) -> str:
    """`Good_Book(p)` → `good book`."""
    word = member.partition("(")[0].replace("_", " ").replace("-", " ").lower()
    return " ".join(_OTHER_MARKS.sub("", word).split())
