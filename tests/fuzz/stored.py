"""Targets: what datayield wrote itself: tables, data, state, models."""

import hashlib
import json
from collections import defaultdict
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield import config, corpora
from datayield.analysis import statistics
from datayield.analysis.statistics import VERSION
from datayield.cells import draws
from datayield.cells.store import CellStore, dumps
from datayield.core import dynamics_rows, files, tables
from datayield.core.errors import UserError
from datayield.core.rows import read_rows, to_record, write_rows
from datayield.core.types import ModelArrays, Row
from datayield.corpora.build import Labelled
from datayield.models.saved import format, saved_network, served
from datayield.models.settings import settings
from datayield.report import compare_studies
from datayield.report.metrics_file import SCHEMA
from datayield.study import arms, data_stages, grid
from tests.conftest import small_params
from tests.fuzz.seeds import LABELS, TEXTS, picked
from tests.report_data import _row


# ---- tables of results
@cache
def some_rows() -> list[Row]:
    rng = np.random.default_rng(0)
    return [
        _row(arm, n, draw, rng.random(40) < 0.7)
        for arm in ("plain", "eda_nn", "tfidf")
        for n in (100, 200)
        for draw in range(2)
    ]


def some_trials() -> pa.Table:
    line = {"search": "s", "corpus": "written", "arm": "lstm:plain", "n": 100, "draw": -1,
            "number": 0, "state": "complete", "score": 0.5, "steps": [0.1], "seconds": 1.0, "tokens": 5,
            "updates": 5, "helper_fits": 0, "settings": "{}", "values": "{}", "error": None,
            "importances": "{}"}  # fmt: skip
    made = pa.Table.from_pylist([line], tables.TRIALS)
    return made.replace_schema_metadata({"tuning": json.dumps({"trials": 1, "served": []})})


TABLES = ("cells", "history", "dynamics", "trials")


def table_seeds() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        write_rows(some_rows(), folder / "cells", folder / "history")
        dynamics_rows.write_dynamics(some_rows(), folder / "dynamics")
        tables.write_table(some_trials(), folder / "trials")
        whole = [bytes([k]) + (folder / name).read_bytes() for k, name in enumerate(TABLES)]
    first = to_record(some_rows()[0])
    values = {k: v for k, v in first.items() if isinstance(v, (str, int, float))}
    return [*whole, bytes([len(TABLES)]) + json.dumps(values).encode()]


@cache
def _good_tables() -> dict[str, bytes]:
    return {n: s[1:] for n, s in zip(TABLES, table_seeds(), strict=False)}


def results(data: bytes, folder: Path) -> object:
    """One of the tables changed, the others whole: read as a study and its analysis do."""
    name, content = picked(data, (*TABLES, "values"))
    for other, good in _good_tables().items():
        (folder / other).write_bytes(content if other == name else good)
    if name == "values":  # a whole file with other values in its first row
        try:
            line = {**to_record(some_rows()[0]), **json.loads(content)}
            made = pa.Table.from_pylist([line], tables.CELLS)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError) as e:
            raise UserError(f"no such table can be written: {e}") from e
        tables.write_table(made, folder / "cells")
    rows = read_rows(folder / "cells", folder / "history")
    dynamics_rows.attach_dynamics(rows, folder / "dynamics")
    return tables.read_table(folder / "trials", tables.TRIALS).to_pylist()


# ---- what the data stages wrote
def built() -> tuple[Any, dict[str, Any]]:
    loaded = Labelled(TEXTS, LABELS, None, {"loader": "test", "licence": "none"}, "written")
    from datayield.corpora.build import build_corpus
    from datayield.corpora.corpus_card import card

    made = build_corpus("written", loaded, 0.1, 1)
    return made, card(made, loaded)


def data_tables(data: bytes, folder: Path) -> object:
    """corpus.arrow and draws.arrow, as the flow's process reads them."""
    name, content = picked(data, ("corpus.arrow", "draws.arrow"))
    own = folder / "data"
    own.mkdir(exist_ok=True)
    for other, good in good_data().items():
        (own / other).write_bytes(content if other == name else good)
    made = corpora.checked(own)
    drawn = draws.checked(own / "draws.arrow", made, [0, 1], 1, "stratified")
    return drawn.sample(0, 20)


@cache
def good_data() -> dict[str, bytes]:
    import tempfile

    made, card = built()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpora.save(made, card, folder)
        drawn = draws.tabulate(made, [0, 1], 1, "stratified")
        tables.write_mapped(drawn, draws.DRAWS, folder / "draws.arrow")
        return {n: (folder / n).read_bytes() for n in ("corpus.arrow", "draws.arrow")}


def data_seeds() -> list[bytes]:
    return [bytes([k]) + c for k, c in enumerate(good_data().values())]


# ---- state, settings and reports
def state(data: bytes, folder: Path) -> object:
    """A small JSON file of ours, by what reads it."""
    name, content = picked(data, tuple(STATE))
    path = folder / f"{name}.json"
    path.write_bytes(content)
    return STATE[name](path)


def _cell(path: Path) -> object:
    """A damaged cell is set aside, and is no error."""
    store = CellStore(path.parent)
    list(store.rows())
    kept = store.get(path.stem)
    (path.parent / "damaged" / path.name).unlink(missing_ok=True)
    return kept


