"""Reads the dictionary files of WordNet as a thesaurus (index.*, data.*, *.exc; version 3.0).

They come from the folder that DATAYIELD_WORDNET names, from the folder of Debian's package, or else from
a pinned archive that is downloaded by hash. A word's synonyms are the other members of all synsets of all its base
forms, as in EDA's own code.
"""

import hashlib
import os
import re
from dataclasses import dataclass, field, replace
from pathlib import Path

from datayield.core.errors import UserError
from datayield.core.system.download import RemoteFile, fetch

FOLDER = "DATAYIELD_WORDNET"
USUAL = Path("/usr/share/wordnet")
PARTS = ("noun", "verb", "adj", "adv")
NAMES = (
    *(f"{kind}.{p}" for kind in ("index", "data") for p in PARTS),
    *(f"{p}.exc" for p in PARTS),
)
# WordNet 3.0 as the Natural Language Toolkit ships it; size and hash are those of its own index.
ARCHIVE = RemoteFile(
    name="wordnet.zip",
    url="https://raw.githubusercontent.com/nltk/nltk_data/550b6625bcef1f2abff2ff770a5a0d272c9c6b2a/"
    "packages/corpora/wordnet.zip",
    sha256="cbda5ea6eef7f36a97a43d4a75f85e07fccbb4f23657d27b4ccbc93e2646ab59",
    bytes=10_775_600,
)
WAYS_OUT = (
    f"Install them (Debian: wordnet-base), or set {FOLDER} to their folder, or use eda_nn, whose synonyms"
    " come from the corpus itself."
)

# Endings by which a base form is found if the list of exceptions has none (WordNet's morphy).
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
    digest: str  # hash of the files
    _found: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Return the other members of the synsets of a word, sorted; a member may be several words."""
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
        """Return the forms of a word that the index of a part of speech has."""
        known = self.synsets[part]
        listed = self.exceptions[part].get(word)
        if listed is not None:
            forms = [word, *listed]
        else:
            cut = [(word.removesuffix(a) + b) for a, b in _ENDINGS[part] if word.endswith(a)]
            forms = [word, *cut]
        return [f for f in dict.fromkeys(forms) if f in known]

    @classmethod
    def load(cls, cache: Path) -> "WordNet":
        """Read the dictionary files.

        Args:
            cache: folder that keeps downloaded files.

        Raises:
            UserError: the files are missing or damaged.
        """
        named = os.environ.get(FOLDER)
        if named or USUAL.is_dir():
            where = named or str(USUAL)
            contents = _from_folder(Path(where))
        else:
            where, contents = ARCHIVE.url, _from_archive(cache)
        hashed = hashlib.sha256(b"".join(contents[name] for name in NAMES))
        lines = {
            name: [x for x in content.decode("latin-1").split("\n") if x and not x.startswith("  ")]
            for name, content in contents.items()
        }
        try:
            found = cls(
                {p: dict(_indexed(x) for x in lines[f"index.{p}"]) for p in PARTS},
                {p: dict(_synset(x) for x in lines[f"data.{p}"]) for p in PARTS},
                {p: dict(_exception(x) for x in lines[f"{p}.exc"]) for p in PARTS},
                hashed.hexdigest()[:32],
            )
        except (ValueError, IndexError) as e:
            raise UserError(
                f"{where} holds no dictionary files of WordNet 3: {e}. {WAYS_OUT}"
            ) from e
        _check_offsets(found, where)
        return found


def _check_offsets(found: WordNet, where: str) -> None:
    """Raise UserError if an index lists a synset that the data file does not have."""
    for part in PARTS:
        listed, known = found.synsets[part], found.members[part]
        lost = next((w for w, offsets in listed.items() if not known.keys() >= set(offsets)), None)
        if lost is not None:
            raise UserError(
                f"{where}: index.{part} lists synsets of {lost!r} that data.{part} does not have: one of"
                f" the files is cut off or of another version. {WAYS_OUT}"
            )


def _from_folder(folder: Path) -> dict[str, bytes]:
    try:
        return {name: (folder / name).read_bytes() for name in NAMES}
    except OSError as e:
        raise UserError(
            f"the strategy eda needs WordNet's dictionary files and {e.filename} cannot be read."
            f" {WAYS_OUT}"
        ) from e


def _from_archive(cache: Path) -> dict[str, bytes]:
    try:
        return {name: fetch(replace(ARCHIVE, member=f"wordnet/{name}"), cache) for name in NAMES}
    except UserError as e:
        raise UserError(
            f"the strategy eda needs WordNet's dictionary files; {USUAL} does not exist, and {e} {WAYS_OUT}"
        ) from e


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
    """Return a member as plain words: `Good_Book(p)` becomes `good book`."""
    word = member.partition("(")[0].replace("_", " ").replace("-", " ").lower()
    return " ".join(_OTHER_MARKS.sub("", word).split())
