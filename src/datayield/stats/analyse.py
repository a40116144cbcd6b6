"""results/ → statistics.json: everything that the report prints, as plain values."""

import json
from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield import table
from datayield.config import Params
from datayield.errors import UserError
from datayield.score import leading
from datayield.stats import audits, compare, need, published, texts
from datayield.stats.across import across
from datayield.stats.interval import METHOD
from datayield.stats.recommend import recommend
from datayield.stats.scores import Metric, gather, mean_known
from datayield.stats.sensitivity import leave_one_out
from datayield.stats.training import still_rising
from datayield.stats.tuning import tuning
from datayield.table import CELLS, HISTORY
from datayield.types import Account, names_of

COSTS = names_of(Account)
VERSION = 4  # of statistics.json; raised when a reader of an older one would misread it
NEXT = 500  # labels, whose worth the report states at every budget


@dataclass(frozen=True, slots=True)
class Loaded:
    """The tables of one corpus."""

    summary: dict[str, Any]  # study.json
    lines: list[dict[str, Any]]  # cells.parquet
    audited: pa.Table
    frame: compare.Frame


def load(params: Params, name: str, root: Path) -> Loaded:
    """Read what a study said of one corpus.

    Raises:
        UserError: when a table is missing, damaged, of another version, or empty.
    """
    results = root / "results" / name
    summary = table.read_json(results / "study.json")
    lines = table.read(results / "cells.parquet", CELLS).to_pylist()
    if not lines:
        raise UserError(
            f"{results / 'cells.parquet'} holds no finished cell. Run `dvc repro` to fill it."
        )
    audited = table.read(root / "data" / name / "audit.parquet", table.AUDIT)
    metric: Metric = leading(params.analysis.metric, summary["majority_share"])  # type: ignore[assignment]
    frame = compare.Frame(
        gather(lines, audits.truth(audited, summary["classes"]), metric),
        summary["arms"],
        params.analysis.baseline,
        params.analysis.level,
        params.analysis.population,
        summary["pool_size"],
    )
    return Loaded(summary, lines, audited, frame)


def analyse(params: Params, root: Path) -> dict[str, Any]:
    """The statistics of one study.

    Args:
        params: the study.
        root: the project folder, with results/<corpus>/ and data/<corpus>/card.json.
    """
    loaded = {name: load(params, name, root) for name in params.study.corpora}
    found = [_corpus(params, name, one, root) for name, one in loaded.items()]
    families = {c["corpus"]: c["card"]["family"] for c in found}
    return {
        "version": VERSION,
        "study": params.study.name,
        "seed": params.study.seed,
        "draws": params.study.draws,
        "level": params.analysis.level,
        "population": params.analysis.population,
        "method": METHOD,
        "baseline": params.analysis.baseline,
        "texts": params.analysis.texts,
        "corpora": found,
        "across": across({n: x.frame for n, x in loaded.items()}, families, params.analysis.named),
        "published": published.beside(found),
        "shared_texts": audits.shared(list(params.study.corpora), families, root),
    }


def _corpus(params: Params, name: str, loaded: Loaded, root: Path) -> dict[str, Any]:
    frame, lines, wanted = loaded.frame, loaded.lines, params.analysis.baseline
    history = table.read(root / "results" / name / "history.parquet", HISTORY).to_pylist()
    simple = compare.best_simple(frame)
    return {
        **loaded.summary,
        "metric": next(iter(frame.scores.values())).metric,
        "cells": len(lines),
        "settings": _digest(lines),
        "unbalanced": unbalanced(frame),
        "scores": compare.learning_curve(frame),
        "differences": compare.differences(frame),
        "multipliers": compare.multipliers(frame, None),
        "best_simple": simple,
        "multipliers_simple": compare.multipliers(frame, simple) if simple else [],
        "best": compare.best_by_validation(frame),
        "recommended": recommend(frame),
        "sensitivity": leave_one_out(frame),
        "checks": compare.checks(frame, _networks(lines)),
        "interactions": compare.interactions(frame),
        "against_controls": compare.against_controls(frame),
        "target": compare.to_target(frame, params.analysis.target),
        "outlooks": need.outlooks(frame),
        "next": need.statements(frame, [a for a in (wanted, simple) if a], NEXT),
        "architectures": _architectures(frame, lines),
        "costs": costs(lines),
        "tuning": tuning(frame, root / "results" / name / "trials.parquet", lines),
        "history": _history(history, wanted),
        "rising": still_rising(history, params.analysis.level),
        "versions": _versions(lines),
        "card": table.read_json(root / "data" / name / "card.json"),
        "audit": {
            **audits.told(
                table.read_json(root / "data" / name / "audit.json"), params.analysis.texts
            ),
            "overlap": audits.overlap(loaded.audited, frame.scores),
        },
        **_texts(params, name, loaded, root),
    }


