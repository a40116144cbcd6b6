"""params → the cells of a study."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from itertools import pairwise
from math import ceil, log2
from typing import Any

from datayield import linear, together
from datayield.config import Block, Params
from datayield.errors import UserError, nearest
from datayield.search import ARCHITECTURES, settings
from datayield.strategies import arguments_of, canonical, compose, verbs
from datayield.strategies.base import Plan
from datayield.table import digest
from datayield.types import RECIPE, Arm, Cell

DROPOUTS = ("word_dropout", "embedding_dropout", "dropout")
ALL = "all"  # in settings.json: these settings serve every draw


@dataclass(frozen=True, slots=True)
class Scope:
    """What the grid needs to know of one corpus."""

    corpus: str
    pool: int
    digest: str
    facts: Mapping[str, str]  # digest per data table: variants, difficulties, vectors
    device: str = "cpu"  # that networks are trained on here


def parse_arm(text: str) -> Arm:
    """`lstm:eda_nn+mixup_word` → Arm in canonical form; `lstm` means `lstm:plain`.

    Raises:
        UserError: naming the nearest and the known architectures or strategies.
    """
    architecture, _, rest = text.partition(":")
    if architecture in linear.BASELINES:
        if rest:
            raise UserError(f'arm "{text}": {architecture} is no network and takes no strategies')
        return Arm(architecture)
    if architecture not in ARCHITECTURES:
        known = [*ARCHITECTURES, *linear.BASELINES]
        raise UserError(
            f'arm "{text}": unknown architecture "{architecture}": {nearest(architecture, known)}'
        )
    try:
        arm = Arm(architecture, canonical((rest or "plain").split("+")))
        compose(arm.strategies, {})
    except UserError as e:
        raise UserError(f'arm "{text}": {e}') from e
    return arm


def budgets(blocks: Sequence[Block], pool: int) -> tuple[list[list[int]], list[str]]:
    """Budgets per block, those beyond the pool left out, and a notice for each left out."""
    named = sorted(
        {b for block in blocks if not isinstance(block.budgets, str) for b in block.budgets}
    )
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
    """The named budgets, filled up so that neighbours differ by sqrt(2) at most, to 4x the largest.

    >>> half_octaves([100, 200], 10_000)
    [100, 141, 200, 283, 400, 566, 800]
    """
    ends = sorted({*named, min(4 * named[-1], pool)})
    out = [ends[0]]
    for low, high in pairwise(ends):
        steps = ceil(2 * log2(high / low) - 1e-9)
        out += [round(low * (high / low) ** (k / steps)) for k in range(1, steps + 1)]
    return out


def updates_at(params: Params, n: int) -> int:
    """U(n): how many updates every network arm of a regime trains."""
    return [u for labels, u in params.updates.items() if labels <= n][-1]


def default_settings(params: Params, arm: Arm, n: int) -> dict[str, Any]:
    """The untuned settings of an arm at a budget: {"model": ..., "<strategy>": ...}."""
    if not arm.strategies:
        return {}
    parts = compose(arm.strategies, params.strategies)
    model = settings(arm.architecture, {**params.model, **parts.pins(n)}, updates_at(params, n))
    own = {s: arguments_of(s, params.strategies.get(s, {})) for s in arm.strategies}
    if parts.needs("dropout") and not any(model[d] for d in DROPOUTS):
        raise UserError(
            f'arm "{arm}" needs predictions that vary: wanted a share above 0 for one of'
            f" {', '.join(DROPOUTS)}, and all of them are 0"
        )
    return {"model": model, **{s: a for s, a in own.items() if a}}


def pinned(arm: Arm) -> Collection[str]:
    """The settings that an arm's architecture fixes."""
    return ARCHITECTURES[arm.architecture]


@dataclass(frozen=True, slots=True)
class Grid:
    """The cells of one corpus, what was left out, and how each arm is to be read."""

    cells: tuple[Cell, ...]
    notices: tuple[str, ...]
    arms: Mapping[str, Mapping[str, Any]]  # arm -> role, summary, expected


