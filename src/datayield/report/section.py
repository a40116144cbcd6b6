"""What a report is made of: sections of text, tables and figures, shown by HTML and Markdown alike."""

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
    """A figure by file name, with what it shows in words."""

    name: str
    alt: str


@dataclass(frozen=True, slots=True)
class Section:
    """A heading with what stands below it."""

    title: str
    paragraphs: tuple[str, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    fold: str = ""  # the title under which the page folds the tables away; "": they lie open
