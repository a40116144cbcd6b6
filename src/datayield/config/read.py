"""Files and texts → checked settings, what is wrong with them, and what differs between two."""

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

import yaml
from pydantic import ValidationError

from datayield.config.form import Frozen
from datayield.config.sources import DownloadSource
from datayield.config.study import Params
from datayield.errors import UserError, nearest

_Kind = TypeVar("_Kind", bound=Frozen)
_PRESETS = Path(__file__).parents[1] / "presets"


def load(path: Path) -> Params:
    """Read and check params.yaml.

    Raises:
        UserError: naming the file, the place in it, what was wanted and what came.
    """
    try:
        raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(
            f"{path} is missing. Run this in a datayield folder (one with params.yaml and dvc.yaml)."
        ) from e
    except (OSError, ValueError, RecursionError, yaml.YAMLError) as e:  # ValueError: no such date
        raise UserError(f"{path} cannot be read as YAML: {' '.join(str(e).split())}") from e
    return parse(raw, str(path))


def load_text(text: str) -> Params:
    """A params.yaml that comes with datayield; errors as in `load`."""
    return parse(yaml.safe_load(text))


def parse(raw: Any, where: str = "params.yaml") -> Params:
    """Check an already loaded mapping; errors as in `load`."""
    if not isinstance(raw, dict):
        raise UserError(
            f"{where}: wanted a mapping with study, corpora, updates; got {type(raw).__name__}"
        )
    return checked(Params, raw, where)


def checked(kind: type[_Kind], told: Any, where: str) -> _Kind:
    """A mapping as one of the classes here.

    Raises:
        UserError: a line for everything that is wrong, each with its place below `where`.
    """
    try:
        return kind.model_validate(told)
    except ValidationError as e:
        found = [err for err in e.errors() if not _follows(err, e.errors())]
        lines = [f"{where}: {_place(err['loc'])}{_message(err)}" for err in found]
        raise UserError("\n".join(lines)) from e


def _follows(error: Any, errors: Sequence[Any]) -> bool:
    """Whether a list counts as too short only because an entry of it was refused."""
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
    "tuned",
    "tuned_sizes",
    "finalists",
)


def preset(name: str) -> str:
    """The text of a params.yaml that comes with datayield.

    Raises:
        UserError: for an unknown name.
    """
    if name not in PRESETS:
        raise UserError(f'unknown preset "{name}": {nearest(name, list(PRESETS))}')
    return (_PRESETS / f"{name}.yaml").read_text(encoding="utf-8")


def changes(old: str, new: str) -> list[str]:
    """What differs between two params.yaml, one line per place: `study.draws: 3 → 10`.

    Args:
        old: the text of one; what is no YAML counts as empty.
        new: the text of the other.
    """
    try:
        before = yaml.safe_load(old) or {}
    except yaml.YAMLError:
        before = {}
    return _changes(before, yaml.safe_load(new), "")


def _changes(old: Any, new: Any, where: str) -> list[str]:
    if old == new:
        return []
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [f"{where}: {_brief(old)} → {_brief(new)}"]
    out = []
    for key in [*old, *(k for k in new if k not in old)]:
        place = f"{where}.{key}" if where else str(key)
        out += _changes(old.get(key), new.get(key), place)
    return out


def _brief(value: Any) -> str:
    shown = (
        "nothing" if value is None else yaml.safe_dump(value, default_flow_style=True, width=10**6)
    )
    shown = shown.removesuffix("...\n").strip()
    return shown if len(shown) <= 70 else f"{shown[:69]}…"


def catalog(path: Path) -> dict[str, DownloadSource]:
    """Read a catalog of downloadable corpora; errors as in `load`."""
    raw = yaml.safe_load(path.read_text(encoding="utf-8"))
    return {n: checked(DownloadSource, entry, f"{path.name}: {n}") for n, entry in raw.items()}


def _place(loc: tuple[int | str, ...]) -> str:
    place = re.sub(r"\.(\d+)", r"[\1]", ".".join(str(x) for x in loc))
    return f"{place}: " if place else ""


def _message(error: Any) -> str:
    text = str(error["msg"]).removeprefix("Value error, ")
    came = error.get("input")
    shown = repr(came)
    return text if error["type"] == "value_error" or len(shown) > 80 else f"{text}, got {shown}"
