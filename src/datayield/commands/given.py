"""The files that a command line names → a corpus's entry in params.yaml."""

import argparse
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from datayield.errors import UserError

if TYPE_CHECKING:
    from datayield.config import BesideFile, FileSource, HubSource

HUB = "hub:"


def name_of(options: argparse.Namespace) -> str:
    """Of corpus and study: --name, or from the first file's.

    Raises:
        UserError: for a --name that no corpus can have.
    """
    first = options.files[0].removeprefix(HUB).partition("@")[0].rstrip("/")
    name = options.name or Path(first).stem
    slug = re.sub(r"[^a-z0-9_-]+", "_", name.lower()).strip("_-")[:64]
    if options.name and slug != options.name:
        raise UserError(
            f"--name {options.name}: wanted small letters, digits, - and _; e.g. {slug or 'texts'}"
        )
    return slug or "texts"


def entry_of(options: argparse.Namespace) -> "tuple[FileSource | HubSource, tuple[str, ...]]":
    """The corpus's entry with paths from here, and what was guessed.

    Raises:
        UserError: a file or a column that cannot be had, or nothing tells which one is meant.
    """
    source, told = (_hub(options), ()) if options.files[0].startswith(HUB) else _of_files(options)
    if not options.unlabelled:
        return source, told
    beside, more = _beside(options, source.text)
    return source.model_copy(update={"unlabelled": beside}), (*told, *more)


def _of_files(options: argparse.Namespace) -> "tuple[FileSource, tuple[str, ...]]":
    from datayield.corpora import columns, files, read

    paths, tests = expand(options.files), expand(options.test)
    encoding = options.encoding or read.encoding_of(paths[0])
    found = columns.choose(
        paths[0], encoding, options.text, options.label, options.split, bool(tests)
    )
    more = paths[1:]
    source = files.describe(paths[0], found.text, found.label, encoding, found.split, more, tests)
    return source, found.told


def _beside(options: argparse.Namespace, like: str) -> "tuple[BesideFile, tuple[str, ...]]":
    """The file of texts without labels, and what was guessed."""
    from datayield import config
    from datayield.corpora import columns, read

    path = Path(options.unlabelled)
    encoding = options.encoding or read.encoding_of(path)
    column, told = columns.text_column(path, encoding, None, like)
    beside = config.BesideFile(
        path=str(path), sha256=read.digest(path), text=column, encoding=encoding
    )
    return beside, told


def _hub(options: argparse.Namespace) -> "HubSource":
    from datayield import config

    if len(options.files) > 1 or options.test:
        raise UserError("a data set of the hub stands alone: name one hub:owner/name@revision")
    name, _, revision = options.files[0].removeprefix(HUB).partition("@")
    if not (options.text and options.label):
        raise UserError(
            f"{options.files[0]}: name its columns: --text COLUMN --label COLUMN (see its page on the hub)"
        )
    if not revision and not name.startswith(("./", "../", "/")):
        raise UserError(
            f"{options.files[0]}: name its revision, the commit on its Files page:"
            f" {HUB}{name}@0123abc; then everybody reads the same rows"
        )
    told = {"loader": "hub", "name": name, "revision": revision or None,
            "text": options.text, "label": options.label}  # fmt: skip
    return config.checked(config.HubSource, told, options.files[0])


def expand(names: Sequence[str]) -> list[Path]:
    """Files by name, by pattern, and those of folders, each once, in the order given.

    Raises:
        UserError: a folder or a pattern without a file.
    """
    from datayield.corpora import read

    out: dict[Path, None] = {}
    for name in names:
        path = Path(name)
        if path.is_dir():
            found = sorted(p for p in path.iterdir() if p.suffix.lower() in read.FORMATS)
            if not found:
                wanted = ", ".join(sorted(read.FORMATS))
                raise UserError(f"{path} is a folder without a file ending in {wanted}")
        elif not path.exists() and any(c in name for c in "*?["):
            found = sorted(Path(path.anchor or ".").glob(str(path.relative_to(path.anchor or "."))))
            if not found:
                raise UserError(f"{name}: no file fits this pattern")
        else:
            found = [path]
        out |= dict.fromkeys(found)
    return list(out)


def moved_to(source: "FileSource | HubSource", folder: Path) -> dict[str, Any]:
    """The entry of params.yaml with its paths from the project's folder."""
    from datayield.corpora import files

    def moved(path: str) -> str:
        return path if Path(path).is_absolute() else os.path.relpath(path, folder)

    entry = files.entry(source)
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
