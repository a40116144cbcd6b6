"""Derives the searches that the arms of a study need, as data (METHODS 2.7).

A regime is a corpus at a budget. Every arm of a regime uses a search with the same number of trials,
pruner and shared space. Only this module decides which arm uses which search.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from typing import Any

from datayield.cells.draws import FOLDS, FOLDS_UP_TO, TUNING_DRAW
from datayield.config import Params
from datayield.core import files, seeds
from datayield.core.arm import Arm
from datayield.core.errors import UserError
from datayield.core.types import Cell, Settings
from datayield.strategies import registry
from datayield.strategies.base import RunProtocol, TunableArgument
from datayield.study import grid
from datayield.study.arms import default_settings, pinned
from datayield.tuning.space import (
    SHAPES,
    Choice,
    Distribution,
    OptionalRange,
    Range,
    any_value,
    space_of,
)

RULES = 1
"""Raise by hand when trials are meant to be drawn or ended in another way; part of every name."""


@dataclass(frozen=True, slots=True)
class SearchSpec:
    """One search: its space, its metric and its number of trials."""

    cell: Cell  # arm, budget, draw and untuned settings; trials replace the settings
    space: Mapping[str, Distribution]  # "model.hidden", "eda_nn.alpha", ...
    metric: str
    trials: int
    prune: bool

    @property
    def name(self) -> str:
        """The name in the trials' storage: a hash of all that determines the trials but their number."""
        content = {
            "cell": self.cell.key,
            "space": {name: d.to_dict() for name, d in self.space.items()},
            "metric": self.metric,
            "prune": self.prune,
            "rules": RULES,
            "optuna": version("optuna"),
        }
        c = self.cell
        return f"{c.corpus} {c.arm} n={c.n} draw={c.draw} {files.digest(content)[:16]}"


def searches(params: Params, scope: grid.Scope, metric: str) -> list[SearchSpec]:
    """Return every search that the arms of a study need, each once, smaller budgets first."""
    if not params.tuning.trials:
        return []
    wanted: dict[tuple[int, bool, Arm], None] = {}
    for arm, n in grid.arms_and_budgets(params, scope.pool, scope.unlabelled)[0]:
        search = served(params, arm, n)
        if search is not None:
            served_arm, labels = search
            wanted[labels, served_arm.strategies != ("plain",), served_arm] = None
    return [
        _search(params, scope, metric, arm, n, draw)
        for n, _, arm in sorted(wanted, key=lambda w: w[:2])  # plain arms first
        for draw in drawn(params)
    ]


def drawn(params: Params) -> Sequence[int]:
    """Return the draws whose labels the searches read."""
    return params.study.numbers if params.tuning.scope == "draw" else (TUNING_DRAW,)


def served(params: Params, arm: Arm, n: int) -> tuple[Arm, int] | None:
    """Return the arm and budget whose search this arm uses; None if its settings are fixed.

    A part with a protocol uses the search of the rest of the arm, at the labels that it trains on. So
    does a part that queries, because each of its trials would buy other labels.
    """
    if not arm.strategies:
        return None
    parts = registry.compose(arm.strategies, {})
    if not all(p.tuned for p in parts.parts):
        return None
    protocol = parts.one("protocol")
    labels = protocol(RunProtocol(n, 0)).labels if protocol else n
    if params.tuning.arms == "one":
        return Arm(_first_architecture(params), ("plain",)), labels
    kept = tuple(p.name for p in parts.parts if p.protocol is None and p.query is None)
    if params.tuning.arms == "shared":
        kept = ()
    return Arm(arm.architecture, kept or ("plain",)), labels


def _first_architecture(params: Params) -> str:
    """Return the architecture of the first network in the grid."""
    arms = (arm for block in params.study.grid for arm in grid.arms_of(block))
    return next(arm.architecture for arm in arms if arm.strategies)


def _search(
    params: Params,
    scope: grid.Scope,
    metric: str,
    arm: Arm,
    n: int,
    draw: int,
) -> SearchSpec:
    cell = grid.cell(params, scope, arm, n, draw, 0, default_settings(params, arm, n))
    space = _space(params, arm, n, cell.settings)
    return SearchSpec(cell, space, metric, params.tuning.trials, params.tuning.prune)


