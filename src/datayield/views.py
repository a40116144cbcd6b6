"""What MLflow's pages show of a study at once: learning curves as runs, and saved views of them."""

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import isnan
from statistics import fmean
from typing import Any

from datayield.types import Row

CURVE = ("accuracy", "macro_f1", "validation_accuracy", "validation_macro_f1", "cell_seconds")
VIEW_TAG = "mlflow.sharedViewState."  # of an experiment: where MLflow keeps its shared views


@dataclass(frozen=True, slots=True)
class Curve:
    """One arm on one corpus: means over its cells, by budget.

    Attributes:
        points: metric -> (n, mean) in the order of n; budgets without a value are left out. "cells"
            says how many cells a mean is of.
        cells: hash of the cells, so that an unchanged curve is known.
        row: one of its cells, for what they have in common.
    """

    corpus: str
    arm: str
    points: Mapping[str, tuple[tuple[int, float], ...]]
    cells: str
    row: Row

    @property
    def name(self) -> str:
        """What the run is called."""
        return f"{self.arm} {self.corpus}"


def curves(rows: Iterable[Row]) -> list[Curve]:
    """One curve per corpus and arm."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in rows:
        groups.setdefault((row.cell.corpus, str(row.cell.arm)), []).append(row)
    return [_curve(*name, own) for name, own in sorted(groups.items())]


def _curve(corpus: str, arm: str, rows: list[Row]) -> Curve:
    by_n: dict[int, list[Row]] = {}
    for row in rows:
        by_n.setdefault(row.cell.n, []).append(row)
    points: dict[str, tuple[tuple[int, float], ...]] = {
        "cells": tuple((n, float(len(own))) for n, own in sorted(by_n.items()))
    }
    for metric in CURVE:
        means = ((n, _mean(own, metric)) for n, own in sorted(by_n.items()))
        points[metric] = tuple((n, m) for n, m in means if not isnan(m))
    keys = "".join(sorted(r.key for r in rows))
    return Curve(corpus, arm, points, hashlib.sha256(keys.encode()).hexdigest()[:32], rows[0])


def _mean(rows: list[Row], metric: str) -> float:
    return fmean(
        r.account.cell_seconds if metric == "cell_seconds" else getattr(r, metric) for r in rows
    )


def saved() -> dict[str, dict[str, Any]]:
    """The saved views of an experiment, by name, as MLflow's pages read them."""
    scores = [_column("metrics", m) for m in ("accuracy", "macro_f1", "validation_accuracy")]
    told = [_column("tags", t) for t in ("corpus", "arm", "n", "draw", "seed")]
    cost = [_column("metrics", m) for m in ("train_seconds", "updates")]
    by_arm = [{"mode": "tag", "groupByData": t} for t in ("arm", "n", "corpus")]
    return {
        # step = labels, so that MLflow's line charts are learning curves
        "curves": _view("curve", [*told[:2], *scores], "tags.`corpus`"),
        "cells": _view("cell", [*told, *scores, *cost], "metrics.`accuracy`"),
        "arms": {
            **_view("cell", [*scores, *cost], "metrics.`accuracy`"),
            "groupBy": {"aggregateFunction": "average", "groupByKeys": by_arm},
        },
        "trials": _view(
            "trial", [*told[:3], _column("metrics", "score"), _column("tags", "state")],
            "metrics.`score`",
        ),
    }  # fmt: skip


def _view(kind: str, columns: list[str], order: str) -> dict[str, Any]:
    return {
        "searchFilter": f"tags.kind = '{kind}'",
        "orderByKey": order,
        "orderByAsc": kind == "curve",
        "selectedColumns": columns,
        "runsHiddenMode": "SHOW_ALL",
    }


def _column(kind: str, name: str) -> str:
    return f"{kind}.`{name}`"


def pages(address: str, experiment: str) -> list[str]:
    """One line per view with its address, below an MLflow server's."""
    base = f"{address.rstrip('/')}/#/experiments/{experiment}/runs?viewStateShareKey="
    return [
        f"learning curves: {base}curves&compareRunsMode=CHART",
        f"arms by n:       {base}arms",
        f"cells:           {base}cells",
        f"trials:          {base}trials",
    ]
