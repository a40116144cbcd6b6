"""No strategy sees a label that was not paid for: an oracle is planted for whoever does.

Labels are drawn at random and every text has a word of its own. The test set is the pool itself, so
who knows hidden labels (or test labels) is right everywhere; everyone else is right about the texts
that were trained on, and by chance about the rest.
"""

from dataclasses import asdict, replace

import numpy as np
import pytest

from datayield import draws, grid, strategies
from datayield.desk import Data
from datayield.run import run_cell
from datayield.strategies.base import Desk, Strategy
from datayield.types import Cell, Row, Settings, TrainingSet
from tests.contracts.conftest import NAMES, N

POOL, CLASSES = 200, 3


@pytest.fixture(scope="module")
def oracle(data: Data) -> Data:
    """The first texts of the written corpus with labels that nothing predicts."""
    labels = np.random.default_rng(3).integers(0, CLASSES, POOL)
    texts = data.corpus.texts[:POOL]
    corpus = replace(
        data.corpus, texts=texts, labels=labels, units=np.arange(POOL), test_texts=texts, test_labels=labels
    )  # fmt: skip
    table = draws.tabulate(corpus, [0], 5, "stratified")
    return Data(corpus, draws.Draws(table), data.folder)


def score(name: str, oracle: Data) -> Row:
    """One cell, trained long enough to learn every label that it is shown by heart."""
    arm = grid.parse_arm(f"lstm:{name}")
    pinned = strategies.compose(arm.strategies, {}).pins(N)
    wanted = {
        "hidden": 16, "embedding": 32, "batch": 16, "learning_rate": 0.02, "word_dropout": 0.0,
        "embedding_dropout": 0.0, "dropout": 0.0, "embedding_scale": 1.0, **pinned,
        "updates": 150, "rounds": 10,
    }  # fmt: skip
    chosen = {"model": asdict(Settings.of(wanted))}
    return run_cell(Cell("written", N, arm, 0, 0, chosen, {"study_seed": 5}), oracle)


@pytest.mark.parametrize("name", NAMES)
def test_hidden_labels_stay_hidden(name: str, oracle: Data) -> None:
    row = score(name, oracle)
    known = row.account.examples / POOL
    rest = 1 / CLASSES + 4.5 * np.sqrt(2 / 9 / ((1 - known) * POOL))
    assert row.accuracy <= known + (1 - known) * rest


def test_a_thief_is_found(oracle: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    def prepare(training_set: TrainingSet, desk: Desk) -> TrainingSet:
        targets = np.eye(CLASSES, dtype=np.float32)[oracle.corpus.labels]
        everything = np.arange(POOL)
        return TrainingSet(
            oracle.corpus.texts, targets, np.ones(POOL, np.float32), everything
        )  # fmt: skip

    thief = Strategy("thief", "reads the corpus behind the desk", prepare=prepare)
    monkeypatch.setitem(strategies.registry(), "thief", lambda: thief)
    row = score("thief", oracle)
    assert row.account.examples < N and row.accuracy > 0.9
