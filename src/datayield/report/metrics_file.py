"""Makes the small machine-readable outputs, metrics.json and curves.csv, for `dvc metrics` and plots.

metrics.json follows docs/metrics.schema.json. Scores are shares in [0, 1].
"""

import io
from typing import Any

from datayield.analysis.extrapolate import Backtest
from datayield.analysis.multipliers import LabelRange
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.analysis.tuning_statements import TuningStatistics
from datayield.core import spreadsheet
from datayield.core.spreadsheet import guarded
from datayield.report.wording import Estimate

SCHEMA = 3  # raised when a reader of an older metrics.json would misread it


def metrics(statistics: StudyStatistics) -> dict[str, Any]:
    """Return the study, and corpus → arm → budget → scores, difference and multiplier with intervals."""
    return {
        "schema": SCHEMA,
        "study": {
            "study": statistics.study,
            "seed": statistics.seed,
            "draws": statistics.draws,
            "level": statistics.level,
            "population": statistics.population,
            "baseline": statistics.baseline,
            "method": statistics.method,
        },
        "corpora": {c.corpus: _corpus(c) for c in statistics.corpora},
    }


def _corpus(c: CorpusStatistics) -> dict[str, Any]:
    return {
        "cells": c.cells,
        "planned": c.planned,
        "metric": c.metric,
        "complete": int(not c.missing),
        "data": c.digest,
        "pool": c.pool_size,
        "test": c.test_size,
        "versions": list(c.versions),
        "settings": c.settings,
        "tuning": _tuning(c.tuning),
        "best": {str(r.n): r.arm for r in c.recommended},
        "target": {t.arm: {"score": t.target, **_ends(t.labels)} for t in c.target},
        "backtest": {
            o.arm: _backtest(o.curve.next) for o in c.extrapolations if o.curve.next is not None
        },
        "arms": _arms(c),
    }


def _arms(c: CorpusStatistics) -> dict[str, dict[str, dict[str, Any]]]:
    """Return arm → budget → scores, difference, verdict and multiplier."""
    arms: dict[str, dict[str, dict[str, Any]]] = {}
    for s in c.scores:
        at = arms.setdefault(s.arm, {}).setdefault(str(s.n), {})
        for name, interval in (("accuracy", s.accuracy), ("macro_f1", s.macro_f1)):
            at[name] = _rounded(interval.estimate)
            at[f"{name}_low"] = _rounded(interval.low)
            at[f"{name}_high"] = _rounded(interval.high)
    for d in c.differences:
        at = arms[d.arm][str(d.n)]
        at["difference"] = _interval(d.difference)
        if d.claim is not None:
            at["verdict"] = d.claim.verdict
            at["simultaneous"] = _interval(d.claim.interval)
            at["visible"] = _rounded(d.claim.visible)
    for m in c.multipliers:
        arms[m.arm][str(m.n)]["multiplier"] = _ends(m.multiplier)
    return arms


def _tuning(t: TuningStatistics | None) -> str:
    return f"{t.trials} tpe trials per {t.scope}" if t else "none"


def _backtest(test: Backtest) -> dict[str, Any]:
    return {
        "family": test.family,
        "miss": _rounded(test.miss),
        "last_miss": _rounded(test.last_miss),
        "covered": test.covered,
    }


def _ends(m: LabelRange) -> dict[str, float | None]:
    return {"point": _rounded(m.point), "low": _rounded(m.low), "high": _rounded(m.high)}


def _interval(x: Estimate) -> dict[str, float | None]:
    return {"estimate": _rounded(x.estimate), "low": _rounded(x.low), "high": _rounded(x.high)}


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 5)


def curves(statistics: StudyStatistics) -> str:
    """Return the learning curves as CSV: one line per corpus, arm and budget."""
    out = io.StringIO()
    writer = spreadsheet.writer(out)
    writer.writerow(["corpus", "arm", "n", "accuracy", "low", "high", "draws"])
    for c in statistics.corpora:
        for s in c.scores:
            a = s.accuracy
            values = [_rounded(v) for v in (a.estimate, a.low, a.high)]
            writer.writerow([guarded(c.corpus), guarded(s.arm), s.n, *values, a.draws])
    return out.getvalue()
