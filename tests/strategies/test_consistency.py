"""UDA and FixMatch against their formulas, word by word and text by text."""

from collections import Counter

import numpy as np
import pytest
import torch

from datayield.core.types import Settings, TrainingSet
from datayield.models.classifier import Classifier, initialise
from datayield.models.encoding import Batch, Vocabulary, batch_of, encode
from datayield.models.trainer import TrainingHooks, train
from datayield.strategies import consistency, registry

RNG = np.random.default_rng
TEXTS = ("rain and wind fell", "a boat", "soup and bread on a plate", "storm at sea")
OTHERS = ("wind fell again", "a small boat", "bread and soup", "a storm")
SETTINGS = Settings(hidden=5, embedding=4, updates=10, embedding_scale=1.0)


@pytest.fixture
def small() -> tuple[Classifier, Batch, tuple[Batch, ...]]:
    """A network in training, a labelled batch, and the unlabelled texts with their versions."""
    rows = TrainingSet(
        TEXTS, np.eye(3, dtype=np.float32)[[0, 1, 2, 0]], np.ones(4, np.float32), np.arange(4)
    )
    vocabulary = Vocabulary.of((*TEXTS, *OTHERS))
    model = Classifier(SETTINGS, len(vocabulary), 3)
    initialise(model, vocabulary, ("k",))
    with torch.no_grad():
        model.linear.weight.mul_(8)
    batches = tuple(
        batch_of(encode(t, vocabulary, 64), rows, np.arange(4))
        for t in (TEXTS, OTHERS, OTHERS[::-1])
    )
    return model.train(), batches[0], batches


def _losses(objective, model, batch, unlabelled, state=None):  # type: ignore[no-untyped-def]
    torch.manual_seed(0)
    return objective(model, batch, unlabelled, state, RNG(0))


