"""Opens files of text, packed or not, and words the errors about those that cannot be read."""

import codecs
import io
from pathlib import Path
from typing import TextIO

from datayield.core.errors import UserError
from datayield.corpora import packed

ENCODINGS = "--encoding utf-8, latin-1, cp1252, ..."

STARTS = (
    (rb"\xff\xfe\0\0|\0\0\xfe\xff", "utf-32"),
    (rb"\xff\xfe|\xfe\xff", "utf-16"),
    (rb"[^\0]\0[^\0]\0", "utf-16-le"),
    (rb"\0[^\0]\0[^\0]", "utf-16-be"),
)
"""First bytes of a file and its encoding; the last two are of two letters without a mark before them."""

NO_TEXTS = (
    (b"PK\x03\x04", "an Excel file or a zip archive; wanted the ending .xlsx or .zip"),
    (b"\xd0\xcf\x11\xe0", "an old Excel file (.xls); wanted its sheet saved as .xlsx or .csv"),
    (b"\x1f\x8b", "packed by gzip; wanted the ending .gz"),
    (b"PAR1", "a parquet file; wanted the ending .parquet and no other --format"),
    (b"%PDF", "a PDF document; wanted its texts in a .csv or .txt file"),
)
"""First bytes of files that are no text, what they are, and what is wanted."""


def opened(path: Path, name: str, encoding: str, newline: str | None) -> TextIO:
    """Open a file of text after its byte order mark; the caller closes it.

    Args:
        path: the file.
        name: of the file, for messages.
        encoding: of its content.
        newline: as in `open`.

    Raises:
        OSError: the file cannot be read.
        UnicodeError: it is of another encoding; while reading too.
        UserError: the encoding is unknown, or the file cannot be unpacked.
    """
    content = packed.open_binary(path)
    try:
        file = io.TextIOWrapper(content, encoding, newline=newline)
    except LookupError as e:
        content.close()
        raise UserError(
            f"{name}: unknown encoding {encoding!r}; try utf-8, latin-1, cp1252 or utf-16"
        ) from e
    try:
        if file.read(1) != "\ufeff":
            file.seek(0)
    except BaseException:
        file.close()
        raise
    return file


def unreadable(name: str, error: OSError) -> UserError:
    """Return the error about a file that cannot be opened or read."""
    if isinstance(error, FileNotFoundError):
        return UserError(
            f"{name} does not exist. Check the path; in params.yaml it is relative to its folder."
        )
    return UserError(f"{name} cannot be read: {error.strerror}")


def undecodable(path: Path, name: str, encoding: str, error: UnicodeError) -> UserError:
    """Return the error that names the first byte that is not of this encoding, where one byte is wrong."""
    advice = f"name the file's encoding ({ENCODINGS})"
    if isinstance(error, UnicodeDecodeError):  # its place counts from the last block that was read
        with packed.open_binary(path) as file:
            content = file.read()
        try:
            codecs.lookup(encoding).decode(content)
        except UnicodeDecodeError as e:
            found = next((kind for first, kind in NO_TEXTS if content.startswith(first)), None)
            if found:
                return UserError(f"{name} is not text but {found}")
            line = content[: e.start].count(b"\n") + 1
            return UserError(
                f"{name}, line {line}: byte {content[e.start]:#04x} is not {encoding}; {advice}"
            )
        except UnicodeError as e:
            error = e
    return UserError(f"{name} is not {encoding}: {error}; {advice}")
