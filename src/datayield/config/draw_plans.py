"""Defines the ways to plan draws: at looks that end a study early, or as a race of many strategies."""

from itertools import pairwise
from typing import Any, TypeVar

from pydantic import Field, ValidationError, field_validator

from datayield.config.fields import Frozen, Listed

M = TypeVar("M", bound=Frozen)


class Looks(Frozen):
    """When a study judges its strategies, and what it looks for.

    After each look the strategies that are settled get no more draws; the study ends when all are.
    """

    looks: Listed[int] = Field(
        default=(3, 6, 10),
        min_length=2,
        max_length=8,
        description="numbers of draws after which strategies are judged, ascending",
    )
    resolution: float = Field(
        default=1.0,
        gt=0,
        lt=100,
        description="points; a strategy is settled when it is claimed to help or harm, when it gains less"
        " than this, or when the study sees such a difference",
    )
    minutes: float | None = Field(
        default=None,
        gt=0,
        description="no look is begun that would end after so many minutes of training; default: no limit",
    )

    @field_validator("looks")
    @classmethod
    def _ascending(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        if value[0] < 2 or value[-1] > 1000 or any(a >= b for a, b in pairwise(value)):
            raise ValueError(f"expected ascending numbers from 2 to 1000, got {list(value)}")
        return value


class RaceRound(Frozen):
    """One round of a race: how many draws it adds, and how many strategies it keeps."""

    draws: int = Field(ge=1, le=100, description="draws that this round adds")
    keep: int = Field(ge=1, le=1000, description="strategies that go on after it")


class RacePlan(Frozen):
    """The rounds in which strategies are screened before the best are compared on fresh draws.

    The rounds rank by labelled texts of the pool that no budget uses. Claims come from the fresh draws
    alone, so that it does not matter how many strategies were screened.
    """

    rounds: Listed[RaceRound] = Field(
        default=(
            RaceRound(draws=2, keep=14),
            RaceRound(draws=3, keep=5),
            RaceRound(draws=5, keep=3),
        ),
        min_length=1,
        max_length=8,
        description="draws that each round adds, and the number of strategies that it keeps",
    )
    fresh: int = Field(
        default=10, ge=1, le=1000, description="draws on which the kept strategies are compared"
    )
    texts: int = Field(
        default=2000,
        ge=100,
        le=100_000,
        description="labelled texts that rank the strategies, at most; each draw ends with others",
    )

    @field_validator("rounds")
    @classmethod
    def _descending(cls, value: tuple[RaceRound, ...]) -> tuple[RaceRound, ...]:
        kept = [r.keep for r in value]
        if any(a <= b for a, b in pairwise(kept)):
            raise ValueError(
                f"each round must keep fewer strategies than the one before, got {kept}"
            )
        return value


def in_draws(value: Any, name: str, short: str, kind: type[M]) -> M | None:
    """Return what the entry `draws` of a study says in a form of its own; None: it has another form.

    Args:
        value: the study as params.yaml has it.
        name: the field that the form sets; naming it next to `draws` is an error.
        short: the word that stands for the form's defaults.
        kind: the form.
    """
    if not isinstance(value, dict):
        return None
    if name in value and not isinstance(value[name], kind):
        raise ValueError(f"{name}: write it as draws: {short}, or as a mapping in draws")
    draws = value.get("draws")
    if draws != short and not (isinstance(draws, dict) and {*draws} & {*kind.model_fields}):
        return None
    try:
        return kind.model_validate({} if draws == short else draws)
    except ValidationError as e:
        place, why = e.errors()[0]["loc"], e.errors()[0]["msg"].removeprefix("Value error, ")
        raise ValueError(f"draws: {'.'.join(map(str, place))}: {why}") from e
