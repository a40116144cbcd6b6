"""Loads the user's own labelled text files, and the exports of labelling tools."""

import sys
from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from datayield import config
from datayield.config import FilePart, FileSource, HubSource, UnlabelledFile
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.core.types import Ints
from datayield.corpora import annotators, encodings, exports, label_names, row_account, tabular
from datayield.corpora.build import Labelled
from datayield.corpora.columns import POOL_SPLITS, TEST_SPLITS
from datayield.corpora.moments import moment_of
from datayield.corpora.row_account import Label, ReadingReport
from datayield.corpora.row_labels import NO_LABEL, REPEATED_HEADER, WITHOUT_TEXT, Absent, Answers
from datayield.corpora.separated import SeparatedOptions
from datayield.corpora.text_fields import fields_in, joined
from datayield.text import sequences

MEMORY_CHECK = 2**18  # rows after which the memory that is left is looked at again


def load(name: str, source: FileSource, seed: int, root: Path) -> Labelled:
    """Return texts and labels as the entry in params.yaml describes them.

    Raises:
        UserError: naming the file, the place in it, what was wanted and what to do.
    """
    for part in named_files(source):
        check_digest(part, root)
    return read(name, source, root)


def check_digest(part: FileSource | FilePart | UnlabelledFile, root: Path) -> None:
    """Raise UserError, with both hashes, if a file is not the one that was added."""
    found = tabular.digest(root / part.path)
    if found != part.sha256:
        raise UserError(
            f"{part.path} changed since it was added: wanted sha256 {part.sha256}, got {found}."
            " If the change is meant, run `datayield corpora add` (or `datayield study` with the"
            " file) again and renew its entry."
        )


def labels_of(source: FileSource, part: FileSource | FilePart, root: Path) -> tuple[list[str], int]:
    """Return the classes of the labelled rows of one file of a corpus, and the number of all of its rows.

    Raises:
        UserError: as `load`.
    """
    check_digest(part, root)
    rows = _rows_of(source, [part], root)
    classes = label_names.counted(_classes(rows, _names(source, rows)))
    return list(classes.elements()), len(rows.texts)


def class_names(source: FileSource, root: Path) -> set[str]:
    """Return the classes of a corpus, those included that are too small for a study.

    Raises:
        UserError: as `load`.
    """
    rows = _rows_of(source, named_files(source), root)
    return set(label_names.counted(_classes(rows, _names(source, rows))))


def describe(
    path: Path,
    text: str,
    label: str,
    encoding: str,
    split: str | None,
    more: Sequence[Path] = (),
    test: Sequence[Path] = (),
    **choices: Any,
) -> FileSource:
    """Return the entry for params.yaml of one file or several, having read all of their rows.

    Raises:
        UserError: as `source_of` and `load`.
    """
    choices = {"settled": 1, **choices}  # until the texts are counted
    source = source_of(path, text, label, encoding, split, more, test, **choices)
    return source.model_copy(update={"settled": len(read(path.stem, source, Path()).texts)})


def source_of(
    path: Path,
    text: str,
    label: str,
    encoding: str,
    split: str | None,
    more: Sequence[Path] = (),
    test: Sequence[Path] = (),
    **choices: Any,
) -> FileSource:
    """Return the entry for params.yaml of one file or several, without reading their rows.

    Args:
        path: the first file.
        text: column of the texts.
        label: column of the labels.
        encoding: of every file.
        split: column whose values are train and test.
        more: further files with the same columns, as long as FilePart.columns says nothing else.
        test: files whose texts are the test set.
        choices: further fields of FileSource.

    Raises:
        UserError: an unknown file ending; two ways to name the test set.
    """
    format = choices.pop("format", None)
    if split is not None and test:
        raise UserError(
            f'the test set comes from {test[0]} or from the column "{split}", not both: leave one out'
        )
    first = _part(path, format)
    parts = [*(_part(p, format) for p in more), *(_part(p, format) | {"test": True} for p in test)]
    separator = tabular.separator_of(path, encoding, first["format"])
    columns = {"text": text, "label": label, "split": split}
    way = {"loader": "file", "encoding": encoding, "separator": separator}
    return config.checked(FileSource, first | columns | way | {"more": parts} | choices, str(path))


def _part(path: Path, format: str | None) -> dict[str, Any]:
    return {
        "path": str(path),
        "sha256": tabular.digest(path),
        "format": format or tabular.format_of(path),
    }


