"""What is searched for whom: the searches that a study's arms need, as data (METHODS 2.7).

A regime is a corpus at a budget. Every arm of a regime is served by a search of the same number of
trials, sampler, pruner and shared space; which search serves which arm is decided here alone.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import groupby
from typing import Any

from datayield import grid, seeds, strategies, table
from datayield.config import Params
from datayield.draws import FOLDS, FOLDS_UP_TO, TUNING_DRAW
from datayield.errors import UserError
from datayield.search import SHAPES, Axis, Choice, Range, Sometimes, any_value, space_of
from datayield.strategies.base import Knob, Plan
from datayield.types import Arm, Cell, Settings

RULES = 1
"""Raised by hand when how trials are drawn or ended is meant to change (part of every search)."""


@dataclass(frozen=True, slots=True)
class Search:
    """One search: where it looks, how, and from where it starts.

    `cell` holds arm, budget, draw and the untuned settings; trials replace its settings.
    """

    cell: Cell
    space: Mapping[str, Axis]  # "model.hidden", "eda_nn.alpha", ...
    metric: str
    trials: int
    sampler: str
    prune: bool
    after: tuple["Search", ...] = ()  # finished before, for their best values are tried first

    @property
    def name(self) -> str:
        """Unique for everything that determines its trials, their number excepted."""
        space = {k: repr(axis) for k, axis in self.space.items()}
        before = [(s.name, s.trials) for s in self.after]
        how = [self.metric, self.sampler, self.prune, RULES, version("optuna")]
        content = [grid.key(self.cell), space, how, before]
        c = self.cell
        return f"{c.corpus} {c.arm} n={c.n} draw={c.draw} {table.digest(content)[:16]}"


def searches(params: Params, scope: grid.Scope, metric: str) -> list[Search]:
    """Every search that the study's arms need, each once, smaller budgets first."""
    if not params.tuning.trials:
        return []
    wanted: dict[tuple[int, bool, Arm], None] = {}
    for arm, n in grid.entries(params, scope.pool)[0]:
        found = served(params, arm, n)
        if found is not None:
            wanted[found[1], found[0].strategies != ("plain",), found[0]] = None
    made: dict[tuple[Arm, int, int], Search] = {}
    for n, _, arm in sorted(wanted, key=lambda w: w[:2]):  # plain before what may start from it
        for draw in drawn(params):
            made[arm, n, draw] = _search(params, scope, metric, arm, n, draw, made)
    return list(made.values())


def drawn(params: Params) -> Sequence[int]:
    """The draws whose labels searches read."""
    return params.study.numbers if params.tuning.scope == "draw" else (TUNING_DRAW,)


def served(params: Params, arm: Arm, n: int) -> tuple[Arm, int] | None:
    """The arm and budget whose search serves this one; None where nothing is searched.

    Parts that rewrite the plan run with the settings of what they check, at the labels that they
    train on. Parts that choose what to label are left out: every trial would pay for other labels.
    """
    if not arm.strategies:
        return None
    parts = strategies.compose(arm.strategies, {})
    if not all(p.tuned for p in parts.parts):
        return None
    plan = parts.one("plan")
    labels = plan(Plan(n, 0)).labels if plan else n
    if params.tuning.arms == "one":
        return Arm(_first_architecture(params), ("plain",)), labels
    own = tuple(p.name for p in parts.parts if p.plan is None and p.acquire is None)
    if params.tuning.arms == "shared":
        own = ()
    return Arm(arm.architecture, own or ("plain",)), labels


def _first_architecture(params: Params) -> str:
    """Of the first network in the grid."""
    arms = (grid.parse_arm(a) for block in params.study.grid for a in block.arms)
    return next(arm.architecture for arm in arms if arm.strategies)


def _search(
    params: Params,
    scope: grid.Scope,
    metric: str,
    arm: Arm,
    n: int,
    draw: int,
    made: Mapping[tuple[Arm, int, int], Search],
) -> Search:
    t = params.tuning
    cell = grid.cell(params, scope, arm, n, draw, 0, grid.default_settings(params, arm, n))
    after = []
    if "smaller_budget" in t.warm_start:
        below = [s for (a, m, d), s in made.items() if (a, d) == (arm, draw) and m < n]
        after += below[-1:]
    if "baseline" in t.warm_start and arm.strategies != ("plain",):
        plain = made.get((Arm(arm.architecture, ("plain",)), n, draw))
        after += [plain] if plain else []
    space = _space(params, arm, n, cell.settings)
    return Search(cell, space, metric, t.trials, t.sampler, t.prune, tuple(after))


