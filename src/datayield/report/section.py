"""Defines the parts of a report: sections of text, tables and figures, for HTML and Markdown."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Table:
    """A captioned table; the first column names the row."""

    caption: str
    head: tuple[str, ...]
    rows: tuple[tuple[str, ...], ...]
    stacks: bool = False  # on a phone each row becomes a card


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
