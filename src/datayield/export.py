"""The model of a study's best cell: chosen by validation score, trained again, checked, written."""

import os
import platform
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np

from datayield import __version__, card, exported, grid, place, records, stages, table
from datayield.case import Fit
from datayield.config import Params
from datayield.desk import Data
from datayield.errors import UserError
from datayield.run import fitted_cell
from datayield.score import leading
from datayield.stats.plan import finished_arm
from datayield.train import Trained
from datayield.types import Cell, Parts, Row

CHOOSABLE = ("strategy", "plain", "baseline")  # roles of arms that one could take
SCORES = ("accuracy", "macro_f1", "validation_accuracy", "validation_macro_f1")


@dataclass(frozen=True, slots=True)
class Choice:
    """The cell whose model is exported, and among what it was chosen."""

    row: Row
    metric: str  # "accuracy" or "macro_f1", of the validation part
    cells: int  # cells it was chosen among
    arms: int  # arms these belong to
    siblings: tuple[Row, ...]  # all cells of the same arm and budget, itself included
    majority: float  # share of the most frequent class in the test set

    @property
    def validation(self) -> float:
        """The score it was chosen by."""
        return _validation(self.row, self.metric)


def choose(
    params: Params, root: Path, corpus: str | None, arm: str | None, n: int | None
) -> Choice:
    """The cell with the highest validation score; test scores are not looked at.

    Among equals the arm with the higher mean validation score, then the first by arm, draw and seed.
    Controls and checks are chosen only by name.

    Args:
        params: the study.
        root: its folder.
        corpus: None where the study has one.
        arm: one arm; None: any that one could take.
        n: the budget in labels; None: the largest with such a cell.

    Raises:
        UserError: when nothing fits what was asked.
    """
    name = params.study.corpus(corpus)
    results = root / "results" / name
    rows = records.read(results / "cells.parquet", results / "history.parquet")
    study = table.read_json(results / "study.json")
    metric = leading(params.analysis.metric, study["majority_share"])
    wanted = finished_arm(arm, (str(r.cell.arm) for r in rows)) if arm else None
    roles = {a: known["role"] for a, known in study["arms"].items()}
    fitting = [
        r
        for r in rows
        if (str(r.cell.arm) == wanted if wanted else roles.get(str(r.cell.arm)) in CHOOSABLE)
    ]
    judged = [r for r in fitting if not np.isnan(_validation(r, metric))]
    if not judged:
        raise UserError(
            f"{results / 'cells.parquet'} has no finished cell{f' of {wanted}' if wanted else ''} with a"
            " validation score to choose by; run the study, or name another --arm"
        )
    budgets = sorted({r.cell.n for r in judged})
    budget = budgets[-1] if n is None else n
    if budget not in budgets:
        known = ", ".join(map(str, budgets))
        raise UserError(f"--n {n}: no finished cell has that budget; known: {known}")
    among = [r for r in judged if r.cell.n == budget]
    best = min(among, key=partial(_order, among, metric))
    return Choice(
        best,
        metric,
        len(among),
        len({r.cell.arm for r in among}),
        tuple(r for r in among if r.cell.arm == best.cell.arm),
        study["majority_share"],
    )


def _validation(row: Row, metric: str) -> float:
    return row.validation_accuracy if metric == "accuracy" else row.validation_macro_f1


def _order(among: list[Row], metric: str, row: Row) -> tuple[float, float, str, int, int]:
    """What puts the better cell first."""
    own = [_validation(r, metric) for r in among if r.cell.arm == row.cell.arm]
    cell = row.cell
    return (-_validation(row, metric), -float(np.mean(own)), str(cell.arm), cell.draw, cell.seed)


def retrain(choice: Choice, params: Params, root: Path) -> Parts:
    """Train the chosen cell again and take its model, if it is the same one.

    Raises:
        UserError: when data or code are not those the cell was computed with, or the results differ.
    """
    row, cell = choice.row, choice.row.cell
    differing = _differing(cell, params, root)
    inputs = {k: v for k, v in differing.items() if k not in ("engine", "device", "precision")}
    if inputs:
        raise UserError(
            f"the cell {row.key} was computed with other {', '.join(inputs)} than this folder has now"
            f" ({_told(inputs)}). Run `datayield study`, then export again."
        )
    device, precision = cell.identity["device"], cell.identity["precision"]
    place.check(device, precision)
    place.settle(device, precision)
    again, fit = fitted_cell(cell, Data.load(stages.folder(root, cell.corpus)))
    check_same(row, again, differing)
    return parts_of(fit)


