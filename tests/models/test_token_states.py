"""A network that reads the states of a frozen encoder, and one whose embeddings are frozen."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datayield.cells.context import CorpusTables
from datayield.core.errors import UserError
from datayield.core.types import Settings, TrainingSet
from datayield.corpora.embeddings import map_embeddings, read_embeddings
from datayield.models.classifier import Classifier
from datayield.models.hooks import Start
from datayield.models.settings import ENCODER_TOKENS, STATIC_WORDS
from datayield.models.token_states import StateLookup, TokenStates
from datayield.models.trainer import TrainingHooks, train
from datayield.strategies import registry
from datayield.strategies.pretrained import principal, principal_directions
from datayield.testing import build_tables
from datayield.testing.strategy_contract import context_of

RNG = np.random.default_rng(8)
TEXTS = ["a b", "c", "a b c d"]
STATES = RNG.normal(0, 1, (7, 5)).astype(np.float16)
OF_TEXTS = TokenStates.of(TEXTS, STATES, np.array([2, 1, 4]))
SHAPE = {"embedding": 4, "hidden": 3, "layers": 1}


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CorpusTables:
    return build_tables(tmp_path_factory.mktemp("project"), [])


def test_states_are_looked_up_and_projected() -> None:
    encoded = OF_TEXTS.encode(["a b c d", "c"], 3)
    assert encoded.lengths.tolist() == [3, 1], "the rest of a text is not read"
    lookup = StateLookup(OF_TEXTS, 4)
    weight = RNG.normal(0, 1, (4, 5)).astype(np.float32)
    with torch.no_grad():
        lookup.weight.copy_(torch.from_numpy(weight))
    ids = np.stack([encoded.flat[s : s + 2] for s in encoded.starts])
    ids[1, 1] = 0  # padding
    found = lookup(torch.from_numpy(ids)).detach().numpy()
    expected = STATES[[[3, 4], [2, 0]]].astype(np.float32) @ weight.T
    assert np.allclose(found[0], expected[0], atol=1e-5)
    assert np.allclose(found[1, 0], expected[1, 0], atol=1e-5) and not found[1, 1].any()
    with pytest.raises(LookupError):
        OF_TEXTS.encode(["a text of no corpus"], 3)


def rows() -> TrainingSet:
    targets = np.eye(2, dtype=np.float32)[[0, 1, 0]]
    return TrainingSet(tuple(TEXTS), targets, np.ones(3, np.float32), np.arange(3))


@pytest.mark.parametrize("frozen", [(), ("embedding",)])
def test_a_network_learns_on_states_that_stay_as_they_are(frozen: tuple[str, ...]) -> None:
    before, weight = STATES.copy(), np.eye(4, 5, dtype=np.float32)
    start = Start({"embedding.weight": weight}, ("<pad>", "<unk>"), None, OF_TEXTS, frozen)
    settings = Settings(embedding=4, hidden=3, batch=3, updates=40, rounds=2, learning_rate=0.05)
    settings = replace(settings, dropout=0.0, embedding_dropout=0.0, word_dropout=0.0)
    done = train(rows(), ([], np.empty(0, int)), settings, TrainingHooks(start=start), ("k",))
    assert np.array_equal(STATES, before)
    after = done.model.embedding.weight.detach().numpy()
    assert np.array_equal(after, weight) == bool(frozen)
    assert (done.predict(TEXTS).argmax(1) == [0, 1, 0]).all()
    assert np.allclose(done.predict(TEXTS[2:]), done.predict(TEXTS)[2:], atol=1e-6), "padding"


def test_frozen_word_embeddings_stay_and_the_rest_learns(data: CorpusTables) -> None:
    vocabulary = ("<pad>", "<unk>", "a", "b", "c", "d")
    table = RNG.normal(0, 1, (6, 4)).astype(np.float32)
    start = Start({"embedding.weight": table}, vocabulary, frozen=("embedding",))
    settings = Settings(embedding=4, hidden=3, batch=3, updates=10, rounds=2)
    done = train(rows(), ([], np.empty(0, int)), settings, TrainingHooks(start=start), ("k",))
    assert np.array_equal(done.model.embedding.weight.detach().numpy(), table)
    fresh = Classifier(settings, 6, 2)
    assert not np.array_equal(done.model.linear.weight.detach(), fresh.linear.weight.detach())


def test_directions_are_those_of_the_largest_singular_values() -> None:
    x = RNG.normal(0, 1, (50, 6)) * [5, 4, 3, 2, 1, 0.5]
    _, _, right = np.linalg.svd(x, full_matrices=False)
    found = principal_directions(x, 3)
    assert np.allclose(np.abs((found * right[:3]).sum(1)), 1)
    assert (found[np.arange(3), np.abs(found).argmax(1)] > 0).all()
    assert not principal_directions(x, 8)[6:].any(), "there are six directions"
    narrow = RNG.normal(0, 1, (5, 3)).astype(np.float32)
    assert principal(narrow, 4) is narrow
    wide = x.astype(np.float32)
    wide[2] = np.nan
    assert principal(wide, 2).shape == (50, 2) and np.isnan(principal(wide, 2)[2]).all()


def test_the_directions_of_states_come_from_the_pool_alone(data: CorpusTables) -> None:
    """Another test set gives the same first weights."""
    made = registry.make_strategy("encoder")
    texts = data.corpus.texts
    start = made.pretrain(texts, SHAPE, context_of(data, made)[0])
    states = data.token_states()
    end = int(states.lengths[: len(texts)].sum())
    other = replace(states, states=np.concatenate([states.states[:end], states.states[end:] * 9]))
    data.opened[ENCODER_TOKENS] = other
    again = made.pretrain(texts, SHAPE, context_of(data, made)[0])
    data.opened[ENCODER_TOKENS] = states
    assert np.array_equal(start.weights["embedding.weight"], again.weights["embedding.weight"])


def test_static_vectors_are_those_of_the_table(data: CorpusTables) -> None:
    made = registry.make_strategy("static", {"frozen": False})
    start = made.pretrain(data.corpus.texts, {**SHAPE, "embedding": 20}, context_of(data, made)[0])
    stored = read_embeddings(data.folder, STATIC_WORDS)
    found = start.weights["embedding.weight"][2:]
    assert start.frozen == () and found.shape == (len(stored), 20) and not found[:, 16:].any()
    ratio = found[:, :16] / stored
    assert np.allclose(ratio, ratio[0, 0], rtol=1e-3) and np.isclose(
        np.sqrt((found**2).mean()), 0.1
    )


def test_states_are_mapped_as_they_were_written(data: CorpusTables) -> None:
    mapped = map_embeddings(data.folder, ENCODER_TOKENS)
    assert isinstance(mapped, np.memmap)
    assert np.array_equal(mapped, read_embeddings(data.folder, ENCODER_TOKENS).astype(np.float16))
    with pytest.raises(UserError, match="is damaged"):
        map_embeddings(data.folder, "no such table")
    with pytest.raises(UserError, match="is damaged"):
        map_embeddings(Path("/nowhere"), ENCODER_TOKENS)


def test_a_strategy_that_writes_texts_has_no_stored_states() -> None:
    for writer in ("eda_nn", "lm_substitute"):
        with pytest.raises(UserError, match=f"encoder and {writer} cannot be combined"):
            registry.compose(["encoder", writer], {})
    registry.compose(["encoder", "repeat", "k_center"], {})
