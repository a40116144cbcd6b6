"""Defines the space of settings that searches look at."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from math import exp, log
from typing import Any, TypeAlias

import numpy as np

from datayield.config import Limits
from datayield.core.errors import UserError, nearest
from datayield.core.types import Settings
from datayield.models.settings import unfit


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from low to high, both included."""

    name: str
    low: float
    high: float
    log: bool = False
    integer: bool = False

    def to_dict(self) -> dict[str, Any]:
        """Return the range as plain data, for the name of a search."""
        ends = {"low": float(self.low), "high": float(self.high)}
        return {**ends, "log": self.log, "integer": self.integer}


@dataclass(frozen=True, slots=True)
class Choice:
    """One of several options."""

    name: str
    options: tuple[Any, ...]

    def to_dict(self) -> dict[str, Any]:
        """Return the options as plain data, for the name of a search."""
        return {"options": list(self.options)}


@dataclass(frozen=True, slots=True)
class OptionalRange:
    """Off, or a number in a range; a search suggests the number only where it is on."""

    range: Range
    off: Any  # the value that stands for off

    @property
    def name(self) -> str:
        """The name of the setting."""
        return self.range.name

    def to_dict(self) -> dict[str, Any]:
        """Return the range and the value for off as plain data, for the name of a search."""
        return {**self.range.to_dict(), "off": self.off}


Distribution: TypeAlias = Range | Choice | OptionalRange

SPACE: tuple[Distribution, ...] = (
    Choice("hidden", (32, 64, 128)),
    Choice("layers", (1, 2)),
    Choice("embedding", (64, 128, 256)),
    Range("learning_rate", 0.001, 0.04, log=True),
    Range("weight_decay", 0.001, 0.3, log=True),
    Choice("batch", (16, 32, 64)),
    Range("word_dropout", 0.0, 0.3),
    Range("embedding_dropout", 0.0, 0.7),
    Range("dropout", 0.0, 0.7),
    OptionalRange(Range("weight_dropout", 0.1, 0.6), off=0.0),
    Range("embedding_scale", 0.03, 1.0, log=True),
    Choice("pooling", ("max_mean", "last")),
    OptionalRange(Range("ema", 5, 100, log=True, integer=True), off=0),
    Range("min_count", 1, 3, integer=True),
)

# Settings that a pretrained network fixes.
SHAPES = ("hidden", "layers", "embedding", "embedding_scale", "min_count")


def any_value(distribution: Distribution, rng: np.random.Generator) -> Any:
    """Draw a value of a distribution as a random trial does."""
    match distribution:
        case Choice():
            return distribution.options[int(rng.integers(len(distribution.options)))]
        case OptionalRange():
            return any_value(distribution.range, rng) if rng.random() < 0.5 else distribution.off
        case Range():
            low, high = distribution.low, distribution.high
            ends = (log(low), log(high)) if distribution.log else (low, high)
            value = float(rng.uniform(*ends))
            value = exp(value) if distribution.log else value
            return round(value) if distribution.integer else value


def space_of(
    pinned: Collection[str], pretrained: bool, limits: Mapping[str, Limits | None]
) -> Iterator[Distribution]:
    """Yield the distributions of the shared space that apply to an arm.

    Args:
        pinned: settings that the arm or its architecture fixes.
        pretrained: whether pretrained weights fix the widths.
        limits: `tuning.space` of params.yaml: other limits by setting; None: not searched.

    Raises:
        UserError: for a setting that no search looks at, or a value that it cannot have.
    """
    known = {d.name: d for d in SPACE}
    for name in limits:
        if name not in known:
            raise UserError(
                f'params.yaml: tuning.space: no search looks at "{name}": {nearest(name, list(known))}'
            )
    for name, distribution in known.items():
        limit = limits.get(name)
        if name in pinned or (pretrained and name in SHAPES) or (name in limits and limit is None):
            continue
        yield distribution if limit is None else _limited(name, limit)


def _limited(name: str, limit: Limits) -> Distribution:
    options = limit.options if limit.options is not None else (limit.low, limit.high)
    for value in options:
        wanted = unfit(name, value)
        if wanted:
            raise UserError(f"params.yaml: tuning.space.{name}: wanted {wanted}, got {value!r}")
    if limit.options is not None:
        return Choice(name, limit.options)
    integer = isinstance(getattr(Settings(), name), int)
    assert limit.low is not None and limit.high is not None  # config.Limits checks it
    return Range(name, limit.low, limit.high, limit.log, integer)
