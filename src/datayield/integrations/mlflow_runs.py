"""Writes a study into MLflow, the write-only log that people open to compare runs.

A study is a parent run. Its children are the cells, the learning curves (means of an arm; the step is
n) and the searches, whose children are their trials. Logging the same cell again changes nothing, and
the pipeline never reads the log, so `datayield record` can rebuild all of it.
"""

import json
import subprocess
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from math import isnan
from pathlib import Path
from typing import Any

from mlflow.entities import Dataset, DatasetInput, InputTag, Metric, Param
from mlflow.exceptions import MlflowException
from sqlalchemy.exc import SQLAlchemyError

from datayield.core.errors import UserError
from datayield.core.system import services
from datayield.core.types import Row
from datayield.integrations import mlflow_client, mlflow_curves

_PARENT = "mlflow.parentRunId"
_SCORES = ("accuracy", "macro_f1", "validation_accuracy", "validation_macro_f1")
_ROUND = ("loss", "train_accuracy", "validation_loss", "validation_accuracy", "learning_rate")


_LASTING = {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "PERMISSION_DENIED", "UNAUTHENTICATED"}


def refused(error: Exception) -> bool:
    """Return whether MLflow answered and will answer the same again (unlike a server that is away)."""
    return isinstance(error, MlflowException) and error.error_code in _LASTING


