"""Computes the learning curves that MLflow's pages show as runs: one per arm and corpus."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from statistics import fmean

from datayield.core.types import Row

CURVE = ("accuracy", "macro_f1", "validation_accuracy", "validation_macro_f1", "cell_seconds")


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm on one corpus: means over its cells, by budget.

    Attributes:
        points: metric -> (n, mean) in the order of n; budgets without a value are left out. "cells"
            gives the number of cells behind a mean.
        cells: hash of the cells, by which an unchanged curve is recognised.
        row: one of its cells, which stands for the values that all share.
    """

    corpus: str
    arm: str
    points: Mapping[str, tuple[tuple[int, float], ...]]
    cells: str
    row: Row

    @property
    def name(self) -> str:
        """Name of the run."""
        return f"{self.arm} {self.corpus}"


def curves(rows: Iterable[Row]) -> list[Curve]:
    """Return one curve per corpus and arm."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.cell.corpus, str(row.cell.arm)), []).append(row)
    return [_curve(*name, members) for name, members in sorted(groups.items())]


def _curve(corpus: str, arm: str, rows: list[Row]) -> Curve:
    by_n: dict[int, list[Row]] = {}
    for row in rows:
        by_n.setdefault(row.cell.n, []).append(row)
    points: dict[str, tuple[tuple[int, float], ...]] = {
        "cells": tuple((n, float(len(cells))) for n, cells in sorted(by_n.items()))
    }
    for metric in CURVE:
        means = ((n, _mean(cells, metric)) for n, cells in sorted(by_n.items()))
        points[metric] = tuple((n, m) for n, m in means if not isnan(m))
    keys = "".join(sorted(r.key for r in rows))
    return Curve(corpus, arm, points, hashlib.sha256(keys.encode()).hexdigest()[:32], rows[0])


def _mean(rows: list[Row], metric: str) -> float:
    return fmean(
        r.cost.cell_seconds if metric == "cell_seconds" else getattr(r, metric) for r in rows
    )
