"""Compares two studies for `datayield compare A B`: both side by side, changes first."""

import json
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from datayield.core.errors import UserError
from datayield.core.system import subprocesses
from datayield.report import wording
from datayield.report.metrics_file import SCHEMA

FILE = "metrics.json"


@dataclass(frozen=True, slots=True)
class Side:
    """One study: the name that the user gave, the date of its commit if known, its metrics."""

    name: str
    date: str | None
    metrics: dict[str, Any]


def read(name: str, root: Path) -> Side:
    """Read a study by its name, its report's folder, its metrics.json, or a git revision.

    Args:
        name: `default`, `reports/default`, `x/metrics.json`, `v1.0`, `HEAD~3:default`,
            `main@{yesterday}:reports/default`.
        root: the project folder.

    Raises:
        UserError: nothing of that name was found, or it is of another version.
    """
    for path in (Path(name), root / name, root / "reports" / name):
        file = path / FILE if path.is_dir() else path
        if file.is_file():
            return Side(name, None, _checked(file.read_bytes(), str(file)))
    revision, _, what = name.rpartition(":") if ":" in name else (name, "", "")
    date = _git(root, "log", "-1", "--format=%cs", revision, "--")
    if date is None:
        raise UserError(
            f'"{name}" is not a study in {root / "reports"}, a report folder, a {FILE} or a git revision.'
            " Name one of them, e.g. `datayield compare HEAD~1:default default`."
        )
    folder = _folder(what, root)
    text = _git(root, "show", f"{revision}:./{folder}/{FILE}") or _dvc(root, revision, folder)
    if text is None:
        raise UserError(
            f"{folder}/{FILE} is neither in git nor in DVC's cache at revision {revision}. Name another"
            " study behind the revision (REVISION:STUDY), or `dvc pull` first."
        )
    return Side(name, date.strip(), _checked(text, f"{revision}:{folder}/{FILE}"))


def _folder(what: str, root: Path) -> str:
    if "/" in what:
        return what.strip("/")
    if what:
        return f"reports/{what}"
    from datayield import config

    return f"reports/{config.load(root / 'params.yaml').study.name}"


def _git(root: Path, *arguments: str) -> str | None:
    done = subprocesses.ran(["git", *arguments], root)
    return done.stdout if done.returncode == 0 and done.stdout.strip() else None


def _dvc(root: Path, revision: str, folder: str) -> str | None:
    """Read metrics.json from DVC's cache, where reports lie that git does not track."""
    with tempfile.TemporaryDirectory() as scratch:
        out = Path(scratch) / FILE
        command = ["get", "-q", ".", f"{folder}/{FILE}", "--rev", revision, "-o", str(out)]
        subprocess.run(
            [sys.executable, "-m", "dvc", *command], cwd=root, capture_output=True, check=False
        )
        return out.read_text(encoding="utf-8") if out.exists() else None