def mapped(planned: Grid) -> set[str]:
    """Keys of the cells whose training dynamics are kept: plain arms, each at its largest budget."""
    plain = [c for c in planned.cells if planned.arms[str(c.arm)]["role"] == "plain"]
    largest: dict[Arm, int] = {}
    for c in plain:
        largest[c.arm] = max(c.n, largest.get(c.arm, 0))
    return {key(c) for c in plain if c.n == largest[c.arm]}


def entries(params: Params, pool: int) -> tuple[list[tuple[Arm, int]], list[str]]:
    """Every (arm, budget) of a study once, in the order of params.yaml, and notices."""
    per_block, notices = budgets(params.study.grid, pool)
    found: dict[tuple[Arm, int], None] = {}
    without: dict[Arm, int] = {}
    for block, sizes in zip(params.study.grid, per_block, strict=True):
        for arm in (parse_arm(a) for a in block.arms):
            for n in sizes:
                lacking = _lacking(arm, n, pool)
                if lacking:
                    notices.append(f"{arm} at {n} labels needs {lacking} and was left out")
                    without.setdefault(arm, n)
                else:
                    found[arm, n] = None
    arms = {arm for arm, _ in found}
    _check_unlabelled([arm for arm in without if arm not in arms], pool)
    check_controls(params)
    return list(found), notices


def _check_unlabelled(lost: Sequence[Arm], pool: int) -> None:
    """An arm that learns from texts without labels has a budget that leaves some."""
    for arm in lost:
        if any(p.unlabelled for p in compose(arm.strategies, {}).parts):
            raise UserError(
                f"params.yaml: study.grid: {arm} learns from texts without labels, and each of its"
                f" budgets takes the whole pool of {pool} texts. Name a smaller budget for it, bring"
                " more texts, or leave it out."
            )


def check_controls(params: Params) -> None:
    """A strategy and the control beside it in the study agree on the arguments that both have.

    Raises:
        UserError: where they do not.
    """
    arms = dict.fromkeys(parse_arm(a) for block in params.study.grid for a in block.arms)
    for arm in arms:
        control = _control(arm)
        if control is None or control not in arms:
            continue
        own, other = (
            arguments_of(a.strategies[0], params.strategies.get(a.strategies[0], {}))
            for a in (arm, control)
        )
        for name in sorted(own.keys() & other.keys()):
            if own[name] != other[name]:
                this, that = arm.strategies[0], control.strategies[0]
                raise UserError(
                    f"params.yaml: strategies: {this} has {name} {own[name]!r} and its control {that} has"
                    f" {other[name]!r}; beside each other they need the same:"
                    f" {{{this}: {{{name}: {other[name]!r}}}}}, or the other way round"
                )


def _lacking(arm: Arm, n: int, pool: int) -> str:
    """What an arm would need that a pool of this size does not hold beside n labels; "" if nothing."""
    needed = _labels_needed(arm, n)
    if needed > pool:
        return f"{needed} texts of a pool of {pool}"
    if needed == pool and any(p.unlabelled for p in compose(arm.strategies, {}).parts):
        return "texts without labels, of which the whole pool leaves none"
    return ""


def _labels_needed(arm: Arm, n: int) -> int:
    plan = compose(arm.strategies, {}).one("plan") if arm.strategies else None
    return plan(Plan(n, 0)).labels if plan else n


def make(params: Params, scope: Scope, chosen: Mapping[str, Mapping[str, Any]]) -> Grid:
    """All cells of one corpus.

    Args:
        params: the study.
        scope: pool size and digests.
        chosen: settings.json of the tune stage: budget -> arm -> draw (or ALL) -> settings.
    """
    planned, notices = entries(params, scope.pool)
    cells = tuple(
        cell(params, scope, arm, n, draw, seed, _own(chosen, arm, n, draw))
        for arm, n in planned
        for draw in params.study.numbers
        for seed in range(params.study.seeds)
    )
    arms = {str(arm): describe(arm) for arm, _ in planned}
    return Grid(cells, tuple(notices), arms)


