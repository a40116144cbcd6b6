"""Language models: what they learn, what they read, what is kept; word vectors from a file."""

import hashlib
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datayield.cells.context import CorpusTables
from datayield.core.errors import UserError
from datayield.core.rows import from_record, to_record
from datayield.core.types import Settings, TrainingSet
from datayield.models import device, language_model, pretraining
from datayield.models.classifier import Classifier, parts_of
from datayield.models.encoding import Vocabulary
from datayield.models.hooks import FineTuning, Start
from datayield.models.trainer import TrainingHooks, train
from datayield.strategies import registry
from tests.cells.test_run import N, run
from tests.conftest import written_texts

TEXTS = written_texts(300)[0]
SHAPE = Settings(hidden=12, embedding=12, dropout=0.0, embedding_dropout=0.0, embedding_scale=1.0)


def pattern_texts(count: int) -> list[str]:
    """One word follows from the word before, in both directions."""
    rng = np.random.default_rng(0)
    circle = "red orange yellow green blue indigo violet".split()
    starts = rng.integers(0, len(circle), (count, 2))
    return [" ".join(circle[(a + k) % 7] for k in range(4 + b)) for a, b in starts]


@pytest.mark.parametrize(("task", "cell"), [("next", "lstm"), ("next", "gru"), ("again", "lstm")])
def test_a_language_model_learns_what_follows(task: str, cell: str) -> None:
    texts = pattern_texts(300)
    done = pretraining.read(texts, replace(SHAPE, cell=cell), task, 40, ("k",))
    # Under dropout; seven words, each known from its neighbour: log 7 = 1.95 by chance.
    assert done.loss < 0.6
    assert set(done.weights) == {"embedding.weight"} | {
        f"recurrent.0.{d}.{p}_l0" for d in (0, 1) for p in ("weight_ih", "weight_hh", "bias_ih", "bias_hh")
    }  # fmt: skip


def test_a_text_of_one_word_and_unknown_words_teach_nothing() -> None:
    done = pretraining.read(["alone", "alone", "rare words here"], SHAPE, "next", 2, ("k",))
    assert all(np.isfinite(v).all() for v in done.arrays.values())


def test_what_is_filled_in_fits_both_sides() -> None:
    texts = pattern_texts(300)
    done = pretraining.read(texts, SHAPE, "next", 40, ("k",))
    lines = [t.split() for t in texts[:50]]
    damaged = [[*x[:2], "red" if x[2] != "red" else "blue", *x[3:]] for x in lines]
    uniform = np.random.default_rng(1).random(50)
    filled = done.infill(damaged, [{2: u} for u in uniform])
    assert [x[:2] + x[3:] for x in filled] == [x[:2] + x[3:] for x in lines]
    assert all(
        a[2] != b[2] and not a[2].startswith("<") for a, b in zip(filled, damaged, strict=True)
    )
    assert np.mean([a[2] == b[2] for a, b in zip(filled, lines, strict=True)]) > 0.9


def test_the_predictions_around_a_place_do_not_see_it() -> None:
    done = pretraining.read(TEXTS, SHAPE, "next", 1, ("k",))
    network = language_model.LanguageModelNetwork(SHAPE, len(done.words)).eval()
    network.load_state_dict({k: torch.from_numpy(v) for k, v in done.arrays.items()})
    ids = torch.tensor([[5, 6, 7, 8, 9]])
    even = torch.zeros(len(done.words))
    ask = torch.tensor([5]), torch.tensor([0, 0]), torch.tensor([2, 1]), even
    before = network.around(ids, *ask)
    ids[0, 2] = 11
    after = network.around(ids, *ask)
    assert torch.allclose(before[0], after[0], atol=1e-5)
    assert not torch.allclose(before[1], after[1], atol=1e-5)


def test_kept_models_are_trained_once_and_a_damaged_one_is_told(tmp_path: Path) -> None:
    shape = {k: getattr(SHAPE, k) for k in pretraining.SHAPE}
    ask = (TEXTS[:60], shape, "next", 1, ("k", 0), tmp_path)
    one, made = pretraining.kept(*ask)
    two, again = pretraining.kept(*ask)
    assert made and not again and one.words == two.words and one.tokens == two.tokens
    assert all(np.array_equal(one.arrays[k], two.arrays[k]) for k in one.arrays)
    other, made = pretraining.kept(TEXTS[:59], *ask[1:])
    assert made and other.words != one.words
    for file in (tmp_path / "state" / "pretrained").glob("*.safetensors"):
        file.write_bytes(file.read_bytes()[:100])
    with pytest.raises(UserError, match="is damaged.*Delete it"):
        pretraining.kept(*ask)