def _texts(params: Params, name: str, loaded: Loaded, root: Path) -> dict[str, Any]:
    """The data map and the hardest texts, themselves left out where they are to be hidden."""
    classes, data = loaded.summary["classes"], root / "data" / name
    shown, d = texts.data_map(
        root / "results" / name / "dynamics.parquet", params.analysis.baseline, loaded.lines
    )
    labels = audits.labels(loaded.audited) if d is not None else []
    hardest = texts.hardest_training(d, labels, classes) if d is not None else []
    tested, more = texts.hardest_test(
        loaded.lines,
        {a: x["role"] for a, x in loaded.summary["arms"].items()},
        loaded.summary["majority_share"],
        audits.truth(loaded.audited, classes),
        classes,
    )
    hardest += more
    if params.analysis.texts == "shown":
        hardest = texts.with_texts(hardest, data / "corpus.arrow", loaded.summary["pool_size"])
    return {"map": shown, "tested": tested, "hardest": hardest}


def _digest(lines: list[dict[str, Any]]) -> str:
    """Of the settings of every arm, budget and draw: equal where nothing about them changed."""
    found = sorted({(x["arm"], x["n"], x["draw"], x["settings"]) for x in lines})
    return table.digest(found)[:16]


def _networks(lines: list[dict[str, Any]]) -> dict[tuple[str, int], dict[int, str]]:
    """Per arm and budget with a network its settings by draw."""
    out: dict[tuple[str, int], dict[int, str]] = {}
    for line in lines:
        if "model" in (settings := json.loads(line["settings"])):
            by_draw = out.setdefault((line["arm"], line["n"]), {})
            by_draw[line["draw"]] = table.canonical(settings["model"])
    return out


def unbalanced(f: compare.Frame) -> list[dict[str, Any]]:
    """Arms and budgets that lack draws which others have."""
    draws = sorted({d for m in f.scores.values() for d in m.draws})
    return [
        {"arm": arm, "n": n, "draws": len(m.draws), "of": len(draws)}
        for (arm, n), m in sorted(f.scores.items())
        if len(m.draws) < len(draws)
    ]


def _groups(lines: Iterable[dict[str, Any]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in lines:
        grouped.setdefault((line["arm"], line["n"]), []).append(line)
    return dict(sorted(grouped.items()))


def costs(lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Mean account per arm and budget; language models in full and shared among their cells."""
    part = amortised(lines)
    return [
        {
            "arm": arm,
            "n": n,
            **{k: float(np.mean([x[k] for x in own])) for k in COSTS},
            "amortised_pretrain_seconds": float(np.mean([part[x["cell"]] for x in own])),
        }
        for (arm, n), own in _groups(lines).items()
    ]


def amortised(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Cell -> its part of the seconds of language models that other cells of the draw use too.

    Every cell that starts from a stored model copies that model's training time, so cells of one draw
    with the same time to the last bit share one model.
    """
    users = Counter((x["draw"], x["pretrain_seconds"]) for x in lines)
    return {
        x["cell"]: x["pretrain_seconds"] / users[x["draw"], x["pretrain_seconds"]] for x in lines
    }


def _architectures(f: compare.Frame, lines: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The article's comparison: plain arms at budgets where two architectures or more were run."""
    plain = {k: v for k, v in _groups(lines).items() if f.role(k[0]) == "plain"}
    budgets = sorted({n for _, n in plain if sum(b == n for _, b in plain) >= 2})
    out = []
    for n in budgets:
        for arm in sorted(a for a, b in plain if b == n):
            own = plain[arm, n]
            model = json.loads(own[0]["settings"])["model"]
            m = f.scores[arm, n]
            infer = float(np.mean([x["inference_seconds"] for x in own]))
            out.append(
                {
                    "n": n,
                    "architecture": own[0]["architecture"],
                    "cell": model["cell"],
                    "hidden": model["hidden"],
                    "layers": model["layers"],
                    "bidirectional": model["bidirectional"],
                    "embedding": model["embedding"],
                    "parameters": float(np.mean([x["parameters"] for x in own])),
                    "train_seconds": float(np.mean([x["train_seconds"] for x in own])),
                    "inference_seconds": infer,
                    "inference_ms_per_text": 1000 * infer / own[0]["test_size"],
                    "accuracy": asdict(f.interval(m.hits, n)),
                    "macro_f1": asdict(f.interval(m.f1, n)),
                }
            )
    return out


def _history(lines: list[dict[str, Any]], arm: str) -> list[dict[str, Any]]:
    """Mean training history of one arm per budget; NaN (not measured) left out of each mean."""
    grouped: dict[tuple[int, int], list[dict[str, Any]]] = {}
    for line in lines:
        if line["arm"] == arm:
            grouped.setdefault((line["n"], line["round"]), []).append(line)
    return [
        {
            "n": n,
            "updates": own[0]["updates"],
            **{
                k: mean_known([x[k] for x in own])
                for k in ("loss", "train_accuracy", "validation_loss", "validation_accuracy")
            },
        }
        for (n, _), own in sorted(grouped.items())
    ]


def _versions(lines: list[dict[str, Any]]) -> list[str]:
    identities = [json.loads(line["identity"]) for line in lines]
    engines = sorted({i["engine"] for i in identities})
    places = sorted({f"{i['precision']} on {i['device']}" for i in identities})
    recipes = sorted({f"recipe {i['recipe']}" for i in identities})
    return [*engines, *places, *recipes]
