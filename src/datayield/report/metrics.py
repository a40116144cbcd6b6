"""The small machine-readable outputs: metrics.json and curves.csv, for `dvc metrics` and plots.

metrics.json follows docs/metrics.schema.json. Scores are shares in [0, 1].
"""

import io
from typing import Any

from datayield import spreadsheet
from datayield.spreadsheet import guarded
from datayield.stats.compare import verdict

SCHEMA = 2  # raised when a reader of an older metrics.json would misread it


def metrics(statistics: dict[str, Any]) -> dict[str, Any]:
    """The study, and corpus → arm → budget → scores, difference and multiplier with intervals."""
    return {
        "schema": SCHEMA,
        "study": {
            k: statistics[k]
            for k in ("study", "seed", "draws", "level", "population", "baseline", "method")
        },
        "corpora": {c["corpus"]: _corpus(c) for c in statistics["corpora"]},
    }


def _corpus(c: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "cells": c["cells"],
        "planned": c["planned"],
        "metric": c["metric"],
        "complete": int(not c["missing"]),
        "data": c["card"]["digest"],
        "pool": c["pool_size"],
        "test": c["test_size"],
        "versions": c["versions"],
        "settings": c["settings"],
        "tuning": _tuning(c["tuning"]),
        "best": {str(r["n"]): r["arm"] for r in c["recommended"]},
        "target": {
            t["arm"]: {
                "score": t["target"],
                **{k: _rounded(t[k]) for k in ("point", "low", "high")},
            }
            for t in c["target"]
        },
        "backtest": {o["arm"]: _backtest(o) for o in c["outlooks"] if o["next"]},
        "arms": {},
    }
    for s in c["scores"]:
        at = out["arms"].setdefault(s["arm"], {}).setdefault(str(s["n"]), {})
        for name in ("accuracy", "macro_f1"):
            at[name] = _rounded(s[name]["estimate"])
            at |= {f"{name}_{end}": _rounded(s[name][end]) for end in ("low", "high")}
    for d in c["differences"]:
        at = out["arms"][d["arm"]][str(d["n"])]
        at["difference"] = _interval(d["difference"])
        if "differs" in d:
            at["verdict"] = verdict(d)
    for m in c["multipliers"]:
        at = out["arms"][m["arm"]][str(m["n"])]
        at["multiplier"] = {k: _rounded(m[k]) for k in ("point", "low", "high")}
    return out


def _tuning(t: dict[str, Any] | None) -> str:
    return f"{t['trials']} {t['sampler']} trials per {t['scope']}" if t else "none"


def _backtest(o: dict[str, Any]) -> dict[str, Any]:
    return {
        "family": o["next"]["family"],
        **{k: _rounded(o["next"][k]) for k in ("miss", "last_miss")},
        "covered": o["next"]["covered"],
    }


def _interval(found: dict[str, Any]) -> dict[str, float | None]:
    return {k: _rounded(found[k]) for k in ("estimate", "low", "high")}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def curves(statistics: dict[str, Any]) -> str:
    """One line per corpus, arm and budget: the learning curves."""
    out = io.StringIO()
    writer = spreadsheet.writer(out)
    writer.writerow(["corpus", "arm", "n", "accuracy", "low", "high", "draws"])
    for c in statistics["corpora"]:
        for s in c["scores"]:
            a = s["accuracy"]
            values = [_rounded(a[k]) for k in ("estimate", "low", "high")]
            writer.writerow([guarded(c["corpus"]), guarded(s["arm"]), s["n"], *values, a["draws"]])
    return out.getvalue()