def _after(model: Classifier, batch: Batch, other: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Log-probabilities of both batches, with the dropout of one pass after the other."""
    torch.manual_seed(0)
    return tuple(model(b.ids, b.lengths).log_softmax(1) for b in (batch, other))  # type: ignore[return-value]


@pytest.mark.parametrize("threshold", [0.3, 0.7, 1.0])
def test_fixmatch_by_its_formula(small: tuple, threshold: float) -> None:
    model, batch, unlabelled = small
    made = registry.make_strategy("fixmatch", {"threshold": threshold, "weight": 2.0}).objective
    _, weak, strong = unlabelled
    got, _ = _losses(made, model, batch, unlabelled)
    assert model.training
    p = model.eval()(weak.ids, weak.lengths).softmax(1).detach()
    logs, of_strong = _after(model.train(), batch, strong)
    wanted = -(batch.targets * logs).sum(1)
    for i in range(4):
        if p[i].max() >= threshold:
            wanted = wanted - 2.0 / 4 * of_strong[i, p[i].argmax()]
    assert torch.allclose(got, wanted, atol=1e-5)
    if threshold == 1.0:
        assert torch.allclose(got, -(batch.targets * logs).sum(1)), "nothing is that sure"


@pytest.mark.parametrize("confidence", [0.0, 0.5, 1.0])
def test_uda_by_its_formula(small: tuple, confidence: float) -> None:
    model, batch, (text, rewritten, _) = small
    arguments = {"confidence": confidence, "temperature": 0.4, "signal": "none", "weight": 3.0}
    made = registry.make_strategy("uda", arguments).objective
    got, _ = _losses(made, model, batch, (text, rewritten))
    p = model.eval()(text.ids, text.lengths).softmax(1).detach()
    logs, of_version = _after(model.train(), batch, rewritten)
    wanted = -(batch.targets * logs).sum(1)
    for i in range(4):
        if p[i].max() > confidence:
            sharp = p[i] ** (1 / 0.4) / (p[i] ** (1 / 0.4)).sum()
            wanted = wanted + 3.0 / 4 * (sharp * (sharp.log() - of_version[i])).sum()
    assert torch.allclose(got, wanted, atol=1e-4)


def test_predictions_that_are_learnt_are_held_constant(small: tuple) -> None:
    """The gradient of the unlabelled loss is that of its strong version alone."""
    model, batch, unlabelled = small
    made = registry.make_strategy("fixmatch", {"threshold": 1e-9}).objective
    _losses(made, model, batch, unlabelled)[0].mean().backward()
    got = [q.grad.clone() for q in model.parameters()]
    model.zero_grad()
    labels = model.predicted(unlabelled[1].ids, unlabelled[1].lengths).argmax(1)
    logs, of_strong = _after(model, batch, unlabelled[2])
    loss = -(batch.targets * logs).sum(1).mean() - of_strong[range(4), labels].mean()
    loss.backward()
    assert all(
        torch.allclose(a, q.grad, atol=1e-5) for a, q in zip(got, model.parameters(), strict=True)
    )


@pytest.mark.parametrize("signal", ["linear", "log", "exp"])
def test_the_signal_rises_from_chance_to_one(signal: str) -> None:
    values = [consistency.annealed(signal, t, 4) for t in np.linspace(0, 1, 11)]
    assert (np.diff(values) > 0).all() and values[0] == pytest.approx(0.25, abs=0.006)
    assert values[-1] == pytest.approx(1, abs=0.006)
    wanted = {"linear": 0.5, "log": 1 - np.exp(-2.5), "exp": np.exp(-2.5)}[signal]
    assert values[5] == pytest.approx(wanted * 0.75 + 0.25)


def test_labelled_texts_that_are_learnt_are_left_out_until_the_signal_rises(small: tuple) -> None:
    model, batch, _ = small
    made = registry.make_strategy("uda", {"signal": "linear"}).objective
    torch.manual_seed(0)
    plain = -(batch.targets * model(batch.ids, batch.lengths).log_softmax(1)).sum(1).detach()
    for update in (0, 4, 9):
        got, state = _losses(made, model, batch, (), update or None)
        assert state == update + 1
        kept = (-plain).exp() <= update / 10 * (1 - 1 / 3) + 1 / 3
        wanted = plain * kept * 4 / max(int(kept.sum()), 1)
        assert torch.allclose(got.detach(), wanted, atol=1e-6)
    assert 0 < int(((-plain).exp() <= 1 / 3).sum()) < 4


LINES = [
    ["rain", "rain", "boat"],
    ["boat", "old", "the"],
    ["the", "rain"],
    ["the", "the", "mast", "old"],
]


def test_word_scores_are_those_of_udas_code() -> None:
    """Direct transcription of `get_data_stats` and `TfIdfWordRep` of google-research/uda."""
    idf = {w: np.log(4 / sum(w in line for line in LINES)) for line in LINES for w in line}
    sums: Counter = Counter()
    for line in LINES:
        for w in line:
            sums[w] += 1 / len(line) * idf[w]
    scores = consistency.WordScores(LINES)
    rest = np.array([max(sums.values()) - sums[w] for w in scores.words])
    assert np.allclose(np.diff(scores.cumulative, prepend=0), rest / rest.sum())
    line = LINES[3]
    own: Counter = Counter()
    for w in line:
        own[w] += 1 / len(line) * idf[w]
    matters = np.array([own[w] for w in line])
    p = matters.max() - matters
    p = p / p.sum() * 0.3 * len(line)
    assert np.allclose(scores.replaced(line, 0.3), np.minimum(p, 1))


def test_words_that_matter_stay_and_others_are_replaced() -> None:
    scores = consistency.WordScores(LINES)
    p = scores.replaced(LINES[3], 0.4)
    kept = np.zeros(4)
    for seed in range(400):
        out = scores.rewritten(list(LINES[3]), 0.4, RNG(seed))
        assert len(out) == 4 and set(out) <= set(scores.words)
        kept += [a == b for a, b in zip(out, LINES[3], strict=True)]
    assert kept[2] == 400, "the word of the largest TF-IDF stays"
    assert ((1 - kept / 400) <= p + 0.06).all() and (kept[:2] < 400).all()
    assert scores.rewritten([], 0.4, RNG(0)) == [] and scores.rewritten(["rain"], 1.0, RNG(0)) == [
        "rain"
    ]
    assert consistency.WordScores([]).rewritten([], 0.5, RNG(0)) == []


def test_every_batch_holds_the_same_texts_in_all_versions() -> None:
    texts = tuple(f"word{i} and" for i in range(20))
    rows = TrainingSet(
        texts[:8],
        np.eye(2, dtype=np.float32)[np.arange(8) % 2],
        np.ones(8, np.float32),
        np.arange(8),
    )
    seen: list[tuple[Batch, ...]] = []

    def objective(model, batch, unlabelled, state, rng):  # type: ignore[no-untyped-def]
        seen.append(tuple(unlabelled))
        return -(batch.targets * model(batch.ids, batch.lengths).log_softmax(1)).sum(1), state

    versions = (texts, [f"{t} again" for t in texts])
    settings = Settings(hidden=4, embedding=4, updates=6, rounds=2, batch=4)
    hooks = TrainingHooks(None, objective, None, texts, versions, 3)
    trained = train(rows, ([], np.empty(0, np.int64)), settings, hooks, ("k",))
    assert len(seen) == 6 and all(len(batches) == 3 for batches in seen)
    for text, same, longer in seen:
        assert len(text.ids) == 12 and torch.equal(text.ids, same.ids)
        assert torch.equal(longer.ids[:, :2], text.ids) and (longer.lengths == 3).all()
    assert "again" in trained.vocabulary.numbers
