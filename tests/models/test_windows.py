"""Long texts in windows: what one window holds stays as it was, and nothing behind the first is lost."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch

from datayield.core.errors import UserError
from datayield.core.types import Settings, TrainingSet
from datayield.models import device
from datayield.models import settings as model_settings
from datayield.models.classifier import Classifier, initialise, probabilities
from datayield.models.encoding import Vocabulary, batch_of, encode, padded
from datayield.models.saved.model_card import _limits
from datayield.models.saved.saved_network import network_parts, reader
from datayield.models.trainer import Trained, TrainingHooks, begin, train
from datayield.text import tokens
from tests.conftest import written_texts

WIDTH = 4
SMALL = Settings(
    hidden=6, embedding=5, updates=24, rounds=4, batch=8, max_tokens=WIDTH, windows=5
)  # fmt: skip
NOTHING: tuple[list[str], np.ndarray] = ([], np.empty(0, np.int64))


def training_set(lines: Sequence[str]) -> TrainingSet:
    labels = np.arange(len(lines)) % 3
    ones = np.ones(len(lines), np.float32)
    return TrainingSet(
        tuple(lines), np.eye(3, dtype=np.float32)[labels], ones, np.arange(len(lines))
    )


def of_lengths(*lengths: int) -> list[str]:
    words = " ".join(written_texts(40)[0]).split()
    return [" ".join(words[7 * i : 7 * i + n]) for i, n in enumerate(lengths)]


MIXED = of_lengths(3, 17, 4, 5, 40, 1, 20, 8, 12, 2, 33, 9)


def trained(lines: Sequence[str], settings: Settings) -> Trained:
    return train(training_set(lines), NOTHING, settings, TrainingHooks(), ("windows",))


def weights(made: Trained) -> np.ndarray:
    return np.concatenate([p.detach().numpy().ravel() for p in made.model.parameters()])


def network(settings: Settings, lines: Sequence[str] = MIXED) -> tuple[Classifier, Vocabulary]:
    vocabulary = Vocabulary.of(lines)
    model = Classifier(settings, len(vocabulary), 3)
    initialise(model, vocabulary, ("k",))
    return model.eval(), vocabulary


def test_texts_of_one_window_give_the_same_to_the_last_bit() -> None:
    short = [" ".join(tokens.tokens(line)[:WIDTH]) for line in MIXED]
    one, many = (trained(short, replace(SMALL, windows=w)) for w in (1, 5))
    assert np.array_equal(weights(one), weights(many)) and one.tokens == many.tokens
    assert np.array_equal(one.predict(short), many.predict(short))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("more", [{}, {"layers": 2}, {"pooling": "last"}, {"bidirectional": False}])
def test_windows_are_pooled_as_if_read_one_by_one(cell: str, more: dict[str, object]) -> None:
    """Features are the maximum and the mean over all tokens, or the mean of last states by tokens."""
    settings = replace(SMALL, cell=cell, **more)
    model, vocabulary = network(settings)

    def vectors(lines: Sequence[str]) -> np.ndarray:
        ids, lengths = padded(
            encode(lines, vocabulary, settings.tokens_read), np.arange(len(lines))
        )
        pooled = model.encode(model.embed(ids, lengths), lengths).detach().numpy()
        return pooled.reshape(len(lines), 2 if settings.bidirectional else 1, -1, settings.hidden)

    for line, together in zip(MIXED, vectors(MIXED), strict=True):
        words = tokens.tokens(line)[: settings.tokens_read]
        parts = [words[at : at + WIDTH] for at in range(0, len(words), WIDTH)]
        alone = np.concatenate([vectors([" ".join(p)]) for p in parts])
        mean = np.average(alone[:, :, -1], axis=0, weights=[len(p) for p in parts])
        assert together[:, -1] == pytest.approx(mean, abs=1e-6)
        if settings.pooling == "max_mean":
            assert together[:, 0] == pytest.approx(alone[:, :, 0].max(0), abs=1e-6)


def test_a_text_does_not_depend_on_its_batch() -> None:
    made = trained(MIXED, SMALL)
    alone = np.concatenate([made.predict([line]) for line in MIXED])
    assert made.predict(MIXED) == pytest.approx(alone, abs=1e-6)
    assert made.predict(MIXED[::-1])[::-1] == pytest.approx(alone, abs=1e-6)


def test_the_gradient_reaches_the_last_window_and_nothing_beyond_it() -> None:
    lines = [" ".join(f"w{i}" for i in range(30)), "w0 w1"]
    model, vocabulary = network(replace(SMALL, word_dropout=0.0, embedding_dropout=0.0), lines)
    batch = batch_of(
        encode(lines, vocabulary, SMALL.tokens_read), training_set(lines), np.arange(2)
    )
    model(batch.ids, batch.lengths).square().sum().backward()
    gradient = model.embedding.weight.grad
    reached = {w for w, n in vocabulary.numbers.items() if gradient[n].abs().sum() > 0}
    assert reached == {f"w{i}" for i in range(SMALL.tokens_read)}


def test_one_key_gives_one_network() -> None:
    one, two = trained(MIXED, SMALL), trained(MIXED, SMALL)
    assert np.array_equal(weights(one), weights(two))
    assert not np.array_equal(weights(one), weights(trained(MIXED, replace(SMALL, windows=2))))


def test_words_that_stand_late_in_a_text_are_learnt() -> None:
    texts, labels = written_texts(200)
    late = [f"{'and so on . ' * 4}{t}" for t in texts]
    numbers = np.unique(labels, return_inverse=True)[1]
    ones = np.ones(150, np.float32)
    rows = TrainingSet(tuple(late[:150]), np.eye(3, dtype=np.float32)[numbers[:150]], ones,
                       np.arange(150))  # fmt: skip
    settings = replace(Settings(), hidden=16, embedding=16, updates=150, max_tokens=8)
    right = [
        float((made.predict(late[150:]).argmax(1) == numbers[150:]).mean())
        for windows in (1, 8)
        for made in [
            train(rows, NOTHING, replace(settings, windows=windows), TrainingHooks(), (1,))
        ]
    ]
    assert right[0] < 0.5 < right[1] - 0.2


def test_the_memory_of_an_endless_text_is_that_of_the_windows_it_is_read_in() -> None:
    """Bytes that an update keeps for its gradient."""

    def kept(words: int) -> int:
        lines = [" ".join(["rain"] * words), "boat"]
        rows = training_set(lines)
        begun = begin(rows, NOTHING, SMALL, TrainingHooks(), ("memory",))
        sizes = []
        with torch.autograd.graph.saved_tensors_hooks(
            lambda t: sizes.append(t.numel() * t.element_size()) or t, lambda t: t
        ):
            batch = batch_of(begun.encoded, rows, np.arange(2))
            begun.model(batch.ids, batch.lengths)
        return sum(sizes)

    assert kept(100_000) == kept(SMALL.tokens_read) > kept(SMALL.tokens_read // 2)


def test_an_exported_network_reads_in_windows_too() -> None:
    made = trained(MIXED, SMALL)
    parts = network_parts(made.model, made.vocabulary.words)
    read = reader(parts, SMALL.to_dict(), 3, ("cpu", "fp32"))
    assert np.array_equal(read(MIXED), made.predict(MIXED))
    card = {"settings": {"model": SMALL.to_dict()}, "output": "probability"}
    assert "- It reads the first 20 tokens of a text and not the rest." in _limits(card)


def test_dropout_and_weight_dropout_leave_predictions_finite() -> None:
    made = trained(MIXED, replace(SMALL, weight_dropout=0.3, layers=2, ema=5, normalised=True))
    sampled = made.sample(MIXED, 3)
    assert np.isfinite(sampled).all() and len({p.tobytes() for p in sampled}) == 3
    device.configure("cpu", "fp32")
    encoded = encode(MIXED, made.vocabulary, SMALL.tokens_read)
    assert probabilities(made.model, encoded).sum(1) == pytest.approx(1, abs=1e-5)


def test_one_window_is_no_part_of_an_identity() -> None:
    """Cells that were computed before there were windows keep their keys."""
    assert "windows" not in Settings().to_dict()
    assert SMALL.to_dict()["windows"] == 5
    assert Settings.from_dict(SMALL.to_dict()) == SMALL
    assert Settings.from_dict(Settings().to_dict()) == Settings()


@pytest.mark.parametrize(
    ("value", "message"),
    [(0, "at least 1"), (-3, "at least 1"), ("all", "wanted int"), (2.5, "int")],
)
def test_impossible_numbers_of_windows(value: object, message: str) -> None:
    with pytest.raises(UserError, match=message) as e:
        model_settings.settings("lstm", {"windows": value}, 200)
    assert "\n" not in str(e.value) and "model.windows" in str(e.value)
