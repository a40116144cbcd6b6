"""Finds how good the arms' class probabilities are, from `probabilities.parquet`."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from datayield.analysis.frame import Frame
from datayield.analysis.intervals import Interval
from datayield.analysis.probability_scores import (
    TopClass,
    brier_scores,
    calibration_errors,
    down_to_zero,
    error_by_luck,
    log_losses,
    reliability,
    top_class,
    uncorrected_error,
)
from datayield.analysis.probability_statements import ArmProbabilities, ProbabilityStatements
from datayield.core import files, probability_rows
from datayield.core.types import Floats, Ints, Probabilities

Lines = Sequence[Mapping[str, Any]]  # rows of `cells.parquet`
ROUNDING = 0.01  # by which stored probabilities may miss the sum of 1
COMPARED = ("plain", "baseline", "strategy")  # roles; controls and checks are not looked at


def by_arm(lines: Lines, f: Frame) -> tuple[int, dict[str, list[Mapping[str, Any]]]]:
    """Return the largest budget that most compared arms share, and its rows by arm; 0 without any."""
    found: dict[int, dict[str, list[Mapping[str, Any]]]] = {}
    for x in lines:
        if f.role(x["arm"]) in COMPARED:
            found.setdefault(x["n"], {}).setdefault(x["arm"], []).append(x)
    most = max(map(len, found.values()), default=0)
    n = max((b for b, arms in found.items() if 2 * len(arms) >= most), default=0)
    return n, found.get(n, {})


def probability_findings(path: Path, lines: Lines, f: Frame, truth: Ints) -> ProbabilityStatements:
    """Return the scores of the probabilities of all arms at the largest budget that most of them share.

    Args:
        path: the corpus's `probabilities.parquet`, which older studies do not have.
        lines: the rows of `cells.parquet`.
        f: the same rows as the other comparisons use them.
        truth: class index of every test text, in test order.

    Raises:
        UserError: the table is damaged, of another version, or of other test texts.
    """
    n, rows = by_arm(lines, f)
    if not path.exists():
        return ProbabilityStatements(None, ())
    cells = {x["cell"] for own in rows.values() for x in own}
    found = probability_rows.read_probabilities(path, cells)
    _check(path, found, truth)
    arms = tuple(
        scored
        for arm, own in sorted(rows.items())
        if (scored := _arm(arm, n, own, found, truth, lambda values: f.interval(values, n)))
    )
    if not arms:
        return ProbabilityStatements(None, ())
    return ProbabilityStatements(n, arms, tuple(sorted(rows.keys() - {a.arm for a in arms})))


def _check(path: Path, found: Mapping[str, Probabilities], truth: Ints) -> None:
    """Refuse probabilities that cannot belong to these test texts.

    Raises:
        UserError: there are other texts, or fewer classes than the labels name.
    """
    for cell, probabilities in found.items():
        texts, classes = probabilities.test.shape
        if texts != len(truth) or classes <= truth.max():
            raise files.damaged_error(
                path,
                f"the cell {cell} has {texts} texts and {classes} classes; the test set has {len(truth)}"
                f" texts and at least {truth.max() + 1} classes",
            )


def are_probabilities(cells: Sequence[Floats]) -> bool:
    """Return whether the scores of an arm's cells say how sure the arm is.

    Every text's scores must lie in [0, 1] and sum to 1 but for float16's rounding (margins do not), and
    not every one may be 0 or 1 (an arm that only names a class). Without cells the answer is no.

    Args:
        cells: the scores of each cell, (test texts, classes).
    """
    proper = all(
        p.min() >= 0 and p.max() <= 1 and np.abs(p.sum(1) - 1).max() <= ROUNDING for p in cells
    )
    return proper and not all(np.isin(p, (0, 1)).all() for p in cells)


def _arm(
    arm: str,
    n: int,
    lines: Lines,
    found: Mapping[str, Probabilities],
    truth: Ints,
    interval: Callable[[Floats], Interval],
) -> ArmProbabilities | None:
    """Return the scores of one arm; None without probabilities (`are_probabilities`)."""
    by_draw: dict[int, list[Floats]] = {}
    for x in sorted(lines, key=lambda x: (x["draw"], x["seed"])):
        if x["cell"] in found:
            by_draw.setdefault(x["draw"], []).append(found[x["cell"]].test.astype(np.float64))
    cells = list(by_draw.values())
    if not are_probabilities([p for own in cells for p in own]):
        return None
    tops = [[top_class(p, truth) for p in own] for own in cells]

    def two_way(values: Callable[[Floats, Ints], Floats]) -> Interval:
        found = np.array([np.mean([values(p, truth) for p in own], axis=0) for own in cells])
        return replace(interval(found), p=None)  # nobody asks whether a loss is 0

    def of_top(values: Callable[[TopClass], Floats]) -> Interval:
        return interval(np.array([np.mean([values(t) for t in own], axis=0) for own in tops]))

    def mean(value: Callable[[TopClass], float]) -> float:
        return float(np.mean([np.mean([value(t) for t in own]) for own in tops]))

    luck = mean(error_by_luck)
    return ArmProbabilities(
        arm,
        n,
        sum(map(len, cells)),
        len(lines),
        log_loss=two_way(log_losses),
        brier=two_way(brier_scores),
        calibration_error=down_to_zero(replace(of_top(calibration_errors), p=None), luck),
        uncorrected=mean(uncorrected_error),
        by_luck=luck,
        overconfidence=of_top(lambda top: top.excess),
        bins=reliability(tops, interval),
    )
