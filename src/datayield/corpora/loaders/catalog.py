"""Loads corpora by URL and hash, and the corpora of the catalog."""

import csv
import io
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

from datayield import config
from datayield.config import CatalogSource, DownloadSource, RemoteFileEntry
from datayield.core.errors import UserError, nearest
from datayield.core.system import machine
from datayield.core.system.download import fetch
from datayield.corpora.build import Labelled

DOWNLOADS = Path("state") / "downloads"

PER_BYTE = 5  # bytes of memory for each byte of a file: its text, and the rows cut from it

Reader = Callable[[str], Iterator[tuple[str, str]]]  # content -> (label, text) of every row


def _separated(separator: str) -> Reader:
    def read(content: str) -> Iterator[tuple[str, str]]:
        # Only "\n" ends a line: str.splitlines would also cut at control characters inside texts.
        for line in content.removesuffix("\n").split("\n"):
            label, found, text = line.rstrip("\r").partition(separator)
            if not found and label.strip():
                raise ValueError(
                    f"a line without {separator!r} between label and text: {line[:60]!r}"
                )
            yield label, text

    return read


def _ag_csv(content: str) -> Iterator[tuple[str, str]]:
    """Read rows of class, title, description; the text is title and description."""
    for row in csv.reader(io.StringIO(content, newline=""), strict=True):
        if len(row) != 3:
            raise ValueError(
                f"a row of {len(row)} fields, wanted class, title, description: {row!r:.60}"
            )
        yield row[0], f"{row[1]} {row[2]}"


FORMATS: dict[str, Reader] = {
    "label_tab_text": _separated("\t"),
    "label_space_text": _separated(" "),
    "ag_csv": _ag_csv,
}


@cache
def catalog() -> dict[str, DownloadSource]:
    """Return the corpora that come with datayield, by name."""
    return config.catalog(Path(__file__).parent / "catalog.yaml")


def from_catalog(name: str, source: CatalogSource, seed: int, root: Path) -> Labelled:
    """Load a corpus of the catalog.

    Raises:
        UserError: the catalog has no such name; and as `load`.
    """
    entry = source.entry or name
    known = catalog()
    if entry not in known:
        raise UserError(
            f'corpus {name}: the catalog has no "{entry}": {nearest(entry, sorted(known))}'
        )
    return load(name, known[entry], seed, root)


def load(name: str, source: DownloadSource, seed: int, root: Path) -> Labelled:
    """Fetch, decode and read every file of a corpus; rows without text or label are left out.

    Raises:
        UserError: naming the file and the fault.
    """
    if source.format not in FORMATS:
        raise UserError(
            f'corpus {name}: unknown format "{source.format}": {nearest(source.format, sorted(FORMATS))}'
        )
    texts: list[str] = []
    labels: list[str] = []
    in_test: list[bool] = []
    empty = 0
    for file in source.files:
        for label, text in _rows(source, file, fetch(file.remote, root / DOWNLOADS)):
            if not text.strip() or not label.strip():
                empty += 1
                continue
            texts.append(text.strip())
            labels.append(_class(source, file, label.strip()))
            in_test.append(file.split == "test")
    split = any(f.split is not None for f in source.files)
    return Labelled(
        texts, labels, in_test if split else None, _described(source), source.family or name,
        {"rows without a text": empty} if empty else {},
    )  # fmt: skip


def _described(source: DownloadSource) -> dict[str, object]:
    return {
        "loader": "download",
        "title": source.title,
        "task": source.task,
        "note": source.note,
        "licence": source.licence,
        "citation": source.citation,
        "encoding": source.encoding,
        "files": {f.name: {"url": f.url, "sha256": f.sha256, "rows": f.rows} for f in source.files},
    }


def _rows(source: DownloadSource, file: RemoteFileEntry, content: bytes) -> list[tuple[str, str]]:
    machine.require(f"{file.name}, read as texts,", PER_BYTE * len(content))
    try:
        rows = list(FORMATS[source.format](content.decode(source.encoding)))
    except UnicodeDecodeError as e:
        raise UserError(
            f"{file.name}: byte {content[e.start]:#04x} at {e.start} is not {source.encoding}; its entry"
            " names the wrong encoding"
        ) from e
    except LookupError as e:
        raise UserError(f"{file.name}: unknown encoding {source.encoding!r}") from e
    except (ValueError, csv.Error) as e:
        raise UserError(f"{file.name} is not {source.format}: {e}") from e
    if file.rows is not None and len(rows) != file.rows:
        raise UserError(f"{file.name}: wanted {file.rows} rows, got {len(rows)}")
    return rows


def _class(source: DownloadSource, file: RemoteFileEntry, label: str) -> str:
    if source.classes and label not in source.classes:
        raise UserError(
            f"{file.name}: the label {label!r} has no name among the entry's classes"
            f" ({', '.join(source.classes)})"
        )
    return source.classes.get(label, label)
