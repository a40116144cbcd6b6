"""Finds the encoding of a file of text from its content.

UTF-8 is known for certain, and so is what begins with a byte order mark. Any other encoding is a judgement
(`readings`). The user is told what was found, with words as they were read; where no reading makes words, the
file is refused.
docs/adr/0031-encodings.md holds the measurements.
"""

import codecs
import re
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

from datayield.config import FileSource
from datayield.core.errors import UserError
from datayield.corpora import packed, text_files
from datayield.corpora.readings import CLOSE, LATIN, TITLES, Reading, readings

WIDE = ("utf-32-le", "utf-32-be", "utf-16-le", "utf-16-be")
SAMPLE = (
    2**14
)  # bytes of lines that are not ASCII by which the encoding is judged, or up to twice as many
MOST_UTF8 = 0.5  # share of marks that are UTF-8 from which on a file is damaged UTF-8
EXAMPLES = 3  # words that are shown
CONTROLS = "\x80-\x9f"  # characters of encodings that are read by mistake
_LONG, _BLOCK = 2**12, 2**20
_ESCAPE = re.compile(rb"\x1b\$[@B]")  # begins Japanese in an encoding whose bytes are all ASCII
_PIECES = re.compile(rb'[ ,"\r\n]')  # bytes that are no part of a longer character in any encoding
_BETWEEN = re.compile(r"[\s\",;:|(){}\[\]]+")


@dataclass(frozen=True, slots=True)
class FoundEncoding:
    """The encoding of a file.

    Attributes:
        name: as Python's codecs know it.
        sentence: what a user should see; None: the encoding is known for certain.
    """

    name: str
    sentence: str | None = None


@dataclass(slots=True)
class _Survey:
    """The bytes of a file that are not UTF-8.

    Attributes:
        line: number of the first line with one.
        byte: the first of them.
        wrong: number of them.
        right: number of characters beyond ASCII that are UTF-8.
        lines: lines, or words of long ones, that are not ASCII, in even steps through the whole file.
        step: the length of these steps.
        seen: lines until now.
        size: bytes of the sample.
    """

    line: int = 0
    byte: int = 0
    wrong: int = 0
    right: int = 0
    lines: list[bytes] = field(default_factory=list)
    step: int = 1
    seen: int = 0
    size: int = 0

    def add(self, line: bytes) -> None:
        """Keep a line of the sample, or pass it over."""
        if self.seen % self.step == 0:
            self.lines.append(line)
            self.size += len(line)
        self.seen += 1
        if self.size > 2 * SAMPLE:
            self.lines, self.step = self.lines[::2], 2 * self.step
            self.size = sum(map(len, self.lines))


def found(path: Path, title: str = "") -> FoundEncoding:
    """Return the encoding of a file of text by its content.

    A file that cannot be read, or is not text, counts as UTF-8: its reader raises the error.

    Args:
        path: the file.
        title: its name in messages; "": its path.

    Raises:
        UserError: the bytes make words in no encoding, or most of them are UTF-8.
    """
    try:
        stamp = path.stat()
        return _found(path, title or str(path), (stamp.st_mtime_ns, stamp.st_size, stamp.st_ino))
    except OSError:
        return FoundEncoding("utf-8")


@lru_cache(maxsize=64)
def _found(path: Path, title: str, stamp: tuple[int, int, int]) -> FoundEncoding:
    """Return the encoding of a file; the same file, by its `stamp`, is read once."""
    with packed.open_binary(path) as file:
        start = file.read(_BLOCK)
    if known := next((name for mark, name in text_files.STARTS if re.match(mark, start, re.S)), ""):
        return FoundEncoding(known)
    if any(start.startswith(first) for first, _ in text_files.NO_TEXTS):
        return FoundEncoding("utf-8")
    wide = [name for name in WIDE if b"\0" in start and _is_wide(start, name)]
    if wide and _decodes(path, wide[0]):
        return FoundEncoding(wide[0], f"{title}: read as {wide[0]}, by its zero bytes")
    if _decodes(path, "utf-8"):
        escaped = _ESCAPE.search(start) and _decodes(path, "iso2022_jp")
        return (
            FoundEncoding("iso2022_jp", f"{title}: {_read_as('iso2022_jp')}")
            if escaped
            else FoundEncoding("utf-8")
        )
    return _judged(path, title, _survey(path))


def _is_wide(start: bytes, name: str) -> bool:
    """Return whether the beginning of a file is text of lines where a character takes two bytes or four."""
    try:
        text = codecs.getincrementaldecoder(name)().decode(start)
    except UnicodeDecodeError:
        return False
    unused = ("Cn", "Co") if len(text) < 10_000 else ()
    return (
        "\n" in text
        and "\0" not in text
        and not any(unicodedata.category(c) in unused for c in text[:10_000])
    )


