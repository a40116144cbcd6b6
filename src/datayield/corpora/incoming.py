"""Takes in new labelled rows: files of a corpus that changed, and new files in its watched folder.

A refresh looks at `incoming/<corpus>/` and at the files that params.yaml names, and brings the hashes of
the entry up to date; DVC then decides which stages are stale. Nothing is moved or merged, so a refresh
that is interrupted at any point is simply repeated.
"""

import io
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from datayield import config
from datayield.config import FilePart, FileSource
from datayield.core import files
from datayield.core.errors import UserError, nearest
from datayield.corpora import growth, label_names, packed, tabular
from datayield.corpora.loaders import file
from datayield.text import tokens

WATCHED = "incoming"
SETTLED = 5  # seconds without a change after which a file counts as written


@dataclass(frozen=True, slots=True)
class Intake:
    """Sentences about the files that are used from now on, and about those that are not."""

    taken: tuple[str, ...]
    refused: tuple[str, ...]


def take_in(root: Path, now: float | None = None) -> Intake:
    """Bring params.yaml up to the files that are there.

    Args:
        root: the project folder.
        now: seconds since the epoch, by which a file that is still being written is recognised.

    Returns:
        The changes of params.yaml; a file with unreadable rows, a missing column or an unknown label
        is refused and changes nothing.

    Raises:
        UserError: params.yaml cannot be read or written.
    """
    path = root / "params.yaml"
    params = config.load(path)
    moment = time.time() if now is None else now
    taken: list[str] = []
    refused: list[str] = []
    entries: dict[str, FileSource] = {}
    for name in params.study.corpora:
        source = params.corpora.get(name)
        if isinstance(source, FileSource):
            renewal = _Renewal(name, source, root, source)
            renewal.take_changed()
            renewal.take_unlabelled()
            renewal.take_new(moment)
            renewal.settle()
            taken += renewal.taken
            refused += renewal.refused
            if renewal.entry != source:
                entries[name] = renewal.entry
    if entries:
        _rewrite(path, entries)
    return Intake(tuple(taken), tuple(refused))


@dataclass(slots=True)
class _Renewal:
    """The new entry of one corpus, and the sentences about its files.

    Attributes:
        name: the corpus.
        source: its entry so far.
        root: the project folder.
        entry: its entry with the hashes of the files that are there.
        taken: sentences about files that are used.
        refused: sentences about files that are not.
    """

    name: str
    source: FileSource
    root: Path
    entry: FileSource
    taken: list[str] = field(default_factory=list)
    refused: list[str] = field(default_factory=list)

    def take_changed(self) -> None:
        """Take the files of the entry whose content changed."""
        for number, part in enumerate(file.named_files(self.source)):
            try:
                current = _part(self.root, part.path)
                if current.sha256 == part.sha256:
                    continue
                if isinstance(part, FilePart):
                    kept = {"test": part.test, "columns": part.columns}
                    current = current.model_copy(update=kept)
                rows = _rows(*file.labels_of(self.source, current, self.root))
            except UserError as e:
                self.refused.append(f"{self.name}: {e}")
                continue
            self.entry = _with(self.entry, number, current)
            self.taken.append(f"{self.name}: {part.path} changed, {rows}")

    def take_unlabelled(self) -> None:
        """Take the file of unlabelled texts if its content changed."""
        if (unlabelled := self.source.unlabelled) is None:
            return
        try:
            digest = tabular.digest(self.root / unlabelled.path)
        except UserError as e:
            self.refused.append(f"{self.name}: {e}")
            return
        if digest != unlabelled.sha256:
            current = unlabelled.model_copy(update={"sha256": digest})
            self.entry = self.entry.model_copy(update={"unlabelled": current})
            self.taken.append(f"{self.name}: {unlabelled.path} (without labels) changed")

    def take_new(self, now: float) -> None:
        """Take the files of the watched folder that the entry does not name."""
        listed = {(self.root / p.path).resolve() for p in file.named_files(self.source)}
        known: set[str] | None = None
        for path in _dropped(self.root / WATCHED / self.name):
            if path.resolve() in listed:
                continue
            if now - path.stat().st_mtime < SETTLED:
                self.taken.append(
                    f"{self.name}: {path.name} is still being written; the next refresh takes it"
                )
                continue
            try:
                part = _part(self.root, path.relative_to(self.root).as_posix())
                labels, count = file.labels_of(self.source, part, self.root)
                known = known or file.class_names(self.source, self.root)
                _check_labels(path, labels, known, self.source.labels == label_names.MERGED)
            except UserError as e:
                self.refused.append(f"{self.name}: {e}")
                continue
            self.entry = self.entry.model_copy(update={"more": (*self.entry.more, part)})
            self.taken.append(f"{self.name}: {part.path} is new, {_rows(labels, count)}")

    def settle(self) -> None:
        """Keep the division of the earlier texts, or settle it again with all of them (`growth`)."""
        if self.source.settled is None or self.entry == self.source:
            return
        texts = len(file.load(self.name, self.entry, 0, self.root).texts)
        whole = self.entry.model_copy(update={"settled": texts})
        self.entry = growth.continued(whole, self.source, self.root)
        self.taken += growth.sentences(self.name, self.entry, self.source, texts)


def _rows(labels: list[str], count: int) -> str:
    return f"{count:,} rows" + f", {len(labels):,} of them labelled" * (len(labels) < count)


def _part(root: Path, path: str) -> FilePart:
    digest, format = tabular.digest(root / path), tabular.format_of(Path(path))
    return FilePart.model_validate({"path": path, "sha256": digest, "format": format})


def _dropped(folder: Path) -> list[Path]:
    """Return the files of a folder that can hold texts, sorted; temporary ones of editors left out."""
    if not folder.is_dir():
        return []
    visible = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "~")))
    tables = {*tabular.FORMATS, ".json"}
    return sorted(p for p in visible if packed.outer_name(p).suffix.lower() in tables)


def _check_labels(path: Path, labels: list[str], known: set[str], merged: bool) -> None:
    """Raise UserError if a file has a label that the corpus does not have; case counts unless `merged`."""
    alike = {tokens.key(x) for x in known} if merged else set()
    for label in sorted(x for x in set(labels) - known if tokens.key(x) not in alike):
        raise UserError(
            f'{path} has the label "{label}", which the corpus does not have: {nearest(label, sorted(known))}.'
            " Correct it; or, if the class is meant, add the file with `datayield corpora add`."
        )


def _with(source: FileSource, number: int, part: FilePart) -> FileSource:
    """Return the entry with one of its files (0: the first) replaced."""
    if number == 0:
        return source.model_copy(update={"path": part.path, "sha256": part.sha256})
    more = [*source.more]
    more[number - 1] = part
    return source.model_copy(update={"more": tuple(more)})


def _rewrite(path: Path, entries: dict[str, FileSource]) -> None:
    """Write params.yaml with the files of these entries; comments and everything else stay."""
    from ruamel.yaml import YAML

    editor = YAML()  # keeps comments, and builds no objects but plain values
    editor.preserve_quotes = True
    editor.width = 4096
    content: Any = editor.load(path.read_text(encoding="utf-8"))
    for name, source in entries.items():
        entry = file.entry(source)
        for key in ("sha256", "more", "unlabelled", "settled"):
            if key in entry:
                content["corpora"][name][key] = entry[key]
    out = io.StringIO()
    editor.dump(content, out)
    config.load_text(out.getvalue())  # raises before anything is written
    files.write_text(out.getvalue(), path)
