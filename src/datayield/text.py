"""Texts → tokens, the key by which duplicates are recognised, and sequences of texts in a file."""

import mmap
import re
import tempfile
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar, overload

import numpy as np
import pyarrow as pa

from datayield.errors import UserError
from datayield.types import Ints

T = TypeVar("T")

TOKENISER = 1  # raised by hand when `tokens` is meant to change: exported models were made by one
ROWS = 16_384  # texts that are handled at once where all of them are

# A word with inner apostrophes ("don't"), or one mark of any other kind; white space separates.
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers and single punctuation marks, in order; NFC-normalised."""
    return _TOKEN.findall(unicodedata.normalize("NFC", text).lower())


def key(text: str) -> str:
    """Case-folded and white-space-normalised: equal for texts that count as duplicates."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def counts(texts: Iterable[str]) -> Counter[str]:
    """How often each token occurs in all texts, in order of appearance."""
    found: Counter[str] = Counter()
    for value in texts:
        found.update(tokens(value))
    return found


def pieces(values: Iterable[T], size: int = ROWS) -> Iterator[list[T]]:
    """The values in order, in lists of `size`; the last may be shorter."""
    rest = iter(values)
    while piece := list(islice(rest, size)):
        yield piece


class Texts(Sequence[str]):
    """A sequence of texts that are read when asked for; equal to any sequence of the same texts."""

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Sequence) or len(self) != len(other):
            return False
        return all(a == b for a, b in zip(self, other, strict=True))

    __hash__ = None  # type: ignore[assignment]

    @overload
    @abstractmethod
    def __getitem__(self, place: int) -> str: ...
    @overload
    @abstractmethod
    def __getitem__(self, place: slice) -> "Texts": ...
    @abstractmethod
    def __getitem__(self, place: "int | slice") -> "str | Texts":
        """One text, or the texts of a slice."""


class Column(Texts):
    """The texts of an Arrow column. Over a mapped file only what is read comes into memory."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return Chosen(self, np.arange(len(self))[place])
            return Column(self._column.slice(start, max(0, stop - start)))
        return self._column[place].as_py()

    def __iter__(self) -> Iterator[str]:
        for chunk in self._column.iterchunks():
            for start in range(0, len(chunk), ROWS):
                yield from chunk.slice(start, ROWS).to_pylist()

    @classmethod
    def spooled(cls, lines: Iterable[str]) -> "Column":
        """Texts written to a temporary file, which goes with the last that reads it.

        Raises:
            UserError: when the file cannot be written, or a text is no Unicode.
        """
        schema = pa.schema([("text", pa.large_string())])
        try:
            with tempfile.TemporaryFile() as file:
                with pa.ipc.new_file(file, schema) as out:
                    for piece in pieces(lines):
                        out.write_batch(
                            pa.record_batch([pa.array(piece, pa.large_string())], schema=schema)
                        )
                file.flush()
                mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        except UnicodeEncodeError as e:
            raise UserError(
                f"a text holds half a character ({e.object[e.start]!r}): {e.object[:60]!r}"
            ) from e
        except OSError as e:
            raise UserError(
                f"cannot write to {tempfile.gettempdir()}: {e.strerror or e}. Free some space there"
                " or set TMPDIR to another folder."
            ) from e
        return cls(pa.ipc.open_file(pa.py_buffer(mapped)).read_all()["text"])


class Chosen(Texts):
    """Some texts of another sequence, by their places there, in the order given."""

    def __init__(self, texts: Sequence[str], ids: Ints) -> None:
        self._texts, self._ids = texts, ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            return Chosen(self._texts, self._ids[place])
        return self._texts[int(self._ids[place])]


class Keys(Chosen):
    """The keys of some texts of another sequence."""

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            return Keys(self._texts, self._ids[place])
        return key(self._texts[int(self._ids[place])])


class Joined(Texts):
    """The texts of one sequence, then those of another."""

    def __init__(self, first: Sequence[str], second: Sequence[str]) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            return Chosen(self, np.arange(len(self))[place])
        place = range(len(self))[place]
        inside = place - len(self._first)
        return self._first[place] if inside < 0 else self._second[inside]

    def __iter__(self) -> Iterator[str]:
        return chain(self._first, self._second)
