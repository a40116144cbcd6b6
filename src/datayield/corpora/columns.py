"""Chooses the columns of a file that hold the texts and the labels, where only one column can.

A column can hold texts if its values have four words or more at the median, are letters rather than
numbers, and at least half of them differ. It can hold labels if it has 2 to 200 different values, at most
one for ten rows, none longer than 60 characters, none a date. A column with the values train and test is
taken for the split. Where several columns fit or none, the one
that is named text or label is taken.
"""

import re
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
from itertools import islice
from statistics import median
from typing import Any

from datayield.core.errors import UserError, nearest
from datayield.corpora import exports, tabular
from datayield.corpora.row_labels import Absent, Answers
from datayield.corpora.text_fields import fields_of
from datayield.text import tokens

LOOKED_AT = 2000  # values of a column by which texts are recognised
WORDS = 4
MOST_LABELS, LONGEST_LABEL, ROWS_PER_LABEL = 200, 60, 10
_DATE = re.compile(r"\d{1,4}[-/.]\d{1,2}[-/.]\d{1,4}\b")
TEST_SPLITS = frozenset({"test", "testing"})
POOL_SPLITS = frozenset(
    {"train", "training", "pool", "validation", "valid", "val", "dev", "development"}
)


@dataclass(slots=True)
class ColumnSummary:
    """The values of one column, as far as they are kept."""

    name: str
    values: list[str] = field(default_factory=list)  # the first LOOKED_AT that are not empty
    counts: Counter[str] = field(default_factory=Counter)  # of all values, while they are few
    many: bool = False  # more different values than labels can have
    filled: int = 0  # values that are not empty
    answered: bool = False  # whether it holds answers of annotators
    reasons: Counter[str] = field(default_factory=Counter)  # why rows have no value

    def add(self, value: Any) -> None:
        """Add the value of one more row; the reason why a row has none does not count."""
        if isinstance(value, Answers):
            self.answered = True
            for _, label in value.given:
                self.add(label)
        elif isinstance(value, Absent):
            self.reasons[value.reason] += 1
        elif isinstance(value, (list, dict)):
            self.reasons["lists or objects"] += 1
        elif not tabular.is_missing(value):
            self._add(str(value))

    def _add(self, value: str) -> None:
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
        """Return whether nearly all values are numbers."""
        return sum(_number(v) for v in self.values) > 0.9 * len(self.values) > 0

    @property
    def texts(self) -> bool:
        """Return whether the column can hold the texts."""
        if not self.values or self.numbers:
            return False
        differ = len(set(self.values)) >= len(self.values) / 2
        letters = sum(map(_letters, self.values)) >= len(self.values) / 2
        return differ and letters and median(len(tokens.tokens(v)) for v in self.values) >= WORDS

    @property
    def labels(self) -> bool:
        """Return whether the column can hold the labels."""
        return (
            not self.many
            and 2 <= len(self.counts) <= self.filled / ROWS_PER_LABEL
            and max(map(len, self.counts)) <= LONGEST_LABEL
            and not self.split
            and not all(map(_DATE.match, self.counts))
        )

    def can_be_labels(self, known: Collection[str]) -> bool:
        """Return whether the column holds answers, can hold labels, or holds known labels alone."""
        known_alone = 0 < len(self.counts.keys() & known) == len(self.counts)
        return (self.answered and not self.texts) or self.labels or known_alone

    @property
    def split(self) -> bool:
        """Return whether the values are the names of two parts or more: train, validation, test."""
        parts = {v.lower() for v in self.counts}
        return not self.many and len(parts) > 1 and parts <= POOL_SPLITS | TEST_SPLITS

    @property
    def tests(self) -> bool:
        """Return whether the values set a test set apart."""
        return self.split and any(v.lower() in TEST_SPLITS for v in self.counts)

    def described(self) -> str:
        """Return the name with a few values, or with the reasons why there are none."""
        if self.reasons and not self.filled:
            return f"{self.name} ({', '.join(f'{n:,} {why}' for why, n in self.reasons.items())})"
        examples = ", ".join(f'"{_short(v)}"' for v in islice(dict.fromkeys(self.values), 3))
        different = f"over {MOST_LABELS}" if self.many else str(len(self.counts))
        return f"{self.name} ({different} different values, e.g. {examples or 'none'})"


@dataclass(frozen=True, slots=True)
class ChosenColumns:
    """The columns of a file, one sentence for each that was guessed, and the classes."""

    text: str
    label: str
    split: str | None
    guesses: tuple[str, ...]
    classes: frozenset[str] = frozenset()  # values of the column of labels, while they are few


