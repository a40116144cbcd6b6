"""Exports the model of the best cell of a study: chooses it, trains it again, checks and writes it."""

import os
import platform
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from datayield import __version__, corpora
from datayield.cells.blend import held_out_of, stored_probabilities
from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.fit import Fit
from datayield.cells.run import compute_cell
from datayield.config import Params
from datayield.core.arm import BLEND, WEIGHTED
from datayield.core.errors import UserError
from datayield.core.files import read_json, write_bytes
from datayield.core.metrics import lead_metric
from datayield.core.probability_rows import attach_probabilities
from datayield.core.rows import read_rows
from datayield.core.types import Cell, ModelArrays, Row, finished_arm
from datayield.models.device import check, configure
from datayield.models.pooling import fitted_exponents
from datayield.models.saved import format, model_card, saved_network
from datayield.models.settings import WITHOUT_PROBABILITIES
from datayield.models.trainer import Trained
from datayield.study import data_stages, grid
from datayield.study.corpus_folder import corpus_folder

CHOOSABLE = ("strategy", "plain", "baseline")  # roles of arms that one could take
MOST_MEMBERS = 1000  # of a blend that an export replaces
SCORES = ("accuracy", "macro_f1", "validation_accuracy", "validation_macro_f1")


@dataclass(frozen=True, slots=True)
class ExportChoice:
    """The cell whose model is exported, and the cells among which it was chosen."""

    row: Row
    metric: str  # "accuracy" or "macro_f1" on the held-out texts
    cells: int  # number of cells to choose from
    arms: int  # number of their arms
    siblings: tuple[Row, ...]  # all cells of the same arm and budget, itself included
    majority: float  # share of the most frequent class in the test set

    @property
    def validation(self) -> float:
        """The validation score of the cell."""
        return _validation(self.row, self.metric)


def choose(
    params: Params, root: Path, corpus: str | None, arm: str | None, n: int | None
) -> ExportChoice:
    """Choose the cell with the highest validation score; never read test scores.

    Ties go to the arm with the higher mean validation score, then to the first arm, draw and seed.
    Controls and checks are chosen only by name.

    Args:
        params: the study.
        root: the project folder.
        corpus: name of the corpus; None: the only one.
        arm: name of the arm; None: any strategy, plain arm or baseline.
        n: the budget in labels; None: the largest that has such a cell.

    Raises:
        UserError: if no finished cell matches.
    """
    name = params.study.corpus(corpus)
    results = root / "results" / name
    rows = read_rows(results / "cells.parquet", results / "history.parquet")
    study = read_json(results / "study.json")
    metric = lead_metric(params.analysis.metric, study["majority_share"])
    arm_name = finished_arm(arm, (str(r.cell.arm) for r in rows)) if arm else None
    roles = {a: description["role"] for a, description in study["arms"].items()}
    fitting = [
        r
        for r in rows
        if not r.cell.screening
        and (str(r.cell.arm) == arm_name if arm_name else roles.get(str(r.cell.arm)) in CHOOSABLE)
    ]
    validated = [r for r in fitting if not np.isnan(_validation(r, metric))]
    if not validated:
        raise UserError(
            f"{results / 'cells.parquet'} has no finished cell{f' of {arm_name}' if arm_name else ''} with a"
            " validation score to choose by. Run the study, or name another --arm"
        )
    among = _at_budget(validated, n)
    best = min(among, key=partial(_order, among, metric))
    return ExportChoice(
        best,
        metric,
        len(among),
        len({r.cell.arm for r in among}),
        tuple(r for r in among if r.cell.arm == best.cell.arm),
        study["majority_share"],
    )


def _at_budget(rows: list[Row], n: int | None) -> list[Row]:
    """Return the rows of a budget; None: of the largest."""
    budgets = sorted({r.cell.n for r in rows})
    budget = budgets[-1] if n is None else n
    if budget not in budgets:
        known = ", ".join(map(str, budgets))
        raise UserError(f"--n {n}: no finished cell has that budget; known: {known}")
    return [r for r in rows if r.cell.n == budget]


def _validation(row: Row, metric: str) -> float:
    return row.validation_accuracy if metric == "accuracy" else row.validation_macro_f1


def _order(among: list[Row], metric: str, row: Row) -> tuple[float, float, str, int, int]:
    """Return a key by which the better cell sorts first."""
    scores = [_validation(r, metric) for r in among if r.cell.arm == row.cell.arm]
    cell = row.cell
    return (-_validation(row, metric), -float(np.mean(scores)), str(cell.arm), cell.draw, cell.seed)


