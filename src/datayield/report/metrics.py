"""The small machine-readable outputs: metrics.json and curves.csv, for `dvc metrics` and plots."""

import csv
import io
from typing import Any


def metrics(statistics: dict[str, Any]) -> dict[str, Any]:
    """Corpus → arm → budget → scores, difference and multiplier with their intervals."""
    return {c["corpus"]: _corpus(c) for c in statistics["corpora"]}


def _corpus(c: dict[str, Any]) -> dict[str, Any]:
    out: dict[str, Any] = {
        "cells": c["cells"],
        "planned": c["planned"],
        "metric": c["metric"],
        "complete": int(not c["missing"]),
        "arms": {},
    }
    for s in c["scores"]:
        at = out["arms"].setdefault(s["arm"], {}).setdefault(str(s["n"]), {})
        at["accuracy"] = _rounded(s["accuracy"]["estimate"])
        at["macro_f1"] = _rounded(s["macro_f1"]["estimate"])
    for d in c["differences"]:
        at = out["arms"][d["arm"]][str(d["n"])]
        found = d["difference"]
        at["difference"] = {k: _rounded(found[k]) for k in ("estimate", "low", "high")}
    for m in c["multipliers"]:
        at = out["arms"][m["arm"]][str(m["n"])]
        at["multiplier"] = {k: _rounded(m[k]) for k in ("point", "low", "high")}
    return out


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def curves(statistics: dict[str, Any]) -> str:
    """One line per corpus, arm and budget: the learning curves."""
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(["corpus", "arm", "n", "accuracy", "low", "high", "draws"])
    for c in statistics["corpora"]:
        for s in c["scores"]:
            a = s["accuracy"]
            values = [_rounded(a[k]) for k in ("estimate", "low", "high")]
            writer.writerow([c["corpus"], s["arm"], s["n"], *values, a["draws"]])
    return out.getvalue()
