"""Turns the files that a user names into a corpus entry of params.yaml.

`study`, `next`, `corpora add` and the Python API all read files of texts through this module, so that
they guess columns and accept several files in the same way.
"""

import os
import re
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from datayield import config, corpora
from datayield.config import (
    FileColumns,
    FilePart,
    FileSource,
    HubSource,
    UnlabelledFile,
)
from datayield.core import files
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.core.types import Ints
from datayield.corpora import columns, growth, packed, recognise, tabular
from datayield.corpora.build import Labelled
from datayield.corpora.loaders import file
from datayield.corpora.parts_by_name import by_part
from datayield.corpora.separated import FOUND_OUT, SeparatedOptions
from datayield.corpora.text_fields import fields_in, fields_of, joined
from datayield.text import sequences

HUB = "hub:"
_LOCAL = ("./", "../", "/")  # how a folder in the layout of a hub data set begins


@dataclass(frozen=True, slots=True)
class InputFiles:
    """Files of labelled texts, and what the user says about them.

    Attributes:
        files: names of files, folders or patterns, or one `hub:owner/name@revision`.
        text: column that holds the texts, or several as `title,body`; None: guessed.
        label: column that holds the labels; None: guessed.
        split: column that says train or test; None: guessed where `guess_split`.
        test: files whose texts are the test set.
        unlabelled: file with additional texts without labels.
        encoding: encoding of the files; None: found from the content of each.
        guess_split: whether a column of "train" and "test" may set test texts apart.
        format: format of the files or labelling tool that exported them; None: recognised.
        options: the user's choices for separated files.
        annotator: column that names who labelled each row; None: that of the tool.
        labels: whether labels that differ in case or blanks are "merged" or "as-they-are".
        merge_rare: class that joins the classes that are too small; None: they are left out.
        rare: whether classes that are too small for a study stay, for another use.
        group: column whose equal values keep texts together in pool or test set.
        time: column of dates or numbers; the newest texts are the test set.
    """

    files: Sequence[str]
    text: str | None = None
    label: str | None = None
    split: str | None = None
    test: Sequence[str] = ()
    unlabelled: str | None = None
    encoding: str | None = None
    guess_split: bool = True
    format: str | None = None
    options: SeparatedOptions = FOUND_OUT
    annotator: str | None = None
    labels: str | None = None
    merge_rare: str | None = None
    rare: bool = False
    group: str | None = None
    time: str | None = None


def corpus_name(files: Sequence[str], name: str | None = None) -> str:
    """Return the name of the corpus: the one given, or one made from the first file's name.

    Raises:
        UserError: the given name has other characters than small letters, digits, - and _.
    """
    first = files[0].removeprefix(HUB).partition("@")[0].rstrip("/")
    slug = re.sub(r"[^a-z0-9_-]+", "_", (name or Path(first).stem).lower()).strip("_-")[:64]
    if name and slug != name:
        raise UserError(
            f"name {name}: expected small letters, digits, - and _, e.g. {slug or 'texts'}"
        )
    return slug or "texts"


def corpus_entry(inputs: InputFiles) -> tuple[FileSource | HubSource, tuple[str, ...]]:
    """Return the corpus's entry, with paths from the current folder, and what was guessed in sentences.

    Raises:
        UserError: a file or column does not exist, or several columns could be meant.
    """
    source: FileSource | HubSource
    notices: tuple[str, ...] = ()
    if inputs.files[0].startswith(HUB):
        source = _hub_source(inputs)
    else:
        source, notices = _file_source(inputs)
    if not inputs.unlabelled:
        return source, notices
    unlabelled, more = _unlabelled_file(Path(inputs.unlabelled), inputs.encoding, source.text)
    return source.model_copy(update={"unlabelled": unlabelled}), (*notices, *more)


