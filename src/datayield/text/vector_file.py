"""Reads word vectors from text files in the formats of GloVe and fastText."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError

LONGEST = 1_000_000  # bytes of a line


@dataclass(frozen=True, slots=True)
class VectorFile:
    """A file with a word and its numbers per line, of which only the places of the words are in memory."""

    path: Path
    digest: str  # sha256 of the file
    dimensions: int
    places: dict[str, int]  # word -> byte at which its first line begins

    def vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of these words, (words, dimensions); NaN for words that the file has not.

        Raises:
            UserError: the line of a word holds something else than its numbers.
        """
        out = np.full((len(words), self.dimensions), np.nan, np.float32)
        with self.path.open("rb") as file:
            for row, word in enumerate(words):
                if word in self.places:
                    file.seek(self.places[word])
                    numbers = self._numbers(file.readline(LONGEST), word)
                    if numbers is not None:
                        out[row] = numbers
        return out

    def _numbers(self, line: bytes, word: str) -> NDArray[np.float32] | None:
        """Return the numbers of a line; None if it is the line of a phrase that begins with the word."""
        head, *numbers = line.decode("utf-8", "replace").rstrip().rsplit(" ", self.dimensions)
        if head != word and not _is_number(head.rpartition(" ")[2]) and head.startswith(f"{word} "):
            return None
        count = len(numbers) if head == word else len(head.split(" ")) - 1 + len(numbers)
        if count != self.dimensions:
            raise UserError(
                f"{self._at(word)}: wanted {self.dimensions} numbers as in the first line, got {count}"
            )
        try:
            found = np.array(numbers, np.float32)
        except ValueError as e:
            raise UserError(f"{self._at(word)}: wanted a word and numbers ({e})") from e
        if not np.isfinite(found).all():
            raise UserError(f"{self._at(word)}: wanted finite numbers, got {line[:60]!r}")
        return found

    def _at(self, word: str) -> str:
        """Return the file and the line of a word, for an error."""
        with self.path.open("rb") as file:
            before = file.read(self.places[word]).count(b"\n")
        return f"{self.path}, line {before + 1}"


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


@lru_cache(maxsize=2)
def open_vectors(path: Path) -> VectorFile:
    """Find the words of a file, reading it once line by line; the first line of a word counts.

    fastText's first line (number of words, number of dimensions) is skipped.

    Raises:
        UserError: the file cannot be read, has no vectors, or has a line that is too long.
    """
    places: dict[str, int] = {}
    found, at, dimensions = hashlib.sha256(), 0, 0
    try:
        with path.open("rb") as file:
            for line in _lines(file, path):
                found.update(line)
                head, *rest = line.split(b" ") if not dimensions else line.split(b" ", 1)
                header = at == 0 and len(rest) == 1 and head.isdigit() and rest[0].strip().isdigit()
                if rest and not header:
                    dimensions = dimensions or len([x for x in rest if x.strip()])
                    places.setdefault(head.decode("utf-8", "replace"), at)
                at += len(line)
    except OSError as e:
        raise UserError(f"{path} cannot be read: {e.strerror or e}") from e
    if not dimensions:
        raise UserError(f"{path}: wanted a word and its numbers per line, and found no such line")
    return VectorFile(path, found.hexdigest(), dimensions, places)


def _lines(file: BinaryIO, path: Path) -> Iterator[bytes]:
    """Yield the lines of a file.

    Raises:
        UserError: a line is longer than LONGEST.
    """
    while line := file.readline(LONGEST + 1):
        if len(line) > LONGEST:
            raise UserError(
                f"{path} has a line of more than {LONGEST:,} bytes; wanted a word and its numbers per line,"
                " as GloVe and fastText write them"
            )
        yield line
