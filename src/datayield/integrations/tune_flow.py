"""Runs the flow `tune`: one Prefect task per search of settings. Never calls dvc."""

from pathlib import Path

from datayield.cells.worker_pool import WorkerPool
from datayield.config import Params
from datayield.integrations import prefect_tasks
from datayield.study.executor import Executor
from datayield.tuning import tune_stage


def run(corpus: str, params: Params, root: Path) -> bool:
    """Search the settings of one corpus.

    Returns:
        Whether the Prefect server went away meanwhile; Prefect can report nothing more to it.

    Raises:
        UserError: another study runs in this folder, or the trials cannot be stored.
    """

    def work(execute: Executor, pool: WorkerPool) -> int:
        with prefect_tasks.recorder(corpus, params, root) as log:
            return tune_stage.tune(corpus, params, root, execute, pool, log)

    return prefect_tasks.run_as_flow("tune", corpus, params, root, work)
