"""Answers `datayield need` from the tables of a study: labels to a target, next labels, their cost."""

from dataclasses import dataclass
from math import isfinite
from pathlib import Path

from datayield.analysis import comparisons, labels_needed
from datayield.analysis.analyse import Loaded, load
from datayield.analysis.arm_costs import costs
from datayield.analysis.frame import Frame
from datayield.analysis.scores import Metric
from datayield.analysis.statements import NextLabels
from datayield.config import Params
from datayield.core.errors import UserError
from datayield.core.types import finished_arm


@dataclass(frozen=True, slots=True)
class NeedAnswer:
    """The answers to one question; each says why where there is none."""

    corpus: str
    metric: Metric
    level: float
    targets: tuple[labels_needed.TargetAnswer, ...]
    gains: tuple[NextLabels, ...]
    costs: tuple[labels_needed.TargetCost, ...] | None  # None: no price was given
    cheapest: str | None  # arm
    near: tuple[str, ...]  # arms that are not clearly dearer


@dataclass(frozen=True, slots=True)
class Question:
    """A question to a study's tables."""

    corpus: str | None = None  # None where the study has one
    target: float | None = None  # score in (0, 1); None: only gains
    arm: str | None = None  # None: the study's baseline and its best simple baseline
    have: int | None = None  # labels to start from; None: every budget of the first arm
    more: int = 500  # next labels, at least 1
    label_price: float | None = None  # None: no money
    hour_price: float = 0.0  # per hour of computing
    trainings: int = 1  # per model


def plan_labels(params: Params, root: Path, question: Question) -> NeedAnswer:
    """Return labels to a target with their cost, and the gain of the next labels.

    Args:
        params: the study; its tables lie below root.
        root: the project folder.
        question: the question.

    Raises:
        UserError: an option is out of range, or names nothing in the study.
    """
    _check(question)
    name = params.study.corpus(question.corpus)
    loaded = load(params, name, root)
    f = loaded.frame
    arms = [finished_arm(question.arm, f.names)] if question.arm else _default_arms(f)
    target = question.target
    answers = [labels_needed.labels(f, a, target) for a in arms] if target is not None else []
    starts = [question.have] if question.have is not None else _starts(f, arms[0])
    gains = [labels_needed.gain(f, arms[0], n, question.more) for n in starts]
    priced, best, near = _priced(loaded, question)
    return NeedAnswer(
        name, next(iter(f.scores.values())).metric, f.level, tuple(answers), tuple(gains),
        priced, best, near,
    )  # fmt: skip


def frame(params: Params, root: Path, corpus: str | None) -> Frame:
    """Return the data that all comparisons of one corpus start from.

    Args:
        params: the study.
        root: the project folder.
        corpus: may be None where the study has one.

    Raises:
        UserError: the corpus is not in the study, or its tables are missing.
    """
    return load(params, params.study.corpus(corpus), root).frame


def _check(question: Question) -> None:
    """Raise UserError if an option is out of range."""
    target, label = question.target, question.label_price
    if target is not None and not 0 < target < 1:
        hint = f": {target / 100:g}?" if 1 < target < 100 else ""
        raise UserError(f"--target needs a score between 0 and 1, got {target:g}{hint}")
    for name, value, least in (
        ("--have", question.have, 1),
        ("--more", question.more, 1),
        ("--trainings", question.trainings, 1),
    ):
        if value is not None and value < least:
            raise UserError(f"{name} needs a whole number of at least {least}, got {value}")
    for name, price in (("--label-price", label), ("--hour-price", question.hour_price)):
        if price is not None and not (isfinite(price) and price >= 0):
            raise UserError(f"{name} needs a price of 0 or more, got {price:g}")
    if label is not None and target is None:
        raise UserError("--label-price needs a --target to price: add e.g. --target 0.8")


def _default_arms(f: Frame) -> list[str]:
    arms = [a for a in (f.baseline, comparisons.best_simple(f)) if a in f.names]
    if not arms:
        raise UserError(
            f"the baseline {f.baseline} has no finished cell; name another arm with --arm"
        )
    return [str(a) for a in arms]


def _starts(f: Frame, arm: str) -> list[int]:
    """Return the arm's budgets that most arms share, without those that only fill in its curve."""
    counts = {n: sum(b == n for _, b in f.scores) for n in f.budgets(arm)}
    return [n for n, k in counts.items() if 2 * k >= max(counts.values())]


def _priced(
    loaded: Loaded, question: Question
) -> tuple[tuple[labels_needed.TargetCost, ...] | None, str | None, tuple[str, ...]]:
    """Return the costs to the target, the cheapest arm, and the arms not clearly dearer."""
    arm, target, label = question.arm, question.target, question.label_price
    if label is None or target is None:
        return None, None, ()
    f = loaded.frame
    hours: dict[str, list[tuple[int, float]]] = {}
    for c in costs(loaded.lines, len(loaded.summary["classes"])):
        seconds = c.cell_seconds + c.pretrain_seconds
        hours.setdefault(c.arm, []).append((c.n, seconds / 3600))
    arms = (
        [finished_arm(arm, f.names)]
        if arm
        else [a for a in hours if f.role(a) in labels_needed.ROLES]
    )
    prices = labels_needed.Prices(label, question.hour_price, question.trainings)
    target_costs = tuple(
        labels_needed.cost(labels_needed.labels(f, a, target), hours[a], prices)
        for a in arms
        if len(f.budgets(a)) > 1
    )
    best, near = labels_needed.cheapest(target_costs)
    return target_costs, best, tuple(near)
