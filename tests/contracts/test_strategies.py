"""The contract of strategies, over the whole registry, and what the context and registry promise."""

from functools import partial

import numpy as np
import pytest

from datayield.cells.context import CellContext, CorpusTables
from datayield.cells.run import run_cell
from datayield.core.types import Pool
from datayield.models.settings import ENCODER, STATIC
from datayield.strategies import registry, uncertainty
from datayield.strategies.augmentation_ops import MARKS
from datayield.strategies.base import RunProtocol, Strategy, reads_other_texts
from datayield.strategies.coverage import facility_location, k_center
from datayield.strategies.deduplication import dedup, first_of_groups
from datayield.testing import StrategyContract, check_arm
from datayield.testing.small_corpus import HELD_OUT, LABELS
from datayield.testing.strategy_contract import Few, cell_of, context_of, labelled_rows
from tests.contracts.conftest import NAMES


class TestRegistered(StrategyContract):
    factories = tuple(registry.registered().values())

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, _registered: None, data: CorpusTables) -> CorpusTables:
        return data


def longest() -> Strategy:
    def query(pool: Pool, labels: int, context: CellContext) -> np.ndarray:
        order = np.argsort([-len(t) for t in pool.texts], kind="stable")
        allowed = set(context.candidates) - set(context.labelled)
        return np.array([*context.labelled, *(i for i in order if i in allowed)][:labels])

    return Strategy("longest", "labels the longest texts", query=query, source="this test")


class TestOfAnotherPackage(StrategyContract):
    """One that no package registers."""

    factories = (longest,)


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_is_registered_by_its_name(name: str) -> None:
    assert registry.make_strategy(name).name == name


@pytest.mark.parametrize("name", NAMES)
def test_every_strategy_trains_networks_that_read_long_texts_in_windows(
    name: str, data: CorpusTables
) -> None:
    shape = {"hidden": 6, "embedding": 6, "batch": 8, "max_tokens": 3, "windows": 3}
    row = run_cell(cell_of([name], shape, updates=4, rounds=2), data)
    assert np.isfinite(row.accuracy) and np.isfinite([r.loss for r in row.history]).all()
    assert row.probabilities is not None and np.isfinite(row.probabilities.test).all()


@pytest.mark.parametrize("name", [n for n in NAMES if registry.make_strategy(n).rewrite])
def test_rewrites_add_words_of_the_thesaurus_or_marks_alone(name: str) -> None:
    rewrite = registry.make_strategy(name).rewrite
    words = "the rain fell on the old boat .".split()
    for k in range(rewrite.variants(10_000)):
        written = rewrite.write(list(words), Few(), k, np.random.default_rng(k))
        assert set(written) <= {*words, "drizzle", "shower", "ship", *MARKS}


