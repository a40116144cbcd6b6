"""Compares what a stage depends on before and after it runs.

DVC records the dependencies of a stage as they stand when the stage ends. A file or parameter that was
edited in between would be recorded as if its new content had been used.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from datayield.config import project
from datayield.config.bounded_yaml import from_yaml
from datayield.core.errors import UserError

PARAMS = "params.yaml"
MOST_NAMED = 3  # changes that an error names
MOST_SHOWN = 60  # characters of a parameter's value in an error
ABSENT = "absent"
LARGE = 64 << 20  # bytes; reading a larger file twice would take longer than it is worth


@contextmanager
def held(root: Path, stage: str, corpus: str | None = None) -> Iterator[None]:
    """Run the block; a stage whose inputs changed meanwhile ends with an error.

    A change in the instant between the end of the block and DVC's own reading is not seen.

    Args:
        root: the project's folder. Nothing is compared if it has no dvc.yaml with this stage.
        stage: name of the stage.
        corpus: the corpus of the stage; None if it takes all corpora.

    Raises:
        UserError: a file or parameter that dvc.yaml names for the stage changed during the block.
    """
    before = inputs(root, stage, corpus)
    yield
    after = inputs(root, stage, corpus)
    changed = [name for name in before if before[name] != after.get(name, ABSENT)]
    if changed:
        named = [_change(name, before[name], after.get(name, ABSENT)) for name in changed]
        more = f" and {len(named) - MOST_NAMED} more" if len(named) > MOST_NAMED else ""
        raise UserError(
            f"the stage {stage} worked on what stood there at its start, and meanwhile"
            f" {'; '.join(named[:MOST_NAMED])}{more}. Nothing of this stage is recorded; cells that it"
            " finished are kept. Run the same command again to compute with what stands there now."
        )


def inputs(root: Path, stage: str, corpus: str | None = None) -> Mapping[str, str]:
    """Return everything that dvc.yaml names as an input of a stage: name -> content.

    A file stands by its digest, a large one by its size and time of change, a parameter by its value.
    """
    path = root / "dvc.yaml"
    if not path.exists():
        return {}
    entry = yaml.safe_load(path.read_text(encoding="utf-8"))["stages"].get(stage, {})
    params = _params(root)
    known = {"item": {"name": corpus}, **params}
    content: dict[str, str] = {}
    for dep in entry.get("deps", ()):
        place = _filled(dep, known)
        content |= _files(root, place)
    for name in entry.get("params", ()):
        if isinstance(name, str):
            full = _filled(name, known)
            content[f"{PARAMS}: {full}"] = repr(_value(params, full.split(".")))
        elif project.CODE in name:
            content["the installed datayield"] = project.code_digest(stage)
    return content


def _params(root: Path) -> dict[str, Any]:
    """Return the content of params.yaml; an empty one while it cannot be read."""
    try:
        content = from_yaml((root / PARAMS).read_text(encoding="utf-8"))
    except (OSError, ValueError, yaml.YAMLError):  # an editor may be writing it
        return {}
    return content if isinstance(content, dict) else {}


def _filled(template: str, known: Mapping[str, Any]) -> str:
    """Return a text of dvc.yaml with values for its `${name}`."""
    return re.sub(r"\$\{([\w.]+)\}", lambda m: str(_value(known, m[1].split("."))), template)


def _value(values: Any, path: list[str]) -> Any:
    for key in path:
        values = values.get(key) if isinstance(values, Mapping) else None
    return values


def _files(root: Path, place: str) -> dict[str, str]:
    """Return the files at a place or below it: path -> content."""
    top = root / place
    paths = sorted(p for p in top.rglob("*") if p.is_file()) if top.is_dir() else [top]
    return {
        p.relative_to(root).as_posix(): _content(p) for p in paths if "__pycache__" not in p.parts
    }


def _content(path: Path) -> str:
    try:
        state = path.stat()
        if state.st_size <= LARGE:
            return hashlib.sha256(path.read_bytes()).hexdigest()
    except FileNotFoundError:
        return ABSENT
    return f"{state.st_size} {state.st_mtime_ns}"


def _change(name: str, before: str, after: str) -> str:
    if not name.startswith(PARAMS):
        return f"{name} {'went away' if after == ABSENT else 'changed'}"
    brief = (x if len(x) <= MOST_SHOWN else f"{x[: MOST_SHOWN - 1]}…" for x in (before, after))
    return f"{name} changed from {' to '.join(brief)}"
