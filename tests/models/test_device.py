"""Another device: nothing that networks or objectives make may stay behind on the CPU."""

from collections.abc import Iterator

import numpy as np
import pytest
import torch

from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.core.types import Settings, TrainingSet
from datayield.models import accelerator, device
from datayield.models.classifier import Classifier, initialise
from datayield.models.encoding import Batch, Vocabulary, batch_of, encode
from datayield.models.hooks import cross_entropy
from datayield.models.stacked import STACK_SIZE, networks
from datayield.models.stacked.random_numbers import uniform
from datayield.models.trainer import TrainingHooks, train
from datayield.strategies import registry

TEXTS = ("rain and wind", "wind", "a boat in the rain today", "soup", "the pan", "soup again")
ROWS = TrainingSet(
    TEXTS, np.eye(2, dtype=np.float32)[[0, 0, 0, 1, 1, 1]], np.ones(6, np.float32), np.arange(6)
)
SMALL = Settings(hidden=4, embedding=6, layers=2, updates=4, rounds=2, batch=4)
OBJECTIVES = [n for n in registry.registered() if registry.make_strategy(n).objective is not None]


@pytest.fixture
def elsewhere() -> Iterator[None]:
    """A device without data: mixing it with CPU tensors raises, as a GPU's would."""
    torch.set_default_device("meta")
    yield
    torch.set_default_device("cpu")
    torch.set_default_device(None)


@pytest.fixture
def half() -> Iterator[None]:
    device.configure(precision="bf16")
    yield
    device.configure()


def made(settings: Settings) -> tuple[Classifier, Batch]:
    vocabulary = Vocabulary.of(TEXTS)
    model = Classifier(settings, len(vocabulary), 2)
    initialise(model, vocabulary, (1,))
    return model.train(), batch_of(encode(TEXTS, vocabulary, 64), ROWS, np.arange(6))


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", ["max_mean", "last"])
def test_networks_live_on_the_device_of_the_process(
    elsewhere: None, cell: str, pooling: str
) -> None:
    model, batch = made(Settings(cell=cell, pooling=pooling, hidden=4, embedding=6, layers=2))
    loss = cross_entropy(model(batch.ids, batch.lengths), batch.targets) * batch.weights
    loss.mean().backward()
    assert {p.device.type for p in model.parameters()} == {"meta"}
    assert all(p.grad is not None and p.grad.device.type == "meta" for p in model.parameters())


@pytest.mark.parametrize("cell", ["lstm", "gru"])
@pytest.mark.parametrize("pooling", ["max_mean", "last"])
def test_stacks_live_there_too(
    elsewhere: None, cell: str, pooling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a graph of an update holds but the optimizer, which looks at its rate; and scoring."""
    monkeypatch.setattr(torch.optim, "AdamW", lambda *a, **k: None)
    settings = Settings(cell=cell, pooling=pooling, hidden=4, embedding=6, batch=4)
    made = networks.Stack(settings, 2, 1024)
    ids = torch.zeros(STACK_SIZE, 16, 4, dtype=torch.int64)
    logits = made._logits(ids, made._lengths, uniform(made._seeds, made._turn, 4, made._drawn))
    (logits.log_softmax(2) * made._targets).sum().backward()
    made._clip()
    every = [logits, *made._weights.values(), *(p.grad for p in made._weights.values())]
    assert {x.device.type for x in every if x is not None} == {"meta"}
    assert made._logits(ids, made._lengths, None).shape == (STACK_SIZE, 4, 2)


@pytest.mark.parametrize("name", OBJECTIVES)
def test_objectives_live_there_too(
    elsewhere: None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "array", lambda x: np.ones(tuple(x.shape), np.float32))
    model, batch = made(SMALL)
    if registry.compose((name,), {}).pins(100).get("normalised"):
        model.normalise_by(torch.ones(model.embedding.num_embeddings))
    strategy = registry.make_strategy(name)
    assert strategy.objective is not None
    unlabelled = (batch,) * (3 if strategy.versions else 1)  # the texts, and two versions of them
    loss, _ = strategy.objective(model, batch, unlabelled, None, np.random.default_rng(0))
    (loss * batch.weights).mean().backward()
    assert loss.device.type == "meta" and loss.shape == (6,)


@pytest.mark.parametrize("cell", ["lstm", "gru"])
def test_bf16_is_near_fp32_and_keeps_its_weights_in_fp32(half: None, cell: str) -> None:
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16 instructions")
    settings = Settings(cell=cell, hidden=16, embedding=16, word_dropout=0, embedding_dropout=0)
    model, batch = made(settings)
    model.eval()
    ours = model(batch.ids, batch.lengths)
    device.configure()
    exact = model(batch.ids, batch.lengths)
    assert ours.dtype == torch.float32
    assert 0 < (ours - exact).abs().max() < 0.02
    device.configure(precision="bf16")
    trained = train(ROWS, ([], np.empty(0, np.int64)), SMALL, TrainingHooks(), (1,))
    assert {p.dtype for p in trained.model.parameters()} == {torch.float32}


def test_what_this_machine_cannot_do_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(UserError, match=r"execution\.device: wanted cuda"):
        device.check("cuda", "fp32")
    monkeypatch.setattr(torch.ops.mkldnn, "_is_mkldnn_bf16_supported", lambda: False)
    with pytest.raises(UserError, match=r"no bf16 instructions"):
        device.check("cpu", "bf16")


def test_a_gpu_is_shared_by_a_few_processes() -> None:
    assert machine.workers(3, "cuda") == 3
    assert machine.workers("auto", "cuda") <= min(machine.SHARING, machine.workers("auto"))
    assert accelerator.choose_device("cuda") == "cuda" and accelerator.choose_device("cpu") == "cpu"


@pytest.mark.parametrize(("cores", "chosen"), [(2, "cuda"), (7, "cuda"), (8, "cpu"), (64, "cpu")])
def test_auto_takes_a_gpu_where_few_cores_could_do_its_work(
    monkeypatch: pytest.MonkeyPatch, cores: int, chosen: str
) -> None:
    monkeypatch.setattr(accelerator, "cores", lambda: cores)
    monkeypatch.setattr(accelerator.ctypes, "CDLL", lambda name: None)
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert accelerator.choose_device("auto") == chosen
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert accelerator.choose_device("auto") == "cpu"
