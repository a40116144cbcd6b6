"""Computes the results of the searches, their cost and the worth of tuning (METHODS 2.7 and 5)."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from math import isnan
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import spearmanr

from datayield.analysis.comparisons import multiplier
from datayield.analysis.frame import Frame
from datayield.analysis.scores import mean_known
from datayield.analysis.tuning_statements import (
    ArmSettings,
    SearchCost,
    SearchSummary,
    SettingImportances,
    SettingTrend,
    TrialCurve,
    TuningGain,
    TuningStatistics,
    TypicalNumber,
    ValueCounts,
)
from datayield.core import tables
from datayield.core.types import Floats

EVALUATOR = "fANOVA"
Rows: TypeAlias = list[dict[str, Any]]
Grouped: TypeAlias = dict[tuple[str, int], list[Rows]]  # (arm, n) -> rows of each search


def tuning(f: Frame, path: Path, cells: Rows) -> TuningStatistics | None:
    """Return everything about the searches of one corpus; None where nothing was searched.

    Args:
        f: the corpus.
        path: the corpus's trials.parquet.
        cells: the rows of the corpus's cells.parquet.
    """
    read = tables.read_table(path, tables.TRIALS)
    how = json.loads((read.schema.metadata or {}).get(b"tuning", b'{"trials": 0}'))
    if not how["trials"] or not read.num_rows:
        return None
    grouped = _grouped(read.to_pylist())
    gained = gains(f, how["served"])
    return TuningStatistics(
        **{k: how[k] for k in ("trials", "scope", "arms", "prune")},
        evaluator=EVALUATOR,
        searches=tuple(_search(rows) for searches in grouped.values() for rows in searches),
        settings=tuple(_settings(arm, by_n) for arm, by_n in _by_arm(grouped).items()),
        importances=_importances(grouped),
        by_trials=tuple(_by_trials(k, searches) for k, searches in grouped.items()),
        gains=gained,
        cost=_costs(grouped, how["scope"], cells, gained),
    )


def _grouped(rows: Iterable[dict[str, Any]]) -> Grouped:
    by_search: dict[str, Rows] = {}
    for row in rows:
        by_search.setdefault(row["search"], []).append(row)
    grouped: Grouped = {}
    for trials in by_search.values():
        key = trials[0]["arm"], trials[0]["n"]
        grouped.setdefault(key, []).append(sorted(trials, key=lambda r: r["number"]))
    return dict(sorted(grouped.items()))


def _by_arm(grouped: Grouped) -> dict[str, dict[int, list[Rows]]]:
    out: dict[str, dict[int, list[Rows]]] = {}
    for (arm, n), searches in grouped.items():
        out.setdefault(arm, {})[n] = searches
    return out


def best_of(rows: Rows) -> dict[str, Any] | None:
    """Return the trial whose settings are used: the best complete one, the earliest among equals."""
    known = [r for r in rows if r["score"] is not None]
    return max(known, key=lambda r: (r["score"], -r["number"])) if known else None


def _search(rows: Rows) -> SearchSummary:
    """Summarise the trials of one search."""
    states = Counter(r["state"] for r in rows)
    best = best_of(rows)
    return SearchSummary(
        arm=rows[0]["arm"],
        n=rows[0]["n"],
        draw=rows[0]["draw"],
        trials=len(rows),
        complete=states["complete"],
        pruned=states["pruned"],
        failed=states["failed"],
        untuned=rows[0]["score"],
        best=best["score"] if best else None,
        errors=tuple(sorted({r["error"] for r in rows if r["error"]})),
    )


def _settings(arm: str, by_n: dict[int, list[Rows]]) -> ArmSettings:
    """Return the best settings of an arm by budget, and how they move with it."""
    chosen = {
        n: [json.loads(b["values"]) for rows in searches if (b := best_of(rows)) is not None]
        for n, searches in by_n.items()
    }
    names = sorted({name for best in chosen.values() for values in best for name in values})
    return ArmSettings(
        arm,
        tuple(sorted(by_n)),
        tuple(
            SettingTrend(
                name,
                {n: _typical([v[name] for v in best]) for n, best in chosen.items()},
                _trend([(n, v[name]) for n, best in chosen.items() for v in best]),
            )
            for name in names
        ),
    )


def _typical(values: Sequence[Any]) -> TypicalNumber | ValueCounts:
    """Return median and ends of numbers with a fraction; counts of everything else."""
    if values and all(isinstance(v, float) for v in values):
        return TypicalNumber(float(np.median(values)), min(values), max(values))
    counts = Counter("off" if v in (None, 0, 0.0) and v is not False else v for v in values)
    return ValueCounts(tuple(counts.most_common()))


def _trend(pairs: Sequence[tuple[int, Any]]) -> float | None:
    """Return Spearman's rank correlation of numbers with n; None below four or where nothing varies."""
    numbers = [(n, v) for n, v in pairs if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) < 4 or len({n for n, _ in numbers}) < 2 or len({v for _, v in numbers}) < 2:
        return None
    rho = float(spearmanr(*zip(*numbers, strict=True)).statistic)
    return None if isnan(rho) else rho


