"""Padding, batch mates and batch size change no logit; the network equals its definition."""

import numpy as np
import pytest
import torch

from datayield.core.types import Settings
from datayield.models.classifier import Classifier, flip, initialise
from datayield.models.encoding import Vocabulary, encode, padded
from datayield.models.settings import ARCHITECTURES

WORDS = [f"w{i}" for i in range(40)]
VARIANTS = [
    {"layers": layers, "bidirectional": both, "pooling": pooling}
    for layers in (1, 2)
    for both in (False, True)
    for pooling in ("max_mean", "last")
]


def _model(architecture: str, variant: dict, double: bool = False) -> tuple[Classifier, list[str]]:
    rng = np.random.default_rng(3)
    texts = [" ".join(rng.choice(WORDS, size)) for size in (1, 2, 3, 5, 8, 13, 21, 34)]
    settings = Settings.from_dict({"embedding": 12, **variant, **ARCHITECTURES[architecture]})
    vocabulary = Vocabulary.of(texts)
    model = Classifier(settings, len(vocabulary), 4)
    initialise(model, vocabulary, ("test",))
    model.eval()
    return (model.double() if double else model), texts


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_padding_and_mates_change_nothing(architecture: str, variant: dict) -> None:
    model, texts = _model(architecture, variant)
    encoded = encode(texts, Vocabulary.of(texts), 64)
    with torch.no_grad():
        together = model(*padded(encoded, np.arange(len(texts))))
        for i in range(len(texts)):
            ids, lengths = padded(encoded, np.array([i]))
            wider = torch.cat([ids, torch.zeros(1, 17, dtype=torch.long)], 1)
            pair = padded(encoded, np.array([i, len(texts) - 1 - i]))
            for logits in (model(ids, lengths), model(wider, lengths), model(*pair)[:1]):
                assert (logits[0] - together[i]).abs().max() <= 1e-5


def _by_hand(model: Classifier, ids: torch.Tensor) -> torch.Tensor:
    """One text, one step at a time, by the equations of LSTM and GRU (float64)."""
    s = model.settings
    below = model.embedding.weight[ids]  # (T, E)
    for number in range(s.layers):
        outputs = []
        for direction, rnn in enumerate(model.recurrent[number]):
            x = below.flip(0) if direction else below
            h = c = torch.zeros(s.hidden, dtype=torch.float64)
            steps = []
            for t in range(len(ids)):
                a = rnn.weight_ih_l0 @ x[t] + rnn.bias_ih_l0
                b = rnn.weight_hh_l0 @ h + rnn.bias_hh_l0
                if s.cell == "lstm":
                    i, f, g, o = (a + b).chunk(4)
                    c = f.sigmoid() * c + i.sigmoid() * g.tanh()
                    h = o.sigmoid() * c.tanh()
                else:
                    (ar, az, an), (br, bz, bn) = a.chunk(3), b.chunk(3)
                    n = (an + (ar + br).sigmoid() * bn).tanh()
                    z = (az + bz).sigmoid()
                    h = (1 - z) * n + z * h
                steps.append(h)
            states = torch.stack(steps)
            outputs.append((states, states.flip(0) if direction else states))
        below = torch.cat([in_text_order for _, in_text_order in outputs], 1)
    pooled = []
    for own_order, _ in outputs:
        if s.pooling == "last":
            pooled.append(own_order[-1])
        else:
            pooled += [own_order.max(0).values, own_order.mean(0)]
    return model.linear(torch.cat(pooled))


@pytest.mark.parametrize("architecture", list(ARCHITECTURES))
@pytest.mark.parametrize("variant", VARIANTS, ids=str)
def test_forward_equals_the_equations(architecture: str, variant: dict) -> None:
    model, texts = _model(architecture, variant, double=True)
    encoded = encode(texts, Vocabulary.of(texts), 64)
    with torch.no_grad():
        logits = model(*padded(encoded, np.arange(len(texts))))
        for i in (0, 3, 7):
            ids = padded(encoded, np.array([i]))[0][0]
            assert torch.allclose(logits[i], _by_hand(model, ids), atol=1e-10, rtol=0)


def test_flip_reverses_each_text_by_its_own_length() -> None:
    x = torch.arange(8.0).reshape(2, 4, 1)
    assert flip(x, torch.tensor([2, 4]))[..., 0].tolist() == [[1, 0, 2, 3], [7, 6, 5, 4]]


def test_shared_words_start_alike_in_other_vocabularies() -> None:
    a, b = Vocabulary.of(["red blue"]), Vocabulary.of(["blue green yellow"])
    models = []
    for vocabulary in (a, b):
        model = Classifier(Settings(embedding=6, hidden=4), len(vocabulary), 3)
        initialise(model, vocabulary, ("key", 1))
        models.append(model)
    one, two = (m.embedding.weight for m in models)
    assert torch.equal(one[a.numbers["blue"]], two[b.numbers["blue"]])
    assert torch.equal(models[0].linear.weight, models[1].linear.weight)
    assert torch.all(one[0] == 0)


def test_every_real_token_and_no_padding_reaches_the_gradient() -> None:
    model, texts = _model("lstm", {"layers": 2})
    encoded = encode(texts, Vocabulary.of(texts), 64)
    ids, lengths = padded(encoded, np.arange(len(texts)))
    embedded = model.embed(ids, lengths).detach().requires_grad_()
    model.head(model.encode(embedded, lengths)).pow(2).sum().backward()
    used = embedded.grad.abs().sum(2) > 0
    assert torch.equal(used, torch.arange(ids.shape[1])[None] < lengths[:, None])


def test_reversing_by_length_has_the_right_gradients() -> None:
    from datayield.models.classifier import flip

    lengths = torch.tensor([4, 1, 3])
    x = torch.randn(3, 4, 2, dtype=torch.float64, requires_grad=True)
    assert torch.equal(flip(flip(x, lengths), lengths), x)
    assert torch.equal(flip(x, lengths)[2, :3], x[2, :3].flip(0))
    assert torch.equal(flip(x, lengths)[2, 3], x[2, 3])
    assert torch.autograd.gradcheck(lambda v: flip(v, lengths).sin(), (x,))
    assert torch.autograd.gradgradcheck(lambda v: flip(v, lengths).sin(), (x,))
