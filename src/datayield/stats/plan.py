"""What `datayield need` answers, from the tables of a study."""

from collections.abc import Iterable
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


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked of a study's tables."""

    corpus: str | None = None  # None where the study has one
    target: float | None = None  # score in (0, 1); None: only gains
    arm: str | None = None  # None: the study's baseline and its best simple baseline
    have: int | None = None  # labels to start from; None: every budget of the first arm
    more: int = 500  # next labels, at least 1
    label_price: float | None = None  # None: no money
    hour_price: float = 0.0  # per hour of computing
    trainings: int = 1  # per model


def plan_labels(params: Params, root: Path, asked: Question) -> Planned:
    """Labels to a target with their cost, and what the next labels buy.

    Args:
        params: the study; its tables lie below root.
        root: the project folder.
        asked: the question.

    Raises:
        UserError: when something asked is out of range or not in the study.
    """
    _checked(asked)
    name = params.study.corpus(asked.corpus)
    loaded = load(params, name, root)
    f = loaded.frame
    arms = [finished_arm(asked.arm, f.names)] if asked.arm else _default_arms(f)
    target = asked.target
    answers = [need.labels(f, a, target) for a in arms] if target is not None else []
    starts = [asked.have] if asked.have is not None else _starts(f, arms[0])
    gains = [need.gain(f, arms[0], n, asked.more) for n in starts]
    priced, best, near = _priced(loaded, asked)
    return Planned(
        name, next(iter(f.scores.values())).metric, f.level, tuple(answers), tuple(gains),
        priced, best, near,
    )  # fmt: skip


def frame(params: Params, root: Path, corpus: str | None) -> compare.Frame:
    """What all comparisons of one corpus start from; the corpus may be None where there is one.

    Raises:
        UserError: the corpus is not in the study, or its tables are missing.
    """
    return load(params, params.study.corpus(corpus), root).frame


def _checked(asked: Question) -> None:
    target, label = asked.target, asked.label_price
    if target is not None and not 0 < target < 1:
        hint = f": {target / 100:g}?" if 1 < target < 100 else ""
        raise UserError(f"--target wants a score between 0 and 1, got {target:g}{hint}")
    for name, value, least in (
        ("--have", asked.have, 1),
        ("--more", asked.more, 1),
        ("--trainings", asked.trainings, 1),
    ):
        if value is not None and value < least:
            raise UserError(f"{name} wants a whole number of at least {least}, got {value}")
    for name, price in (("--label-price", label), ("--hour-price", asked.hour_price)):
        if price is not None and not (isfinite(price) and price >= 0):
            raise UserError(f"{name} wants a price of 0 or more, got {price:g}")
    if label is not None and target is None:
        raise UserError("a price wants a --target whose cost is asked for")


def finished_arm(arm: str, names: Iterable[str]) -> str:
    """The arm of this name among those with finished cells; `lstm` means `lstm:plain`.

    Raises:
        UserError: there is none.
    """
    known = sorted(set(names))
    name = f"{arm}:plain" if f"{arm}:plain" in known else arm
    if name not in known:
        raise UserError(f'no finished cell of an arm "{arm}": {nearest(arm, known)}')
    return name


def _default_arms(f: compare.Frame) -> list[str]:
    arms = [a for a in (f.baseline, compare.best_simple(f)) if a in f.names]
    if not arms:
        raise UserError(f"the baseline {f.baseline} has no finished cell; name another arm: --arm")
    return [str(a) for a in arms]


def _starts(f: compare.Frame, arm: str) -> list[int]:
    """The arm's budgets that most arms share: the grid's own, without the curve's fillings."""
    counts = {n: sum(b == n for _, b in f.scores) for n in f.budgets(arm)}
    return [n for n, k in counts.items() if 2 * k >= max(counts.values())]


def _priced(
    loaded: Loaded, asked: Question
) -> tuple[tuple[dict[str, Any], ...] | None, str | None, tuple[str, ...]]:
    arm, target, label = asked.arm, asked.target, asked.label_price
    if label is None or target is None:
        return None, None, ()
    f = loaded.frame
    hours: dict[str, list[tuple[int, float]]] = {}
    for c in costs(loaded.lines):
        seconds = c["cell_seconds"] + c["pretrain_seconds"]
        hours.setdefault(c["arm"], []).append((c["n"], seconds / 3600))
    arms = [finished_arm(arm, f.names)] if arm else [a for a in hours if f.role(a) in need.ROLES]
    prices = need.Prices(label, asked.hour_price, asked.trainings)
    found = tuple(
        need.cost(need.labels(f, a, target), hours[a], prices)
        for a in arms
        if len(f.budgets(a)) > 1
    )
    best, near = need.cheapest(found)
    return found, best, tuple(near)
