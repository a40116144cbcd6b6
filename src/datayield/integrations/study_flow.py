"""Runs the flow `study`: one Prefect task per stack of missing cells. Never calls dvc."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from prefect.artifacts import create_table_artifact

from datayield import corpora
from datayield.cells.worker_pool import WorkerPool
from datayield.config import Params
from datayield.core.metrics import lead_metric
from datayield.core.rows import to_record
from datayield.core.types import Row
from datayield.integrations import prefect_tasks
from datayield.study.corpus_folder import corpus_folder
from datayield.study.draws_by_look import Judge
from datayield.study.executor import Executor
from datayield.study.study_stage import compute


def run(corpus: str, params: Params, root: Path) -> bool:
    """Compute every missing cell of one corpus and export the tables.

    Returns:
        Whether the Prefect server went away meanwhile; Prefect can report nothing more to it.

    Raises:
        UserError: another study runs in this folder, or nothing can be written.
    """

    def work(execute: Executor, pool: WorkerPool) -> None:
        with prefect_tasks.recorder(corpus, params, root) as log:
            judge = judged_by(corpus, params, root)
            _, rows = compute(corpus, params, root, execute, pool, log, judge)
        if execute is prefect_tasks.prefect_executor:
            _write_artifact(corpus, params, rows)

    return prefect_tasks.run_as_flow("study", corpus, params, root, work)


def judged_by(corpus: str, params: Params, root: Path) -> Judge:
    """Return what says, after each look, which strategies of a corpus are settled."""

    def settled(summary: Mapping[str, Any], rows: Mapping[str, Row]) -> list[str]:
        from datayield.analysis import claims, frame, looks, scores

        truth = corpora.load(corpus_folder(root, corpus)).test_labels
        metric: Any = lead_metric(params.analysis.metric, summary["majority_share"])
        found = scores.gather(map(to_record, rows.values()), truth, metric)
        made = frame.make_frame(params, summary, found)
        taken = made.looks
        assert taken is not None  # only asked where draws are added at looks
        now = looks.at_look(made, taken, taken.ended)
        return claims.settled(now, taken.resolution, taken.settled)

    return settled


def _write_artifact(corpus: str, params: Params, rows: Mapping[str, Row]) -> None:
    """Write a table of mean accuracies for Prefect's pages."""
    groups: dict[tuple[str, int], list[float]] = {}
    for row in rows.values():
        groups.setdefault((str(row.cell.arm), row.cell.n), []).append(row.accuracy)
    lines = [
        {"arm": arm, "labels": n, "cells": len(a), "mean accuracy": round(sum(a) / len(a), 4)}
        for (arm, n), a in sorted(groups.items())
    ]
    key = prefect_tasks.slug(f"{params.study.name}-{corpus}")
    create_table_artifact(
        table=lines,
        key=f"study-{key}",
        description=f"{corpus}: mean test accuracy by arm and labels",
    )
