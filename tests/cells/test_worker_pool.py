"""Worker processes: what a thread learns when its worker ends."""

import select
import threading
from pathlib import Path

import pytest

from datayield.cells import worker_pool
from datayield.cells.worker_pool import CellFailed, LocalPool, WorkerDied

REQUEST = {"cells": [{}], "metric": "accuracy", "thresholds": []}


@pytest.fixture
def pool(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> LocalPool:
    """A pool whose workers read nothing and never answer."""
    sleeper = tmp_path / "sleeper"
    sleeper.write_text("#!/bin/sh\nexec sleep 60\n")
    sleeper.chmod(0o755)
    monkeypatch.setattr(worker_pool.sys, "executable", str(sleeper))
    return LocalPool(tmp_path, 60, 1)


def test_closing_the_pool_ends_a_waiting_thread_with_worker_died(
    pool: LocalPool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The thread reads only after `close` has returned, which is when closed pipes would show."""
    closed, waiting, errors = threading.Event(), threading.Event(), []
    wait_for_answer = select.select

    def late(*arguments: object) -> object:
        waiting.set()
        ready = wait_for_answer(*arguments)
        assert closed.wait(30)
        return ready

    def ask() -> None:
        try:
            pool._ask("trial", REQUEST)
        except Exception as e:
            errors.append(e)

    monkeypatch.setattr(worker_pool.select, "select", late)
    thread = threading.Thread(target=ask)
    thread.start()
    assert waiting.wait(30)
    pool.close()
    closed.set()
    thread.join(30)
    assert [type(e) for e in errors] == [WorkerDied]
    with pytest.raises(WorkerDied, match="closed"):
        pool._ask("trial", REQUEST)


def test_a_request_that_a_dead_worker_did_not_read_is_worker_died(pool: LocalPool) -> None:
    """More than a pipe holds, so that something is left to flush when the pipe is closed."""
    threading.Timer(0.5, pool.close).start()
    with pytest.raises(WorkerDied):
        pool._ask("trial", {**REQUEST, "metric": "x" * 2_000_000})


def test_a_failed_cell_says_its_error_in_one_line() -> None:
    error = CellFailed("ValueError: a\n  b", "Traceback ...")
    assert str(error) == "ValueError: a b" and error.trace == "Traceback ..."