def _checked(text: str | bytes, where: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except (ValueError, RecursionError) as e:
        raise UserError(f"{where} is not JSON ({e}). Run `dvc repro` to make it again.") from e
    came = found.get("schema") if isinstance(found, dict) else None
    if came != SCHEMA:
        raise UserError(
            f"{where} has schema {came or 1!r:.20}, this version of datayield reads {SCHEMA}. Make that report"
            " again with this version (`dvc repro`), or compare with the version that wrote it."
        )
    return found


def lines(a: Side, b: Side) -> list[str]:
    """Return both studies side by side, changes first.

    Raises:
        UserError: one of them does not follow docs/metrics.schema.json.
    """
    try:
        return _lines(a, b)
    except (AttributeError, KeyError, TypeError, ValueError) as e:
        raise UserError(
            f"the {FILE} of {a.name} or of {b.name} is damaged ({type(e).__name__}: {e}). Make that report"
            " again (`dvc repro`)."
        ) from e


def _lines(a: Side, b: Side) -> list[str]:
    changed = _settings(a, b)
    out = [f"A: {_title(a)}", f"B: {_title(b)}", ""]
    out += (
        ["what changed:", *(f"  {x}" for x in changed)] if changed else ["settings and data agree"]
    )
    one, two = a.metrics["corpora"], b.metrics["corpora"]
    for name in (n for n in one if n in two):
        out += ["", f"{name} ({one[name]['metric']})", *_corpus(one[name], two[name])]
    return out


def _title(s: Side) -> str:
    study = s.metrics["study"]
    dated = f", {s.date}" if s.date else ""
    return f"{s.name}{dated}: study {study['study']}, seed {study['seed']}, {study['draws']} draws"


def _settings(a: Side, b: Side) -> list[str]:
    one, two = a.metrics["study"], b.metrics["study"]
    out = [f"{k}: {one[k]} → {two[k]}" for k in one if one[k] != two[k]]
    first, second = a.metrics["corpora"], b.metrics["corpora"]
    for mark, here, there in (("only in A", first, second), ("only in B", second, first)):
        alone = [n for n in here if n not in there]
        out += [f"corpora {mark}: {', '.join(alone)}"] if alone else []
    for name in (n for n in first if n in second):
        x, y = first[name], second[name]
        out += [
            f"{name}, {k}: {_short(x[k])} → {_short(y[k])}"
            for k in (
                "data",
                "metric",
                "pool",
                "test",
                "cells",
                "planned",
                "tuning",
                "settings",
                "versions",
            )
            if x[k] != y[k]
        ]
        for mark, here, there in (("only in A", x, y), ("only in B", y, x)):
            alone = [f"{a} at {n}" for a, own in here["arms"].items() for n in sorted(own, key=int)
                     if n not in there["arms"].get(a, {})]  # fmt: skip
            out += [f"{name}, {mark}: {', '.join(alone)}"] if alone else []
    return out


def _short(value: Any) -> str:
    if isinstance(value, list):
        return ", ".join(value)
    if not isinstance(value, str):
        return f"{value:,}"
    return value[:12] if len(value) >= 16 and " " not in value else value  # digests


def _corpus(x: dict[str, Any], y: dict[str, Any]) -> list[str]:
    score = x["metric"]
    rows = [("arm", "labels", "A", "B", "B - A", "")]
    for arm in x["arms"]:
        for n in sorted(x["arms"][arm], key=int):
            if n in y["arms"].get(arm, {}):
                p, q = x["arms"][arm][n], y["arms"][arm][n]
                rows.append(
                    (arm, f"{int(n):,}", _score(p, score), _score(q, score),
                     wording.signed(q[score] - p[score]), _judged(p, q, score))
                )  # fmt: skip
    widths = [max(len(r[i]) for r in rows) for i in range(6)]
    out = [
        "  " + "  ".join(v.ljust(w) for v, w in zip(r, widths, strict=True)).rstrip() for r in rows
    ]
    picks = [
        f"  best arm by validation at {int(n):,}: {x['best'][n]} → {y['best'][n]}"
        for n in x["best"]
        if n in y["best"] and x["best"][n] != y["best"][n]
    ]
    same = (
        []
        if picks or not x["best"]
        else ["  the best arm by validation is the same at every budget"]
    )
    return [*out, *picks, *same, *_targets(x, y)]


def _score(at: dict[str, Any], score: str) -> str:
    return wording.score_of(at[score], at[f"{score}_low"], at[f"{score}_high"])


def _judged(p: dict[str, Any], q: dict[str, Any], score: str) -> str:
    """Say what changed; only intervals that do not touch count as a change of the score."""
    out = []
    ends = [(at[f"{score}_low"], at[f"{score}_high"]) for at in (p, q)]
    (low, high), (low2, high2) = ends
    if None not in (*ends[0], *ends[1]) and (high < low2 or high2 < low):
        out.append("intervals apart")
    before, after = p.get("verdict"), q.get("verdict")
    if before != after and before and after:
        out.append(f"{before} → {after}")
    return "; ".join(out)


def _targets(x: dict[str, Any], y: dict[str, Any]) -> list[str]:
    out = []
    for arm, t in x["target"].items():
        u = y["target"].get(arm)
        if u and t["score"] == u["score"] and t != u:
            a, b = ("not reached" if v["point"] is None else f"{v['point']:,.0f}" for v in (t, u))
            out.append(f"  {arm}: labels to {wording.percent(t['score'])}: {a} → {b}")
    return out
