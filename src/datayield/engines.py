"""Where cells are computed, as params.yaml chooses: worker processes here, or a Ray cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datayield import environment, memory
from datayield.config import Execution
from datayield.workers import Pool, WorkerPool


@contextmanager
def opened(execution: Execution, root: Path) -> Iterator[Pool]:
    """The pool that computes this study's cells; what still runs at the end is ended.

    Raises:
        UserError: when this machine or the cluster cannot compute as asked.
    """
    device = environment.device(execution.device)
    timeout = execution.cell_timeout_minutes * 60
    pool: Pool
    if execution.engine == "ray":
        from datayield.cluster import RayPool

        pool = RayPool(root, timeout, execution, device)
    else:
        if device != "cpu" or execution.precision != "fp32":
            from datayield import place  # torch, which this process needs for nothing else

            place.check(device, execution.precision)
        count = environment.workers(execution.workers, device)
        memory.require_workers(count)
        pool = WorkerPool(root, timeout, count)
    try:
        yield pool
    finally:
        pool.close()