def _space(
    params: Params, arm: Arm, n: int, settings: Mapping[str, Any]
) -> dict[str, Distribution]:
    """Return the shared space and the strategies' arguments, widened to hold the untuned values."""
    parts = registry.compose(arm.strategies, settings)
    fixed = {*pinned(arm), *parts.pins(n)}
    pretrained = _of_one_shape(parts)
    untuned = Settings.from_dict(settings["model"])
    out = {
        f"model.{d.name}": _widened(d, getattr(untuned, d.name))
        for d in space_of(fixed, pretrained, params.tuning.space)
    }
    for part in parts.parts:
        for argument in part.space:
            default = settings.get(part.name, {}).get(argument.name)
            out[f"{part.name}.{argument.name}"] = _widened(_range(part.name, argument), default)
    return out


def _of_one_shape(parts: registry.Composition) -> bool:
    """Return whether the widths are fixed because all cells of a draw share pretrained weights."""
    return parts.one("pretrain") is not None or parts.needs("language_model")


def _range(strategy: str, argument: TunableArgument) -> Range:
    if not argument.low < argument.high:
        raise UserError(
            f'strategy "{strategy}": the search range of argument "{argument.name}" is empty (low'
            f" {argument.low:g}, high {argument.high:g}). Set low below high in the strategy's `space`."
        )
    return Range(argument.name, argument.low, argument.high, argument.log, argument.integer)


def _widened(d: Distribution, untuned: Any) -> Distribution:
    """Return the distribution with the untuned value in it, because the first trial is untuned."""
    if isinstance(d, Choice):
        return d if untuned in d.options else Choice(d.name, (*d.options, untuned))
    if isinstance(d, OptionalRange):
        return d if untuned == d.off else OptionalRange(_stretched(d.range, untuned), d.off)
    if untuned is None:  # the default of an argument that depends on the budget
        return OptionalRange(d, None)
    if d.log and untuned <= 0:  # a log scale has no such value
        return OptionalRange(d, untuned)
    return _stretched(d, untuned)


def _stretched(r: Range, value: float) -> Range:
    return replace(r, low=min(r.low, value), high=max(r.high, value))


def untuned(search: SearchSpec) -> dict[str, Any]:
    """Return the untuned values of the settings that a search looks at."""
    model = Settings.from_dict(search.cell.settings["model"])
    out = {}
    for name in search.space:
        group, _, setting = name.partition(".")
        arguments = search.cell.settings.get(group, {})
        out[name] = getattr(model, setting) if group == "model" else arguments.get(setting)
    return out


def foreseen(search: SearchSpec, trials: int) -> list[Cell]:
    """Return the trainings of random trials over the whole space, to predict their time."""
    rng = seeds.rng("plan", search.name)
    out = []
    for _ in range(trials):
        values = {name: any_value(d, rng) for name, d in search.space.items()}
        cell = replace(search.cell, settings=with_values(search.cell.settings, values))
        out += [cell] * trainings(search.cell.n)
    return out


def with_values(
    settings: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Return settings with the given values, named "group.setting", in place of theirs."""
    out = {group: dict(values) for group, values in settings.items()}
    for name, value in values.items():
        group, _, setting = name.partition(".")
        out.setdefault(group, {})[setting] = value
    return {**out, "model": Settings.from_dict(out["model"]).to_dict()}


def taken_over(
    params: Params, arm: Arm, n: int, values: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Return the settings of an arm with the best values of the search that it uses.

    Settings that the arm or its architecture pins stay, and so do those that were not searched.
    """
    untuned = default_settings(params, arm, n)
    if values is None or not arm.strategies:
        return untuned
    parts = registry.compose(arm.strategies, {})
    shape = (
        SHAPES if _of_one_shape(parts) else ()
    )  # the values may be another arm's; pretrained weights keep their shape
    fixed = {f"model.{name}" for name in (*pinned(arm), *parts.pins(n), *shape)}
    groups = {"model", *arm.strategies}
    usable = {k: v for k, v in values.items() if k.partition(".")[0] in groups and k not in fixed}
    return with_values(untuned, usable)


def trainings(n: int) -> int:
    """Return how many networks one trial trains at n labels."""
    return FOLDS if n <= FOLDS_UP_TO else 1
