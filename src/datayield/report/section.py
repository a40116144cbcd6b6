"""Defines the parts of a report: the first screen, folded groups, sections of text, tables and figures."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A captioned table; the first column names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    stacks: bool = False  # on a phone each row becomes a card
    csv: str = ""  # the file in tables/ with its unrounded numbers; "": there is none


@dataclass(frozen=True, slots=True)
class Picture:
    """A figure by file name, with a description in words."""

    name: str
    alt: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with the paragraphs, tables and figures below it."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    fold: str = ""  # the title under which the page folds the tables away; "": they lie open
    short: bool = False  # whether report.md repeats it; the others are in the page and in tables/


@dataclass(frozen=True, slots=True)
class Group:
    """Sections that answer one question; the page folds them under it."""

    question: str
    sections: tuple[Section, ...]


@dataclass(frozen=True, slots=True)
class Number:
    """One of the large numbers of the first screen."""

    label: str
    value: str
    note: str


@dataclass(frozen=True, slots=True)
class FirstScreen:
    """The whole answer about one corpus, for somebody who decides."""

    answer: tuple[str, ...]  # sentences
    numbers: tuple[Number, ...]
    picture: Picture
    sure: tuple[str, ...]  # what the study could see, and what would make it surer
    steps: tuple[str, ...]  # what to do next
    words: tuple[tuple[str, str], ...]  # every technical word of the screen, explained


@dataclass(frozen=True, slots=True)
class Overview:
    """The first screen of a study of several corpora."""

    answer: tuple[str, ...]  # sentences
    matrix: Table  # corpora by budgets
    picture: Picture
    sections: tuple[Section, ...]  # families of corpora, published scores
