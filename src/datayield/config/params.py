"""Defines params.yaml as a whole: what is compared, and how it is computed, searched and analysed."""

from itertools import pairwise
from typing import Annotated, Any, Literal

from pydantic import Field, field_validator, model_validator

from datayield.config.draw_plans import Looks, RacePlan, in_draws
from datayield.config.fields import FromList, Frozen, Listed, Name
from datayield.config.sources import Source
from datayield.core.errors import UserError, nearest


class Block(Frozen):
    """A rectangle of the grid: every arm at every budget."""

    arms: Listed[str] = Field(
        min_length=1,
        description="arms, each as an architecture with a strategy (lstm:eda), a blend or a simple baseline",
    )
    budgets: Annotated[tuple[int, ...] | Literal["half_octaves"], FromList] = Field(
        description="labels paid per budget, ascending; or half_octaves: from the smallest budget of"
        " the other blocks to 4x the largest, each sqrt(2) times the one before"
    )
    draws: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="draws of this block, the first of the study's; default: all of them",
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
    """The arms, budgets and corpora that are compared, and the number of repetitions."""

    name: Name = Field(description="name of the study; its report is reports/NAME")
    seed: int = Field(ge=0, description="number that fixes all random choices")
    corpora: Listed[Name] = Field(
        min_length=1, description="corpora that are studied, by their names below corpora"
    )
    draws: int = Field(
        ge=1,
        le=1000,
        description="independent samples of every size; {first: 3, count: 10} for draws 3 to 12; auto, or"
        " {looks: [3, 6, 10], resolution: 1.0, minutes: 30}, to add draws until the study sees enough; race,"
        " or {rounds: [{draws: 2, keep: 5}], fresh: 10, texts: 2000}, to screen many strategies first",
    )
    looks: Looks | None = Field(
        default=None, description="when draws are added; set by auto or {looks: …} in draws"
    )
    race: RacePlan | None = Field(
        default=None,
        description="how strategies are screened; set by race or {rounds: …} in draws",
    )
    first_draw: int = Field(
        default=0,
        ge=0,
        le=100_000,
        description="number of the first draw; set by {first: …} in draws",
    )
    seeds: int = Field(default=1, ge=1, le=100, description="trainings per sample")
    validation_folds: int = Field(
        default=1,
        ge=0,
        le=5,
        description="folds of the n labels, of five, that a cell predicts with one more training each,"
        " to choose arms and models by; the scored model always learns from all n labels",
    )
    validation_draws: int | None = Field(
        default=None,
        ge=1,
        le=1000,
        description="draws whose cells hold folds out, the first of the study's; default: all of them",
    )
    sampling: Literal["stratified", "iid"] = Field(
        default="stratified",
        description="stratified: every class has its share in each draw; iid: classes are not looked at",
    )
    language_models: int | None = Field(
        default=None,
        ge=1,
        le=100,
        description="language models of the pool's texts that all draws share in turn; default: one of its own"
        " for every draw",
    )
    grid: Listed[Block] = Field(
        min_length=1, description="blocks of arms and budgets; their cells are united"
    )

    @model_validator(mode="before")
    @classmethod
    def _from_first(cls, value: Any) -> Any:
        """Read `draws: {first, count}`: draws that another study did not use."""
        if not isinstance(value, dict) or not isinstance(value.get("draws"), dict):
            return value
        draws = value["draws"]
        if set(draws) != {"first", "count"}:
            raise ValueError(
                "draws: expected a number, auto, race, {first: 3, count: 10}, {looks: [3, 6, 10]} or"
                f" {{rounds: [{{draws: 2, keep: 5}}]}}, got {draws}"
            )
        return {**value, "draws": draws["count"], "first_draw": draws["first"]}

    @model_validator(mode="before")
    @classmethod
    def _from_looks(cls, value: Any) -> Any:
        """Read `draws: auto` and `draws: {looks, resolution, minutes}`."""
        looks = in_draws(value, "looks", "auto", Looks)
        return value if looks is None else {**value, "draws": looks.looks[-1], "looks": looks}

    @model_validator(mode="before")
    @classmethod
    def _from_race(cls, value: Any) -> Any:
        """Read `draws: race` and `draws: {rounds, fresh, texts}`."""
        race = in_draws(value, "race", "race", RacePlan)
        return value if race is None else {**value, "draws": race.fresh, "race": race}

    def corpus(self, name: str | None) -> str:
        """Return the name of a corpus of this study; None stands for its only one.

        Raises:
            UserError: the study has no such corpus, or has several and none is named.
        """
        if name is None and len(self.corpora) > 1:
            raise UserError(
                f"the study has {len(self.corpora)} corpora; name one: --corpus {' | '.join(self.corpora)}"
            )
        name = name or self.corpora[0]
        if name not in self.corpora:
            raise UserError(
                f'the study has no corpus "{name}": {nearest(name, list(self.corpora))}'
            )
        return name

    @property
    def numbers(self) -> range:
        """The numbers of the draws that this study's claims come from."""
        return range(self.first_draw, self.first_draw + self.draws)

    @property
    def screening(self) -> range:
        """The numbers of the draws that a race screens strategies on; empty without a race."""
        count = sum(r.draws for r in self.race.rounds) if self.race else 0
        return range(self.numbers.stop, self.numbers.stop + count)

    @property
    def all_draws(self) -> range:
        """The numbers of every draw of this study."""
        return range(self.first_draw, self.screening.stop)

    @model_validator(mode="after")
    def _some_numbers(self) -> "Study":
        if all(isinstance(b.budgets, str) for b in self.grid):
            raise ValueError("at least one block of the grid must give its budgets as numbers")
        if len(set(self.corpora)) < len(self.corpora):
            raise ValueError(f"corpora are listed twice: {list(self.corpora)}")
        for block in self.grid:
            if block.draws is not None and block.draws > self.draws:
                raise ValueError(
                    f"a block of the grid has {block.draws} draws, more than the study's {self.draws}"
                )
        return self


