"""Derives the cells of a study from its parameters."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from importlib.metadata import version
from itertools import pairwise, product
from math import ceil, log2
from typing import Any

from datayield.cells import stacking
from datayield.config import Block, Params
from datayield.core.arm import WEIGHTED, Arm
from datayield.core.errors import UserError
from datayield.core.types import RECIPE, Cell
from datayield.models.settings import OUTSIDE
from datayield.strategies.base import RunProtocol, reads_other_texts
from datayield.strategies.registry import arguments_of, compose
from datayield.study.arms import control_of, describe, parse_arm
from datayield.study.screened_arms import named_budgets, ranking_texts, screened

SHARED = ("recipe", "data", "study_seed", "sampling", "validation_folds", "ranking_texts")
"""What a blend's identity has from its members, next to their keys."""
ALL = "all"  # in settings.json: these settings serve every draw


@dataclass(frozen=True, slots=True)
class Scope:
    """The properties of one corpus that the grid depends on."""

    corpus: str
    pool: int
    digest: str
    precomputed: Mapping[str, str]  # digest per data table: variants, difficulties, vectors
    device: str = "cpu"  # device that trains networks on this machine
    sampled: Callable[[int, int], str] | None = None
    """(draw, labels) -> digest of that sample and the test set; None: only `digest` may identify cells."""
    unlabelled: int = 0  # texts of the corpus without labels, beyond the pool


def budgets(blocks: Sequence[Block], pool: int) -> tuple[list[list[int]], list[str]]:
    """Return the budgets of each block without those above the pool, and a notice for each of these."""
    named = sorted(set(named_budgets(blocks)))
    notices = [
        f"a budget of {b} labels is larger than the pool of {pool} texts and was left out"
        for b in named
        if b > pool
    ]
    usable = [b for b in named if b <= pool]
    if not usable:
        raise UserError(
            f"params.yaml: study.grid: every budget ({', '.join(map(str, named))}) is larger than the"
            f" pool of {pool} texts. Name smaller budgets or bring more texts."
        )
    filled = half_octaves(usable, pool)
    return [
        filled if isinstance(block.budgets, str) else [b for b in block.budgets if b <= pool]
        for block in blocks
    ], notices


def half_octaves(named: Sequence[int], pool: int) -> list[int]:
    """Fill up budgets to 4x the largest, so that neighbours differ by sqrt(2) at most.

    >>> half_octaves([100, 200], 10_000)
    [100, 141, 200, 283, 400, 566, 800]
    """
    ends = sorted({*named, min(4 * named[-1], pool)})
    out = [ends[0]]
    for low, high in pairwise(ends):
        steps = ceil(2 * log2(high / low) - 1e-9)
        out += [round(low * (high / low) ** (k / steps)) for k in range(1, steps + 1)]
    return out


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of one corpus, notices of what was left out, and a description of each arm."""

    cells: tuple[Cell, ...]  # those that claims come from
    notices: tuple[str, ...]
    arms: Mapping[str, Mapping[str, Any]]  # arm -> role, summary, expected
    screening: tuple[Cell, ...] = ()  # of a race: every strategy and the baseline on every draw
    members: Mapping[str, tuple[Cell, ...]] = field(
        default_factory=dict
    )  # by the key of a blend's cell

    def trained(self, cells: Iterable[Cell]) -> tuple[Cell, ...]:
        """Return the cells that must be trained for these, each once: a blend's are those of its members."""
        wanted = (m for c in cells for m in self.members.get(c.key, (c,)))
        return tuple({m.key: m for m in wanted}.values())


def cells_with_dynamics(planned: Grid) -> set[str]:
    """Return the keys of cells whose training dynamics are kept: plain arms at their largest budget."""
    plain = [c for c in planned.cells if planned.arms[str(c.arm)]["role"] == "plain"]
    largest: dict[Arm, int] = {}
    for c in plain:
        largest[c.arm] = max(c.n, largest.get(c.arm, 0))
    return {c.key for c in plain if c.n == largest[c.arm]}


def arms_of(block: Block) -> list[Arm]:
    """Return the arms of a block, each once: before a blend its members, which it needs in any case."""
    arms = [parse_arm(name) for name in block.arms]
    return list(dict.fromkeys(a for arm in arms for a in (*(m.arm for m in arm.members), arm)))


