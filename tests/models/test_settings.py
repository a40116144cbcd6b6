"""Settings that searches may turn on: off they change nothing, on they do what their source says."""

from dataclasses import asdict, replace

import numpy as np
import pytest
import torch
from torch import nn

from datayield.core.errors import UserError
from datayield.core.types import Settings, TrainingSet
from datayield.models import settings as model_settings
from datayield.models.classifier import Classifier, initialise
from datayield.models.encoding import Vocabulary, batch_of, encode
from datayield.models.trainer import Trained, TrainingHooks, train
from datayield.study import arms
from tests.conftest import written_texts

SMALL = Settings(hidden=6, embedding=5, updates=30, rounds=5, batch=8, learning_rate=0.02)


def rows() -> TrainingSet:
    texts, labels = written_texts(48)
    numbers = np.unique(labels, return_inverse=True)[1]
    ones = np.ones(48, np.float32)
    return TrainingSet(tuple(texts), np.eye(3, dtype=np.float32)[numbers], ones, np.arange(48))


def trained(settings: Settings, **more: object) -> Trained:
    texts, labels = written_texts(90, seed=1)
    held = texts, np.unique(labels, return_inverse=True)[1]
    return train(rows(), held, settings, TrainingHooks(), ("settings",), **more)


def weights(made: Trained) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in made.model.parameters()])


def test_settings_survive_the_way_to_a_dict_and_back() -> None:
    """A cell's identity holds every setting by name."""
    for settings in (
        Settings(windows=2),
        replace(Settings(), windows=3, ema=10, weight_dropout=0.2),
    ):
        assert settings.to_dict() == asdict(settings)
        assert Settings.from_dict(settings.to_dict()) == settings


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [("ema", -1, "at least 0"), ("weight_dropout", 1.0, "share"), ("ema", 0.5, "wanted int")],
)
def test_impossible_values(name: str, value: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model_settings.settings("lstm", {name: value}, 200)


def recurrent(kind: str, share: float) -> Classifier:
    vocabulary = Vocabulary.of(rows().texts)
    settings = replace(SMALL, cell=kind, layers=2, weight_dropout=share, dropout=0.0,
                       embedding_dropout=0.0, word_dropout=0.0)  # fmt: skip
    model = Classifier(settings, len(vocabulary), 3)
    initialise(model, vocabulary, ("k",))
    return model


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_weight_dropout_masks_hidden_weights_of_one_batch(kind: str) -> None:
    vocabulary = Vocabulary.of(rows().texts)
    batch = batch_of(encode(rows().texts, vocabulary, 64), rows(), np.arange(8))
    masked, plain = recurrent(kind, 0.5).train(), recurrent(kind, 0.0).train()
    torch.manual_seed(3)
    logits = masked(batch.ids, batch.lengths)
    logits.sum().backward()
    torch.manual_seed(3)
    masks = []
    for layer in (m for group in plain.recurrent for m in group):
        weight = layer.weight_hh_l0
        masks.append(nn.functional.dropout(torch.ones_like(weight), 0.5))
        with torch.no_grad():
            weight *= masks[-1]
    assert torch.allclose(logits, plain(batch.ids, batch.lengths), atol=1e-5)
    for layer, mask in zip((m for g in masked.recurrent for m in g), masks, strict=True):
        gradient = layer.weight_hh_l0.grad
        assert (gradient[mask == 0] == 0).all() and (gradient[mask > 0] != 0).any()
        assert (layer.weight_ih_l0.grad != 0).any()
    again = masked(batch.ids, batch.lengths)
    assert not torch.allclose(logits, again), "another batch, another mask"
    masked.eval()
    assert torch.equal(masked(batch.ids, batch.lengths), masked(batch.ids, batch.lengths))
    assert torch.allclose(
        masked(batch.ids, batch.lengths), recurrent(kind, 0.0).eval()(batch.ids, batch.lengths)
    )


def test_weight_dropout_takes_the_fused_kernel() -> None:
    vocabulary = Vocabulary.of(rows().texts)
    batch = batch_of(encode(rows().texts, vocabulary, 64), rows(), np.arange(8))
    with torch.profiler.profile() as seen:
        recurrent("lstm", 0.5).train()(batch.ids, batch.lengths).sum().backward()
    called = {event.key for event in seen.key_averages()}
    assert {"aten::mkldnn_rnn_layer", "aten::mkldnn_rnn_layer_backward"} <= called


def test_the_mean_over_one_update_is_the_last_weights() -> None:
    last = weights(trained(SMALL))
    assert np.array_equal(weights(trained(replace(SMALL, ema=1))), last)
    assert not np.allclose(weights(trained(replace(SMALL, ema=10))), last, atol=1e-4)


def test_the_mean_of_the_weights_is_what_is_scored_and_kept() -> None:
    """Recomputed from the weights after every update, which one round per update shows."""
    settings = replace(SMALL, updates=12, rounds=12, evaluations=12, ema=4)
    seen: list[np.ndarray] = []
    made = trained(settings, callback=lambda p: bool(seen.append(p)))
    mean = _initial()
    for k in range(1, 13):
        after = weights(trained(replace(settings, ema=0), callback=_until(k)))  # k updates
        mean = mean + max(1 / 4, 1 / (1 + k / 2)) * (after - mean)
    assert np.allclose(weights(made), mean, atol=1e-5)
    texts = written_texts(90, seed=1)[0]
    assert np.allclose(made.predict(texts), seen[-1], atol=1e-6), "the history scores the mean"


def _until(updates: int):
    left = iter(range(1, updates + 1))
    return lambda p: next(left) == updates


def _initial() -> np.ndarray:
    vocabulary = Vocabulary.of(rows().texts)
    model = Classifier(SMALL, len(vocabulary), 3)
    initialise(model, vocabulary, ("settings", "init"))
    return np.concatenate([p.detach().numpy().ravel() for p in model.parameters()])


def test_a_callback_ends_the_training_and_looking_changes_nothing() -> None:
    looked = trained(SMALL, callback=lambda p: False)
    assert np.array_equal(weights(looked), weights(trained(SMALL)))
    ended = trained(SMALL, callback=lambda p: True)
    assert [h.updates for h in ended.history] == [6] and ended.tokens < looked.tokens


def test_untuned_and_article_name_what_they_are_without() -> None:
    told = {a: arms.describe(arms.parse_arm(a)) for a in
            ("lstm:untuned", "gru:untuned+vat", "lstm:article", "lstm:vat")}  # fmt: skip
    assert told["lstm:untuned"]["tuned"] == {"arm": "lstm:plain", "alone": True}
    assert told["gru:untuned+vat"]["tuned"] == {"arm": "gru:vat", "alone": True}
    assert told["lstm:article"]["tuned"] == {"arm": "lstm:plain", "alone": False}
    assert "tuned" not in told["lstm:vat"]