def _decodes(path: Path, name: str, unwanted: str = "") -> bool:
    """Return whether a whole file is of an encoding, without a character of the class `unwanted`."""
    never = re.compile(f"[{unwanted}]") if unwanted else None
    decoder = codecs.getincrementaldecoder(name)()
    try:
        with packed.open_binary(path) as file:
            while block := file.read(_BLOCK):
                if (text := decoder.decode(block)) and never is not None and never.search(text):
                    return False
        decoder.decode(b"", True)
    except UnicodeDecodeError:
        return False
    return True


def _survey(path: Path) -> _Survey:
    out, number = _Survey(), 1
    with packed.open_binary(path) as file:
        while piece := file.readline(_BLOCK):
            if not piece.isascii():
                _add(out, piece, number)
            number += piece.endswith(b"\n")
    return out


def _add(survey: _Survey, piece: bytes, number: int) -> None:
    """Count the marks of a line, or of a part of a long one."""
    marks = [c for c in piece.decode("utf-8", "surrogateescape") if c > "\x7f"]
    wrong = [ord(c) - 0xDC00 for c in marks if "\udc80" <= c <= "\udcff"]
    if wrong and not survey.line:
        survey.line, survey.byte = number, wrong[0]
    survey.wrong += len(wrong)
    survey.right += len(marks) - len(wrong)
    words = [piece.strip(b"\r\n")] if len(piece) < _LONG else _PIECES.split(piece)[1:-1]
    for word in words:
        if not word.isascii():
            survey.add(word)


def _judged(path: Path, title: str, survey: _Survey) -> FoundEncoding:
    """Return the encoding that reads a file best."""
    place = f"{title}, line {survey.line}: byte {survey.byte:#04x} is not utf-8"
    advice = f"name the file's encoding ({text_files.ENCODINGS})"
    if survey.right > MOST_UTF8 * (survey.right + survey.wrong):
        raise UserError(
            f"{place}, but {survey.right:,} other characters beyond ASCII are; write the file again as"
            f" UTF-8, or {advice}"
        )
    ranked = readings(b"\n".join(survey.lines))
    alike = [x for x in ranked if x.fits and x.text == ranked[0].text]
    fitting = [x for x in alike if _decodes(path, x.name, CONTROLS)]
    if not fitting:
        shown = "; ".join(f"{x.name} would read {_examples(x.text)}" for x in ranked[:2])
        raise UserError(
            f"{place}, and no other encoding makes words of all{f' ({shown})' * bool(shown)}; {advice}"
        )
    best = fitting[0]
    sentence = (
        f"{title}: {_read_as(best.name)}: {survey.wrong:,} bytes are not utf-8, the first in line"
        f" {survey.line}; it reads {_examples(best.text)}{_otherwise(best, ranked)}"
    )
    return FoundEncoding(best.name, sentence)


def _read_as(name: str) -> str:
    return f"read as {name} ({TITLES[name]})"


def _otherwise(best: Reading, others: Sequence[Reading]) -> str:
    """Return what a user can do, and how the file reads in another encoding that fits equally."""
    for other in others:
        near = 1 if other.name in LATIN else CLOSE
        if other.fits and other.strange - best.strange < near and other.text != best.text:
            pairs = zip(_words(best.text), _words(other.text), strict=False)
            one, two = next(((a, b) for a, b in pairs if a != b), ("", ""))
            return f' ("{one}" can also be "{two}": --encoding {other.name})' if one else ""
    return " (otherwise: --encoding NAME)"


def _examples(text: str) -> str:
    """Return a few different words with marks that are not ASCII."""
    return ", ".join(f'"{word}"' for word in list(dict.fromkeys(_words(text)))[:EXAMPLES])


def _words(text: str) -> list[str]:
    """Return the words with marks that are not ASCII, the beginnings of long ones."""
    return [word[:20] for word in _BETWEEN.split(text) if not word.isascii()]


def as_card(source: FileSource, root: Path) -> dict[str, Any]:
    """Return the part of the corpus card about the encodings of its files.

    Args:
        source: entry of the corpus.
        root: the folder from which its paths count.
    """
    more = ((root / part.path, (part.columns or source).encoding) for part in source.more)
    files = [(root / source.path, source.encoding), *more]
    card: dict[str, Any] = {"encoding": files[0][1]}
    if len({name for _, name in files}) > 1:
        card["encodings"] = {path.name: name for path, name in files}
    judged = [(path, _survey(path)) for path, name in files if name.lower() in TITLES]
    counts = {p.name: {"bytes": x.wrong, "first in line": x.line} for p, x in judged if x.wrong}
    return {**card, **({"not utf-8": counts} if counts else {})}