def trained_rows(row: Row, params: Params, root: Path) -> list[Row]:
    """Return the rows that were trained: the row itself, or those of a blend's members.

    Raises:
        UserError: a member is not in the tables.
    """
    if not row.cell.arm.members:
        return [row]
    results = root / "results" / row.cell.corpus
    read = read_rows(results / "cells.parquet", results / "history.parquet")
    wanted = [r for r in read if r.key in row.cell.identity["members"]]
    found = attach_probabilities(wanted, results / "probabilities.parquet")
    rows = {r.key: r for r in found}
    try:
        return [rows[key] for key in row.cell.identity["members"]]
    except KeyError as e:
        raise UserError(
            f"{results / 'cells.parquet'} has no cell {e}, a member of {row.cell.arm}. Run `datayield study`,"
            " then export again."
        ) from e


def pooled_by(row: Row, trained: Sequence[Row], kinds: Sequence[str], root: Path) -> dict[str, Any]:
    """Return what a blend pools and how: the trainings of each member, and exponents; [] for equal members."""
    arm = row.cell.arm
    exponents: tuple[float, ...] = ()
    if arm.architecture == WEIGHTED:
        corpus = corpora.load(corpus_folder(root, row.cell.corpus))
        _, labels, held_out = held_out_of(arm, stored_probabilities(trained), corpus)
        exponents = fitted_exponents(held_out, labels)
    described = [
        {"kind": kind, "arm": str(r.cell.arm), "seed": r.cell.seed, "cell": r.key,
         "settings": r.cell.settings, "identity": r.cell.identity}
        for kind, r in zip(kinds, trained, strict=True)
    ]  # fmt: skip
    counts = [m.count for m in arm.members]
    return {"kind": BLEND, "members": described, "counts": counts, "exponents": list(exponents)}


def retrain(row: Row, params: Params, root: Path) -> ModelArrays:
    """Train a cell again and return its model, if the results are the same.

    Raises:
        UserError: if data or settings have changed since the cell was computed, or the results differ.
    """
    cell = row.cell
    differing = _differing(cell, params, root)
    inputs = {k: v for k, v in differing.items() if k not in ("engine", "device", "precision")}
    if inputs:
        raise UserError(
            f"the cell {row.key} was computed with other {', '.join(inputs)} than this folder has now"
            f" ({_describe(inputs)}). Run `datayield study`, then export again."
        )
    device, precision = cell.identity["device"], cell.identity["precision"]
    check(device, precision)
    configure(device, precision)
    again, fit = compute_cell(cell, CorpusTables.load(corpus_folder(root, cell.corpus)))
    check_same(row, again, differing)
    return parts_of(fit)


def _differing(cell: Cell, params: Params, root: Path) -> dict[str, tuple[Any, Any]]:
    """Compare a cell's identity with this folder: name -> (then, now) where they differ."""
    scope = data_stages.scope(params, cell.corpus, root)
    now = grid.cell(params, scope, cell.arm, cell.n, cell.draw, cell.seed, cell.settings).identity
    names = sorted({*now, *cell.identity})
    return {
        k: (cell.identity.get(k), now.get(k)) for k in names if cell.identity.get(k) != now.get(k)
    }


def _describe(differing: Mapping[str, tuple[Any, Any]]) -> str:
    return "; ".join(f"{k}: {then} then, {now} now" for k, (then, now) in differing.items())


def check_same(row: Row, again: Row, differing: Mapping[str, tuple[Any, Any]]) -> None:
    """Raise UserError unless the cell trained again has every prediction and score of the table."""
    unequal = [
        f"{s} {getattr(again, s):.6f}, in the table {getattr(row, s):.6f}"
        for s in SCORES
        if not np.array_equal(getattr(again, s), getattr(row, s), equal_nan=True)
    ]
    moved = int((row.predicted != again.predicted).sum())
    if not unequal and not moved:
        return
    why = (
        f"Here differs: {_describe(differing)}"
        if differing
        else "Versions and device are the same; another processor or another build of the libraries"
        " remains"
    )
    raise UserError(
        f"the cell {row.key} ({row.cell.arm}, {row.cell.n} labels, draw {row.cell.draw}) trained again"
        f" gives {'; '.join(unequal) or 'the same scores'}, and {moved} of {len(row.predicted)} test"
        f" predictions are others. {why}. Nothing was written. Export on the machine that computed the"
        " study, or compute the study here."
    )


