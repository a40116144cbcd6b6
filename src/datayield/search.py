"""Architectures and their settings as data."""

from collections.abc import Collection, Iterator
from dataclasses import dataclass
from typing import Any

from datayield.errors import UserError, nearest
from datayield.types import Settings, as_dict, names_of

# What an architecture pins; everything else comes from params.yaml's `model` or Settings' defaults.
ARCHITECTURES: dict[str, dict[str, Any]] = {
    "lstm": {},
    "lstm-64": {"hidden": 64},
    "lstm-128": {"hidden": 128},
    "lstm-256": {"hidden": 256},
    "gru": {"cell": "gru"},
}


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers to search, ends included."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False


@dataclass(frozen=True, slots=True)
class Choice:
    """Options to search."""

    name: str
    options: tuple[Any, ...]


SPACE: tuple[Range | Choice, ...] = (
    Choice("hidden", (32, 64, 128)),
    Choice("embedding", (64, 128, 256)),
    Range("learning_rate", 0.001, 0.04, log=True),
    Range("weight_decay", 0.001, 0.3, log=True),
    Choice("batch", (16, 32, 64)),
    Range("word_dropout", 0.0, 0.3),
    Range("embedding_dropout", 0.0, 0.7),
    Range("dropout", 0.0, 0.7),
    Range("embedding_scale", 0.03, 1.0, log=True),
    Choice("pooling", ("max_mean", "last")),
    Range("min_count", 1, 3, integer=True),
)
WIDTHS = ("hidden", "embedding", "embedding_scale", "min_count")  # a pretrained start decides these


def space_of(pinned: Collection[str], pretrained: bool) -> Iterator[Range | Choice]:
    """The shared space without what an arm pins, and without widths where the start has one shape."""
    for r in SPACE:
        if r.name not in pinned and not (pretrained and r.name in WIDTHS):
            yield r


_POSITIVE = (
    "embedding",
    "hidden",
    "layers",
    "batch",
    "min_count",
    "max_tokens",
    "updates",
    "rounds",
)
_SHARES = ("word_dropout", "embedding_dropout", "dropout")
_CHOICES = {"cell": ("lstm", "gru"), "pooling": ("max_mean", "last"), "optimizer": ("adamw", "sgd")}


def settings(architecture: str, overrides: dict[str, Any], updates: int) -> dict[str, Any]:
    """The untuned settings of an architecture, as a plain dict of `types.Settings`.

    Raises:
        UserError: for an unknown name, a wrong type or an impossible value.
    """
    known = names_of(Settings)
    for name in overrides:
        if name not in known:
            raise UserError(
                f'params.yaml: model: unknown setting "{name}": {nearest(name, list(known))}'
            )
    resolved = as_dict(
        Settings.of({"updates": updates, **overrides, **ARCHITECTURES[architecture]})
    )
    _check(resolved)
    return resolved


def _check(values: dict[str, Any]) -> None:
    for name, default in as_dict(Settings()).items():
        value = values[name]
        kinds = (int, float) if isinstance(default, float) else (type(default),)
        if not isinstance(value, kinds) or (
            isinstance(value, bool) and default is not value and not isinstance(default, bool)
        ):
            raise UserError(
                f"params.yaml: model.{name}: wanted {type(default).__name__}, got {value!r}"
            )
        wanted = _wanted(name, value)
        if wanted:
            raise UserError(f"params.yaml: model.{name}: wanted {wanted}, got {value!r}")


def _wanted(name: str, value: Any) -> str | None:
    """What this setting should be, if the value is not that."""
    if name in _CHOICES and value not in _CHOICES[name]:
        return " or ".join(_CHOICES[name])
    if name in _POSITIVE and value < 1:
        return "a number of at least 1"
    if name in _SHARES and not 0 <= value < 1:
        return "a share in [0, 1)"
    if name in ("learning_rate", "clip", "embedding_scale") and value <= 0:
        return "a number above 0"
    if name in ("weight_decay", "evaluations") and value < 0:
        return "a number of at least 0"
    return None
