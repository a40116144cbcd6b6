"""Runs the tune stage: runs all searches, then writes settings.json and trials.parquet."""

import sys
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pyarrow as pa

from datayield import corpora
from datayield.cells.draws import TUNING_DRAW
from datayield.cells.worker_pool import WorkerPool
from datayield.config import Params
from datayield.core import files, tables
from datayield.core.arm import Arm
from datayield.core.errors import UserError
from datayield.study import data_stages, grid
from datayield.study.corpus_folder import corpus_folder
from datayield.study.executor import Executor, RunLog
from datayield.study.stage_progress import StageProgress, write_progress
from datayield.tuning import optuna_search
from datayield.tuning.searches import SearchSpec, drawn, searches, served, taken_over


def wanted(params: Params, corpus: str, root: Path) -> list[SearchSpec]:
    """Return the searches of one corpus."""
    scope = data_stages.scope(params, corpus, root)
    return searches(params, scope, data_stages.metric(params, corpus, root))


def tune(
    corpus: str, params: Params, root: Path, execute: Executor, pool: WorkerPool, log: RunLog
) -> int:
    """Run the searches of one corpus to their end and write the outputs of the stage.

    Args:
        corpus: the name of the corpus.
        params: the study.
        root: the project folder.
        execute: runs the work of many keys in parallel.
        pool: scores one trial at a time for each thread of the executor.
        log: records every finished search.

    Returns:
        The number of searches.
    """
    specs = wanted(params, corpus, root)
    if specs:
        data_stages.check_draws(params, corpus, root)
        write_progress(StageProgress(corpus, "searches", 0, len(specs)), root)
    kept = optuna_search.storage(root, alone=True)
    rows: dict[str, list[dict[str, Any]]] = {}
    for search in _finished(specs, kept, pool, execute):
        rows[search.name] = optuna_search.lines(search, kept)
        log.trials(rows[search.name])
        count = f"{len(rows)}/{len(specs)} searches"
        outcome = _outcome(rows[search.name])
        print(f"[{count}] {outcome}", file=sys.stderr)
        write_progress(
            StageProgress(corpus, "searches", len(rows), len(specs), latest=outcome), root
        )
    _write(corpus, params, root, specs, kept, [x for s in specs for x in rows[s.name]])
    return len(specs)


def _finished(
    specs: Sequence[SearchSpec], kept: optuna_search.Storage, pool: WorkerPool, execute: Executor
) -> Iterator[SearchSpec]:
    """Run searches in parallel and yield each as it ends; those that another machine has come last."""
    by_name = {s.name: s for s in specs}
    elsewhere: list[str] = []

    def work(name: str, wait: bool) -> None:
        with optuna_search.claimed(by_name[name], kept, wait) as ours:
            if ours:
                optuna_search.run(by_name[name], kept, pool.trial)
            else:
                elsewhere.append(name)

    for names, wait in ((list(by_name), False), (elsewhere, True)):
        labels = {name: f"search {name}" for name in names}
        for name, error in execute(labels, partial(work, wait=wait)):
            if isinstance(error, UserError):
                raise error
            if error is not None:
                raise UserError(
                    f"the search {name} ended: {type(error).__name__}: {str(error)[:300]}."
                    " Run the same command again to continue from its last trial."
                ) from error
            if wait or name not in elsewhere:
                yield by_name[name]


def _outcome(rows: Sequence[Mapping[str, Any]]) -> str:
    first = rows[0]
    scores = [r["score"] for r in rows if r["score"] is not None]
    outcome = (
        f"best {max(scores):.3f}" if scores else "no trial was completed, its arms stay untuned"
    )
    seconds = sum(r["seconds"] or 0 for r in rows)
    where = f"{first['corpus']} {first['arm']} n={first['n']} draw={first['draw']}"
    return f"{where}: {outcome}, {len(rows)} trials, {seconds:.0f} s"


def _write(
    corpus: str,
    params: Params,
    root: Path,
    specs: Sequence[SearchSpec],
    kept: optuna_search.Storage,
    rows: list[dict[str, Any]],
) -> None:
    results = root / "results" / corpus
    loaded = corpora.load(corpus_folder(root, corpus))
    planned, _ = grid.arms_and_budgets(params, len(loaded.texts), len(loaded.unlabelled))
    tuning = {**params.tuning.model_dump(mode="json"), "served": _served(params, planned)}
    trials = pa.Table.from_pylist(rows, tables.TRIALS)
    labelled = trials.replace_schema_metadata({"tuning": files.canonical(tuning)})
    tables.write_table(labelled, results / "trials.parquet")
    files.write_json(_chosen(specs, params, planned, kept), results / "settings.json")


def _served(params: Params, planned: Sequence[tuple[Arm, int]]) -> list[dict[str, Any]]:
    """Return for each arm and budget the arm and budget whose search it used."""
    if not params.tuning.trials:
        return []
    return [
        {"arm": str(arm), "n": n, "by": str(by[0]), "at": by[1]}
        for arm, n in planned
        if (by := served(params, arm, n)) is not None
    ]


def _chosen(
    specs: Sequence[SearchSpec],
    params: Params,
    planned: Sequence[tuple[Arm, int]],
    kept: optuna_search.Storage,
) -> dict[str, dict[str, dict[str, Any]]]:
    """Return settings by budget, arm and draw: those of the best trial, or the untuned ones."""
    best = {(s.cell.arm, s.cell.n, s.cell.draw): optuna_search.best(s, kept) for s in specs}
    chosen: dict[str, dict[str, dict[str, Any]]] = {}
    for arm, n in planned:
        by = served(params, arm, n) if specs else None
        draws = drawn(params) if by else (TUNING_DRAW,)
        chosen.setdefault(str(n), {})[str(arm)] = {
            grid.ALL if draw == TUNING_DRAW else str(draw): taken_over(
                params, arm, n, best[*by, draw] if by else None
            )
            for draw in draws
        }
    return chosen
