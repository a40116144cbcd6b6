"""params.yaml → checked, frozen settings. The only module that knows pydantic."""

import re
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal, TypeVar

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from datayield.errors import UserError, has_secret, masked, nearest

_NAME = r"^[a-z0-9][a-z0-9_-]{0,63}$"
Name = Annotated[str, Field(pattern=_NAME)]
Place = Annotated[str, Field(pattern=r"^[^\x00]+$")]  # of a file; also what names an encoding


class _Frozen(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


class Block(_Frozen):
    """A rectangle of the grid: every arm at every budget."""

    arms: tuple[str, ...] = Field(min_length=1)
    budgets: tuple[int, ...] | Literal["half_octaves"] = Field(
        description="labels paid per budget, ascending; or half_octaves: from the smallest budget of"
        " the other blocks to 4x the largest, each sqrt(2) times the one before"
    )

    @field_validator("arms", "budgets", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

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


class Study(_Frozen):
    """What is compared, on what, how often."""

    name: Name
    seed: int = Field(ge=0)
    corpora: tuple[Name, ...] = Field(min_length=1)
    draws: int = Field(
        ge=1, le=1000, description="independent samples of every size, or {first: 3, count: 10}"
    )
    first_draw: int = Field(default=0, ge=0, le=100_000, description="see draws")
    seeds: int = Field(default=1, ge=1, le=100, description="trainings per sample")
    sampling: Literal["stratified", "iid"] = "stratified"
    grid: tuple[Block, ...] = Field(min_length=1)

    @field_validator("corpora", "grid", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

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


class BesideFile(_Frozen):
    """Texts without labels in a file of their own."""

    path: Place
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    text: str
    encoding: Place = "utf-8"


class _Texts(_Frozen):
    """What every corpus may say besides its source."""

    test_share: float = Field(default=0.1, gt=0, lt=1, description="where no test set is given")
    label_noise: float = Field(
        default=0.0, ge=0, lt=1, description="share of wrong labels planted in the pool"
    )
    noise: Literal["symmetric", "class"] = Field(
        default="symmetric", description="to any other class evenly, or to the next class"
    )
    unlabelled: BesideFile | None = Field(default=None, description="texts beside the pool")


class PydocsSource(_Texts):
    """The embedded corpus: which library's docstring is this?"""

    loader: Literal["pydocs"]
    libraries: tuple[str, ...] = Field(min_length=2)
    per_class: int = Field(ge=50)

    @field_validator("libraries", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


Sha256 = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
Format = Literal["csv", "tsv", "jsonl", "parquet"]
Separator = Annotated[str, Field(min_length=1, max_length=1)]


class FilePart(_Frozen):
    """One more file of a corpus, with the same columns."""

    path: Place
    sha256: Sha256
    format: Format
    test: bool = Field(default=False, description="its texts are the test set")


class FileSource(_Texts):
    """A labelled text file of your own; `datayield corpora add` writes this entry."""

    loader: Literal["file"]
    path: Place
    sha256: Sha256
    text: str
    label: str
    format: Format
    encoding: Place = "utf-8"
    separator: Separator | None = Field(default=None, description="of a csv file; null: a comma")
    split: str | None = Field(default=None, description="column that says train or test")
    more: tuple[FilePart, ...] = Field(default=(), description="further files")
    family: str | None = None

    @field_validator("more", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _one_split(self) -> "FileSource":
        if self.split is not None and any(part.test for part in self.more):
            raise ValueError(
                f'the test set comes from a file of its own or from the column "{self.split}", not both'
            )
        return self


class RemoteFile(_Frozen):
    """One file of a downloaded corpus: where it lies and what its bytes must hash to."""

    name: str = Field(
        pattern=r"^[A-Za-z0-9_-][A-Za-z0-9._-]*(/[A-Za-z0-9_-][A-Za-z0-9._-]*)*$",
        description="below the cache; no absolute path, no ..",
    )
    url: str = Field(pattern=r"^https?://")
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    bytes: int = Field(ge=1)
    rows: int | None = Field(default=None, ge=1, description="lines, to be checked after reading")
    split: Literal["pool", "test"] | None = None
    member: str | None = Field(default=None, description="of a zip or tar archive")

    @field_validator("url")
    @classmethod
    def _without_secret(cls, value: str) -> str:
        if has_secret(value):
            raise ValueError(
                f"an address with a password ({masked(value)}) would be kept in dvc.lock and in the"
                " report; put the file into a mirror folder (DATAYIELD_MIRROR) instead"
            )
        return value


class DownloadSource(_Texts):
    """A corpus fetched by URL and hash; the entries of corpora/catalog.yaml are of this kind."""

    loader: Literal["download"] = "download"
    title: str
    task: str = ""
    note: str = ""
    family: str | None = None
    licence: str
    citation: str
    format: str = Field(description="how a line is read: a name in corpora/download.py")
    encoding: Place = "utf-8"
    classes: dict[str, str] = Field(default_factory=dict, description="label in the file → name")
    files: tuple[RemoteFile, ...] = Field(min_length=1)

    @field_validator("files", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

    @model_validator(mode="after")
    def _splits(self) -> "DownloadSource":
        splits = {f.split for f in self.files}
        if len(splits) > 1 and splits != {"pool", "test"}:
            raise ValueError("either every file says split: pool or test, or none does")
        return self


class CatalogSource(_Texts):
    """A corpus of the catalog, by its name there (default: the corpus's own)."""

    loader: Literal["catalog"]
    entry: Name | None = None


_HUB_NAME = r"[A-Za-z0-9][\w-]*(\.[\w-]+)*(/[A-Za-z0-9][\w-]*(\.[\w-]+)*)?"  # no .. in it


class HubSource(_Texts):
    """A data set of the Hugging Face hub, or a local folder in one of the hub's layouts."""

    loader: Literal["hub"]
    name: str = Field(min_length=1, description="owner/name on the hub, or a folder: ./name")
    revision: str | None = Field(default=None, description="commit on the hub")
    config: str | None = None
    text: str
    label: str
    pool: str = "train"
    test: str | None = Field(default=None, description="split; null: the test set is split here")
    licence: str = "see the data set's card on the hub"
    family: str | None = None

    @property
    def local(self) -> bool:
        """Whether `name` is a folder."""
        return self.name.startswith(("./", "../", "/"))

    @model_validator(mode="after")
    def _named(self) -> "HubSource":
        if not self.local and not re.fullmatch(_HUB_NAME, self.name):
            raise ValueError(
                f"wanted owner/name as on the hub, or a folder that begins with ./, got {self.name!r}"
            )
        return self

    @model_validator(mode="after")
    def _pinned(self) -> "HubSource":
        if not self.local and self.revision is None:
            raise ValueError(
                "a data set of the hub wants its revision (the commit on its Files page), so that"
                " everybody reads the same rows"
            )
        return self


class SyntheticSource(_Texts):
    """Texts from a class-conditional grammar whose best possible accuracy is known."""

    loader: Literal["synthetic"]
    classes: int = Field(default=3, ge=2, le=50)
    pool: int = Field(default=8000, ge=50, description="texts to learn from")
    test: int = Field(default=2000, ge=10)
    length: int = Field(default=12, ge=1, description="filler words per text, on average")
    cues: int = Field(default=2, ge=1, description="redundancy: telling phrases per text")
    concepts: int = Field(default=20, ge=1, description="per class")
    synonyms: int = Field(default=6, ge=1, description="interchangeable words per concept")
    bayes_error: float = Field(default=0.05, ge=0, lt=0.5)
    negation: float = Field(default=0.0, ge=0, le=1, description="share of phrases: not + cue")
    duplicates: float = Field(default=0.0, ge=0, lt=1, description="share of repeated pool texts")


Source = Annotated[
    PydocsSource | FileSource | CatalogSource | DownloadSource | HubSource | SyntheticSource,
    Field(discriminator="loader"),
]


class Execution(_Frozen):
    """How the grid is carried. Device and precision are part of a cell; the rest changes no result."""

    engine: Literal["local", "ray"] = Field(
        default="local", description="local: worker processes here; ray: a Ray cluster"
    )
    address: str = Field(
        default="auto",
        description="of the Ray cluster: auto, host:port, ray://host:port; local: one of its own",
    )
    cores: int = Field(default=1, ge=1, description="that Ray reserves for a cell")
    gpu_share: float = Field(
        default=0.125, gt=0, le=1, description="of a GPU that Ray reserves for a cell on cuda"
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


class Limits(_Frozen):
    """Where a search looks for one setting: from low to high, or one of some options."""

    low: int | float | None = None
    high: int | float | None = None
    log: bool = False
    options: tuple[Any, ...] | None = Field(default=None, min_length=1)

    @field_validator("options", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value

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


class Tuning(_Frozen):
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
    warm_start: tuple[Literal["smaller_budget", "baseline"], ...] = Field(
        default=(), description="whose best settings are tried first, counted as trials"
    )
    space: dict[str, Limits | None] = Field(
        default_factory=dict, description="other limits by setting; null: not searched"
    )

    @field_validator("warm_start", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


class Analysis(_Frozen):
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
    named: tuple[str, ...] = Field(
        default=(),
        max_length=8,
        description="arms for Friedman's test, named before the study runs",
    )

    @field_validator("named", mode="before")
    @classmethod
    def _tuple(cls, value: Any) -> Any:
        return tuple(value) if isinstance(value, list) else value


_Kind = TypeVar("_Kind", bound=_Frozen)


class Params(_Frozen):
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
    return (Path(__file__).parent / "presets" / f"{name}.yaml").read_text(encoding="utf-8")


def changes(old: Any, new: Any, where: str = "") -> list[str]:
    """What differs between two parsed files, one line per place: `study.draws: 3 → 10`."""
    if old == new:
        return []
    if not (isinstance(old, dict) and isinstance(new, dict)):
        return [f"{where}: {_brief(old)} → {_brief(new)}"]
    out = []
    for key in [*old, *(k for k in new if k not in old)]:
        place = f"{where}.{key}" if where else str(key)
        out += changes(old.get(key), new.get(key), place)
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