def _differing(cell: Cell, params: Params, root: Path) -> dict[str, tuple[Any, Any]]:
    """What of a cell's identity is otherwise here: name -> (then, now)."""
    scope = stages.scope(params, cell.corpus, root)
    now = grid.cell(params, scope, cell.arm, cell.n, cell.draw, cell.seed, cell.settings).identity
    names = sorted({*now, *cell.identity})
    return {
        k: (cell.identity.get(k), now.get(k)) for k in names if cell.identity.get(k) != now.get(k)
    }


def _told(differing: Mapping[str, tuple[Any, Any]]) -> str:
    return "; ".join(f"{k}: {then} then, {now} now" for k, (then, now) in differing.items())


def check_same(row: Row, again: Row, differing: Mapping[str, tuple[Any, Any]]) -> None:
    """Whether a cell that was trained again has every prediction and score of the table.

    Raises:
        UserError: with both numbers and what could make the difference.
    """
    unequal = [
        f"{s} {getattr(again, s):.6f}, in the table {getattr(row, s):.6f}"
        for s in SCORES
        if not np.array_equal(getattr(again, s), getattr(row, s), equal_nan=True)
    ]
    moved = int((row.predicted != again.predicted).sum())
    if not unequal and not moved:
        return
    why = (
        f"Here differs: {_told(differing)}"
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


def parts_of(fit: Fit) -> Parts:
    """Vocabulary and arrays of what a cell fitted."""
    if isinstance(fit, Trained):
        return exported.network_parts(fit.model, fit.vocabulary.words)
    return fit.parts


def configuration(choice: Choice, parts: Parts, params: Params, root: Path) -> dict[str, Any]:
    """What config.json says beside the parts themselves."""
    row, cell = choice.row, choice.row.cell
    folder = stages.folder(root, cell.corpus)
    corpus_card = table.read_json(folder / "card.json")
    study = table.read_json(root / "results" / cell.corpus / "study.json")
    engine = {"torch": version("torch")} if parts.kind == exported.NETWORK else {
        "scikit-learn": version("scikit-learn")
    }  # fmt: skip
    own = [getattr(r, choice.metric) for r in choice.siblings]
    return {
        "kind": parts.kind,
        "output": "margin" if parts.kind == "nbsvm" else "probability",
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
        "choice": {
            "metric": f"validation_{choice.metric}",
            "score": choice.validation,
            "cells": choice.cells,
            "arms": choice.arms,
            "arm_cells": len(own),
            "arm_mean_test": float(np.mean(own)),
        },
        "test_size": len(row.hits),
        "majority_share": choice.majority,
        "versions": {
            "datayield": __version__,
            "python": platform.python_version(),
            **{p: version(p) for p in ("numpy", "pyarrow", "safetensors")},
            **engine,
        },
    }


def _number(value: float) -> float | None:
    return None if np.isnan(value) else value


def write(folder: Path, parts: Parts, config: Mapping[str, Any]) -> None:
    """Fill the folder, whole or not at all; an earlier export there is replaced.

    Raises:
        UserError: when something else lies there, or nothing can be written.
    """
    files = exported.written(parts, config, card.text_of(config))
    check_free(folder)
    temporary = folder.with_name(f".{folder.name}.{os.getpid()}")
    before = folder.with_name(f".{folder.name}.{os.getpid()}.before")
    try:
        for name, content in files.items():
            table.write_bytes(content, temporary / name)
        if folder.exists():  # moved, not emptied, so that it is never there by half
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
    """Whether an export may be written there: nothing, an empty folder or an earlier export.

    Raises:
        UserError: otherwise.
    """
    if not folder.exists():
        return
    ours = {exported.WEIGHTS, exported.CONFIG, exported.CARD}
    if not folder.is_dir() or not {p.name for p in folder.iterdir()} <= ours:
        raise UserError(
            f"{folder} holds something that is no exported model; name another folder: --out FOLDER"
        )
