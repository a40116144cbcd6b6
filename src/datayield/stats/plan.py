"""What `datayield need` answers, from the tables of a study."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path
from typing import Any

from datayield.config import Params
from datayield.errors import UserError, nearest
from datayield.stats import compare, need
from datayield.stats.analyse import Loaded, costs, load


@dataclass(frozen=True, slots=True)
class Planned:
    """Everything that was asked, answered or refused."""

    corpus: str
    metric: str
    level: float
    targets: tuple[need.Answer, ...]
    gains: tuple[dict[str, Any], ...]
    costs: tuple[dict[str, Any], ...] | None  # None: no price was given
    cheapest: str | None
    near: tuple[str, ...]


def plan_labels(
    params: Params,
    root: Path,
    corpus: str | None,
    target: float | None,
    arm: str | None,
    have: int | None,
    more: int,
    label_price: float | None,
    hour_price: float,
    trainings: int,
) -> Planned:
    """Labels to a target with their cost, and what the next labels buy.

    Args:
        params: the study; its tables lie below root.
        root: the project folder.
        corpus: of the study; None where it has one.
        target: score in (0, 1); None: only gains.
        arm: None: the study's baseline and its best simple baseline.
        have: labels to start from; None: every budget of the first arm.
        more: next labels, at least 1.
        label_price: None: no money.
        hour_price: per hour of computing.
        trainings: per model.

    Raises:
        UserError: when an argument is out of range or names what the study does not have.
    """
    _checked(target, have, more, label_price, hour_price, trainings)
    name = _corpus(params, corpus)
    loaded = load(params, name, root)
    f = loaded.frame
    arms = [_arm(f, arm)] if arm else _default_arms(f)
    answers = [need.labels(f, a, target) for a in arms] if target is not None else []
    starts = [have] if have is not None else _starts(f, arms[0])
    gains = [need.gain(f, arms[0], n, more) for n in starts]
    priced, best, near = _priced(loaded, arm, target, label_price, hour_price, trainings)
    return Planned(
        name, next(iter(f.scores.values())).metric, f.level, tuple(answers), tuple(gains),
        priced, best, near,
    )  # fmt: skip


def _checked(
    target: float | None,
    have: int | None,
    more: int,
    label: float | None,
    hour: float,
    trainings: int,
) -> None:
    if target is not None and not 0 < target < 1:
        hint = f": {target / 100:g}?" if 1 < target < 100 else ""
        raise UserError(f"--target wants a score between 0 and 1, got {target:g}{hint}")
    for name, value, least in (
        ("--have", have, 1),
        ("--more", more, 1),
        ("--trainings", trainings, 1),
    ):
        if value is not None and value < least:
            raise UserError(f"{name} wants a whole number of at least {least}, got {value}")
    for name, price in (("--label-price", label), ("--hour-price", hour)):
        if price is not None and not (isfinite(price) and price >= 0):
            raise UserError(f"{name} wants a price of 0 or more, got {price:g}")
    if label is not None and target is None:
        raise UserError("a price wants a --target whose cost is asked for")


def _corpus(params: Params, corpus: str | None) -> str:
    known = params.study.corpora
    if corpus is None and len(known) > 1:
        raise UserError(
            f"the study has {len(known)} corpora; name one: --corpus {' | '.join(known)}"
        )
    name = corpus or known[0]
    if name not in known:
        raise UserError(f'the study has no corpus "{name}": {nearest(name, list(known))}')
    return name


def _arm(f: compare.Frame, arm: str) -> str:
    known = sorted({a for a, _ in f.scores})
    name = f"{arm}:plain" if f"{arm}:plain" in known else arm
    if name not in known:
        raise UserError(f'no finished cell of an arm "{arm}": {nearest(arm, known)}')
    return name


def _default_arms(f: compare.Frame) -> list[str]:
    known = {a for a, _ in f.scores}
    arms = [a for a in (f.baseline, compare.best_simple(f)) if a in known]
    if not arms:
        raise UserError(f"the baseline {f.baseline} has no finished cell; name another arm: --arm")
    return [str(a) for a in arms]


def _starts(f: compare.Frame, arm: str) -> list[int]:
    """The arm's budgets that most arms share: the grid's own, without the curve's fillings."""
    counts = {n: sum(b == n for _, b in f.scores) for n in f.budgets(arm)}
    return [n for n, k in counts.items() if 2 * k >= max(counts.values())]


def _priced(
    loaded: Loaded,
    arm: str | None,
    target: float | None,
    label: float | None,
    hour: float,
    trainings: int,
) -> tuple[tuple[dict[str, Any], ...] | None, str | None, tuple[str, ...]]:
    if label is None or target is None:
        return None, None, ()
    f = loaded.frame
    hours: dict[str, list[tuple[int, float]]] = {}
    for c in costs(loaded.lines):
        seconds = c["cell_seconds"] + c["pretrain_seconds"]
        hours.setdefault(c["arm"], []).append((c["n"], seconds / 3600))
    arms = [_arm(f, arm)] if arm else [a for a in hours if f.role(a) in need.ROLES]
    prices = need.Prices(label, hour, trainings)
    found = tuple(
        need.cost(need.labels(f, a, target), hours[a], prices)
        for a in arms
        if len(f.budgets(a)) > 1
    )
    best, near = need.cheapest(found)
    return found, best, tuple(near)
