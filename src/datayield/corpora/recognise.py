"""Finds out how a file is written, its encoding too, and says what is not plain to see."""

from pathlib import Path

from datayield.corpora import encodings, exports, tabular
from datayield.corpora.encodings import FoundEncoding
from datayield.corpora.separated import SeparatedOptions


def encoding(path: Path, named: str | None, format: str, title: str = "") -> FoundEncoding:
    """Return the encoding of a file: the one that the user names, or the one that is found.

    Args:
        path: the file.
        named: encoding that the user names; None: found from the content.
        format: of the file; parquet and Excel files have no encoding.
        title: the name of the file in messages; "": its path.

    Raises:
        UserError: the encoding cannot be found.
    """
    if named is not None or format in tabular.NO_ENCODING:
        return FoundEncoding(named or "utf-8")
    return encodings.found(path, title)


def layout(
    path: Path,
    named: str | None,
    format: str | None = None,
    options: SeparatedOptions | None = None,
) -> tuple[tabular.Layout, list[str]]:
    """Return the layout of a file, and sentences about what was recognised.

    Args:
        path: the file.
        named: encoding that the user names; None: found.
        format: format or labelling tool that the user names; None: both are recognised.
        options: the user's choices for a separated file.

    Raises:
        UserError: as `encoding` and `tabular.layout_of`.
    """
    tabular.check_filled(path)
    of_rows = format if format in tabular.READERS else tabular.format_of(path)
    found = encoding(path, named, of_rows)
    recognised = tabular.layout_of(path, found.name, format, options)
    return recognised, [*([found.sentence] if found.sentence else []), *_sentences(recognised)]


def _sentences(layout: tabular.Layout) -> list[str]:
    """Return what was recognised in a file but its encoding."""
    if layout.tool:
        title = exports.TOOLS[layout.tool].title
        return [
            f"{layout.name}: read as an export of {title} (otherwise: --format {layout.format})"
        ]
    if layout.format not in ("csv", "tsv"):
        return []
    sentences = tabular.dialect_of(layout).sentences(tabular.column_names(layout))
    return [f"{layout.name}: {sentence}" for sentence in sentences]