def _own(chosen: Mapping[str, Any], arm: Arm, n: int, draw: int) -> Mapping[str, Any]:
    try:
        by_draw = chosen[str(n)][str(arm)]
        found: Mapping[str, Any] = by_draw.get(str(draw), by_draw.get(ALL, {}))
        if not all(isinstance(own, Mapping) for own in (found, *found.values())):
            raise TypeError
    except (AttributeError, KeyError, TypeError) as e:
        raise UserError(
            f"settings.json has no settings of {arm} at {n} labels, draw {draw}: it is damaged or of"
            " another params.yaml. Delete it and run `dvc repro`."
        ) from e
    return found


def describe(arm: Arm) -> dict[str, Any]:
    """Role, one-line summary, what a control or check should equal, its counterpart with tuning."""
    if not arm.strategies:
        return {"role": "baseline", "summary": linear.SUMMARIES[arm.architecture]}
    parts = compose(arm.strategies, {})
    out: dict[str, Any] = {
        "role": parts.role,
        "summary": "; ".join(p.summary for p in parts.parts),
    }
    expected = dict(parts.parts[0].expected) if len(parts.parts) == 1 else {}
    if expected.get("arm") == "plain":
        expected["arm"] = str(Arm(arm.architecture, ("plain",)))
    if expected:
        out["expected"] = expected
    control = _control(arm)
    if control is not None:
        out["control"] = str(control)
    searched = tuple(p.name for p in parts.parts if p.tuned)
    fixed = [p for p in parts.parts if not p.tuned]
    if fixed:  # the same arm with searched settings, and whether nothing else differs
        alone = not any(p.pins or verbs(p) for p in fixed)
        counterpart = str(Arm(arm.architecture, searched or ("plain",)))
        out["tuned"] = {"arm": counterpart, "alone": alone}
    return out


def _control(arm: Arm) -> Arm | None:
    """The arm that shows what else could explain a gain of a single strategy."""
    if len(arm.strategies) != 1 or not (name := compose(arm.strategies, {}).parts[0].control):
        return None
    return Arm(arm.architecture, (name,))


def cell(
    params: Params, scope: Scope, arm: Arm, n: int, draw: int, seed: int, chosen: Mapping[str, Any]
) -> Cell:
    """One cell with everything that determines its result."""
    identity: dict[str, Any] = {
        "recipe": RECIPE,
        "data": scope.digest,
        "study_seed": params.study.seed,
        "sampling": params.study.sampling,
        "precision": params.execution.precision if arm.strategies else "fp32",
        "device": scope.device if arm.strategies else "cpu",
    }
    if arm.strategies:
        parts = compose(arm.strategies, chosen)
        identity |= {
            "engine": f"torch {version('torch')}",
            "strategies": {p.name: p.version for p in parts.parts},
            "facts": {name: scope.facts[name] for name in parts.facts},
        }
    else:
        identity["engine"] = f"scikit-learn {version('scikit-learn')}"
    made = Cell(scope.corpus, n, arm, draw, seed, dict(chosen), identity)
    if identity["device"] == "cpu":
        return made
    return replace(made, identity={**identity, "stack": together.version(made)})


def key(cell: Cell) -> str:
    """The cell's identity: a hash of everything that determines its result."""
    fields = {
        "corpus": cell.corpus,
        "n": cell.n,
        "arm": str(cell.arm),
        "draw": cell.draw,
        "seed": cell.seed,
        "settings": cell.settings,
        "identity": cell.identity,
    }
    return digest(fields)[:32]


def arms_with_rewrites(params: Params, pool: int) -> Iterator[tuple[str, int]]:
    """(strategy, largest budget) of every strategy whose variants the augment stage makes.

    Beside a strategy that acquires, any text of the pool may be asked for: the budget is the pool.
    """
    largest: dict[str, int] = {}
    for arm, n in entries(params, pool)[0]:
        parts = compose(arm.strategies, {})
        needed = pool if parts.one("acquire") else _labels_needed(arm, n)
        for part in parts.parts:
            if part.rewrite is not None:
                largest[part.name] = max(needed, largest.get(part.name, 0))
    yield from sorted(largest.items())
