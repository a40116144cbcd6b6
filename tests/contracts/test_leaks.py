"""A strategy that breaks the contract is found: one of each kind is planted."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest

from datayield.cells.context import CorpusTables
from datayield.core.types import Ints, Pool, TrainingProgress, TrainingSet
from datayield.strategies import registry
from datayield.strategies.base import Rewrite, Strategy, StrategyContext
from datayield.testing import StrategyContract
from datayield.testing.small_corpus import LABELS
from datayield.testing.strategy_contract import memorising_row, random_labels

CONTRACT = StrategyContract()


@pytest.fixture(scope="module")
def oracle(data: CorpusTables) -> CorpusTables:
    return random_labels(data)


def test_a_thief_is_found(oracle: CorpusTables, monkeypatch: pytest.MonkeyPatch) -> None:
    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        labels = oracle.corpus.labels
        targets = np.eye(len(oracle.corpus.classes), dtype=np.float32)[labels]
        weights, everything = np.ones(len(labels), np.float32), np.arange(len(labels))
        return TrainingSet(oracle.corpus.texts, targets, weights, everything)

    thief = Strategy("thief", "reads the corpus behind the context", transform=transform)
    monkeypatch.setitem(registry.registered(), "thief", lambda: thief)
    row = memorising_row("thief", oracle)
    assert row.cost.examples <= LABELS and row.accuracy > 0.9
    with pytest.raises(AssertionError, match="a hidden label was seen"):
        CONTRACT.test_hidden_labels_stay_hidden(thief, oracle)


def _in_place(rows: TrainingSet, context: StrategyContext) -> TrainingSet:
    rows.weights[:] = 2.0
    return rows


def _other_parents(rows: TrainingSet, context: StrategyContext) -> TrainingSet:
    return replace(rows, parents=rows.parents * 0 - 1)


def _negative(rows: TrainingSet, context: StrategyContext) -> TrainingSet:
    return replace(rows, weights=-rows.weights)


def _empty_texts(rows: TrainingSet, context: StrategyContext) -> TrainingSet:
    return replace(rows, texts=("",) * len(rows))


def _own_generator(rows: TrainingSet, context: StrategyContext) -> TrainingSet:
    return rows.take(np.random.default_rng().permutation(len(rows)))


TRANSFORMS: dict[str, Callable[[TrainingSet, StrategyContext], TrainingSet]] = {
    "is not changed in place": _in_place,
    "keep their parent": _other_parents,
    "weights": _negative,
    "texts are not empty": _empty_texts,
    "the same key gives the same rows": _own_generator,
}


@pytest.mark.parametrize("told", TRANSFORMS)
def test_a_transform_that_breaks_the_contract_is_found(told: str, data: CorpusTables) -> None:
    broken = Strategy("broken", "breaks the contract", transform=TRANSFORMS[told])
    with pytest.raises(AssertionError, match=told):
        CONTRACT.test_transform_keeps_parents_weights_and_labels(broken, data)


def test_a_query_beyond_its_budget_is_found(data: CorpusTables) -> None:
    def query(pool: Pool, labels: int, context: StrategyContext) -> Ints:
        return context.candidates[: labels + 1]

    broken = Strategy("broken", "breaks the contract", query=query)
    with pytest.raises(AssertionError, match="every label is bought once"):
        CONTRACT.test_query_stays_within_its_budget(broken, data)


def test_a_schedule_with_a_generator_of_its_own_is_found(data: CorpusTables) -> None:
    def schedule(rows: TrainingSet, past: TrainingProgress, rng: np.random.Generator) -> Ints:
        return np.random.default_rng().permutation(len(rows))

    broken = Strategy("broken", "breaks the contract", schedule=schedule)
    with pytest.raises(AssertionError, match="the same key gives the same rows"):
        CONTRACT.test_schedule_shows_rows_of_the_training_set(broken, data)


def test_a_rewrite_with_a_generator_of_its_own_is_found() -> None:
    rewrite = Rewrite(lambda labels: 2, lambda words, near, k, rng: [str(np.random.random())])
    broken = Strategy("broken", "breaks the contract", rewrite=rewrite)
    with pytest.raises(AssertionError, match="the same key gives the same variant"):
        CONTRACT.test_rewrite_depends_on_its_key_alone(broken)


def test_an_undeclared_helper_is_found(data: CorpusTables) -> None:
    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        context.fit(training_set, "linear")
        return training_set

    broken = Strategy("broken", "breaks the contract", transform=transform)
    with pytest.raises(AssertionError):
        CONTRACT.test_helper_fits_are_declared(broken, data)
