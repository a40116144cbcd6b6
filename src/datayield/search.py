"""Architectures, their settings and the space that searches look through, as data."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import asdict, dataclass
from math import exp, isfinite, log
from typing import Any, TypeAlias

import numpy as np

from datayield.config import Limits
from datayield.errors import UserError, nearest
from datayield.types import Settings, names_of

STARTUP = 6  # random trials before a search's model of what is good steers

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


@dataclass(frozen=True, slots=True)
class Sometimes:
    """Off, or a number in a range; a search asks for the number only where it is on."""

    range: Range
    off: Any  # the value that says so

    @property
    def name(self) -> str:
        """Of the setting."""
        return self.range.name


Axis: TypeAlias = Range | Choice | Sometimes

SPACE: tuple[Axis, ...] = (
    Choice("hidden", (32, 64, 128)),
    Choice("layers", (1, 2)),
    Choice("embedding", (64, 128, 256)),
    Range("learning_rate", 0.001, 0.04, log=True),
    Range("weight_decay", 0.001, 0.3, log=True),
    Choice("batch", (16, 32, 64)),
    Range("word_dropout", 0.0, 0.3),
    Range("embedding_dropout", 0.0, 0.7),
    Range("dropout", 0.0, 0.7),
    Sometimes(Range("weight_dropout", 0.1, 0.6), off=0.0),
    Range("embedding_scale", 0.03, 1.0, log=True),
    Choice("pooling", ("max_mean", "last")),
    Sometimes(Range("ema", 5, 100, log=True, integer=True), off=0),
    Range("min_count", 1, 3, integer=True),
)
# What a pretrained start decides.
SHAPES = ("hidden", "layers", "embedding", "embedding_scale", "min_count")


def any_value(axis: Axis, rng: np.random.Generator) -> Any:
    """A value of an axis as a random trial draws it."""
    match axis:
        case Choice():
            return axis.options[int(rng.integers(len(axis.options)))]
        case Sometimes():
            return any_value(axis.range, rng) if rng.random() < 0.5 else axis.off
        case Range():
            ends = (log(axis.low), log(axis.high)) if axis.log else (axis.low, axis.high)
            value = float(rng.uniform(*ends))
            value = exp(value) if axis.log else value
            return round(value) if axis.integer else value


def space_of(
    pinned: Collection[str], pretrained: bool, limits: Mapping[str, Limits | None]
) -> Iterator[Axis]:
    """The shared space of an arm.

    Args:
        pinned: settings that the arm or its architecture fixes.
        pretrained: whether the start has one shape.
        limits: of params.yaml's `tuning.space`: by setting other limits, or None: not searched.

    Raises:
        UserError: for limits of a setting that is not searched, or values that it cannot have.
    """
    known = {axis.name: axis for axis in SPACE}
    for name in limits:
        if name not in known:
            raise UserError(
                f'params.yaml: tuning.space: no search looks at "{name}": {nearest(name, list(known))}'
            )
    for name, axis in known.items():
        own = limits.get(name)
        if name in pinned or (pretrained and name in SHAPES) or (name in limits and own is None):
            continue
        yield axis if own is None else _within(name, own)


def _within(name: str, own: Limits) -> Axis:
    options = own.options if own.options is not None else (own.low, own.high)
    for value in options:
        wanted = _unfit(name, value)
        if wanted:
            raise UserError(f"params.yaml: tuning.space.{name}: wanted {wanted}, got {value!r}")
    if own.options is not None:
        return Choice(name, own.options)
    integer = isinstance(getattr(Settings(), name), int)
    assert own.low is not None and own.high is not None  # checked at the door
    return Range(name, own.low, own.high, own.log, integer)


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
_SHARES = ("word_dropout", "embedding_dropout", "dropout", "weight_dropout")
_CHOICES = {"cell": ("lstm", "gru"), "pooling": ("max_mean", "last"), "optimizer": ("adamw", "sgd")}


def settings(architecture: str, overrides: dict[str, Any], updates: int) -> dict[str, Any]:
    """The untuned settings of an architecture, as `types.Settings.told` says them.

    Raises:
        UserError: for an unknown name, a wrong type or an impossible value.
    """
    known = names_of(Settings)
    for name in overrides:
        if name not in known:
            raise UserError(
                f'params.yaml: model: unknown setting "{name}": {nearest(name, list(known))}'
            )
    resolved = Settings.of({"updates": updates, **overrides, **ARCHITECTURES[architecture]})
    for name, value in asdict(resolved).items():
        wanted = _unfit(name, value)
        if wanted:
            raise UserError(f"params.yaml: model.{name}: wanted {wanted}, got {value!r}")
    return resolved.told()


def _unfit(name: str, value: Any) -> str | None:
    """What this setting should be, if the value is not that."""
    default = getattr(Settings(), name)
    kinds = (int, float) if isinstance(default, float) else (type(default),)
    if not isinstance(value, kinds) or (
        isinstance(value, bool) and default is not value and not isinstance(default, bool)
    ):
        return type(default).__name__
    if isinstance(value, float) and not isfinite(value):
        return "a finite number"
    return _wanted(name, value)


def _wanted(name: str, value: Any) -> str | None:
    if name in _CHOICES and value not in _CHOICES[name]:
        return " or ".join(_CHOICES[name])
    if name in _POSITIVE and value < 1:
        return "a number of at least 1"
    if name in _SHARES and not 0 <= value < 1:
        return "a share in [0, 1)"
    if name in ("learning_rate", "clip", "embedding_scale") and value <= 0:
        return "a number above 0"
    if name in ("weight_decay", "evaluations", "ema") and value < 0:
        return "a number of at least 0"
    return None
