"""Reads and checks params.yaml, presets and the catalog; lists the changes between two params.yaml."""

import re
from collections.abc import Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from datayield.config.bounded_yaml import from_yaml
from datayield.config.fields import Frozen
from datayield.config.params import Params
from datayield.config.sources import DownloadSource
from datayield.core.errors import UserError, nearest

_Kind = TypeVar("_Kind", bound=Frozen)
_PRESETS = Path(__file__).parents[1] / "presets"


def load(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: the file is missing, not YAML, or does not describe a study. The message names the
            file, the place in it, the expected value and the value found.
    """
    try:
        raw = from_yaml(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(
            f"{path} is missing. Run this in a datayield folder (one with params.yaml and dvc.yaml)."
        ) from e
    except (
        OSError,
        ValueError,
        RecursionError,
        yaml.YAMLError,
    ) as e:  # ValueError: a date that does not exist
        raise UserError(f"{path} cannot be read as YAML: {' '.join(str(e).split())}") from e
    return parse(raw, str(path))


def load_text(text: str) -> Params:
    """Check the text of a params.yaml that comes with datayield; raise the errors of `load`."""
    return parse(yaml.safe_load(text))


def parse(raw: Any, where: str = "params.yaml") -> Params:
    """Check a mapping that was read from YAML; raise the errors of `load`."""
    if not isinstance(raw, dict):
        raise UserError(
            f"{where}: expected a mapping with study, corpora, updates; got {type(raw).__name__}"
        )
    return checked(Params, raw, where)


def checked(kind: type[_Kind], values: Any, where: str) -> _Kind:
    """Return a mapping as an instance of one of the classes of this room.

    Raises:
        UserError: with one line per error, each with its place below `where`.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as e:
        causes = [error for error in e.errors() if not _follows(error, e.errors())]
        lines = [f"{where}: {_place(error['loc'])}{_message(error)}" for error in causes]
        raise UserError("\n".join(lines)) from e


def _follows(error: Any, errors: Sequence[Any]) -> bool:
    """Return whether a list counts as too short only because one of its entries was refused."""
    loc = error["loc"]
    return error["type"] == "too_short" and any(
        len(o["loc"]) > len(loc) and o["loc"][: len(loc)] == loc for o in errors
    )


PRESETS = (
    "default",
    "quick",
    "full",
    "untuned",
    "eda5",
    "curves",
    "article",
    "checks",
    "arms",
    "blends",
    "tuned",
)


def preset(name: str) -> str:
    """Return the text of a params.yaml that comes with datayield.

    Raises:
        UserError: the name is unknown.
    """
    if name not in PRESETS:
        raise UserError(f'unknown preset "{name}": {nearest(name, list(PRESETS))}')
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def changes(old: str, new: str) -> list[str]:
    """Return the changes between two params.yaml, one line per place: `study.draws: 3 → 10`.

    Args:
        old: the earlier text; text that is not YAML counts as empty.
        new: the later text.
    """
    try:
        before = from_yaml(old) or {}
    except yaml.YAMLError:
        before = {}
    return _changes(before, yaml.safe_load(new), "")


def _changes(old: Any, new: Any, where: str) -> list[str]:
    if old == new:
        return []
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [f"{where}: {_brief(old)} → {_brief(new)}"]
    changes = []
    for key in [*old, *(k for k in new if k not in old)]:
        place = f"{where}.{key}" if where else str(key)
        changes += _changes(old.get(key), new.get(key), place)
    return changes


def _brief(value: Any) -> str:
    if value is None:
        return "nothing"
    line = yaml.safe_dump(value, default_flow_style=True, width=10**6)
    line = line.removesuffix("...\n").strip()
    return line if len(line) <= 70 else f"{line[:69]}…"


def catalog(path: Path) -> dict[str, DownloadSource]:
    """Read a catalog of downloadable corpora; raise the errors of `load`."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {n: checked(DownloadSource, entry, f"{path.name}: {n}") for n, entry in raw.items()}


def _place(loc: tuple[int | str, ...]) -> str:
    place = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(x) for x in loc))
    return f"{place}: " if place else ""


def _message(error: Any) -> str:
    """Return what is wrong at one place: the expected value and the value found."""
    if error["type"] == "extra_forbidden":
        close = get_close_matches(str(error["loc"][-1]), _names(Frozen), n=1)
        return f"unknown name{f'; did you mean {close[0]}?' if close else ''}"
    text = str(error["msg"]).removeprefix("Value error, ")
    value = repr(error.get("input"))
    return text if error["type"] == "value_error" or len(value) > 80 else f"{text}, got {value}"


def _names(kind: type[Frozen]) -> set[str]:
    """Return the names of all settings in a class of this room and in the classes made from it."""
    return {*kind.model_fields, *(name for c in kind.__subclasses__() for name in _names(c))}