def arms_and_budgets(
    params: Params, pool: int, unlabelled: int = 0
) -> tuple[list[tuple[Arm, int]], list[str]]:
    """Return every (arm, budget) of a study once, in the order of params.yaml, and notices.

    Args:
        params: the study.
        pool: labelled texts to draw from.
        unlabelled: texts of the corpus without labels.
    """
    per_block, notices = budgets(params.study.grid, pool)
    entries: dict[tuple[Arm, int], None] = {}
    without: dict[Arm, int] = {}
    for block, sizes in zip(params.study.grid, per_block, strict=True):
        for arm in arms_of(block):
            for n in sizes:
                need = _lacking(arm, n, pool, unlabelled)
                if need:
                    notices.append(f"{arm} at {n} labels needs {need} and was left out")
                    without.setdefault(arm, n)
                else:
                    entries[arm, n] = None
    arms = {arm for arm, _ in entries}
    _check_unlabelled([arm for arm in without if arm not in arms], pool)
    check_controls(params)
    return list(entries), notices


def draws_of(params: Params, pool: int) -> dict[tuple[Arm, int], int]:
    """Return the number of draws of every (arm, budget): the most of the blocks that name it."""
    per_block, _ = budgets(params.study.grid, pool)
    counts: dict[tuple[Arm, int], int] = {}
    for block, sizes in zip(params.study.grid, per_block, strict=True):
        for entry in product(arms_of(block), sizes):
            counts[entry] = max(block.draws or params.study.draws, counts.get(entry, 0))
    return counts


def _check_unlabelled(lost: Sequence[Arm], pool: int) -> None:
    """Raise UserError if one of these arms needs unlabelled texts and no budget leaves any."""
    for arm in lost:
        if any(p.unlabelled for p in compose(arm.strategies, {}).parts):
            raise UserError(
                f"params.yaml: study.grid: {arm} learns from texts without labels, and each of its"
                f" budgets takes the whole pool of {pool} texts. Name a smaller budget for it, bring"
                " more texts, or leave it out."
            )


def check_controls(params: Params) -> None:
    """Raise UserError if a strategy and its control differ in an argument that both have."""
    arms = dict.fromkeys(arm for block in params.study.grid for arm in arms_of(block))
    for arm in arms:
        control = control_of(arm)
        if control is None or control not in arms:
            continue
        arguments, of_control = (
            arguments_of(a.strategies[0], params.strategies.get(a.strategies[0], {}))
            for a in (arm, control)
        )
        for name in sorted(arguments.keys() & of_control.keys()):
            if arguments[name] != of_control[name]:
                this, that = arm.strategies[0], control.strategies[0]
                raise UserError(
                    f"params.yaml: strategies: {this} has {name} {arguments[name]!r} and its control {that}"
                    f" has {of_control[name]!r}. In one study both need the same value: set"
                    f" {{{this}: {{{name}: {of_control[name]!r}}}}}, or change {that}."
                )


def _lacking(arm: Arm, n: int, pool: int, unlabelled: int) -> str:
    """Return what an arm needs at n labels and these texts do not have; "" if nothing."""
    if arm.members:
        needs = (_lacking(m.arm, n, pool, unlabelled) for m in arm.members)
        return next((need for need in needs if need), "")
    needed = labels_needed(arm, n)
    if needed > pool:
        return f"{needed} texts of a pool of {pool}"
    learns = any(p.unlabelled for p in compose(arm.strategies, {}).parts)
    if learns and needed == pool and not unlabelled:
        return "texts without labels, and this budget leaves none of the pool"
    return ""


def labels_needed(arm: Arm, n: int) -> int:
    """Return the labels that an arm trains on at a budget of n."""
    protocol = compose(arm.strategies, {}).one("protocol") if arm.strategies else None
    return protocol(RunProtocol(n, 0)).labels if protocol else n


def make_grid(params: Params, scope: Scope, chosen: Mapping[str, Mapping[str, Any]]) -> Grid:
    """Make all cells of one corpus.

    Args:
        params: the study.
        scope: the properties of the corpus.
        chosen: settings.json of the tune stage: budget -> arm -> draw (or ALL) -> settings.
    """
    planned, notices = arms_and_budgets(params, scope.pool, scope.unlabelled)
    counts = draws_of(params, scope.pool)
    arms = {str(arm): describe(arm, params.strategies) for arm, _ in planned}
    raced = screened(params, planned) if params.study.race else []
    wanted = [(e, params.study.numbers[: counts[e]]) for e in planned]
    members: dict[str, tuple[Cell, ...]] = {}

    def made(arm: Arm, n: int, draw: int, seed: int) -> Cell:
        if not arm.members:
            return cell(params, scope, arm, n, draw, seed, _settings_of(chosen, arm, n, draw))
        parts = tuple(
            made(m.arm, n, draw, seed * m.count + k) for m in arm.members for k in range(m.count)
        )
        blend = _blend_cell(arm, parts)
        if arm.architecture == WEIGHTED and not blend.identity["validation_folds"]:
            raise UserError(
                f"params.yaml: study.grid: {arm} weighs its members on held-out texts, and the cells of draw"
                f" {draw} hold none out: set validation_draws to null and validation_folds to 1 or more, and"
                " add no race"
            )
        members[blend.key] = parts
        return blend

    cells, screening = (
        tuple(
            made(arm, n, draw, seed)
            for (arm, n), draws in entries
            for draw in draws
            for seed in range(params.study.seeds)
        )
        for entries in (wanted, [(e, params.study.screening) for e in raced])
    )
    return Grid(cells, tuple(notices), arms, screening, members)