def _importances(grouped: Grouped) -> tuple[SettingImportances, ...]:
    """Return the mean share of each setting over the searches of an arm and budget that have shares."""
    out = []
    for (arm, n), searches in grouped.items():
        known = [s for rows in searches if (s := json.loads(rows[0]["importances"]))]
        if known:
            names = {name for shares in known for name in shares}
            mean = {k: float(np.mean([s.get(k, 0.0) for s in known])) for k in names}
            shares = tuple(sorted(mean.items(), key=lambda x: (-x[1], x[0])))
            out.append(SettingImportances(arm, n, len(known), shares))
    return tuple(out)


def _by_trials(key: tuple[str, int], searches: list[Rows]) -> TrialCurve:
    """Return the best validation score so far against the number of trials, averaged over searches."""
    curves = [running_best([r["score"] for r in rows]) for rows in searches]
    shortest = min((len(c) for c in curves), default=0)
    return TrialCurve(
        *key, len(searches), tuple(mean_known([c[k] for c in curves]) for k in range(shortest))
    )


def running_best(scores: Sequence[float | None]) -> Floats:
    """Return the best complete score so far after each trial, NaN before the first; shape (trials,)."""
    known = np.array([np.nan if s is None else s for s in scores], float)
    return np.fmax.accumulate(known)


def gains(f: Frame, served: Sequence[Mapping[str, Any]]) -> tuple[TuningGain, ...]:
    """Return the worth of tuning: tuned minus the same arm with settings that no search chose.

    In points, paired by draw and test text, simultaneous over the rows of a budget (Bonferroni);
    and in labels of the untuned arm's own curve, where it was measured at two budgets or more.
    """
    tuned = {(s["arm"], s["n"]) for s in served}
    pairs = [
        (counterpart, arm, n)
        for arm, n in sorted(f.scores)
        if (counterpart := f.arms[arm].tuned) is not None
        and (counterpart.arm, n) in tuned
        and (counterpart.arm, n) in f.scores
    ]
    out = []
    for tuned_arm, untuned, n in pairs:
        arm = tuned_arm.arm
        gap = f.gap(arm, untuned, n, 1 - (1 - f.level) / sum(b == n for _, _, b in pairs))
        if gap is not None:
            worth = multiplier(f, arm, n, untuned)
            out.append(TuningGain(arm, untuned, n, tuned_arm.alone, gap, worth))
    return tuple(out)


def _costs(
    grouped: Grouped, scope: str, cells: Rows, gained: Sequence[TuningGain]
) -> tuple[SearchCost, ...]:
    """Return the cost of the searches by arm and budget, next to the cost of one cell and the gain."""
    each: dict[tuple[str, int], list[float]] = {}
    for cell in cells:
        each.setdefault((cell["arm"], cell["n"]), []).append(cell["cell_seconds"])
    points = {(g.arm, g.n): g.difference for g in gained if g.alone}
    out = []
    for (arm, n), searches in grouped.items():
        rows = [r for search in searches for r in search]
        summaries = [_search(search) for search in searches]
        gained_by = [
            s.best - s.untuned for s in summaries if s.best is not None and s.untuned is not None
        ]
        out.append(
            SearchCost(
                arm, n,
                searches=len(searches),
                trials=len(rows),
                pruned=sum(s.pruned for s in summaries),
                seconds=sum(r["seconds"] or 0.0 for r in rows),
                tokens=sum(r["tokens"] or 0 for r in rows),
                updates=sum(r["updates"] or 0 for r in rows),
                cell_seconds=mean_known(each.get((arm, n), [])),
                labels=n if scope == "regime" else 0,
                validation_gain=mean_known(gained_by),
                gain=points.get((arm, n)),
            )
        )  # fmt: skip
    return tuple(out)
