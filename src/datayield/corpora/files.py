"""A labelled text file of your own, or several: csv, tsv, jsonl or parquet."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datayield import memory, text
from datayield.config import BesideFile, FilePart, FileSource, HubSource
from datayield.corpora.build import Labelled
from datayield.corpora.read import (
    check_columns,
    digest,
    format_of,
    numbered_rows,
    separator_of,
    string,
)
from datayield.errors import UserError

LOOK = 2**18  # rows after which the memory that is left is looked at again
_SPLITS = {"train": False, "pool": False, "test": True}


def load(name: str, source: FileSource, seed: int, root: Path) -> Labelled:
    """Texts and labels as the entry in params.yaml describes them.

    Raises:
        UserError: naming the file, the place in it, what was wanted and what to do.
    """
    for part in named_files(source):
        check_digest(part, root)
    return _labelled(name, source, root)


def check_digest(part: FileSource | FilePart | BesideFile, root: Path) -> None:
    """Whether a file is the one that was added.

    Raises:
        UserError: naming both hashes.
    """
    found = digest(root / part.path)
    if found != part.sha256:
        raise UserError(
            f"{part.path} changed since it was added: wanted sha256 {part.sha256}, got {found}."
            " If the change is meant, run `datayield corpora add` (or `datayield study` with the"
            " file) again and renew its entry."
        )


def describe(
    path: Path,
    text: str,
    label: str,
    encoding: str,
    split: str | None,
    more: Sequence[Path] = (),
    test: Sequence[Path] = (),
) -> FileSource:
    """The entry for params.yaml of one file or several, checked by reading all of it.

    Args:
        path: the first file.
        text: column of the texts.
        label: column of the labels.
        encoding: of every file.
        split: column that says train or test.
        more: further files with the same columns.
        test: files whose texts are the test set.

    Raises:
        UserError: as `load`, and for an unknown file ending.
    """
    parts = [
        {"path": str(p), "sha256": digest(p), "format": format_of(p), "test": number >= len(more)}
        for number, p in enumerate((*more, *test))
    ]
    for p in (*more, *test):
        if "csv" == format_of(p) == format_of(path) and separator_of(p, encoding) != separator_of(
            path, encoding
        ):
            raise UserError(
                f"{path} and {p} separate their columns by different marks; wanted one layout"
            )
    if split is not None and test:
        raise UserError(
            f'the test set comes from {test[0]} or from the column "{split}", not both: leave one out'
        )
    told = {
        "loader": "file",
        "path": str(path),
        "sha256": digest(path),
        "text": text,
        "label": label,
        "format": format_of(path),
        "encoding": encoding,
        "separator": separator_of(path, encoding),
        "split": split,
        "more": parts,
    }
    source = FileSource.model_validate(told)
    _labelled(path.stem, source, Path())
    return source


def entry(source: FileSource | HubSource) -> dict[str, Any]:
    """What params.yaml says of a source; what is off or empty is left out."""
    told = source.model_dump(exclude_none=True, mode="json")
    return {k: v for k, v in told.items() if v != []}


@dataclass(slots=True)
class _Columns:
    """What is kept of every row but its text."""

    labels: list[str] = field(default_factory=list)
    in_test: list[bool] = field(default_factory=list)


def _labelled(name: str, source: FileSource, root: Path) -> Labelled:
    kept = _Columns()
    texts = text.Column.spooled(
        line for part, test in _parts(source) for line in _texts(part, root, kept, test)
    )
    if not len(texts):
        raise UserError(f"{source.path} has no rows below its header; wanted labelled texts")
    split = source.split is not None or any(part.test for part in source.more)
    origin: dict[str, Any] = (
        {"file": Path(source.path).name, "sha256": source.sha256}
        if not source.more
        else {"files": [[Path(p.path).name, p.sha256] for p in named_files(source)]}
    )
    return Labelled(
        texts,
        kept.labels,
        kept.in_test if split else None,
        {"loader": "file", **origin, "licence": "not stated", "encoding": source.encoding,
         "rows": len(texts)},
        source.family or name,
    )  # fmt: skip


def named_files(source: FileSource) -> list[FileSource | FilePart]:
    """The files of a corpus, each with its path, hash and format."""
    return [source, *source.more]


def _parts(source: FileSource) -> Iterator[tuple[FileSource, bool]]:
    """Every file as a source of its own, and whether its texts are the test set."""
    yield source, False
    for part in source.more:
        yield source.model_copy(update={"path": part.path, "format": part.format}), part.test


def _texts(source: FileSource, root: Path, kept: _Columns, test: bool) -> Iterator[str]:
    """The texts of one file, row by row; `kept` gets the rest."""
    without: dict[str, list[int]] = {"text": [], "label": []}
    for number, (line, row) in enumerate(numbered_rows(source, root / source.path)):
        if not number:
            check_columns(source, row)
        value = string(source, row, line, source.text)
        label = string(source, row, line, source.label).strip()
        kept.labels.append(sys.intern(label))
        kept.in_test.append(test if source.split is None else _in_test(source, row, line))
        if number % LOOK == LOOK - 1:  # before the system ends what grows too large
            memory.require_corpus(source.path, len(kept.labels))
        for what, content in (("text", value), ("label", label)):
            if not content.strip():
                without[what].append(line)
        yield value
    _check_filled(source, without)


def _check_filled(source: FileSource, without: Mapping[str, Sequence[int]]) -> None:
    for what, empty in without.items():
        if empty:
            shown = ", ".join(map(str, empty[:5])) + (" ..." if len(empty) > 5 else "")
            raise UserError(
                f"{source.path}: {len(empty)} rows without a {what} (line {shown}); fill or remove them"
            )


def _in_test(source: FileSource, row: dict[str, Any], line: int) -> bool:
    value = str(row.get(source.split or "")).strip().lower()
    if value not in _SPLITS:
        raise UserError(
            f'{source.path}, line {line}: column "{source.split}" says {value!r}, wanted train or test'
        )
    return _SPLITS[value]
