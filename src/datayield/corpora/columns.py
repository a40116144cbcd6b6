"""Which column holds the texts and which the labels: guessed where only one can.

A column can hold texts if its values have four words or more at the median, are letters rather than
numbers, and at least half of them differ. It can hold labels if it has 2 to 200 different values, at most
one for ten rows, none longer than 60 characters, none a date. A column of train and test says the split.
"""

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

from datayield import text
from datayield.corpora import read
from datayield.errors import UserError, nearest

LOOKED_AT = 2000  # values of a column by which texts are told
WORDS = 4
MOST_LABELS, LONGEST_LABEL, ROWS_PER_LABEL = 200, 60, 10
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b")
SPLITS = ({"train", "test"}, {"pool", "test"})


@dataclass(slots=True)
class Column:
    """What is known of one column."""

    name: str
    values: list[str] = field(default_factory=list)  # the first that are not empty
    counts: Counter[str] = field(default_factory=Counter)  # of all, while they are few
    many: bool = False  # more different values than labels can have
    filled: int = 0

    def add(self, value: str) -> None:
        """One more row's value."""
        if not value.strip():
            return
        self.filled += 1
        if len(self.values) < LOOKED_AT:
            self.values.append(value)
        if not self.many:
            self.counts[value.strip()] += 1
            self.many = len(self.counts) > MOST_LABELS

    @property
    def numbers(self) -> bool:
        """Whether nearly all values are numbers."""
        return sum(_number(v) for v in self.values) > 0.9 * len(self.values) > 0

    @property
    def texts(self) -> bool:
        """Whether it can hold the texts."""
        if not self.values or self.numbers:
            return False
        differ = len(set(self.values)) >= len(self.values) / 2
        letters = sum(map(_letters, self.values)) >= len(self.values) / 2
        return differ and letters and median(len(text.tokens(v)) for v in self.values) >= WORDS

    @property
    def labels(self) -> bool:
        """Whether it can hold the labels."""
        return (
            not self.many
            and 2 <= len(self.counts) <= self.filled / ROWS_PER_LABEL
            and max(map(len, self.counts)) <= LONGEST_LABEL
            and not self.split
            and not all(map(_DATE.match, self.counts))
        )

    @property
    def split(self) -> bool:
        """Whether it says train or test."""
        return {v.lower() for v in self.counts} in SPLITS and not self.many

    def shown(self) -> str:
        """The name with a few values."""
        examples = ", ".join(f'"{_short(v)}"' for v in islice(dict.fromkeys(self.values), 3))
        different = f"over {MOST_LABELS}" if self.many else str(len(self.counts))
        return f"{self.name} ({different} different values, e.g. {examples or 'none'})"


@dataclass(frozen=True, slots=True)
class Chosen:
    """The columns of a file, and the sentences that say what was guessed."""

    text: str
    label: str
    split: str | None
    told: tuple[str, ...]


def choose(
    path: Path, encoding: str, text: str | None, label: str | None, split: str | None, tested: bool
) -> Chosen:
    """The columns asked for, those left open guessed.

    Args:
        path: the file.
        encoding: of the file.
        text: column of the texts; None: to be guessed.
        label: column of the labels; None: to be guessed.
        split: column that says train or test; None: guessed, unless
        tested: the test set is a file of its own.

    Raises:
        UserError: naming the candidates with examples where not exactly one column can be meant.
    """
    found = look(path, encoding)
    told: list[str] = []
    text = text or _only(path, found, "texts", "--text", lambda c: c.texts, told)
    rest = [c for c in found if c.name != text]
    label = label or _only(path, rest, "labels", "--label", lambda c: c.labels, told)
    for column in found:
        if column.name == text and column.numbers:
            raise UserError(f"{path}: column {column.shown()} holds numbers; --text wants texts")
    if split is None and not tested:
        saying = [c.name for c in rest if c.split and c.name != label]
        if len(saying) == 1:
            split = saying[0]
            told.append(f'split: "{split}", the only column of train and test')
    return Chosen(text, label, split, tuple(told))


def text_column(
    path: Path, encoding: str, asked: str | None, like: str
) -> tuple[str, tuple[str, ...]]:
    """The column of a file without labels that holds the texts, and the sentence if it was guessed.

    Args:
        path: the file.
        encoding: of the file.
        asked: the column's name; None: the one of the labelled file, else to be guessed.
        like: the column of the labelled file.

    Raises:
        UserError: as `choose`, and when the column asked for is not there.
    """
    found = look(path, encoding)
    names = [c.name for c in found]
    if asked is not None and asked not in names:
        raise UserError(f'{path} has no column "{asked}": {nearest(asked, names)}')
    if asked is not None or like in names:
        return asked or like, ()
    told: list[str] = []
    return _only(path, found, "texts", "--text", lambda c: c.texts, told), tuple(told)


def look(path: Path, encoding: str) -> list[Column]:
    """Every column of a file, all rows read.

    Raises:
        UserError: the file cannot be read, or has no rows.
    """
    found: dict[str, Column] = {}
    for row in read.rows(path, encoding):
        for name, value in row.items():
            if name not in found:
                found[name] = Column(name)
            found[name].add("" if value is None else str(value))
    if not found:
        raise UserError(f"{path} has no rows below its header; wanted labelled texts")
    return list(found.values())


def _only(
    path: Path,
    found: Iterable[Column],
    what: str,
    option: str,
    fits: Callable[[Column], bool],
    told: list[str],
) -> str:
    found = list(found)
    candidates = [c for c in found if fits(c)]
    if len(candidates) == 1:
        name = candidates[0].name
        why = "long texts that differ" if what == "texts" else "few different values"
        told.append(f'{what}: "{name}", the only column of {why}')
        return name
    many = "several columns can hold" if candidates else "no column looks like it holds"
    shown = "; ".join(c.shown() for c in candidates or found)
    raise UserError(f"{path}: {many} the {what}; name it by {option}. There are: {shown}")


def _number(value: str) -> bool:
    try:
        float(value.replace(",", "."))
    except ValueError:
        return False
    return True


def _letters(value: str) -> bool:
    """Whether at least half of what is no white space are letters or marks of letters."""
    kept: Iterator[str] = (c for c in value if not c.isspace())
    told = [c.isalpha() or not c.isascii() for c in kept]
    return sum(told) >= len(told) / 2


def _short(value: Any) -> str:
    line = " ".join(str(value).split())
    return line if len(line) <= 40 else f"{line[:39]}…"