class Log:
    """The log of one study: an experiment, its parent run and the cells logged so far."""

    def __init__(self, study: str, root: Path) -> None:
        self._study = study
        self._study_tags = {"study": study, **_revision(root)}  # tags of all runs
        self._client = mlflow_client.client(root)
        self.experiment = self._find_experiment(root)
        runs = self._all_runs()
        parents = [r for r in runs if r.data.tags.get("kind") == "study"]
        ended = [r for r in runs if r.info.status in ("FINISHED", "FAILED")]
        self._logged = {r.data.tags["cell"] for r in ended if "cell" in r.data.tags}
        # Runs that were begun when the log was lost are continued, so that none is there twice.
        self._begun = {
            r.data.tags[kind]: r.info.run_id
            for r in runs
            for kind in ("cell", "trial")
            if kind in r.data.tags and r.info.status == "RUNNING"
        }
        self._trials = {r.data.tags["trial"] for r in ended if "trial" in r.data.tags}
        self._searches = {
            r.data.tags["search"]: r.info.run_id
            for r in runs
            if r.data.tags.get("kind") == "search"
        }
        self._curves: dict[tuple[str, str], dict[str, str]] = {}  # corpus, arm -> run -> its cells
        for r in runs:
            if r.data.tags.get("kind") == "curve":
                whole = r.data.tags["cells"] if r.info.status == "FINISHED" else "unfinished"
                runs_of_arm = self._curves.setdefault(
                    (r.data.tags["corpus"], r.data.tags["arm"]), {}
                )
                runs_of_arm[r.info.run_id] = whole
        self.parent = parents[0].info.run_id if parents else self._new_parent()

    def _find_experiment(self, root: Path) -> str:
        name = f"datayield/{self._study}"
        found = self._client.get_experiment_by_name(name)
        if found is not None:
            if found.lifecycle_stage == "deleted":
                self._client.restore_experiment(found.experiment_id)
            return str(found.experiment_id)
        local = mlflow_client.uri(root).startswith("sqlite")
        location = (root / "state" / "mlartifacts").resolve().as_uri() if local else None
        try:
            return str(self._client.create_experiment(name, artifact_location=location))
        except MlflowException:  # another process made it in between
            again = self._client.get_experiment_by_name(name)
            if again is None:
                raise
            return str(again.experiment_id)

    def _all_runs(self) -> list[Any]:
        runs, token = [], None
        while True:
            page = self._client.search_runs([self.experiment], max_results=1000, page_token=token)
            runs += list(page)
            token = page.token
            if not token:
                return runs

    def _new_parent(self) -> str:
        tags = {**self._study_tags, "kind": "study", "mlflow.runName": self._study}
        run = str(self._client.create_run(self.experiment, tags=tags).info.run_id)
        self._client.set_terminated(run, "FINISHED")  # it only holds its cells; nothing runs in it
        return run

    def add(self, row: Row, family: str) -> bool:
        """Log one cell as a child run; return False if it was there already."""
        if row.key in self._logged:
            return False
        began, ended = _times(row.cost.cell_seconds)
        run = self._run(row.key, self._tags(row, family), _name(row), began)
        self._client.log_batch(run, metrics=_metrics(row), params=_params(row))
        self._read_from(run, row)
        self._client.set_terminated(run, "FINISHED", end_time=ended)
        self._logged.add(row.key)
        return True

    def _read_from(self, run: str, row: Row) -> None:
        """Name the corpus on which a run was trained."""
        data = Dataset(
            name=row.cell.corpus,
            digest=row.cell.identity["data"][:32],
            source_type="local",
            source=f"data/{row.cell.corpus}",
        )
        self._client.log_inputs(
            run, datasets=[DatasetInput(data, [InputTag("mlflow.data.context", "training")])]
        )

    def add_curves(self, rows: Iterable[Row], family: str) -> int:
        """Log the learning curve of every arm among the rows; return the number of new runs.

        A curve that other cells have joined since is written again, and its old run deleted.
        """
        new = 0
        for curve in mlflow_curves.curves(rows):
            old = self._curves.get((curve.corpus, curve.arm), {})
            if list(old.values()) == [curve.cells]:
                continue
            tags = self._tags(curve.row, family)
            shared = {k: v for k, v in tags.items() if k not in ("n", "draw", "seed", "cell")}
            run = self._client.create_run(
                self.experiment,
                tags={**shared, "kind": "curve", "cells": curve.cells},
                run_name=curve.name,
            ).info.run_id
            points = [
                Metric(k, round(v, 6), 0, n) for k, means in curve.points.items() for n, v in means
            ]
            self._client.log_batch(run, metrics=points, params=[Param("arm", curve.arm)])
            self._read_from(run, curve.row)
            self._client.set_terminated(run, "FINISHED")
            for stale in old:
                self._client.delete_run(stale)
            self._curves[curve.corpus, curve.arm] = {run: curve.cells}
            new += 1
        return new

    def run_of(self, key: str) -> str:
        """Return the run of a logged cell; raise LookupError where there is none."""
        found = self._client.search_runs(
            [self.experiment], f"tags.cell = '{key}' and tags.kind = 'cell'", max_results=1
        )
        if not found:
            raise LookupError(f"no run of the cell {key}")
        return str(found[0].info.run_id)

    def _run(self, key: str, tags: dict[str, str], name: str, began: int) -> str:
        if key in self._begun:
            return str(self._begun[key])
        run = self._client.create_run(self.experiment, start_time=began, tags=tags, run_name=name)
        return str(run.info.run_id)

    def add_search(self, rows: Sequence[Mapping[str, Any]], family: str) -> int:
        """Log the trials of one search (rows of tables.TRIALS); return the number of new ones."""
        new = [r for r in rows if f"{r['search']} {r['number']}" not in self._trials]
        if new:
            parent = self._search(rows[0], family)
            for row in new:
                self._add_trial(row, parent, family)
        return len(new)

    def _search(self, first: Mapping[str, Any], family: str) -> str:
        name = str(first["search"])
        if name not in self._searches:
            tags = {**self._search_tags(first, family), _PARENT: self.parent, "kind": "search"}
            run = self._client.create_run(self.experiment, tags=tags, run_name=f"search {name}")
            self._searches[name] = str(run.info.run_id)
            self._client.set_terminated(self._searches[name], "FINISHED")  # as the study's
        return str(self._searches[name])

    def _add_trial(self, row: Mapping[str, Any], parent: str, family: str) -> None:
        name = f"{row['search']} {row['number']}"
        tags = {
            **self._search_tags(row, family),
            _PARENT: parent,
            "kind": "trial",
            "trial": name,
            "state": row["state"],
        }
        began, finished = _times(row["seconds"] or 0.0)
        run = self._run(name, tags, f"trial {row['number']}", began)
        known = {k: row[k] for k in ("score", "seconds", "tokens", "updates", "helper_fits")}
        metrics = [Metric(k, float(v), 0, 0) for k, v in known.items() if v is not None]
        metrics += [Metric("step/score", v, 0, step) for step, v in enumerate(row["steps"])]
        params = [Param(k, str(v)) for k, v in json.loads(row["values"]).items()]
        self._client.log_batch(run, metrics=metrics, params=params)
        status = "FAILED" if row["state"] == "failed" else "FINISHED"
        self._client.set_terminated(run, status, end_time=finished)
        self._trials.add(name)

    def _search_tags(self, row: Mapping[str, Any], family: str) -> dict[str, str]:
        identity = {k: str(row[k]) for k in ("search", "corpus", "arm", "n", "draw")}
        return {**self._study_tags, "family": family, **identity}

    def _tags(self, row: Row, family: str) -> dict[str, str]:
        cell = row.cell
        return {
            **self._study_tags,
            _PARENT: self.parent,
            "kind": "cell",
            "corpus": cell.corpus,
            "family": family,
            "arm": str(cell.arm),
            "architecture": cell.arm.architecture,
            "n": str(cell.n),
            "draw": str(cell.draw),
            "seed": str(cell.seed),
            "cell": row.key,
            "data_digest": cell.identity["data"],
        }


