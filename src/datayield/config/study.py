"""What is compared, how it is computed, searched and judged: params.yaml as a whole."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from datayield.config.form import FromList, Frozen, Listed, Name
from datayield.config.sources import Source
from datayield.errors import UserError, nearest


class Block(Frozen):
    """A rectangle of the grid: every arm at every budget."""

    arms: Listed[str] = Field(min_length=1)
    budgets: Annotated[tuple[int, ...] | Literal["half_octaves"], FromList] = Field(
        description="labels paid per budget, ascending; or half_octaves: from the smallest budget of"
        " the other blocks to 4x the largest, each sqrt(2) times the one before"
    )

    @field_validator("budgets")
    @classmethod
    def _ascending(cls, value: Any) -> Any:
        if isinstance(value, tuple):
            if any(b < 10 for b in value):
                raise ValueError(f"budgets must be at least 10 labels, got {min(value)}")
            if any(a >= b for a, b in pairwise(value)):
                raise ValueError(f"budgets must be ascending without repeats, got {list(value)}")
            if not value:
                raise ValueError("at least one budget is needed")
        return value


class Study(Frozen):
    """What is compared, on what, how often."""

    name: Name
    seed: int = Field(ge=0)
    corpora: Listed[Name] = Field(min_length=1)
    draws: int = Field(
        ge=1, le=1000, description="independent samples of every size, or {first: 3, count: 10}"
    )
    first_draw: int = Field(default=0, ge=0, le=100_000, description="see draws")
    seeds: int = Field(default=1, ge=1, le=100, description="trainings per sample")
    sampling: Literal["stratified", "iid"] = "stratified"
    grid: Listed[Block] = Field(min_length=1)

    @model_validator(mode="before")
    @classmethod
    def _from_first(cls, value: Any) -> Any:
        """Finalists are confirmed on draws that their screening did not use: draws from `first` on."""
        if not isinstance(value, dict) or not isinstance(value.get("draws"), dict):
            return value
        asked = value["draws"]
        if set(asked) != {"first", "count"}:
            raise ValueError(f"draws: wanted a number or {{first: 3, count: 10}}, got {asked}")
        return {**value, "draws": asked["count"], "first_draw": asked["first"]}

    def corpus(self, asked: str | None) -> str:
        """The corpus of this name; None is the only one.

        Raises:
            UserError: the study has no such corpus, or several and none is named.
        """
        if asked is None and len(self.corpora) > 1:
            raise UserError(
                f"the study has {len(self.corpora)} corpora; name one: --corpus {' | '.join(self.corpora)}"
            )
        name = asked or self.corpora[0]
        if name not in self.corpora:
            raise UserError(
                f'the study has no corpus "{name}": {nearest(name, list(self.corpora))}'
            )
        return name

    @property
    def numbers(self) -> range:
        """The draws of this study by number."""
        return range(self.first_draw, self.first_draw + self.draws)

    @model_validator(mode="after")
    def _some_numbers(self) -> "Study":
        if all(isinstance(b.budgets, str) for b in self.grid):
            raise ValueError("at least one block of the grid must give its budgets as numbers")
        if len(set(self.corpora)) < len(self.corpora):
            raise ValueError(f"corpora are listed twice: {list(self.corpora)}")
        return self


class Execution(Frozen):
    """How the grid is carried. Device and precision are part of a cell; the rest changes no result."""

    engine: Literal["local", "ray"] = Field(
        default="local", description="local: worker processes here; ray: a Ray cluster"
    )
    address: str = Field(
        default="auto",
        description="of the Ray cluster: auto, host:port, ray://host:port; local: one of its own",
    )
    cores: int = Field(default=1, ge=1, description="that Ray reserves for a worker")
    gpu_share: float = Field(
        default=0.25, gt=0, le=1, description="of a GPU that Ray reserves for a worker on cuda"
    )
    workers: int | Literal["auto"] = "auto"
    cell_timeout_minutes: int = Field(default=60, ge=1)
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="of networks; auto: cuda where PyTorch finds one and cores are fewer than 8",
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32", description="of recurrent layers; bf16 where the machine has it"
    )

    @field_validator("workers")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError(f"workers must be at least 1 or auto, got {value}")
        return value


class Limits(Frozen):
    """Where a search looks for one setting: from low to high, or one of some options."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    options: Annotated[tuple[Any, ...] | None, FromList] = Field(default=None, min_length=1)

    @model_validator(mode="after")
    def _not_empty(self) -> "Limits":
        if self.options is not None:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("wanted options or low and high, got both")
            return self
        if self.low is None or self.high is None:
            raise ValueError("wanted low and high, or options")
        if not self.low < self.high:
            raise ValueError(f"wanted low below high, got {self.low:g} to {self.high:g}: empty")
        if self.log and self.low <= 0:
            raise ValueError(f"a log scale wants low above 0, got {self.low:g}")
        return self


class Tuning(Frozen):
    """How settings are searched before the study; 0 trials: the untuned settings serve."""

    trials: int = Field(
        default=0, ge=0, le=10_000, description="per search, the same for every arm"
    )
    scope: Literal["draw", "regime"] = Field(
        default="regime",
        description="draw: each draw tunes on its own labels; regime: once, on a draw never scored",
    )
    arms: Literal["own", "shared", "one"] = Field(
        default="own",
        description="own: a search for every arm; shared: plain's serves its architecture; one: a"
        " search for plain with the grid's first architecture serves every arm of the regime",
    )
    sampler: Literal["tpe", "random"] = "tpe"
    prune: bool = Field(default=False, description="end trials that fall below the median")
    warm_start: Listed[Literal["smaller_budget", "baseline"]] = Field(
        default=(), description="whose best settings are tried first, counted as trials"
    )
    space: dict[str, Limits | None] = Field(
        default_factory=dict, description="other limits by setting; null: not searched"
    )


class Analysis(Frozen):
    """What the report asks of the tables."""

    level: float = Field(default=0.95, gt=0.5, lt=1)
    baseline: str = "lstm:plain"
    metric: Literal["auto", "accuracy", "macro_f1"] = Field(
        default="auto", description="what leads; auto: macro_f1 where a class exceeds 60 %"
    )
    target: float | None = Field(default=None, gt=0, lt=1, description="score to reach")
    population: Literal["pool", "new_texts"] = "pool"
    texts: Literal["shown", "hidden"] = Field(
        default="shown",
        description="hidden: no text of the corpora in the report, so it can be shared",
    )
    named: Listed[str] = Field(
        default=(),
        max_length=8,
        description="arms for Friedman's test, named before the study runs",
    )


class Params(Frozen):
    """The whole of params.yaml."""

    study: Study
    corpora: dict[Name, Source]
    model: dict[str, Any] = Field(default_factory=dict, description="overrides of types.Settings")
    strategies: dict[str, dict[str, Any]] = Field(
        default_factory=dict, description="overrides of a strategy's arguments, by name"
    )
    updates: dict[int, int] = Field(
        description="labels → updates; the last entry not above n counts"
    )
    tuning: Tuning = Tuning()
    execution: Execution = Execution()
    analysis: Analysis = Analysis()

    @field_validator("updates")
    @classmethod
    def _updates(cls, value: dict[int, int]) -> dict[int, int]:
        if not value or min(value) > 10 or min(value.values()) < 1:
            raise ValueError(
                "updates needs an entry for the smallest budgets (key 0) and positive counts"
            )
        return dict(sorted(value.items()))