def entry(source: FileSource | HubSource) -> dict[str, Any]:
    """Return the entry of a source in params.yaml, without the fields that are off or empty."""
    fields = source.model_dump(exclude_none=True, mode="json")
    return {k: v for k, v in fields.items() if v != []}


def named_files(source: FileSource) -> list[FileSource | FilePart]:
    """Return the files of a corpus, each with its path, hash and format."""
    return [source, *source.more]


def read(name: str, source: FileSource, root: Path, rare: bool = False) -> Labelled:
    """Return texts and labels of the files as they are now, whatever their hashes.

    Args:
        name: of the corpus.
        source: its entry.
        root: the folder from which paths count.
        rare: whether classes that are too small for a study stay.

    Raises:
        UserError: as `load`.
    """
    rows = _rows_of(source, named_files(source), root)
    names = _names(source, rows)
    classes = _classes(rows, names)
    agreement = annotators.agreement(classes)
    labels = annotators.voted(classes)
    if not rare:
        labels = label_names.without_rare(labels, source.merge_rare)
    report = ReadingReport(
        rows.accounts(labels), {k: v for k, v in names.items() if isinstance(v, str)}, agreement
    )
    if all(isinstance(x, Absent) for x in labels):
        raise _without_labels(report)
    labelled = _places(labels, lambda x: not isinstance(x, Absent))
    unlabelled = _places(labels, lambda x: isinstance(x, Absent) and not x.left_out)
    in_test = [rows.in_test[i] for i in labelled]
    origin: dict[str, Any] = (
        {"file": Path(source.path).name, "sha256": source.sha256}
        if not source.more
        else {"files": [[Path(p.path).name, p.sha256] for p in named_files(source)]}
    )
    return Labelled(
        sequences.SelectedTexts(rows.texts, labelled),
        [str(labels[i]) for i in labelled],
        in_test if any(rows.in_test) or any(part.test for part in source.more) else None,
        {"loader": "file", **origin, "licence": "not stated", "rows": len(rows.texts),
         **encodings.as_card(source, root)},
        source.family or name,
        report.left_out,
        sequences.SelectedTexts(rows.texts, unlabelled),
        report,
        [rows.groups[i] for i in labelled] if source.group else None,
        np.array([rows.times[i] for i in labelled]) if source.time else None,
    )  # fmt: skip


def _without_labels(report: ReadingReport) -> UserError:
    each = report.accounts[0]
    reasons = (each.unlabelled | each.left_out).items()
    shown = ", ".join(f"{found.rows:,} {reason}" for reason, found in reasons)
    return UserError(
        f"{each.file}: no row has a label ({shown}); wanted labelled texts. Check --label."
    )


def _places(labels: Sequence[Label], wanted: Callable[[Label], bool]) -> Ints:
    return np.flatnonzero(np.fromiter(map(wanted, labels), bool, len(labels)))


def _names(source: FileSource, rows: "_FileRows") -> dict[str, str | Absent]:
    """Return what labels are read as, by the choices of the entry."""
    counts = label_names.counted(rows.labels)
    return label_names.names(rows.name, counts, source.labels)


def _classes(rows: "_FileRows", names: Mapping[str, str | Absent]) -> list[Label]:
    """Return the class of every row, or the classes that several annotators chose."""
    labels = label_names.renamed(rows.labels, names)
    label_names.check_single(rows.name, labels)
    return annotators.gathered(rows.texts, labels, rows.who) if any(rows.who) else labels


def annotator_column(tool: str | None, named: str | None) -> str | None:
    """Return the column of annotators: the one that is named, or that of the tool."""
    return named or (exports.TOOLS[tool].annotator if tool else None)


@dataclass(frozen=True, slots=True)
class _FileRows:
    """All rows of some files, in order.

    Attributes:
        name: of the first file, for messages.
        texts: (rows,)
        labels: (rows,)
        in_test: (rows,)
        who: annotator of each row, (rows,); empty where no row has one.
        lines: line number of each row, (rows,).
        files: name of each file and the number of its rows.
        groups: (rows,); empty without a column of groups.
        times: (rows,), 0 where a row is not labelled; empty without a column of moments.
    """

    name: str
    texts: Sequence[str]
    labels: list[Label]
    in_test: list[bool]
    who: list[str | None]
    lines: Sequence[int]
    files: Sequence[tuple[str, int]]
    groups: Sequence[str]
    times: Sequence[float]

    def accounts(self, labels: Sequence[Label]) -> tuple[row_account.RowAccount, ...]:
        """Count where the rows of each file went."""
        out, start = [], 0
        for file, count in self.files:
            part = slice(start, start := start + count)
            out.append(row_account.account(Path(file).name, self.lines[part], labels[part]))
        return tuple(out)


