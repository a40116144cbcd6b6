"""Counts the finished cells of one corpus and averages their scores."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, TypeAlias

from datayield.config.params import Analysis
from datayield.core.metrics import lead_metric
from datayield.core.types import Cell, Row
from datayield.study.stage_progress import MeanCurve, StageProgress, write_progress

DRAWN = ("strategy", "plain", "baseline")  # roles of arms that may lead; controls and checks do not

Scores: TypeAlias = dict[str, dict[int, dict[tuple[int, int], float]]]
"""Arm -> labels -> (draw, seed) -> test score in [0, 1]."""


class StudyProgress:
    """The finished cells of one corpus, written for the board after every unit of work."""

    def __init__(
        self,
        corpus: str,
        root: Path,
        arms: Mapping[str, Mapping[str, Any]],
        analysis: Analysis,
        majority: float,
    ) -> None:
        """Begin without cells.

        Args:
            corpus: the name of the corpus.
            root: the project folder.
            arms: the description of every arm, as `grid.Grid` has them.
            analysis: names the baseline and the metric.
            majority: share of the largest class, which decides on the metric.
        """
        self._corpus, self._root, self._arms = corpus, root, arms
        self._baseline = analysis.baseline
        self._metric, self._step = lead_metric(analysis.metric, majority), ""
        self._scores: Scores = {}
        self._done = self._total = self._failed = 0

    def begin_step(self, step: str, cells: Sequence[Cell], rows: Mapping[str, Row]) -> None:
        """Begin a step of the study and write how far it is.

        Args:
            step: how messages name the step, in brackets; "" where the study has one step.
            cells: all that must be trained until the end of this step.
            rows: the finished ones among them, and others, by key.
        """
        finished = [rows[c.key] for c in cells if c.key in rows]
        self._step, self._scores = step.strip(" ()"), {}
        self._done, self._total = len(finished) + self._failed, len(cells)
        for row in finished:
            self._add_score(row)
        self.write(None, "")

    def add(self, row: Row | None) -> None:
        """Count one more cell; None: it failed."""
        self._done += 1
        if row is None:
            self._failed += 1
        else:
            self._add_score(row)

    def write(self, seconds_left: float | None, latest: str) -> None:
        """Write how far the study is.

        Args:
            seconds_left: predicted seconds until the end of this step; None: not known.
            latest: the cell that was finished last, in words.
        """
        curves = [
            MeanCurve(self._arms[arm]["title"], points)
            for arm, points in curves_so_far(self._scores, self._baseline)
        ]
        progress = StageProgress(
            self._corpus, "cells", self._done, self._total, self._step, self._failed, seconds_left,
            latest, self._metric, tuple(curves),
        )  # fmt: skip
        write_progress(progress, self._root)

    def _add_score(self, row: Row) -> None:
        arm = str(row.cell.arm)
        if self._arms.get(arm, {}).get("role") in DRAWN:
            score = row.accuracy if self._metric == "accuracy" else row.macro_f1
            at = self._scores.setdefault(arm, {}).setdefault(row.cell.n, {})
            at[row.cell.draw, row.cell.seed] = score


def curves_so_far(scores: Scores, baseline: str) -> list[tuple[str, tuple[tuple[int, float], ...]]]:
    """Return the mean curve of the baseline, then that of the arm that leads it by most, if one does.

    Both are means over the draws that the two have in common, so that they can be compared. An arm may
    lead only if it shares as many budgets with the baseline as any other does. A leader among unfinished
    cells is picked by its luck too: this is a picture, and nothing may be concluded from it.

    Returns:
        (arm, points), points being (labels, mean score) with ascending labels; nothing without the baseline.
    """
    against = scores.get(baseline, {})
    shared = {arm: _shared(of, against) for arm, of in sorted(scores.items()) if arm != baseline}
    most = max(map(len, shared.values()), default=0)
    gains = {
        arm: _mean([_mean([scores[arm][n][k] - against[n][k] for k in at[n]]) for n in at])
        for arm, at in shared.items()
        if most and len(at) == most
    }
    leader = max(gains, key=lambda arm: gains[arm], default=baseline)
    if gains.get(leader, 0.0) <= 0:
        alone = {n: set(by) for n, by in against.items()}
        return [(baseline, _means(against, alone))] if against else []
    return [(arm, _means(scores[arm], shared[leader])) for arm in (baseline, leader)]


def _shared(
    of: Mapping[int, Mapping[tuple[int, int], float]],
    against: Mapping[int, Mapping[tuple[int, int], float]],
) -> dict[int, set[tuple[int, int]]]:
    """Return the draws that two arms have in common, by labels."""
    return {n: keys for n, by in of.items() if (keys := by.keys() & against.get(n, {}).keys())}


def _means(
    of: Mapping[int, Mapping[tuple[int, int], float]],
    keys: Mapping[int, set[tuple[int, int]]],
) -> tuple[tuple[int, float], ...]:
    return tuple((n, _mean([of[n][k] for k in keys[n]])) for n in sorted(keys))


def _mean(values: Sequence[float]) -> float:
    return sum(values) / len(values)
