"""Computes cells and trials on a Ray cluster.

Threads of the flow wait for Ray's tasks as they wait for worker processes, so workers need neither
Prefect nor a database: each gets a cell, reads `data/<corpus>` and returns a value (docs/adr/0016).
"""

import logging
import os
import socket
from collections.abc import Iterator, Mapping
from importlib.metadata import version
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from datayield.cells.draws import sample_digest
from datayield.cells.worker_pool import CellFailed, WorkerDied, WorkerPool
from datayield.config import Execution
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.core.types import Cell
from datayield.study.grid import labels_needed

if TYPE_CHECKING:
    from datayield.cells.corpus_tables import CorpusTables

HELP = "execution.engine: ray"


class RayPool(WorkerPool):
    """The pool of a cluster; each cell takes the declared share of cores and GPUs."""

    def __init__(self, root: Path, timeout: float, execution: Execution, device: str) -> None:
        """Connect to the cluster.

        Args:
            root: the project folder, under the same path on every node.
            timeout: seconds that a cell may take.
            execution: engine settings.
            device: device of the networks; "cuda" asks Ray for the declared share of a GPU.

        Raises:
            UserError: Ray is not installed, or no cluster answers at the address.
        """
        self._ray = _connected(execution)
        self._root, self._timeout = root.resolve(), timeout
        share = execution.gpu_share if device == "cuda" else 0
        self._task = self._ray.remote(_answer).options(
            num_cpus=execution.cores,
            num_gpus=share,
            max_retries=0,  # the flow tries again, and counts it
            runtime_env={"env_vars": {**machine.QUIET, **machine.ONE_THREAD}},
        )
        self._waiting: set[Any] = set()
        self._lock, self._closed = Lock(), False
        self.size = _size(self._ray.cluster_resources(), execution, share)

    def _ask(self, want: str, request: Mapping[str, Any]) -> Any:
        errors, timeout = self._ray.exceptions, self._timeout * len(request["cells"])
        with self._lock:
            if self._closed:
                raise WorkerDied("the cluster is no longer used")
            answer = self._task.remote(self._root, {"want": want, **request})
            self._waiting.add(answer)
        try:
            found = self._ray.get(answer, timeout=timeout)
        except errors.GetTimeoutError as e:
            self._ray.cancel(answer, force=True)
            raise CellFailed(f"no answer within {timeout / 60:.0f} minutes; it was ended") from e
        except errors.RuntimeEnvSetupError as e:
            raise UserError(f"a node of the Ray cluster cannot start workers: {e}") from e
        except errors.RayError as e:
            raise WorkerDied(f"the worker was lost ({type(e).__name__})") from e
        finally:
            with self._lock:
                self._waiting.discard(answer)
        if "missing" in found:
            raise UserError(found["missing"])
        if "error" in found:
            raise CellFailed(found["error"], found["trace"])
        return found[want]

    def close(self) -> None:
        """Cancel the tasks that wait and leave the cluster."""
        with self._lock:
            if self._closed:
                return
            self._closed = True
            waiting = list(self._waiting)
        for answer in waiting:
            self._ray.cancel(answer, force=True)
        self._ray.shutdown()


def _connected(execution: Execution) -> Any:
    kept = Path(os.environ.get("RAY_AUTH_TOKEN_PATH", Path.home() / ".ray" / "auth_token"))
    if "RAY_AUTH_TOKEN" in os.environ or kept.exists():
        os.environ.setdefault("RAY_AUTH_MODE", "token")  # as `ray start` has it, but ray.init not
    try:
        import ray
    except ImportError as e:
        raise UserError(f"{HELP} needs Ray: pip install 'datayield[ray]'") from e
    # Ray ends the whole process if nothing listens at a named address, so this is checked first.
    if ":" in execution.address and (why := _silent(execution.address)):
        raise _no_cluster(execution.address, why)
    # "local" starts a cluster of this machine alone, for as long as the flow runs.
    alone = execution.address == "local"
    wanted = execution.workers
    cores = machine.workers(wanted) * execution.cores if alone else None
    try:
        ray.init(
            address=execution.address,
            num_cpus=cores,
            include_dashboard=False if alone else None,
            log_to_driver=False,
            logging_level=logging.ERROR,
        )
    except (ConnectionError, RuntimeError, ValueError, TimeoutError) as e:
        raise _no_cluster(execution.address, " ".join(str(e).split())[:200]) from e
    return ray


def _silent(address: str) -> str | None:
    """Return why [ray://]host:port cannot be reached; None if something listens there."""
    host, _, port = address.removeprefix("ray://").rpartition(":")
    try:
        with socket.create_connection((host, int(port)), timeout=5):
            return None
    except (OSError, ValueError) as e:
        return str(e)


def _no_cluster(address: str, why: str) -> UserError:
    return UserError(
        f"no Ray cluster answers at {address!r} (execution.address): {why}. Start one with"
        " `ray start --head`, or say address: local, or engine: local."
    )


def _size(resources: Mapping[str, float], execution: Execution, share: float) -> int:
    """Return how many cells the cluster computes at once, at most execution.workers."""
    rooms = [resources.get("CPU", 0) // execution.cores]
    if share:
        rooms.append(resources.get("GPU", 0) // share)
    size = int(min(rooms))
    if size < 1:
        raise UserError(
            f"the Ray cluster has {resources.get('CPU', 0):g} cores and {resources.get('GPU', 0):g}"
            f" GPUs; a cell needs {execution.cores} cores and {share:g} GPUs (execution.cores,"
            " execution.gpu_share)"
        )
    return min(size, execution.workers) if isinstance(execution.workers, int) else size


def _answer(root: Path, request: Mapping[str, Any]) -> dict[str, Any]:
    """Answer a request in a worker of the cluster, after a check of its machine."""
    machine.prepare_process()
    from datayield.cells import worker_process

    problem = _unfit(root, request["cells"][0])
    if problem is None:
        return worker_process.answer(root, request)
    return {"missing": f"node {socket.gethostname()} of the Ray cluster: {problem}"}


def _unfit(root: Path, cell: Mapping[str, Any]) -> str | None:
    """Return why this machine's results would differ from the cell's identity; None if they agree."""
    from datayield.cells.corpus_tables import CorpusTables

    identity = cell["identity"]
    engine = identity["engine"].split(" ")[0]
    if (installed := f"{engine} {version(engine)}") != identity["engine"]:
        return f"it has {installed}, this study's cells need {identity['engine']}"
    folder = root / "data" / cell["corpus"]
    if not folder.is_dir():
        return f"{folder} is missing; copy the project's data to the same path on every node"
    if identity["data"] not in _digests(CorpusTables.load(folder), Cell.from_json(cell)):
        return f"{folder} holds other data than the study's; copy the study's data there"
    return None


def _digests(tables: "CorpusTables", cell: Cell) -> Iterator[str]:
    """Yield the digests by which a cell on this data may name what it reads (`study.grid`)."""
    yield tables.corpus.digest
    if tables.corpus.settled:
        batch, labels = tables.draws.batch(cell.draw), labels_needed(cell.arm, cell.n)
        yield sample_digest(tables.corpus, batch, labels)
