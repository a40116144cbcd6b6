"""Opens the worker pool that params.yaml chooses: processes on this machine, or a Ray cluster."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from datayield.cells.worker_pool import LocalPool, WorkerPool
from datayield.config import Execution
from datayield.core.system import machine
from datayield.core.system.machine import require_workers
from datayield.models import accelerator


@contextmanager
def opened(execution: Execution, root: Path) -> Iterator[WorkerPool]:
    """Open the pool that computes this study's cells; its workers end with the block.

    Raises:
        UserError: this machine or the cluster cannot compute with these settings.
    """
    device = accelerator.choose_device(execution.device)
    timeout = execution.cell_timeout_minutes * 60
    pool: WorkerPool
    if execution.engine == "ray":
        from datayield.integrations.ray_pool import RayPool

        pool = RayPool(root, timeout, execution, device)
    else:
        if device != "cpu" or execution.precision != "fp32":
            from datayield.models.device import check

            check(device, execution.precision)
        count = machine.workers(execution.workers, device)
        require_workers(count)
        pool = LocalPool(root, timeout, count)
    try:
        yield pool
    finally:
        pool.close()
