"""Loads the user's own labelled text files: csv, tsv, jsonl or parquet."""

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datayield.config import FilePart, FileSource, HubSource, UnlabelledFile
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.corpora.build import Labelled
from datayield.corpora.tabular import (
    Layout,
    digest,
    format_of,
    rows,
    separator_of,
    text_of,
)
from datayield.text import sequences

MEMORY_CHECK = 2**18  # rows after which the memory that is left is looked at again
_SPLITS = {"train": False, "pool": False, "test": True}


def load(name: str, source: FileSource, seed: int, root: Path) -> Labelled:
    """Return texts and labels as the entry in params.yaml describes them.

    Raises:
        UserError: naming the file, the place in it, what was wanted and what to do.
    """
    for part in named_files(source):
        check_digest(part, root)
    return _load(name, source, root)


def check_digest(part: FileSource | FilePart | UnlabelledFile, root: Path) -> None:
    """Raise UserError, with both hashes, if a file is not the one that was added."""
    found = digest(root / part.path)
    if found != part.sha256:
        raise UserError(
            f"{part.path} changed since it was added: wanted sha256 {part.sha256}, got {found}."
            " If the change is meant, run `datayield corpora add` (or `datayield study` with the"
            " file) again and renew its entry."
        )


def labels_of(source: FileSource, part: FileSource | FilePart, root: Path) -> list[str]:
    """Return the labels of one file of a corpus, having checked every row.

    Raises:
        UserError: as `load`.
    """
    check_digest(part, root)
    reading = _Reading(source, root)
    count = sum(1 for _ in reading.texts(part, test=False))  # reads, and so checks, every row
    if not count:
        raise _without_rows(part.path)
    return reading.labels


def describe(
    path: Path,
    text: str,
    label: str,
    encoding: str,
    split: str | None,
    more: Sequence[Path] = (),
    test: Sequence[Path] = (),
) -> FileSource:
    """Return the entry for params.yaml of one file or several, having read all of their rows.

    Args:
        path: the first file.
        text: column of the texts.
        label: column of the labels.
        encoding: of every file.
        split: column whose values are train and test.
        more: further files with the same columns.
        test: files whose texts are the test set.

    Raises:
        UserError: as `load`; an unknown file ending; two layouts; two ways to name the test set.
    """
    parts = [
        {"path": str(p), "sha256": digest(p), "format": format_of(p), "test": number >= len(more)}
        for number, p in enumerate((*more, *test))
    ]
    _check_separators([path, *more, *test], encoding)
    if split is not None and test:
        raise UserError(
            f'the test set comes from {test[0]} or from the column "{split}", not both: leave one out'
        )
    source = FileSource.model_validate(
        {
            "loader": "file",
            "path": str(path),
            "sha256": digest(path),
            "text": text,
            "label": label,
            "format": format_of(path),
            "encoding": encoding,
            "separator": separator_of(path, encoding, format_of(path)),
            "split": split,
            "more": parts,
        }
    )
    _load(path.stem, source, Path())
    return source


def _check_separators(paths: Sequence[Path], encoding: str) -> None:
    """Raise UserError if csv files separate their columns by different characters than the first file."""
    first = paths[0]
    if format_of(first) != "csv":
        return
    for path in paths[1:]:
        both_csv = format_of(path) == "csv"
        if both_csv and separator_of(path, encoding) != separator_of(first, encoding):
            raise UserError(
                f"{first} and {path} separate their columns by different marks; wanted one layout"
            )


def entry(source: FileSource | HubSource) -> dict[str, Any]:
    """Return the entry of a source in params.yaml, without the fields that are off or empty."""
    fields = source.model_dump(exclude_none=True, mode="json")
    return {k: v for k, v in fields.items() if v != []}


def named_files(source: FileSource) -> list[FileSource | FilePart]:
    """Return the files of a corpus, each with its path, hash and format."""
    return [source, *source.more]


def _load(name: str, source: FileSource, root: Path) -> Labelled:
    reading = _Reading(source, root)
    texts = sequences.TextColumn.spooled(reading.all_texts())
    if not len(texts):
        raise _without_rows(source.path)
    split = source.split is not None or any(part.test for part in source.more)
    origin: dict[str, Any] = (
        {"file": Path(source.path).name, "sha256": source.sha256}
        if not source.more
        else {"files": [[Path(p.path).name, p.sha256] for p in named_files(source)]}
    )
    return Labelled(
        texts,
        reading.labels,
        reading.in_test if split else None,
        {"loader": "file", **origin, "licence": "not stated", "encoding": source.encoding,
         "rows": len(texts)},
        source.family or name,
    )  # fmt: skip


def _without_rows(path: str) -> UserError:
    return UserError(f"{path} has no rows below its header; wanted labelled texts")


@dataclass(slots=True)
class _Reading:
    """One pass over the files of a corpus, which keeps all of every row but its text."""

    source: FileSource
    root: Path
    labels: list[str] = field(default_factory=list)
    in_test: list[bool] = field(default_factory=list)

    def all_texts(self) -> Iterator[str]:
        """Yield the texts of all files in order."""
        yield from self.texts(self.source, test=False)
        for part in self.source.more:
            yield from self.texts(part, part.test)

    def texts(self, part: FileSource | FilePart, test: bool) -> Iterator[str]:
        """Yield the texts of one file, whose texts are the test set if `test`."""
        source = self.source
        layout = Layout(
            self.root / part.path, part.format, source.encoding, source.separator, part.path
        )
        needed = [c for c in (source.text, source.label, source.split) if c is not None]
        empty: dict[str, list[int]] = {"text": [], "label": []}
        for place, (number, row) in enumerate(rows(layout, needed), 1):
            text = text_of(layout, number, row, source.text)
            label = text_of(layout, number, row, source.label).strip()
            self.labels.append(sys.intern(label))
            self.in_test.append(test if source.split is None else self._in_test(part, row, number))
            if place % MEMORY_CHECK == 0:  # before the system ends a process that grows too large
                machine.require_corpus(part.path, len(self.labels))
            for kind, content in (("text", text), ("label", label)):
                if not content.strip():
                    empty[kind].append(number)
            yield text
        for kind, numbers in empty.items():
            if numbers:
                shown = ", ".join(map(str, numbers[:5])) + (" ..." if len(numbers) > 5 else "")
                raise UserError(
                    f"{part.path}: {len(numbers)} rows without a {kind} (line {shown}); fill or remove"
                    " them"
                )

    def _in_test(self, part: FileSource | FilePart, row: dict[str, Any], number: int) -> bool:
        value = str(row.get(self.source.split or "")).strip().lower()
        if value not in _SPLITS:
            raise UserError(
                f'{part.path}, line {number}: column "{self.source.split}" says {value!r},'
                " wanted train or test"
            )
        return _SPLITS[value]
