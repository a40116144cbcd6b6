"""Every strategy on a true GPU; skipped where none is."""

from collections.abc import Iterator
from dataclasses import asdict

import numpy as np
import pytest
import torch

from datayield.cells.context import CorpusTables
from datayield.cells.run import run_cell
from datayield.cells.worker_pool import LocalPool
from datayield.core.types import Cell, Row, Settings
from datayield.models.device import configure
from datayield.strategies import registry
from datayield.study import arms
from datayield.testing.small_corpus import LABELS
from tests.contracts.conftest import NAMES

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="no CUDA device")
STILL = {"dropout": 0.0, "word_dropout": 0.0, "embedding_dropout": 0.0}  # devices draw other masks


@pytest.fixture
def gpu() -> Iterator[None]:
    configure("cuda")
    yield
    configure("cpu")


def _cell(arm: str, device: str = "cuda", precision: str = "fp32", **model: object) -> Cell:
    parsed = arms.parse_arm(arm)
    pinned = registry.compose(parsed.strategies, {}).pins(LABELS)
    wanted = {
        "hidden": 8,
        "embedding": 8,
        "batch": 16,
        **pinned,
        "updates": 40,
        "rounds": 5,
        **model,
    }
    identity = {"study_seed": 5, "device": device, "precision": precision}
    return Cell(
        "written", LABELS, parsed, 0, 0, {"model": asdict(Settings.from_dict(wanted))}, identity
    )


@pytest.mark.parametrize("name", NAMES)
def test_a_strategy_gives_the_same_row_twice(gpu: None, name: str, data: CorpusTables) -> None:
    cell = _cell(f"lstm:{name}")
    one, two = run_cell(cell, data), run_cell(cell, data)
    assert np.array_equal(one.predicted, two.predicted), "one key, one result"
    assert [h.loss for h in one.history] == [h.loss for h in two.history]
    assert np.isfinite([h.loss for h in one.history]).all()


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_a_network_learns_there_what_it_learns_on_the_cpu(
    cell: str, precision: str, data: CorpusTables
) -> None:
    """Without dropout both start alike and read the same batches; only rounding differs."""
    rows = []
    for device in ("cpu", "cuda"):
        configure(device, precision if device == "cuda" else "fp32")
        try:
            rows.append(
                run_cell(_cell(f"{cell}:plain", device, precision, layers=2, **STILL), data)
            )
        finally:
            configure("cpu")
    near = 1e-4 if precision == "fp32" else 0.05
    losses = [[h.loss for h in row.history] for row in rows]
    assert np.allclose(losses[0][:1], losses[1][:1], atol=near)
    assert (rows[0].predicted == rows[1].predicted).mean() > 0.9


def test_workers_share_the_gpu_and_agree_with_one_process(data: CorpusTables) -> None:
    configure("cuda")
    try:
        alone = run_cell(_cell("lstm:plain"), data)
    finally:
        configure("cpu")
    pool = LocalPool(data.folder.parent.parent, 300, 2)
    try:
        (row,) = pool.run([_cell("lstm:plain")])
        assert isinstance(row, Row) and np.array_equal(row.predicted, alone.predicted)
    finally:
        pool.close()
