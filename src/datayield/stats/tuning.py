"""What the searches found, what they cost and what tuning is worth (METHODS 2.7 and 5)."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from math import comb, isnan
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from scipy.stats import spearmanr

from datayield import table
from datayield.stats.compare import Frame, multiplier
from datayield.stats.scores import mean_known
from datayield.types import Floats

EVALUATOR = "fANOVA"
Rows: TypeAlias = list[dict[str, Any]]
Grouped: TypeAlias = dict[tuple[str, int], list[Rows]]  # (arm, n) -> rows of each search


def tuning(f: Frame, path: Path, cells: Rows) -> dict[str, Any] | None:
    """Everything about the searches of one corpus; None where nothing was searched.

    Args:
        f: the corpus.
        path: of its trials.parquet.
        cells: the rows of its cells.parquet.
    """
    read = table.read(path, table.TRIALS)
    how = json.loads((read.schema.metadata or {}).get(b"tuning", b'{"trials": 0}'))
    if not how["trials"] or not read.num_rows:
        return None
    found = _grouped(read.to_pylist())
    gained = gains(f, how["served"])
    return {
        **{k: how[k] for k in ("trials", "scope", "arms", "sampler", "prune", "warm_start")},
        "evaluator": EVALUATOR,
        "searches": [_search(rows) for own in found.values() for rows in own],
        "settings": [_settings(arm, own) for arm, own in _by_arm(found).items()],
        "importances": _importances(found),
        "by_trials": [_by_trials(k, own, how) for k, own in found.items()],
        "gains": gained,
        "cost": _costs(found, how["scope"], cells, gained),
    }


def _grouped(rows: Iterable[dict[str, Any]]) -> Grouped:
    by_search: dict[str, Rows] = {}
    for row in rows:
        by_search.setdefault(row["search"], []).append(row)
    found: Grouped = {}
    for own in by_search.values():
        found.setdefault((own[0]["arm"], own[0]["n"]), []).append(
            sorted(own, key=lambda r: r["number"])
        )
    return dict(sorted(found.items()))


def _by_arm(found: Grouped) -> dict[str, dict[int, list[Rows]]]:
    out: dict[str, dict[int, list[Rows]]] = {}
    for (arm, n), own in found.items():
        out.setdefault(arm, {})[n] = own
    return out


def best_of(rows: Rows) -> dict[str, Any] | None:
    """The trial whose settings are used: the best complete one, the earliest among equals."""
    known = [r for r in rows if r["score"] is not None]
    return max(known, key=lambda r: (r["score"], -r["number"])) if known else None


def _search(rows: Rows) -> dict[str, Any]:
    states = Counter(r["state"] for r in rows)
    best = best_of(rows)
    return {
        **{k: rows[0][k] for k in ("arm", "n", "draw")},
        "trials": len(rows),
        **{state: states[state] for state in ("complete", "pruned", "failed")},
        "untuned": rows[0]["score"],
        "best": best["score"] if best else None,
        "errors": sorted({r["error"] for r in rows if r["error"]}),
    }


def _settings(arm: str, by_n: dict[int, list[Rows]]) -> dict[str, Any]:
    """The best settings of an arm by budget, and how they move with it.

    `rho` is Spearman's rank correlation of a number with n over all searches; None below four of
    them or where nothing varies.
    """
    chosen = {
        n: [json.loads(b["values"]) for rows in own if (b := best_of(rows)) is not None]
        for n, own in by_n.items()
    }
    names = sorted({name for own in chosen.values() for values in own for name in values})
    return {
        "arm": arm,
        "budgets": sorted(by_n),
        "settings": [
            {
                "name": name,
                "chosen": {str(n): _typical([v[name] for v in own]) for n, own in chosen.items()},
                "rho": _trend([(n, v[name]) for n, own in chosen.items() for v in own]),
            }
            for name in names
        ],
    }


def _typical(values: Sequence[Any]) -> dict[str, Any]:
    """Median and ends of numbers with a fraction; counts of everything else."""
    if values and all(isinstance(v, float) for v in values):
        return {"median": float(np.median(values)), "low": min(values), "high": max(values)}
    counts = Counter("off" if v in (None, 0, 0.0) and v is not False else v for v in values)
    return {"counts": [[v, k] for v, k in counts.most_common()]}


def _trend(pairs: Sequence[tuple[int, Any]]) -> float | None:
    numbers = [(n, v) for n, v in pairs if isinstance(v, (int, float)) and not isinstance(v, bool)]
    if len(numbers) < 4 or len({n for n, _ in numbers}) < 2 or len({v for _, v in numbers}) < 2:
        return None
    rho = float(spearmanr(*zip(*numbers, strict=True)).statistic)
    return None if isnan(rho) else rho


def _importances(found: Grouped) -> list[dict[str, Any]]:
    """Mean share of each setting over the searches of an arm and budget that have shares."""
    out = []
    for (arm, n), own in found.items():
        known = [s for rows in own if (s := json.loads(rows[0]["importances"]))]
        if known:
            names = {name for shares in known for name in shares}
            mean = {k: float(np.mean([s.get(k, 0.0) for s in known])) for k in names}
            shares = dict(sorted(mean.items(), key=lambda x: (-x[1], x[0])))
            out.append({"arm": arm, "n": n, "searches": len(known), "shares": shares})
    return out


def _by_trials(key: tuple[str, int], own: list[Rows], how: Mapping[str, Any]) -> dict[str, Any]:
    """Best validation score against the number of trials.

    The unbiased order-statistic form where trials are random and none was pruned (the first, which
    is untuned, and warm starts are no random draws and left out; a failed trial scores 0); else the
    running best, averaged over the searches.
    """
    random = how["sampler"] == "random" and not how["prune"] and not how["warm_start"]
    if random:
        scores = [[r["score"] or 0.0 for r in rows[1:]] for rows in own]
        curves = [expected_best(np.array(s)) for s in scores if s]
    else:
        curves = [running_best([r["score"] for r in rows]) for rows in own]
    shortest = min((len(c) for c in curves), default=0)
    means = [mean_known([c[k] for c in curves]) for k in range(shortest)]
    return {
        "arm": key[0],
        "n": key[1],
        "searches": len(own),
        "method": "expected best" if random else "running best",
        "scores": means,
    }


def expected_best(scores: Floats) -> Floats:
    """The mean of the best of k trials over all choices of k of m, for k = 1..m, shape (m,).

    Unbiased for the expected best of k independent trials (Tang et al. 2020, the without-replacement
    form of Dodge et al. 2019, "show your work").
    """
    ordered, m = np.sort(scores), len(scores)
    weights = [[comb(i, k - 1) / comb(m, k) for i in range(m)] for k in range(1, m + 1)]
    return np.array(weights) @ ordered


def running_best(scores: Sequence[float | None]) -> Floats:
    """The best complete score so far after each trial, NaN before the first; shape (trials,)."""
    known = np.array([np.nan if s is None else s for s in scores], float)
    return np.fmax.accumulate(known)


def gains(f: Frame, served: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """What tuning is worth: tuned minus the same arm with settings that no search chose.

    In points, paired by draw and test text, simultaneous over the rows of a budget (Bonferroni);
    and in labels of the untuned arm's own curve, where it was measured at two budgets or more.
    """
    tuned = {(s["arm"], s["n"]) for s in served}
    pairs = [
        (counterpart["arm"], arm, n)
        for arm, n in sorted(f.scores)
        if (counterpart := f.arms[arm].get("tuned"))
        and (counterpart["arm"], n) in tuned
        and (counterpart["arm"], n) in f.scores
    ]
    out = []
    for arm, untuned, n in pairs:
        gap = f.gap(arm, untuned, n, 1 - (1 - f.level) / sum(b == n for _, _, b in pairs))
        if gap is None:
            continue
        alone = f.arms[untuned]["tuned"]["alone"]
        row: dict[str, Any] = {"arm": arm, "untuned": untuned, "n": n, "alone": alone}
        row["difference"] = asdict(gap)
        if (found := multiplier(f, arm, n, untuned)) is not None:
            row["multiplier"] = asdict(found)
        out.append(row)
    return out


def _costs(found: Grouped, scope: str, cells: Rows, gained: Rows) -> list[dict[str, Any]]:
    """Per arm and budget what its searches cost, beside one of its cells and what was gained."""
    each: dict[tuple[str, int], list[float]] = {}
    for cell in cells:
        each.setdefault((cell["arm"], cell["n"]), []).append(cell["cell_seconds"])
    points = {(g["arm"], g["n"]): g["difference"] for g in gained if g["alone"]}
    out = []
    for (arm, n), own in found.items():
        rows = [r for search in own for r in search]
        summaries = [_search(search) for search in own]
        told = [s for s in summaries if s["best"] is not None and s["untuned"] is not None]
        out.append(
            {
                "arm": arm,
                "n": n,
                "searches": len(own),
                "trials": len(rows),
                "pruned": sum(s["pruned"] for s in summaries),
                "seconds": sum(r["seconds"] or 0.0 for r in rows),
                "tokens": sum(r["tokens"] or 0 for r in rows),
                "updates": sum(r["updates"] or 0 for r in rows),
                "cell_seconds": mean_known(each.get((arm, n), [])),
                "labels": n if scope == "regime" else 0,  # beyond those of the cells
                "validation_gain": mean_known([s["best"] - s["untuned"] for s in told]),
                "gain": points.get((arm, n)),
            }
        )
    return out
