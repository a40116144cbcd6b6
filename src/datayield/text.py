"""Texts → tokens, the key by which duplicates are recognised, and sequences of texts in a file."""

import hashlib
import mmap
import os
import re
import tempfile
import unicodedata
from abc import abstractmethod
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from itertools import chain, islice
from typing import TypeVar, overload

import numpy as np
import pyarrow as pa

from datayield.errors import UserError
from datayield.types import Ints

T = TypeVar("T")

TOKENISER = 2  # raised by hand when `tokens` is meant to change: exported models were made by one
ROWS = 16_384  # texts that are handled at once where all of them are

# A word with inner apostrophes ("don't"), or one mark of any other kind; white space separates.
_TOKEN = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")

# Scripts that are written without spaces: Han, kana, Thai, Lao, Myanmar, Khmer.
_SPACELESS = (
    "\u3005-\u3007\u3041-\u3096\u309d-\u30fa\u30fc-\u30ff\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff"
    "\uf900-\ufaff\uff66-\uff9f\U00020000-\U000323af\u0e01-\u0eff\u1000-\u109f\u1780-\u17ff"
)
_JOINERS = "\u200c\u200d"
_UNSEEN = "\u200b\u200e\u200f\u202a-\u202e\u2060-\u2064\u2066-\u2069\ufeff"  # direction, no width
_FLAGS = "\U0001f1e6-\U0001f1ff"
_EMOJI_PARTS = "\U0001f3fb-\U0001f3ff\U000e0020-\U000e007f"


def tokens(text: str) -> list[str]:
    """Lower-case words, numbers and single punctuation marks, in order; NFC-normalised.

    In scripts without spaces every character, with the marks on it, is a token; marks and joiners
    stay with the letter before them in all scripts; an emoji of several code points is one token;
    characters that say the direction of writing are left out.
    """
    line = unicodedata.normalize("NFC", text).lower()
    if line.isascii():
        return _TOKEN.findall(line)
    special, token, unseen = _scripts()
    if not special.search(line):
        return _TOKEN.findall(line)
    return token.findall(unseen.sub(" ", line))


def is_word(token: str) -> bool:
    """Whether a token is letters alone, with the marks on them."""
    return token.isalpha() or (
        token[:1].isalpha()
        and all(
            c.isalpha() or unicodedata.category(c)[0] == "M" or c in "\u200c\u200d" for c in token
        )
    )


@cache
def _scripts() -> tuple[re.Pattern[str], re.Pattern[str], re.Pattern[str]]:
    """What makes a text special, its tokens, what is left out of it."""
    marks = _marks() + _JOINERS
    letter = rf"(?![{_SPACELESS}])\w[{marks}]*"
    word = rf"(?:{letter})+(?:['’](?:{letter})+)*"
    emoji = rf"[{_FLAGS}]{{2}}|[^\w\s](?:[{_EMOJI_PARTS}]|\ufe0f?\u200d[^\w\s])*"
    token = re.compile(rf"[{_SPACELESS}][{marks}]*|{word}|{emoji}")
    special = re.compile(f"[{marks}{_SPACELESS}{_FLAGS}{_EMOJI_PARTS}{_UNSEEN}]")
    return special, token, re.compile(f"[{_UNSEEN}]")


def _marks() -> str:
    """Every combining mark, as ranges of a character class."""
    places = (*range(0x300, 0xFE00), *range(0xFE10, 0x1F000))  # variation selectors stand alone
    found = [i for i in places if unicodedata.category(chr(i))[0] == "M"]
    starts = [i for i, before in zip(found, [-1, *found], strict=False) if i != before + 1]
    ends = [i for i, after in zip(found, [*found[1:], -1], strict=True) if i + 1 != after]
    return "".join(f"{chr(a)}-{chr(b)}" for a, b in zip(starts, ends, strict=True))


def key(text: str) -> str:
    """Case-folded and white-space-normalised: equal for texts that count as duplicates."""
    return " ".join(unicodedata.normalize("NFC", text).casefold().split())


def fingerprint(text: str) -> bytes:
    """128 bits of the hash of `key`: what is kept of a text to know its duplicates again."""
    return hashlib.blake2b(key(text).encode(), digest_size=16).digest()


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
            raise no_room(e) from e
        return cls(pa.ipc.open_file(pa.py_buffer(mapped)).read_all()["text"])


def no_room(error: OSError) -> UserError:
    """What is said where a temporary file cannot be written."""
    return UserError(
        f"cannot write to the folder of temporary files ({os.environ.get('TMPDIR', '/tmp')}):"
        f" {error.strerror or error}. Free some space there or set TMPDIR to another folder."
    )


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