def _file_source(inputs: InputFiles) -> tuple[FileSource, tuple[str, ...]]:
    paths, tests, notices = by_part(expand(inputs.files), expand(inputs.test))
    layout, read_as = recognise.layout(paths[0], inputs.encoding, inputs.format, inputs.options)
    decided = bool(tests or inputs.group or inputs.time)
    keep_together = decided or not inputs.guess_split
    annotator = file.annotator_column(layout.tool, inputs.annotator)
    chosen = columns.choose(
        layout, inputs.text, inputs.label, inputs.split, keep_together, annotator
    )
    choices = {
        "format": inputs.format if inputs.format in tabular.READERS else None,
        "tool": layout.tool,
        "annotator": inputs.annotator,
        "labels": inputs.labels,
        "merge_rare": inputs.merge_rare,
        "quotes": inputs.options.quotes,
        "header": inputs.options.header,
        "group": inputs.group,
        "time": inputs.time,
        "settled": 1,  # until the texts are counted
    }
    source = file.source_of(
        paths[0],
        chosen.text,
        chosen.label,
        layout.encoding,
        chosen.split,
        paths[1:],
        tests,
        **choices,
    )
    parts, more = _parts(inputs, layout, source, chosen.classes)
    source = source.model_copy(update={"more": parts})
    loaded = file.read(paths[0].stem, source, Path(), inputs.rare)
    report = loaded.report
    settled = source.model_copy(update={"settled": len(loaded.texts)})
    source = growth.with_test_share(settled, None)
    sentences = (*notices, *read_as, *chosen.guesses, *more)
    return source, (*sentences, *(report.sentences() if report else ()))


def _parts(
    inputs: InputFiles, first: tabular.Layout, source: FileSource, classes: Collection[str]
) -> tuple[tuple[FilePart, ...], list[str]]:
    """Return the further files, those of another layout with their columns, and sentences about these."""
    parts, sentences = [], []
    for part in source.more:
        path = Path(part.path)
        layout, read_as = recognise.layout(path, inputs.encoding, inputs.format, inputs.options)
        names = tabular.column_names(layout)
        written_alike = (layout.encoding, layout.tool) == (first.encoding, first.tool) and (
            layout.format != "csv" or layout.separator == source.separator
        )
        if written_alike and {*fields_of(source.text, names, layout.name), source.label} <= set(
            names
        ):
            parts.append(part)
            continue
        text, label = (x if x in names else None for x in (source.text, source.label))
        annotator = file.annotator_column(layout.tool, None)
        chosen = columns.choose(layout, text, label, None, True, annotator, classes)
        sentences += read_as
        sentences += [f"{layout.name}: {sentence}" for sentence in chosen.guesses]
        own = FileColumns.model_validate(
            {
                "text": chosen.text,
                "label": chosen.label,
                "encoding": layout.encoding,
                "separator": layout.separator,
                "tool": layout.tool,
            }
        )
        parts.append(part.model_copy(update={"columns": own}))
    return tuple(parts), sentences


def _unlabelled_file(
    path: Path, encoding: str | None, text: str
) -> tuple[UnlabelledFile, tuple[str, ...]]:
    layout, read_as = recognise.layout(path, encoding)
    column, guessed = columns.text_column(layout, None, text)
    entry = UnlabelledFile(
        path=str(path), sha256=tabular.digest(path), text=column, encoding=layout.encoding
    )
    return entry, (*read_as, *guessed)


def _hub_source(inputs: InputFiles) -> HubSource:
    address = inputs.files[0]
    if len(inputs.files) > 1 or inputs.test:
        raise UserError(
            f"{address}: a data set of the hub cannot be joined with other files."
            " Name one hub:owner/name@revision and nothing else."
        )
    choices = {"format": inputs.format, "annotator": inputs.annotator, "labels": inputs.labels,
               "merge-rare": inputs.merge_rare, "quotes": inputs.options.quotes,
               "header": inputs.options.header, "group": inputs.group,
               "time": inputs.time}  # fmt: skip
    for option in (k for k, v in choices.items() if v is not None):
        raise UserError(
            f"--{option} is for files; {address} is a data set of the hub: leave it out"
        )
    name, _, revision = address.removeprefix(HUB).partition("@")
    if not (inputs.text and inputs.label):
        raise UserError(
            f"{address}: name its columns: --text COLUMN --label COLUMN (see its page on the hub)"
        )
    if not revision and not name.startswith(_LOCAL):
        raise UserError(
            f"{address}: name its revision, the commit on its Files page, so that everybody reads"
            f" the same rows: {HUB}{name}@0123abc"
        )
    values = {"loader": "hub", "name": name, "revision": revision or None,
              "text": inputs.text, "label": inputs.label}  # fmt: skip
    return config.checked(HubSource, values, address)


