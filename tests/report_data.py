"""Statistics of a simulated study, through the same functions as a real one."""

import html
import json
import re
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield import config
from datayield.analysis import analyse
from datayield.analysis.statistics import StudyStatistics
from datayield.analysis.typed_json import from_json, to_json
from datayield.core import dynamics_rows, files
from datayield.core.arm import Arm
from datayield.core.probability_rows import write_probabilities
from datayield.core.rows import write_rows
from datayield.core.tables import AUDIT, CORPUS, TRIALS, write_mapped, write_table
from datayield.core.types import Cell, Cost, Dynamics, Probabilities, Round, Row
from datayield.report.render import groups, render
from datayield.report.section import Section
from tests.calibration.simulate import Study, simulate


def _row(arm: str, n: int, draw: int, hits: np.ndarray) -> Row:
    truth = np.arange(len(hits)) % 2
    predicted = np.where(hits, truth, 1 - truth)
    strategy = () if arm == "tfidf" else (arm,)
    model = {"cell": "lstm", "hidden": 8, "layers": 1, "bidirectional": True, "embedding": 8}
    identity = {
        "engine": "torch 0",
        "precision": "fp32",
        "device": "cpu",
        "recipe": 1,
        "data": "d" * 64,
    }
    architecture = "tfidf" if arm == "tfidf" else "lstm"
    cell = Cell("written", n, Arm(architecture, strategy), draw, 0, {"model": model}, identity)
    cost = Cost(n, n * 4 // 5, 0, 100, 5000, 0, 0.1, 2.0, 0.2, 2.3, 300.0, 0.5, 1234.0)
    history = (
        Round(0, 50, 0.01, 1.0, 0.5, 0.9, 0.6),
        Round(1, 100, 0.0, 0.5, 0.7, float("nan"), float("nan")),
    )
    accuracy = float(hits.mean())
    return Row(
        cell, f"{arm}{n}{draw}", n * 4 // 5, n // 5, accuracy, accuracy, accuracy, accuracy,
        predicted, hits.astype(bool), "t:800", cost, history,
        _dynamics(draw) if arm == "plain" else None, _probabilities(arm, draw, predicted),
    )  # fmt: skip


def _probabilities(arm: str, draw: int, predicted: np.ndarray) -> Probabilities | None:
    """Answers between 55 and 99 % sure, the plain ones more so; a useless arm gives none."""
    if arm == "useless":
        return None
    sure = 0.55 + 0.44 * (np.arange(len(predicted)) * 37 % 100 + draw) / 110
    sure = np.clip(sure + 0.05 * (arm == "plain"), 0, 1)
    test = np.where(predicted[:, None] == np.arange(2), sure[:, None], 1 - sure[:, None])
    half = test.astype(np.float16)
    return Probabilities(half, np.arange(10), half[:10])


def _dynamics(draw: int) -> Dynamics:
    """60 texts shown 4 times: every tenth never learnt, the next one open, the others learnt."""
    ids = np.arange(60) + 10 * draw
    kind = np.minimum(ids % 10, 2)
    confidence = np.array([0.05, 0.5, 0.9])[kind] + ids / 10_000
    variability = np.array([0.02, 0.4, 0.1])[kind]
    correctness = np.array([0.0, 0.5, 1.0])[kind]
    return Dynamics(
        ids, np.full(60, 4), confidence, variability, correctness, np.array([1, 0, -1])[kind]
    )


def statistics(
    effects: dict[str, float],
    draws: int = 6,
    twin: float | None = None,
    majority: float = 0.5,
    trials: pa.Table | None = None,
    shown: str = "shown",
) -> StudyStatistics:
    """The statistics of a simulated study with these strategies' true multipliers."""
    extra = {} if twin is None else {"twin": twin}
    made = simulate(Study(draws=draws, effects={**effects, **extra, "tfidf": 0.9}), seed=2)
    with tempfile.TemporaryDirectory() as folder:
        return analyse.analyse(tables(Path(folder), made, majority, trials, shown), Path(folder))


def page_text(s: StudyStatistics) -> str:
    """The words of the report's page: table cells between bars, no tags, no figures."""
    return words_of(str(render(s)["index.html"]))


def words_of(page: str) -> str:
    """The words of a page in HTML."""
    page = re.sub(r"<(style|figure)\b.*?</\1>", "", page, flags=re.S)
    cells = re.sub(r"</t[hd]><t[hd][^>]*>", " | ", page)
    rows = cells.replace("<tr", "| <tr").replace("</tr>", " |</tr>")
    return html.unescape(re.sub(r"<[^>]+>", "", rows))


def sections(s: StudyStatistics) -> list[Section]:
    """The sections about the first corpus."""
    return [x for group in groups(s.corpora[0], s) for x in group.sections]


def with_corpus(s: StudyStatistics, **fields: Any) -> StudyStatistics:
    """The statistics with these fields of their first corpus, given as JSON, replaced."""
    stored = to_json(s)
    assert fields.keys() <= stored["corpora"][0].keys()
    stored["corpora"][0] |= to_json(fields)
    return from_json(StudyStatistics, json.loads(json.dumps(stored)))


def tables(
    root: Path,
    made: dict[str, dict[int, np.ndarray]],
    majority: float = 0.5,
    trials: pa.Table | None = None,
    shown: str = "shown",
) -> config.Params:
    """The tables of a study (arm → budget → correctness, NaN rows missing), written below root."""
    rows = [
        _row(arm, n, k, hits[k])
        for arm, curve in made.items()
        for n, hits in curve.items()
        for k in range(len(hits))
        if not np.isnan(hits[k]).any()
    ]
    roles = {"plain": "plain", "tfidf": "baseline", "twin": "check"}
    arms = {
        str(r.cell.arm): {"role": roles.get(a, "strategy"), "summary": f"what {a} is"}
        for r in rows
        for a in [r.cell.arm.strategies[0] if r.cell.arm.strategies else "tfidf"]
    }
    if "lstm:untuned" in arms:
        arms["lstm:untuned"] |= {"role": "control", "tuned": {"arm": "lstm:plain", "alone": True}}
    if "twin" in made:
        arms["lstm:twin"]["expected"] = {"arm": "lstm:plain"}
    dynamics_rows.write_dynamics(rows, root / "results" / "written" / "dynamics.parquet")
    summary = {
        "corpus": "written", "planned": len(rows), "pool_size": 20_000, "test_size": 800,
        "classes": ["a", "b"], "majority_share": majority, "missing": [], "notices": [], "arms": arms,
    }  # fmt: skip
    results = root / "results" / "written"
    write_rows(rows, results / "cells.parquet", results / "history.parquet")
    write_probabilities(rows, results / "probabilities.parquet")
    files.write_text(json.dumps(summary), results / "study.json")
    card = {"corpus": "written", "digest": "d" * 64, "texts": {"pool": 20_000, "test": 800},
            "family": "written"}  # fmt: skip
    found = {"what": "test texts that also occur in the pool", "count": 2, "of": 800,
             "examples": ["<b>rain</b>"]}  # fmt: skip
    audit = {"corpus": "written", "findings": [found]}
    files.write_text(json.dumps(audit), root / "data" / "written" / "audit.json")
    pool = 20_000
    split, places = ["pool"] * pool + ["test"] * 800, [*range(pool), *range(800)]
    twins = {"split": split, "id": places, "class": ["a", "b"] * 10_400, "letters": range(20_800),
             "twin": [""] * pool + ["exact"] * 2 + [""] * 798}  # fmt: skip
    audited = pa.table({k: list(v) for k, v in twins.items()}, AUDIT)
    written = {"split": split, "id": places, "label": [0, 1] * 10_400, "duplicate_group": [-1] * 20_800,
               "block": [-1] * 20_800,
               "text": [f"words of {s} text {i}" for s, i in zip(split, places, strict=True)]}  # fmt: skip
    corpus = pa.table({k: written[k] for k in CORPUS.names}, CORPUS)
    folder = root / "data" / "written"
    write_mapped(corpus.to_batches(), CORPUS, folder / "corpus.arrow")
    write_table(audited, root / "data" / "written" / "audit.parquet")
    files.write_text(json.dumps(card), root / "data" / "written" / "card.json")
    write_table(trials or TRIALS.empty_table(), results / "trials.parquet")
    return _params(max(len(h) for curve in made.values() for h in curve.values()), shown)


def _params(draws: int, shown: str) -> config.Params:
    source = {
        "loader": "file",
        "path": "x.csv",
        "sha256": "0" * 64,
        "text": "t",
        "label": "l",
        "format": "csv",
    }
    block = {"arms": ["lstm:plain"], "budgets": [200]}
    study = {"name": "s", "seed": 1, "corpora": ["written"], "draws": draws, "grid": [block]}
    return config.parse(
        {
            "study": study,
            "corpora": {"written": source},
            "updates": {0: 5},
            "analysis": {"texts": shown},
        }
    )