def test_an_acquirer_may_ask_for_more_at_once_than_it_looks_at(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(uncertainty, "LOOKED_AT", 3)
    made = registry.make_strategy("entropy", {"rounds": 1})
    sample = data.draws.sample(0, LABELS, HELD_OUT)
    ids = made.query(Pool(data.corpus.texts), len(sample.train), context_of(data, made)[0])
    assert len(set(ids)) == len(sample.train)


def test_texts_that_were_acquired_are_labelled_and_the_others_are_not(data: CorpusTables) -> None:
    context, _ = context_of(data, registry.make_strategy("distil"))
    sample = data.draws.sample(0, LABELS, HELD_OUT)
    ids = np.concatenate([sample.train[:5], sample.rest[: len(sample.train) - 5]])
    context.add_labelled(ids)
    assert np.array_equal(context.labelled, ids) and not np.isin(ids, context.unlabelled_ids).any()
    assert set(sample.train[5:]) < set(context.unlabelled_ids)
    assert not np.isin(sample.validation, context.unlabelled_ids).any()
    assert len(context.unlabelled) == len(data.corpus.texts) - LABELS


def test_a_context_refuses_what_was_not_paid_or_declared(data: CorpusTables) -> None:
    context, _ = context_of(data, registry.make_strategy("plain"))
    sample = data.draws.sample(0, LABELS, HELD_OUT)
    with pytest.raises(LookupError, match="held-out texts"):
        context.reveal_labels(sample.validation[:1])
    with pytest.raises(LookupError, match="the budget has 48"):
        context.reveal_labels(sample.rest[:1])
    with pytest.raises(LookupError, match="reads the table"):
        context.precomputed.difficulty("length", sample.train)


@pytest.mark.parametrize(
    "name", [n for n in NAMES if not reads_other_texts(registry.make_strategy(n))]
)
def test_what_says_to_read_its_sample_alone_reads_no_other_text(
    name: str, data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its cells are known by the sample and the test set, and serve again when the corpus grows."""

    def refuse(*_: object) -> None:
        raise AssertionError(f"{name} reads texts outside of its sample and does not say so")

    for names in ("unlabelled", "unlabelled_ids", "candidates"):
        monkeypatch.setattr(CellContext, names, property(refuse))
    monkeypatch.setattr(CellContext, "language_model", refuse)
    made = registry.make_strategy(name)
    if made.transform is not None:
        assert len(made.transform(labelled_rows(data), context_of(data, made)[0]))


def test_helpers_learn_and_are_charged(data: CorpusTables) -> None:
    context, cost = context_of(data, registry.make_strategy("plain"))
    for kind in ("linear", "network"):
        p = context.fit(labelled_rows(data), kind).predict(data.corpus.test_texts[:5])
        assert p.shape == (5, 3) and np.allclose(p.sum(1), 1, atol=1e-5)
    assert cost.helper_fits == 2 and cost.tokens > 0
    assert len(context.unlabelled) == len(data.corpus.texts) - LABELS
    assert cost.unlabelled == len(context.unlabelled)


def test_compositions_are_canonical_and_exclusive() -> None:
    assert registry.canonical(["mixup_word", "eda_nn"]) == ("eda_nn", "mixup_word")
    assert registry.canonical(["plain", "eda_nn"]) == ("eda_nn",)
    assert registry.canonical(["plain"]) == ("plain",)
    both = registry.compose(["competence", "eda_nn"], {})
    assert both.role == "strategy" and both.precomputed == ("difficulties", "neighbours")
    with pytest.raises(registry.UserError, match="cannot be combined"):
        registry.compose(["twin", "double"], {})
    with pytest.raises(registry.UserError, match="named twice"):
        registry.canonical(["eda_nn", "eda_nn"])
    with pytest.raises(registry.UserError, match='did you mean "eda_nn"'):
        registry.make_strategy("eda_mn")
    with pytest.raises(registry.UserError, match='did you mean "alpha"'):
        registry.make_strategy("eda_nn", {"alhpa": 0.1})


def test_checks_rewrite_the_plan_alone() -> None:
    protocol = RunProtocol(100, 0)
    checks = {n: registry.make_strategy(n).protocol for n in ("twin", "double", "permuted_labels")}
    assert checks["twin"](protocol).seed != 0 and checks["twin"](protocol).labels == 100
    assert checks["double"](protocol) == RunProtocol(200, 0)
    assert checks["permuted_labels"](protocol) == RunProtocol(100, 0, permuted=True)


def _compositions(count: int) -> list[tuple[str, ...]]:
    """Random compositions of two or three strategies that do not want the same exclusive verb."""
    rng = np.random.default_rng(11)
    free = [n for n in NAMES if registry.make_strategy(n).role in ("strategy", "control")]
    found: list[tuple[str, ...]] = []
    while len(found) < count:
        names = tuple(rng.choice(free, int(rng.integers(2, 4)), replace=False))
        try:
            registry.compose(names, {})
        except registry.UserError:
            continue
        found.append(names)
    return found


@pytest.mark.parametrize("names", _compositions(24), ids="+".join)
def test_compositions_train_and_stay_within_the_budget(
    names: tuple[str, ...], data: CorpusTables
) -> None:
    check_arm(names, data)


class TestWithEmbeddingsFromOutside(StrategyContract):
    """Strategies that compare texts, with the embeddings of a model from outside."""

    factories = (
        partial(k_center, ENCODER),
        partial(facility_location, STATIC),
        partial(dedup, 0.8, ENCODER),
    )

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, _registered: None, data: CorpusTables) -> CorpusTables:
        return data


def test_near_embeddings_are_one_text() -> None:
    points = np.array([[1, 0], [0, 1], [0.9, 0.436], [0, 0], [1, 0], [0, 0]], np.float32)
    assert first_of_groups(points, 0.95).tolist() == [0, 1, 2, 3, 5]
    assert first_of_groups(points, 0.85).tolist() == [0, 1, 3, 5]
    assert first_of_groups(points, 1.0).tolist() == [0, 1, 2, 3, 5]