def _blend_cell(arm: Arm, members: Sequence[Cell]) -> Cell:
    """Make the cell of a blend from those of its members, which determine its result."""
    first = members[0]
    shared = {k: first.identity[k] for k in SHARED if k in first.identity}
    seed = first.seed // arm.members[0].count
    keys = [m.key for m in members]
    return Cell(
        first.corpus, first.n, arm, first.draw, seed, {}, {**shared, "blend": 1, "members": keys}
    )


def _settings_of(chosen: Mapping[str, Any], arm: Arm, n: int, draw: int) -> Mapping[str, Any]:
    try:
        by_draw = chosen[str(n)][str(arm)]
        settings: Mapping[str, Any] = by_draw.get(str(draw), by_draw.get(ALL, {}))
        if not all(isinstance(group, Mapping) for group in (settings, *settings.values())):
            raise TypeError
    except (AttributeError, KeyError, TypeError) as e:
        raise UserError(
            f"settings.json has no settings of {arm} at {n} labels, draw {draw}: it is damaged or was"
            " written for another params.yaml. Delete it and run `dvc repro`."
        ) from e
    return settings


def cell(
    params: Params, scope: Scope, arm: Arm, n: int, draw: int, seed: int, chosen: Mapping[str, Any]
) -> Cell:
    """Make one cell with everything that determines its result."""
    identity: dict[str, Any] = {
        "recipe": RECIPE,
        "data": _data(params, scope, arm, n, draw),
        "study_seed": params.study.seed,
        "sampling": params.study.sampling,
        "validation_folds": _validation_folds(params, draw),
        "precision": params.execution.precision if arm.strategies else "fp32",
        "device": scope.device if arm.strategies else "cpu",
    }
    if draw in params.study.screening:
        identity["ranking_texts"] = ranking_texts(params, scope.pool)
    if arm.strategies:
        parts = compose(arm.strategies, chosen)
        identity |= {
            "engine": f"torch {version('torch')}",
            "strategies": {p.name: p.version for p in parts.with_teachers},
            "precomputed": {name: scope.precomputed[name] for name in parts.precomputed},
        }
        if params.study.language_models is not None and parts.needs("language_model"):
            identity["language_models"] = params.study.language_models
    else:
        identity["engine"] = f"scikit-learn {version('scikit-learn')}"
        if arm.architecture in OUTSIDE:
            identity["precomputed"] = {arm.architecture: scope.precomputed[arm.architecture]}
    plain_cell = Cell(scope.corpus, n, arm, draw, seed, dict(chosen), identity)
    if identity["device"] == "cpu":
        return plain_cell
    return replace(plain_cell, identity={**identity, "stack": stacking.stack_version(plain_cell)})


def _data(params: Params, scope: Scope, arm: Arm, n: int, draw: int) -> str:
    """Return the digest of the texts that a cell depends on: of the corpus, or of what it reads of it."""
    parts = compose(arm.strategies, params.strategies).parts
    reads_pool = arm.architecture in OUTSIDE or any(map(reads_other_texts, parts))
    if scope.sampled is None or reads_pool or draw in params.study.screening:
        return scope.digest
    return scope.sampled(draw, labels_needed(arm, n))


def _validation_folds(params: Params, draw: int) -> int:
    """Return the number of folds that the cells of a draw hold out."""
    study = params.study
    if draw in study.screening:  # texts beyond the budgets validate there
        return 0
    validated = study.validation_draws is None or draw < study.first_draw + study.validation_draws
    return study.validation_folds if validated else 0


def arms_with_rewrites(params: Params, pool: int, unlabelled: int) -> Iterator[tuple[str, int]]:
    """Yield (strategy, largest budget) of every strategy whose variants the augment stage makes.

    In an arm that also queries, any text of the pool may get a label: the budget is the whole pool.
    """
    largest: dict[str, int] = {}
    for arm, n in arms_and_budgets(params, pool, unlabelled)[0]:
        parts = compose(arm.strategies, {})
        needed = pool if parts.one("query") else labels_needed(arm, n)
        for part in parts.parts:
            if part.rewrite is not None:
                largest[part.name] = max(needed, largest.get(part.name, 0))
    yield from sorted(largest.items())
