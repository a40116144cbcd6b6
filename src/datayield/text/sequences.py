"""Provides sequences of texts that stay in a file and are read when they are indexed."""

import mmap
import os
import tempfile
from abc import abstractmethod
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from typing import TypeVar, overload

import numpy as np
import pyarrow as pa

from datayield.core.errors import UserError
from datayield.core.types import Ints
from datayield.text.tokens import key

T = TypeVar("T")

ROWS = 16_384  # texts that are in memory at once while all of them are read


def pieces(values: Iterable[T], size: int = ROWS) -> Iterator[list[T]]:
    """Yield the values in order, in lists of `size`; the last may be shorter."""
    rest = iter(values)
    while piece := list(islice(rest, size)):
        yield piece


class LazyTexts(Sequence[str]):
    """A sequence of texts that are read when indexed; equal to any sequence of the same texts."""

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
    def __getitem__(self, place: slice) -> "LazyTexts": ...
    @abstractmethod
    def __getitem__(self, place: "int | slice") -> "str | LazyTexts":
        """Return one text, or the texts of a slice."""


class TextColumn(LazyTexts):
    """The texts of an Arrow column. If its file is mapped, only texts that are read come into memory."""

    def __init__(self, column: pa.ChunkedArray) -> None:
        self._column = column

    def __len__(self) -> int:
        return len(self._column)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            start, stop, step = place.indices(len(self))
            if step != 1:
                return SelectedTexts(self, np.arange(len(self))[place])
            return TextColumn(self._column.slice(start, max(0, stop - start)))
        return self._column[place].as_py()

    def __iter__(self) -> Iterator[str]:
        for chunk in self._column.iterchunks():
            for start in range(0, len(chunk), ROWS):
                yield from chunk.slice(start, ROWS).to_pylist()

    @classmethod
    def spooled(cls, lines: Iterable[str]) -> "TextColumn":
        """Write texts to a temporary file and return them; the file lives as long as the column.

        Raises:
            UserError: the file cannot be written, or a text is not valid Unicode.
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
            raise no_room(e) from e
        return cls(pa.ipc.open_file(pa.py_buffer(mapped)).read_all()["text"])


class SelectedTexts(LazyTexts):
    """Some texts of another sequence, chosen by their places there, in the order given."""

    def __init__(self, texts: Sequence[str], ids: Ints) -> None:
        self._texts, self._ids = texts, ids

    def __len__(self) -> int:
        return len(self._ids)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            return SelectedTexts(self._texts, self._ids[place])
        return self._texts[int(self._ids[place])]


class TextKeys(SelectedTexts):
    """The keys of some texts of another sequence."""

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            return TextKeys(self._texts, self._ids[place])
        return key(self._texts[int(self._ids[place])])


class JoinedTexts(LazyTexts):
    """The texts of one sequence, then those of another."""

    def __init__(self, first: Sequence[str], second: Sequence[str]) -> None:
        self._first, self._second = first, second

    def __len__(self) -> int:
        return len(self._first) + len(self._second)

    def __getitem__(self, place):  # type: ignore[no-untyped-def]
        if isinstance(place, slice):
            return SelectedTexts(self, np.arange(len(self))[place])
        place = range(len(self))[place]
        inside = place - len(self._first)
        return self._first[place] if inside < 0 else self._second[inside]

    def __iter__(self) -> Iterator[str]:
        return chain(self._first, self._second)


def no_room(error: OSError) -> UserError:
    """Return the error about a temporary file that cannot be written."""
    return UserError(
        f"cannot write to the folder of temporary files ({os.environ.get('TMPDIR', '/tmp')}):"
        f" {error.strerror or error}. Free some space there or set TMPDIR to another folder."
    )