def _name(row: Row) -> str:
    cell = row.cell
    # The varying parts come first, because MLflow's lists cut names.
    return f"{cell.arm} n={cell.n} draw={cell.draw} seed={cell.seed} {cell.corpus}"


def _times(seconds: float) -> tuple[int, int]:
    """Return start and end, in milliseconds, of a run that took so long and is logged now."""
    now = int(time.time() * 1000)
    return now - int(seconds * 1000), now


def _metrics(row: Row) -> list[Metric]:
    final = {k: getattr(row, k) for k in _SCORES} | asdict(row.cost)
    final.pop("language_models")  # a name, not a number
    # Six decimals, because MLflow's tables show every digit.
    metrics = [Metric(k, round(float(v), 6), 0, 0) for k, v in final.items()]
    for h in row.history:
        metrics += [Metric(f"round/{k}", float(getattr(h, k)), 0, h.round) for k in _ROUND]
    return [m for m in metrics if not isnan(m.value)]  # MLflow's stores refuse NaN


def _params(row: Row) -> list[Param]:
    flat = {
        (name if group == "model" else f"{group}.{name}"): value
        for group, values in row.cell.settings.items()
        for name, value in values.items()
    }
    identity = {"n": row.cell.n, "arm": str(row.cell.arm), "n_train": row.n_train}
    return [Param(k, str(v)) for k, v in {**flat, **identity}.items()]


def _revision(root: Path) -> dict[str, str]:
    """Return the tag that names the folder's commit; no tag where there is no repository."""
    try:
        done = subprocess.run(
            ["git", "rev-parse", "HEAD"],
            cwd=root,
            capture_output=True,
            text=True,
            timeout=10,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return {}
    return {"git_revision": done.stdout.strip()} if done.returncode == 0 else {}


@contextmanager
def answering(root: Path) -> Iterator[None]:
    """Turn an error of MLflow into a UserError that says what to do.

    Raises:
        UserError: MLflow cannot be reached, or it refuses.
    """
    try:
        yield
    except (MlflowException, SQLAlchemyError, OSError) as e:
        address = mlflow_client.uri(root)
        raise UserError(
            f"MLflow at {address} does not record: it {services.log_fault(e, address)}. The same"
            " command again adds what is missing."
        ) from e


def record(
    study: str,
    root: Path,
    rows: Iterable[Row],
    trials: Sequence[Mapping[str, Any]],
    family: str,
) -> tuple[int, int]:
    """Log every cell, curve and trial that is not there; return (logged now, already there).

    Raises:
        UserError: when MLflow cannot be reached or refuses.
    """
    rows = list(rows)
    searches: dict[str, list[Mapping[str, Any]]] = {}
    for trial in trials:
        searches.setdefault(trial["search"], []).append(trial)
    with answering(root):
        log = Log(study, root)
        now = sum(log.add(row, family) for row in rows)
        now += sum(log.add_search(found, family) for found in searches.values())
        now += log.add_curves(rows, family)
    return now, len(rows) + len(trials) + len(mlflow_curves.curves(rows)) - now
