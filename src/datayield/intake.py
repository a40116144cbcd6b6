"""New labelled rows: files of a corpus that changed, and files that lie in its watched folder.

A refresh looks at `incoming/<corpus>/` and at the files that params.yaml names, and brings the
entry's hashes up to date; what is stale then is DVC's to decide. Nothing is moved or merged, so a
refresh that is ended at any point is simply repeated.
"""

import io
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datayield import config, table
from datayield.config import FilePart, FileSource
from datayield.corpora import files, read
from datayield.errors import UserError, nearest

WATCHED = "incoming"
SETTLED = 5  # seconds without a change after which a file counts as written


@dataclass(frozen=True, slots=True)
class Intake:
    """What was found: sentences about files that are used from now on, and about those that are not."""

    taken: tuple[str, ...]
    refused: tuple[str, ...]


def take_in(root: Path, now: float | None = None) -> Intake:
    """Bring params.yaml up to the files that are there.

    Args:
        root: the project folder.
        now: seconds since the epoch, for judging whether a file is still being written.

    Returns:
        What changed in params.yaml; a file with unreadable rows, lacking columns or an unknown
        label is refused and changes nothing.

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
            renewed, said, complaints = _renewed(name, source, root, moment)
            taken += said
            refused += complaints
            if renewed != source:
                entries[name] = renewed
    if entries:
        _rewrite(path, entries)
    return Intake(tuple(taken), tuple(refused))


def _renewed(
    name: str, source: FileSource, root: Path, now: float
) -> tuple[FileSource, list[str], list[str]]:
    """The entry as it should be, what is new in it, and what was left out and why."""
    taken: list[str] = []
    refused: list[str] = []
    renewed = source
    for number, part in enumerate(files.named_files(source)):
        try:
            again = _part(root, part.path)
            if again.sha256 != part.sha256:
                rows = len(_labels(name, source, again, root))
                renewed = _with(renewed, number, again)
                taken.append(f"{name}: {part.path} changed, {rows:,} rows")
        except UserError as e:
            refused.append(f"{name}: {e}")
    if (beside := source.unlabelled) is not None:
        try:
            digest = read.digest(root / beside.path)
            if digest != beside.sha256:
                again_beside = beside.model_copy(update={"sha256": digest})
                renewed = renewed.model_copy(update={"unlabelled": again_beside})
                taken.append(f"{name}: {beside.path} (without labels) changed")
        except UserError as e:
            refused.append(f"{name}: {e}")
    listed = {(root / p.path).resolve() for p in files.named_files(source)}
    known: set[str] | None = None
    for path in _dropped(root / WATCHED / name):
        if path.resolve() in listed:
            continue
        if now - path.stat().st_mtime < SETTLED:
            taken.append(f"{name}: {path.name} is still being written; the next refresh takes it")
            continue
        try:
            part = _part(root, path.relative_to(root).as_posix())
            labels = _labels(name, source, part, root)
            known = known or set(files.load(name, source, 0, root).labels)
            _check(path, labels, known)
        except UserError as e:
            refused.append(f"{name}: {e}")
            continue
        renewed = renewed.model_copy(update={"more": (*renewed.more, part)})
        taken.append(f"{name}: {part.path} is new, {len(labels):,} rows")
    return renewed, taken, refused


def _part(root: Path, path: str) -> FilePart:
    told = {
        "path": path,
        "sha256": read.digest(root / path),
        "format": read.format_of(Path(path)),
    }
    return FilePart.model_validate(told)


def _dropped(folder: Path) -> list[Path]:
    if not folder.is_dir():
        return []
    seen = (p for p in folder.iterdir() if p.is_file() and not p.name.startswith((".", "~")))
    return sorted(p for p in seen if p.suffix.lower() in read.FORMATS)


def _labels(name: str, source: FileSource, part: FilePart, root: Path) -> list[str]:
    """The labels of one file, every row of it checked."""
    alone = source.model_copy(
        update={"path": part.path, "sha256": part.sha256, "format": part.format, "more": ()}
    )
    return files.load(name, alone, 0, root).labels


def _check(path: Path, labels: list[str], known: set[str]) -> None:
    for label in sorted(set(labels) - known):
        raise UserError(
            f'{path} has the label "{label}", which the corpus does not have: {nearest(label, sorted(known))}.'
            " Correct it; or, if the class is meant, add the file with `datayield corpora add`."
        )


def _with(source: FileSource, number: int, part: FilePart) -> FileSource:
    """The entry with one of its files (0: the first) replaced."""
    if number == 0:
        return source.model_copy(update={"path": part.path, "sha256": part.sha256})
    more = [*source.more]
    more[number - 1] = part.model_copy(update={"test": more[number - 1].test})
    return source.model_copy(update={"more": tuple(more)})


def _rewrite(path: Path, entries: dict[str, FileSource]) -> None:
    """params.yaml with these entries' files; comments and everything else stay."""
    from ruamel.yaml import YAML

    editor = YAML()  # keeps comments, and makes plain values alone
    editor.preserve_quotes = True
    editor.width = 4096
    found: Any = editor.load(path.read_text(encoding="utf-8"))
    for name, source in entries.items():
        told = files.entry(source)
        for field in ("sha256", "more", "unlabelled"):
            if field in told:
                found["corpora"][name][field] = told[field]
    out = io.StringIO()
    editor.dump(found, out)
    config.load_text(out.getvalue())
    table.write_text(out.getvalue(), path)