def _space(params: Params, arm: Arm, n: int, settings: Mapping[str, Any]) -> dict[str, Axis]:
    """The shared space and the knobs of the arm's strategies, widened to hold what is untuned."""
    parts = strategies.compose(arm.strategies, settings)
    pinned = {*grid.pinned(arm), *parts.pins(n)}
    pretrained = _of_one_shape(parts)
    untuned = Settings.of(settings["model"])
    out = {
        f"model.{axis.name}": _widened(axis, getattr(untuned, axis.name))
        for axis in space_of(pinned, pretrained, params.tuning.space)
    }
    for part in parts.parts:
        for knob in part.space:
            default = settings.get(part.name, {}).get(knob.name)
            out[f"{part.name}.{knob.name}"] = _widened(_axis(part.name, knob), default)
    return out


def _of_one_shape(parts: strategies.Composition) -> bool:
    """Whether widths are declared, for all cells of a draw share what was pretrained."""
    return parts.one("pretrain") is not None or parts.needs("reader")


def _axis(strategy: str, knob: Knob) -> Range:
    if not knob.low < knob.high:
        raise UserError(
            f'strategy "{strategy}": its knob {knob.name} spans {knob.low:g} to {knob.high:g},'
            " which holds nothing to search. Mend its space."
        )
    return Range(knob.name, knob.low, knob.high, knob.log, knob.integer)


def _widened(axis: Axis, untuned: Any) -> Axis:
    """The axis with the untuned value in it: the first trial of every search is untuned."""
    if isinstance(axis, Choice):
        held = untuned in axis.options
        return axis if held else Choice(axis.name, (*axis.options, untuned))
    if isinstance(axis, Sometimes):
        off = untuned == axis.off
        return axis if off else Sometimes(_stretched(axis.range, untuned), axis.off)
    if untuned is None:  # a knob whose default says "as usual"
        return Sometimes(axis, None)
    if axis.log and untuned <= 0:  # no place on a log scale
        return Sometimes(axis, untuned)
    return _stretched(axis, untuned)


def _stretched(r: Range, value: float) -> Range:
    return replace(r, low=min(r.low, value), high=max(r.high, value))


def untuned(search: Search) -> dict[str, Any]:
    """The untuned values of what a search looks at."""
    model = Settings.of(search.cell.settings["model"])
    out = {}
    for name in search.space:
        group, _, setting = name.partition(".")
        own = search.cell.settings.get(group, {})
        out[name] = getattr(model, setting) if group == "model" else own.get(setting)
    return out


def foreseen(search: Search, trials: int) -> list[Cell]:
    """The trainings of so many trials with settings from all of the space, for a plan of their time."""
    rng = seeds.rng("plan", search.name)
    out = []
    for _ in range(trials):
        values = {name: any_value(axis, rng) for name, axis in search.space.items()}
        cell = replace(search.cell, settings=with_values(search.cell.settings, values))
        out += [cell] * trainings(search.cell.n)
    return out


def with_values(
    settings: Mapping[str, Mapping[str, Any]], values: Mapping[str, Any]
) -> dict[str, dict[str, Any]]:
    """Settings with "group.name" values put in their places."""
    out = {group: dict(own) for group, own in settings.items()}
    for name, value in values.items():
        group, _, setting = name.partition(".")
        out.setdefault(group, {})[setting] = value
    return {**out, "model": Settings.of(out["model"]).told()}


def taken_over(
    params: Params, arm: Arm, n: int, values: Mapping[str, Any] | None
) -> dict[str, Any]:
    """The settings of an arm with the values of the search that serves it.

    What the arm or its architecture pins stays; so does all that the search did not look at.
    """
    untuned = grid.default_settings(params, arm, n)
    if values is None or not arm.strategies:
        return untuned
    parts = strategies.compose(arm.strategies, {})
    shape = SHAPES if _of_one_shape(parts) else ()  # of another arm's search: a start has its own
    fixed = {f"model.{name}" for name in (*grid.pinned(arm), *parts.pins(n), *shape)}
    groups = {"model", *arm.strategies}
    usable = {k: v for k, v in values.items() if k.partition(".")[0] in groups and k not in fixed}
    return with_values(untuned, usable)


def waves(found: Sequence[Search]) -> Iterator[list[Search]]:
    """Searches that may run side by side, one list after the other."""

    def depth(s: Search) -> int:
        return 1 + max(map(depth, s.after), default=-1)

    for _, wave in groupby(sorted(found, key=depth), key=depth):
        yield list(wave)


def trainings(n: int) -> int:
    """How many networks one trial trains at n labels."""
    return FOLDS if n <= FOLDS_UP_TO else 1