class Execution(Frozen):
    """The engine and device that compute cells; only device and precision are part of a cell's key."""

    engine: Literal["local", "ray"] = Field(
        default="local", description="local: worker processes here; ray: a Ray cluster"
    )
    address: str = Field(
        default="auto",
        description="address of the Ray cluster: auto, host:port or ray://host:port; local: start one here",
    )
    cores: int = Field(default=1, ge=1, description="cores that Ray reserves for a worker")
    gpu_share: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="share of a GPU that Ray reserves for a worker on cuda",
    )
    workers: int | Literal["auto"] = Field(
        default="auto", description="processes that train; auto: one for each core"
    )
    cell_timeout_minutes: int = Field(
        default=60, ge=1, description="time after which a cell is ended and counts as failed"
    )
    device: Literal["auto", "cpu", "cuda"] = Field(
        default="auto",
        description="device of networks; auto: cuda if PyTorch finds it and there are fewer than 8 cores",
    )
    precision: Literal["fp32", "bf16"] = Field(
        default="fp32",
        description="precision of recurrent layers; bf16 only if the processor or GPU has it",
    )

    @field_validator("workers")
    @classmethod
    def _positive(cls, value: int | str) -> int | str:
        if isinstance(value, int) and value < 1:
            raise ValueError(f"workers must be at least 1 or auto, got {value}")
        return value


class Limits(Frozen):
    """The values that a search tries for one setting: from low to high, or one of some options."""

    low: int | float | None = Field(default=None, description="smallest value")
    high: int | float | None = Field(default=None, description="largest value")
    log: bool = Field(
        default=False, description="whether values are tried evenly on a logarithmic scale"
    )
    options: Annotated[tuple[Any, ...] | None, FromList] = Field(
        default=None, min_length=1, description="the values to try, instead of low and high"
    )

    @model_validator(mode="after")
    def _not_empty(self) -> "Limits":
        if self.options is not None:
            if (self.low, self.high, self.log) != (None, None, False):
                raise ValueError("expected options, or low and high; got both")
            return self
        if self.low is None or self.high is None:
            raise ValueError("expected low and high, or options")
        if not self.low < self.high:
            raise ValueError(f"expected low below high, got {self.low:g} to {self.high:g}: empty")
        if self.log and self.low <= 0:
            raise ValueError(f"a log scale needs low above 0, got {self.low:g}")
        return self


class Tuning(Frozen):
    """The search of settings before the study; with 0 trials every arm keeps its untuned settings."""

    trials: int = Field(
        default=0, ge=0, le=10_000, description="trials per search, the same for every arm"
    )
    scope: Literal["draw", "regime"] = Field(
        default="regime",
        description="draw: each draw tunes on its own labels; regime: once, on a draw never scored",
    )
    arms: Literal["own", "shared", "one"] = Field(
        default="own",
        description="own: a search for every arm; shared: all arms of an architecture use the search of its"
        " plain arm; one: all arms of a budget use the search of the first architecture's plain arm",
    )
    prune: bool = Field(default=False, description="end trials that fall below the median")
    space: dict[str, Limits | None] = Field(
        default_factory=dict,
        description="other limits by setting; null: not searched",
    )


class Analysis(Frozen):
    """The questions that the report answers from the result tables."""

    level: float = Field(
        default=0.95,
        gt=0.5,
        lt=1,
        description="share of studies in which an interval holds the truth",
    )
    baseline: str = Field(default="lstm:plain", description="arm that all others are compared with")
    metric: Literal["auto", "accuracy", "macro_f1"] = Field(
        default="auto",
        description="main metric; auto: macro_f1 where a class has more than 60 % of the texts",
    )
    target: float | None = Field(default=None, gt=0, lt=1, description="score to reach")
    population: Literal["pool", "new_texts"] = Field(
        default="pool",
        description="texts that the intervals speak about: this pool, or texts outside it too",
    )
    texts: Literal["shown", "hidden"] = Field(
        default="shown",
        description="hidden: no text of the corpora in the report, so it can be shared",
    )


class Params(Frozen):
    """The whole of params.yaml."""

    study: Study
    corpora: dict[Name, Source]
    model: dict[str, Any] = Field(
        default_factory=dict,
        description="settings that replace the defaults of core.types.Settings",
    )
    strategies: dict[str, dict[str, Any]] = Field(
        default_factory=dict,
        description="arguments that replace a strategy's defaults, by strategy",
    )
    updates: dict[int, int] = Field(
        description="labels → updates; a budget uses the entry of the largest number not above it"
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

    @model_validator(mode="after")
    def _race_without_searches_by_draw(self) -> "Params":
        if self.study.race and self.tuning.trials and self.tuning.scope == "draw":
            raise ValueError(
                "a race has no searches of the draws that it screens on: expected tuning.scope regime"
            )
        return self


STARTUP = 6  # random trials of a search before TPE proposes the next ones