def _rows_of(source: FileSource, parts: Sequence[FileSource | FilePart], root: Path) -> _FileRows:
    """Read files of a corpus.

    Raises:
        UserError: as `load`, and if the files have no rows.
    """
    reading = _Reading(source, root)
    texts = sequences.TextColumn.spooled(x for part in parts for x in reading.texts(part))
    if not len(texts):
        raise UserError(f"{parts[0].path} has no rows below its header; wanted labelled texts")
    who = reading.who if any(x is not None for x in reading.who) else []
    return _FileRows(
        parts[0].path, texts, reading.labels, reading.in_test, who, reading.lines, reading.files,
        reading.groups, reading.times,
    )  # fmt: skip


@dataclass(slots=True)
class _Reading:
    """One pass over the files of a corpus, which keeps all of every row but its text."""

    source: FileSource
    root: Path
    labels: list[Label] = field(default_factory=list)
    in_test: list[bool] = field(default_factory=list)
    who: list[str | None] = field(default_factory=list)
    lines: "array[int]" = field(default_factory=lambda: array("q"))
    files: list[tuple[str, int]] = field(default_factory=list)
    groups: list[str] = field(default_factory=list)
    times: list[float] = field(default_factory=list)

    def texts(self, part: FileSource | FilePart) -> Iterator[str]:
        """Yield the texts of one file."""
        source, before = self.source, len(self.lines)
        own = part.columns if isinstance(part, FilePart) else None
        way = own or source
        layout = tabular.Layout(
            self.root / part.path, part.format, way.encoding, way.separator, part.path, way.tool,
            SeparatedOptions(source.quotes, source.header),
        )  # fmt: skip
        test = isinstance(part, FilePart) and part.test
        split = source.split if own is None else None
        annotator = annotator_column(way.tool, source.annotator if own is None else None)
        fields = fields_in(layout, way.text)
        named = (*fields, way.label, split, source.group, source.time)
        needed = [c for c in named if c is not None]
        for number, row in tabular.rows(layout, needed):
            text = joined(layout, number, row, fields)
            label = _label(layout, number, row, way.label)
            label = REPEATED_HEADER if (text, label) == (way.text, way.label) else label
            self.labels.append(label if text.strip() else WITHOUT_TEXT)
            self._place(layout, number, row)
            self.in_test.append(test if split is None else _in_test(layout, number, row, split))
            who = tabular.text_of(layout, number, row, annotator) if annotator else ""
            self.who.append(sys.intern(who) or None)
            self.lines.append(number)
            if len(self.lines) % MEMORY_CHECK == 0:  # before the system ends this process
                machine.require_corpus(part.path, len(self.lines))
            yield text
        self.files.append((part.path, len(self.lines) - before))

    def _place(self, layout: tabular.Layout, number: int, row: dict[str, Any]) -> None:
        """Keep what decides about the side of a row's text."""
        group, time = self.source.group, self.source.time
        if group is not None:
            self.groups.append(tabular.text_of(layout, number, row, group).strip())
        if time is not None:
            absent = isinstance(self.labels[-1], Absent)
            self.times.append(0.0 if absent else moment_of(layout, number, row, time))


def _label(layout: tabular.Layout, number: int, row: dict[str, Any], column: str) -> Label:
    value = row.get(column)
    if isinstance(value, (Absent, Answers)):
        return value
    label = tabular.text_of(layout, number, row, column)
    return sys.intern(label) if label.strip() else NO_LABEL


def _in_test(layout: tabular.Layout, number: int, row: dict[str, Any], column: str) -> bool:
    value = str(row.get(column)).strip().lower()
    if value not in POOL_SPLITS | TEST_SPLITS:
        raise UserError(
            f'{layout.name}, line {number}: column "{column}" says {value!r},'
            " wanted train, validation or test"
        )
    return value in TEST_SPLITS