def _metrics(path: Path) -> object:
    side = compare_studies.read(str(path), path.parent)
    return compare_studies.lines(side, side)


def _settings(path: Path) -> object:
    found = config.parse(small_params("0" * 64))
    scope = grid.Scope("written", 500, "digest", defaultdict(str))
    return grid.make_grid(found, scope, files.read_json(path))


def _shape(path: Path) -> object:
    own = path.parent / "data" / "written"
    own.mkdir(parents=True, exist_ok=True)
    path.replace(own / "card.json")
    return data_stages.shapes(path.parent, ["written"])


STATE: dict[str, Callable[[Path], object]] = {
    "cell": _cell,
    "metrics": _metrics,
    "settings": _settings,
    "card": _shape,
    "statistics": statistics.read,
}


def state_seeds() -> list[bytes]:
    found = config.parse(small_params("0" * 64))
    chosen: dict[str, Any] = {}
    for a, n in grid.arms_and_budgets(found, 500)[0]:
        own = {grid.ALL: arms.default_settings(found, a, n)}
        chosen.setdefault(str(n), {})[str(a)] = own
    study_ = {"study": "a", "seed": 1, "draws": 2}
    metrics = {"schema": SCHEMA, "study": study_, "corpora": {}}
    told = (dumps(some_rows()[0]), json.dumps(metrics), json.dumps(chosen), json.dumps(built()[1]),
            json.dumps({"version": VERSION}))  # fmt: skip
    return [bytes([k]) + t.encode() for k, t in enumerate(told)]


# ---- exported models
def model(data: bytes, folder: Path) -> object:
    """config.json, weights, or a configuration whose checksums were made to fit."""
    what, content = picked(data, ("config", "weights", "network", "tfidf", "nbsvm", "majority"))
    good = exported_files(what if what in KINDS else "tfidf")
    for name, whole in good.items():
        (folder / name).write_bytes(whole)
    if what == "config":
        (folder / format.CONFIG).write_bytes(content)
    elif what == "weights":
        _fit(folder, json.loads(good[format.CONFIG]), content)
    else:
        cut = content.find(b"\0\0WEIGHTS")
        told = content if cut < 0 else content[:cut]
        weights = good[format.WEIGHTS] if cut < 0 else content[cut + 9 :]
        try:
            changed = json.loads(told)
        except (ValueError, RecursionError):
            changed = None
        if isinstance(changed, dict):
            _fit(folder, changed, weights)
        else:
            (folder / format.CONFIG).write_bytes(told)
    loaded = format.load(folder)
    scores = loaded.scores(["the boat near the rain", "", "soup"])
    assert scores.shape == (3, len(loaded.classes))
    return served.columns_of(loaded.config)


def _fit(folder: Path, told: dict[str, Any], weights: bytes) -> None:
    """Write both with checksums that fit: what a hostile maker of a model would do."""
    body = {k: v for k, v in told.items() if k not in ("made_by", "format", "sha256")}
    sums = {format.WEIGHTS: hashlib.sha256(weights).hexdigest(), "this": files.digest(body)}
    whole = {"made_by": "datayield", "format": format.FORMAT, "sha256": sums, **body}
    (folder / format.CONFIG).write_bytes(json.dumps(whole).encode())
    (folder / format.WEIGHTS).write_bytes(weights)


KINDS = ("network", "tfidf", "nbsvm", "majority")


@cache
def exported_files(kind: str) -> dict[str, bytes]:
    from datayield.core.types import Settings, TrainingSet
    from datayield.models import linear
    from datayield.models.classifier import Classifier, initialise
    from datayield.models.encoding import SPECIAL, Vocabulary

    told = {"classes": ["a", "b", "c"], "output": "probability", "kind": kind,
            "identity": {"device": "cpu", "precision": "fp32"}, "settings": {}}  # fmt: skip
    if kind == "network":
        own = settings("lstm", {"hidden": 2, "embedding": 2}, 5)
        words = Vocabulary.of(["the boat", "rain soup"])
        made = Classifier(Settings.from_dict(own), len(words), 3)
        initialise(made, words, (1,))
        parts = saved_network.network_parts(made, words.words)
        assert parts.words[:2] == SPECIAL
        return format.written([parts], {**told, "settings": {"model": own}}, "card")
    targets = np.eye(3, dtype=np.float32)[np.arange(12) % 3]
    rows = TrainingSet(tuple(TEXTS[:12]), targets, np.ones(12, np.float32), np.arange(12))
    parts = linear.FITTERS[kind](rows, 1).parts
    return format.written([ModelArrays(parts.kind, parts.words, parts.arrays)], told, "card")


def model_seeds() -> list[bytes]:
    out = [
        b"\0" + exported_files("tfidf")[format.CONFIG],
        b"\1" + exported_files("tfidf")[format.WEIGHTS],
    ]
    for number, kind in enumerate(KINDS, 2):
        made = exported_files(kind)
        out.append(bytes([number]) + made[format.CONFIG])
        both = made[format.CONFIG] + b"\0\0WEIGHTS" + made[format.WEIGHTS]
        out.append(bytes([number]) + both)
    return out