def expand(names: Sequence[str]) -> list[Path]:
    """Return files by name, by pattern, and those of folders, each once, in the order given.

    Raises:
        UserError: a folder or a pattern holds no file of texts.
    """
    out: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            matches = _tables_in(path) or _tables_in(path / "data")
            if not matches:
                endings = ", ".join(sorted(tabular.FORMATS))
                raise UserError(f"{path} is a folder without a file ending in {endings}")
        elif not path.exists() and any(c in name for c in "*?["):
            start = Path(path.anchor or ".")
            matches = sorted(start.glob(str(path.relative_to(path.anchor or "."))))
            if not matches:
                raise UserError(f"{name}: no file fits this pattern")
        else:
            matches = [path]
        for match in matches:
            files.check_regular(match)
        out |= dict.fromkeys(matches)
    return list(out)


def _tables_in(folder: Path) -> list[Path]:
    """Return the files of rows in a folder, sorted, but hidden ones; packed ones by the name inside."""
    if not folder.is_dir():
        return []
    return sorted(
        p
        for p in folder.iterdir()
        if packed.outer_name(p).suffix.lower() in tabular.FORMATS and not p.name.startswith(".")
    )


def entry_in(source: FileSource | HubSource, folder: Path) -> dict[str, Any]:
    """Return the entry for params.yaml of a project folder, its relative paths counted from there."""

    def moved(path: str) -> str:
        return path if Path(path).is_absolute() else os.path.relpath(path, folder)

    entry = file.entry(source)
    if "unlabelled" in entry:
        entry["unlabelled"]["path"] = moved(entry["unlabelled"]["path"])
    if entry["loader"] == "hub":
        if entry["name"].startswith(("./", "../")):
            entry["name"] = moved(entry["name"])
            if not entry["name"].startswith("../"):
                entry["name"] = f"./{entry['name']}"
        return entry
    for part in (entry, *entry.get("more", ())):
        part["path"] = moved(part["path"])
    return entry


def labelled_texts(inputs: InputFiles) -> tuple[Labelled, str, tuple[str, ...]]:
    """Read all labelled texts; return them, the name of the text column, and what was guessed.

    Raises:
        UserError: as `corpus_entry`, or a row cannot be read.
    """
    source, notices = corpus_entry(inputs)
    if isinstance(source, FileSource):
        return file.read("labelled", source, Path(), inputs.rare), source.text, notices
    return corpora.LOADERS[source.loader]("labelled", source, 0, Path()), source.text, notices


def unlabelled_texts(
    names: Sequence[str], text: str | None, encoding: str | None, like: str
) -> tuple[Sequence[str], Ints, tuple[str, ...]]:
    """Read texts without labels from several files.

    Args:
        names: files, folders or patterns.
        text: column that holds the texts; None: `like`, else guessed for each file.
        encoding: encoding of the files; None: found from the content of each.
        like: text column of the labelled files.

    Returns:
        texts: all texts that are not empty.
        rows: row number of each, (texts,), counted from 0 through all files.
        notices: sentences that say what was guessed and left out.

    Raises:
        UserError: a file cannot be read, or its text column is unclear.
    """
    notices: list[str] = []
    sources = []
    for path in expand(names):
        layout, read_as = recognise.layout(path, encoding)
        column, guessed = columns.text_column(layout, text, like)
        notices += read_as
        notices += [f"{path}: {sentence}" for sentence in guessed]
        sources.append((layout, column))
    everything = sequences.TextColumn.spooled(_lines(sources))
    filled = np.flatnonzero(np.fromiter((bool(x.strip()) for x in everything), bool))
    if len(filled) < len(everything):
        notices.append(f"rows without a text, left out: {len(everything) - len(filled):,}")
    return sequences.SelectedTexts(everything, filled), filled, tuple(notices)


def _lines(sources: Sequence[tuple[tabular.Layout, str]]) -> Iterator[str]:
    """Yield the text of every row of each (layout, column); "" where a row has none."""
    rows = 0
    for layout, column in sources:
        fields = fields_in(layout, column)
        for number, row in tabular.rows(layout, fields):
            rows += 1
            # Refuse before the system kills a process that grows too large.
            if rows % file.MEMORY_CHECK == 0:
                machine.require_corpus(layout.name, rows)
            yield joined(layout, number, row, fields)