def test_it_reads_the_whole_pool_and_no_test_text(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = CorpusTables.load(prepared / "data" / "written")
    seen: list[Sequence[str]] = []

    def kept(
        texts: Sequence[str], *rest: object
    ) -> tuple[pretraining.PretrainedLanguageModel, bool]:
        seen.append(texts)
        return pretraining.read(texts, SHAPE, "next", 1, ("k",)), True

    monkeypatch.setattr(pretraining, "kept", kept)
    row = run(data, "lstm:lm", hidden=12, embedding=12)
    assert len(seen[0]) == len(data.corpus.texts)
    assert not set(data.corpus.test_texts) & set(seen[0])
    assert row.cost.pretrain_seconds > 0 and row.cost.tokens > 1000
    assert row.cost.unlabelled == len(seen[0]) - row.n_train


def test_the_same_row_whoever_trained_the_model(prepared: Path, tmp_path: Path) -> None:
    rows = []
    for k in range(2):
        folder = tmp_path / str(k) / "data" / "written"
        folder.parent.mkdir(parents=True)
        folder.symlink_to(prepared / "data" / "written")
        data = CorpusTables.load(folder)
        rows += [run(data, "lstm:lm+lm_substitute"), run(data, "lstm:lm+lm_substitute")]
    assert len({r.predicted.tobytes() for r in rows}) == 1
    assert len({r.cost.tokens for r in rows}) == 1


def test_a_model_that_two_strategies_of_an_arm_share_is_charged_once(prepared: Path) -> None:
    data = CorpusTables.load(prepared / "data" / "written")
    alone, both, other = (
        run(data, f"lstm:{arm}", hidden=6, embedding=6)
        for arm in ("lm", "lm+lm_substitute", "autoencoder+lm_substitute")
    )
    assert alone.cost.language_models and "+" not in alone.cost.language_models
    assert both.cost.language_models == alone.cost.language_models
    assert both.cost.pretrain_seconds == alone.cost.pretrain_seconds > 0
    names = other.cost.language_models.split("+")
    assert len(names) == 2 and alone.cost.language_models in names
    assert other.cost.pretrain_seconds > alone.cost.pretrain_seconds
    line = to_record(both)
    assert from_record(line, [asdict(h) for h in both.history]).cost == both.cost


def test_fine_tuning_slants_and_unfreezes_from_above() -> None:
    tuning = FineTuning({}, {}, rise=0.1, ratio=32)
    assert tuning.slope(0) == pytest.approx(1 / 32) and tuning.slope(0.1) == pytest.approx(1)
    assert tuning.slope(0.55) == pytest.approx((1 + 0.5 * 31) / 32)
    texts = TEXTS[:40]
    vocabulary = Vocabulary.of(texts)
    rows = TrainingSet(
        tuple(texts), np.eye(2, dtype=np.float32)[np.arange(40) % 2], np.ones(40, np.float32), np.arange(40)
    )  # fmt: skip
    first = {"embedding.weight": np.full((len(vocabulary), 6), 0.1, np.float32)}
    slower = {"linear": 1.0, "recurrent.0": 1.0, "embedding": 0.1}
    for begin, moves in ((0.95, False), (0.5, True)):
        begins = {"linear": 0.0, "recurrent.0": 0.0, "embedding": begin}
        start = Start(first, vocabulary.words, FineTuning(slower, begins))
        settings = Settings(hidden=4, embedding=6, updates=10, rounds=1, batch=8)
        done = train(
            rows, ((), np.empty(0, np.int64)), settings, TrainingHooks(start=start), ("k",)
        )
        after = done.model.embedding.weight.detach().numpy()
        assert (after != first["embedding.weight"])[2:].any() == moves


@pytest.mark.parametrize("name", ["lm", "autoencoder"])
def test_each_layer_learns_slower_and_later_than_the_one_above(name: str) -> None:
    class StrategyContext:
        def language_model(self, task: str, passes: int) -> object:
            return type("Reader", (), {"weights": {}, "words": ()})

    made = registry.make_strategy(name, {"rate": 3.0}).pretrain
    shape = {"embedding": 6, "hidden": 4, "layers": 2}
    tuning = made((), shape, StrategyContext()).tuning
    parts = ["linear", "recurrent.1", "recurrent.0", "embedding"]
    assert list(tuning.rates) == list(tuning.begins) == parts
    assert [tuning.rates[p] for p in parts] == pytest.approx([3 / 2.6**k for k in range(4)])
    assert [tuning.begins[p] for p in parts] == pytest.approx([0, 0.1, 0.2, 0.3])
    assert (tuning.rise, tuning.ratio) == (0.1, 32)
    model = Classifier(Settings(hidden=4, embedding=6, layers=2), 9, 2)
    assert set(parts_of(model)) == set(parts)


def test_reading_drops_words_weights_and_units() -> None:
    network = language_model.LanguageModelNetwork(SHAPE, 12).train()
    ids, lengths = torch.full((4, 6), 5), torch.full((4,), 6)
    torch.manual_seed(0)
    forward, _ = network.states(ids, lengths)
    silent = (forward == 0).all(1)  # an output unit is dropped for a whole text or not at all
    assert silent.any() and ((forward == 0).any(1) == silent).all()
    forward.sum().backward()
    raw = network.body.recurrent[0][0].weight_hh_l0
    assert ((raw.grad == 0).float().mean() - language_model.WEIGHTS).abs() < 0.1
    network.eval()
    assert torch.equal(network.states(ids, lengths)[0], network.states(ids, lengths)[0])


def test_normalised_embeddings_are_read_as_they_will_be_used(
    prepared: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "data" / "written"
    folder.parent.mkdir()
    folder.symlink_to(prepared / "data" / "written")
    made, before = [], pretraining.read
    monkeypatch.setattr(pretraining, "read", lambda *ask: (made.append(before(*ask)), made[-1])[1])
    for normalised in (False, True):
        run(CorpusTables.load(folder), "lstm:lm", hidden=6, embedding=6, normalised=normalised)
    one, two = (reader.arrays["body.embedding.weight"] for reader in made)
    assert one.shape == two.shape and not np.array_equal(one, two)
    assert made[1].settings.normalised and not made[0].settings.normalised


@pytest.mark.parametrize("seeds_of", [(0, 1), (0, 0)], ids=["another seed", "the same seed"])
def test_a_variant_depends_on_its_seed_text_and_number_alone(seeds_of: tuple[int, int]) -> None:
    """Whatever other texts are rewritten beside it, in whatever order, and how many variants each."""
    reader = pretraining.read(TEXTS, SHAPE, "next", 2, ("k",))

    class StrategyContext:
        def __init__(self, seed: int) -> None:
            self.rng = np.random.default_rng(seed)

        def language_model(self, task: str, passes: int) -> pretraining.PretrainedLanguageModel:
            return reader

    def variants(seed: int, ids: list[int], n_aug: int) -> dict[int, list[str]]:
        rows = TrainingSet(
            tuple(TEXTS[i] for i in ids), np.ones((len(ids), 1), np.float32),
            np.ones(len(ids), np.float32), np.array(ids),
        )  # fmt: skip
        out = registry.make_strategy("lm_substitute", {"n_aug": n_aug}).transform(
            rows, StrategyContext(seed)
        )
        found: dict[int, list[str]] = {}
        for line, parent in zip(out.texts, out.parents.tolist(), strict=True):
            found.setdefault(parent, []).append(line)
        return found

    many = variants(seeds_of[0], list(range(40)), 4)
    few = variants(seeds_of[1], [7, 3], 2)
    same = [few[i] == many[i][:3] for i in (3, 7)]
    assert same == [seeds_of[0] == seeds_of[1]] * 2
    assert all(line[0] == TEXTS[i] and len(set(line)) > 2 for i, line in many.items())


# --- word vectors from a file


def test_vectors_from_a_file(prepared: Path, tmp_path: Path) -> None:
    data = CorpusTables.load(prepared / "data" / "written")
    file = tmp_path / "words.txt"
    file.write_text("rain 1 0 0.5\nboat 0 1 0\nunheard 9 9 9\n")
    digest = hashlib.sha256(file.read_bytes()).hexdigest()
    shape = {"embedding": 4, "hidden": 4, "layers": 1}
    made = registry.make_strategy("vectors", {"file": str(file), "sha256": digest})
    start = made.pretrain(["rain on the boat", "soup"], shape, None)
    assert start.vocabulary == ("<pad>", "<unk>", "boat", "rain")
    rows = start.weights["embedding.weight"]
    assert np.allclose(rows[2:] / rows[2, 1], [[0, 1, 0, 0], [1, 0, 0.5, 0]])
    made = registry.make_strategy("vectors", {"file": str(file), "sha256": "0" * 64})
    with pytest.raises(UserError, match=r"has the sha256 .* not 000"):
        made.pretrain(["rain"], shape, None)
    for arguments, what in (
        ({"file": "nowhere.txt"}, "file: wanted"),
        ({"file": str(file)}, "sha256: wanted"),
    ):
        with pytest.raises(UserError, match=what):
            registry.make_strategy("vectors", arguments)
    assert run(data, "lstm:vectors").cost.labels_paid == N


def test_another_precision_is_another_model(tmp_path: Path) -> None:
    texts = ["rain on the pier", "soup in the pan", "rain in the pan"] * 4
    shape = {k: getattr(Settings(hidden=4, embedding=4), k) for k in pretraining.SHAPE}
    made = [pretraining.kept(texts, shape, "next", 1, ("k", 1), tmp_path)[1] for _ in range(2)]
    assert made == [True, False]
    if not torch.ops.mkldnn._is_mkldnn_bf16_supported():
        pytest.skip("this processor has no bf16 instructions")
    device.configure(precision="bf16")
    try:
        assert pretraining.kept(texts, shape, "next", 1, ("k", 1), tmp_path)[1]
    finally:
        device.configure()
    assert len(list((tmp_path / "state/pretrained").glob("*.safetensors"))) == 2