def parts_of(fit: Fit) -> ModelArrays:
    """Return the vocabulary and the arrays of a fitted model."""
    if isinstance(fit, Trained):
        return saved_network.network_parts(fit.model, fit.vocabulary.words)
    return fit.parts


def configuration(
    choice: ExportChoice,
    trained: Sequence[Row],
    parts: Sequence[ModelArrays],
    params: Params,
    root: Path,
) -> dict[str, Any]:
    """Return the content of config.json but for the arrays' description.

    Args:
        choice: the exported cell.
        trained: its row, or those of a blend's members.
        parts: their models.
        params: the study.
        root: the project folder.
    """
    row, cell = choice.row, choice.row.cell
    folder = corpus_folder(root, cell.corpus)
    corpus_card = read_json(folder / "card.json")
    study = read_json(root / "results" / cell.corpus / "study.json")
    kinds = [p.kind for p in parts]
    blended = pooled_by(row, trained, kinds, root) if cell.arm.members else {"kind": kinds[0]}
    return {
        **blended,
        "output": "margin" if kinds[0] in WITHOUT_PROBABILITIES else "probability",
        "study": params.study.name,
        "corpus": cell.corpus,
        "arm": str(cell.arm),
        "architecture": cell.arm.architecture,
        "n": cell.n,
        "n_train": row.n_train,
        "n_validation": row.n_validation,
        "draw": cell.draw,
        "seed": cell.seed,
        "cell": row.key,
        "data_digest": cell.identity["data"],
        "test_digest": row.test_digest,
        "licence": corpus_card["source"].get("licence", "not stated"),
        "classes": study["classes"],
        "settings": cell.settings,
        "identity": cell.identity,
        "scores": {s: _number(getattr(row, s)) for s in SCORES},
        "choice": _evidence(choice),
        "test_size": len(row.hits),
        "majority_share": choice.majority,
        "versions": _versions(kinds),
    }


def _evidence(choice: ExportChoice) -> dict[str, Any]:
    """Return by what a cell was chosen, and how good its arm is on average."""
    test_scores = [getattr(r, choice.metric) for r in choice.siblings]
    return {
        "metric": f"validation_{choice.metric}",
        "score": choice.validation,
        "cells": choice.cells,
        "arms": choice.arms,
        "arm_cells": len(test_scores),
        "arm_mean_test": float(np.mean(test_scores)),
    }


def _versions(kinds: Sequence[str]) -> dict[str, str]:
    """Return the versions that made models of these kinds."""
    engines = {"torch" if kind == saved_network.NETWORK else "scikit-learn" for kind in kinds}
    packages = ("numpy", "pyarrow", "safetensors", *sorted(engines))
    own = {"datayield": __version__, "python": platform.python_version()}
    return own | {p: version(p) for p in packages}


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def write(folder: Path, parts: Sequence[ModelArrays], config: Mapping[str, Any]) -> None:
    """Write the folder, whole or not at all; replace an earlier export.

    Raises:
        UserError: if the folder holds anything else, or cannot be written.
    """
    files = format.written(parts, config, model_card.text_of(config))
    check_free(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    before = folder.with_name(f".{folder.name}.{os.getpid()}.before")
    try:
        for name, content in files.items():
            write_bytes(content, temporary / name)
        if folder.exists():  # moved, not emptied, so that no reader finds half of it
            folder.replace(before)
        temporary.replace(folder)
    except OSError as e:
        raise UserError(
            f"cannot write {folder}: {e.strerror or e}. Free some space or choose a writable folder."
        ) from e
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
        if before.exists() and not folder.exists():
            before.replace(folder)
        shutil.rmtree(before, ignore_errors=True)


def check_free(folder: Path) -> None:
    """Raise UserError if the folder holds anything but an earlier export."""
    if not folder.exists():
        return
    ours = {format.WEIGHTS, format.CONFIG, format.CARD}
    ours |= {format.member_file(k) for k in range(MOST_MEMBERS)}
    if not folder.is_dir() or not {p.name for p in folder.iterdir()} <= ours:
        raise UserError(
            f"{folder} holds files that are not an exported model. Name another folder: --out FOLDER"
        )