def choose(
    layout: tabular.Layout,
    text: str | None,
    label: str | None,
    split: str | None,
    tested: bool,
    annotator: str | None = None,
    known: Collection[str] = (),
) -> ChosenColumns:
    """Return the columns that are named, and guess the others.

    Args:
        layout: the file and how it is read.
        text: column of the texts, or several as `title,body`; None: to be guessed.
        label: column of the labels; None: to be guessed.
        split: column whose values are train and test; None: to be guessed, unless `tested`.
        tested: whether the test set is a file of its own.
        annotator: column that names annotators, which is none of the others.
        known: labels of an earlier file of the corpus, by which a column of few rows is recognised.

    Raises:
        UserError: naming the candidates with examples where not exactly one column can be meant.
    """
    columns = summaries(layout)
    guesses: list[str] = []
    text = text or _only(layout, columns, "texts", "--text", lambda c: c.texts, guesses)
    fields = fields_of(text, [c.name for c in columns], layout.name)
    rest = [c for c in columns if c.name not in (*fields, annotator)]
    answers = [c for c in rest if c.answered] or rest
    label = label or _only(
        layout, answers, "labels", "--label", lambda c: c.can_be_labels(known), guesses
    )
    for column in columns:
        if (column.name,) == fields and column.numbers:
            raise UserError(
                f"{layout.name}: column {column.described()} holds numbers; --text needs texts"
            )
    if split is None and not tested:
        split = _split_column([c for c in rest if c.name != label], guesses)
    empty = [c.name for c in columns if not c.filled and c.name not in (*fields, label, split)]
    if empty:
        guesses.append(f"columns without any value, not read: {', '.join(empty)}")
    classes = (frozenset(c.counts) for c in columns if c.name == label and not c.many)
    return ChosenColumns(text, label, split, tuple(guesses), next(classes, frozenset()))


def _split_column(columns: Sequence[ColumnSummary], guesses: list[str]) -> str | None:
    """Return the only column that sets a test set apart, and append the sentence about it."""
    for column in columns:
        if column.split and not column.tests:
            guesses.append(
                f'"{column.name}" names parts, but no test: a test set is drawn from all'
            )
    splits = [c for c in columns if c.tests]
    if len(splits) != 1:
        return None
    parts = sorted(v for v in splits[0].counts if v.lower() not in TEST_SPLITS)
    guesses.append(
        f'split: "{splits[0].name}", the only column of train and test; the pool is {" and ".join(parts)}'
    )
    return splits[0].name


def text_column(
    layout: tabular.Layout, named: str | None, like: str
) -> tuple[str, tuple[str, ...]]:
    """Return the column of texts in a file without labels, and a sentence if it was guessed.

    Args:
        layout: the file and how it is read.
        named: the name of the column; None: the one of the labelled file, else to be guessed.
        like: the column of texts in the labelled file.

    Raises:
        UserError: as `choose`, and if the file has no column of that name.
    """
    columns = summaries(layout)
    names = [c.name for c in columns]
    for name in fields_of(named, names, layout.name) if named is not None else ():
        if name not in names:
            raise UserError(f'{layout.name} has no column "{name}": {nearest(name, names)}')
    if named is not None or set(fields_of(like, names, layout.name)) <= set(names):
        return named or like, ()
    if names == [tabular.LINE_COLUMN]:
        return names[0], ()
    guesses: list[str] = []
    column = _only(layout, columns, "texts", "--text", lambda c: c.texts, guesses)
    return column, tuple(guesses)


def summaries(layout: tabular.Layout) -> list[ColumnSummary]:
    """Read all rows of a file and return the summary of every column.

    Raises:
        UserError: the file cannot be read, or has no rows.
    """
    columns: dict[str, ColumnSummary] = {}
    for _, row in tabular.rows(layout):
        for name, value in row.items():
            if name not in columns:
                columns[name] = ColumnSummary(name)
            columns[name].add(value)
    if not columns:
        raise UserError(f"{layout.name} has no rows below its header; wanted labelled texts")
    return list(columns.values())


def _only(
    layout: tabular.Layout,
    columns: Sequence[ColumnSummary],
    content: str,
    option: str,
    fits: Callable[[ColumnSummary], bool],
    guesses: list[str],
) -> str:
    """Return the only column that fits, and append the sentence about it to `guesses`.

    Raises:
        UserError: no column fits, or several.
    """
    candidates = [c for c in columns if fits(c)]
    if len(candidates) == 1:
        name = candidates[0].name
        why = "long texts that differ" if content == "texts" else "few different values"
        guesses.append(f'{content}: "{name}", the only column of {why}')
        return name
    by_name = [
        c.name
        for c in candidates or columns
        if c.filled and c.name.lower() == option.removeprefix("--")
    ]
    if len(by_name) == 1:
        guesses.append(f'{content}: "{by_name[0]}", by its name')
        return by_name[0]
    many = "several columns can hold" if candidates else "no column looks like it holds"
    shown = "; ".join(c.described() for c in candidates or columns) or _no_column(layout)
    joining = " (several of them are joined: --text title,body)"
    several = joining if candidates and content == "texts" else ""
    raise UserError(
        f"{layout.name}: {many} the {content}; name it by {option}{several}. There are: {shown}"
    )


def _no_column(layout: tabular.Layout) -> str:
    """Return why a file has no further column."""
    if layout.tool:
        title = exports.TOOLS[layout.tool].title
        return f"none: no answer of this export of {title} is a class (spans, drafts, predictions are not)"
    if layout.format in ("csv", "tsv"):
        return (
            "none: every line is one field; wanted a separator: comma (in .tsv: tab), ;, | or tab"
        )
    return "none"


def _number(value: str) -> bool:
    try:
        float(value.replace(",", "."))
    except ValueError:
        return False
    return True


def _letters(value: str) -> bool:
    """Return whether at least half of the characters but white space are letters or their marks."""
    letters = [c.isalpha() or not c.isascii() for c in value if not c.isspace()]
    return sum(letters) >= len(letters) / 2


def _short(value: Any) -> str:
    line = " ".join(str(value).split())
    return line if len(line) <= 40 else f"{line[:39]}…"
