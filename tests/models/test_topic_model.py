"""Topic models: what they learn, what they read, how a classifier joins their features."""

from pathlib import Path

import numpy as np
import pytest
import torch

from datayield import config
from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.run import run_cell
from datayield.core.errors import UserError
from datayield.core.types import Cell, Row, Settings, TrainingSet
from datayield.models import device, topic_model
from datayield.models.encoding import Vocabulary, encode, padded
from datayield.models.hooks import Start
from datayield.models.saved import saved_network
from datayield.models.topic_encoder import PREFIX, TopicEncoder
from datayield.models.topic_model import PretrainedTopics, kept_topics, read_topics
from datayield.models.trainer import TrainingHooks, train
from datayield.study import grid
from datayield.study.arms import parse_arm
from tests.cells.test_run import N, run
from tests.conftest import small_params

SUBJECTS = (
    "rain wind cloud storm snow sun fog hail",
    "bread soup cheese apple salt butter rice plum",
    "goal match team coach league ball keeper pitch",
)


def computed(data: CorpusTables, arm: str, draw: int, **identity: object) -> Row:
    """The row of a small cell."""
    settings = Settings(hidden=6, embedding=7, updates=5, rounds=1, batch=8)
    known = {"study_seed": 5, "data": data.corpus.digest, "validation_folds": 0, **identity}
    chosen = {"model": settings.to_dict()}
    return run_cell(Cell("written", N, parse_arm(arm), draw, 0, chosen, known), data)


def texts_about(subjects: np.ndarray) -> list[str]:
    """Texts of eight words of a subject among words that say nothing."""
    rng = np.random.default_rng(0)
    return [
        " ".join(rng.permutation([*rng.choice(SUBJECTS[s].split(), 8), "the", "of", "and", "a"]))
        for s in subjects
    ]


@pytest.fixture(scope="module")
def learnt() -> tuple[PretrainedTopics, np.ndarray, list[str]]:
    subjects = np.arange(300) % 3
    texts = texts_about(subjects)
    return read_topics(texts, 16, 6, 60, 64, ("k",)), subjects, texts


def features(model: PretrainedTopics, texts: list[str]) -> torch.Tensor:
    encoder = TopicEncoder.like(model.arrays, len(model.words))
    assert encoder is not None
    encoder.load_state_dict(
        {k.removeprefix(PREFIX): torch.from_numpy(v) for k, v in model.arrays.items()}
    )
    return encoder(
        padded(encode(texts, Vocabulary.listed(model.words), 64), np.arange(len(texts)))[0]
    )


def test_texts_of_one_subject_share_their_topics(
    learnt: tuple[PretrainedTopics, np.ndarray, list[str]],
) -> None:
    model, subjects, texts = learnt
    known = features(model, texts)
    assert known.shape == (300, 16 + 6)
    assert known.mean(0).abs().max() < 1e-3 and (known.std(0) - 1).abs().max() < 0.05
    topics = known[:, 16:].argmax(1).numpy()
    by_topic = [np.bincount(subjects[topics == k], minlength=3) for k in np.unique(topics)]
    assert sum(max(counts) for counts in by_topic) / 300 > 0.9, "one topic has one subject"


def test_features_depend_on_the_words_of_a_text_alone(
    learnt: tuple[PretrainedTopics, np.ndarray, list[str]],
) -> None:
    model, _, texts = learnt
    alone, together = features(model, texts[:1]), features(model, [texts[0], "rain " * 60])
    turned = features(model, [" ".join(reversed(texts[0].split()))])
    assert torch.allclose(alone[0], together[0], atol=1e-5), "padding counts nothing"
    assert torch.allclose(alone, turned, atol=1e-5), "nor does the order"
    assert torch.isfinite(features(model, ["words unseen", ""])).all()


def test_rare_words_and_large_corpora_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(topic_model, "MOST_WORDS", 5)
    monkeypatch.setattr(topic_model, "MOST_UPDATES", 3)
    model = read_topics(texts_about(np.arange(200) % 3), 8, 4, 20, 64, ("k",))
    assert len(model.words) == 7 and model.words[2:6] == ("a", "and", "of", "the")
    assert model.tokens == 3 * 64 * 12
    assert model.arrays["features.words.weight"].shape == (7, 8)


def test_a_classifier_reads_the_features_and_leaves_them_as_they_are(
    learnt: tuple[PretrainedTopics, np.ndarray, list[str]],
) -> None:
    model, subjects, texts = learnt
    device.configure()
    rows = TrainingSet(
        tuple(texts[:60]), np.eye(3, dtype=np.float32)[subjects[:60]], np.ones(60, np.float32), np.arange(60)
    )  # fmt: skip
    settings = Settings(hidden=4, embedding=16, updates=40, rounds=1)
    words = {"embedding.weight": np.zeros((len(model.words), 16), np.float32)}
    hooks = TrainingHooks(start=Start({**model.arrays, **words}, model.words))
    done = train(rows, ([], np.empty(0, np.int64)), settings, hooks, ("k",))
    assert done.model.linear.in_features == 4 * 2 * 2 + 16 + 6
    assert (done.predict(texts[60:]).argmax(1) == subjects[60:]).mean() > 0.9
    parts = saved_network.network_parts(done.model, done.vocabulary.words)
    for name, before in model.arrays.items():
        assert np.array_equal(parts.arrays[name], before)
    again = saved_network.reader(parts, settings.to_dict(), 3, ("cpu", "fp32"))
    assert np.array_equal(again(texts), done.predict(texts))


@pytest.mark.parametrize("arm", ["topics+mixup_word", "topics+vat", "topics+competence"])
def test_topics_go_with_other_strategies(prepared: Path, arm: str) -> None:
    row = run(
        CorpusTables.load(prepared / "data" / "written"), f"lstm:{arm}", hidden=6, embedding=6
    )
    assert np.isfinite(row.probabilities.test).all()


def test_all_draws_read_one_model_of_the_pool_and_no_test_text(
    prepared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = CorpusTables.load(prepared / "data" / "written")
    seen, before = [], topic_model.read_topics
    monkeypatch.setattr(
        topic_model, "read_topics", lambda texts, **k: (seen.append(texts), before(texts, **k))[1]
    )
    rows = [computed(data, "lstm:topics", draw) for draw in (0, 1)]
    assert len(seen) == 1 and not set(seen[0]) & set(data.corpus.test_texts)
    names = {row.cost.language_models for row in rows}
    assert len(names) == 1 and rows[0].cost.pretrain_seconds == rows[1].cost.pretrain_seconds > 0
    assert rows[0].cost.unlabelled == len(data.corpus.texts) - rows[0].n_train


def test_draws_share_as_many_language_models_as_the_study_wants(prepared: Path) -> None:
    data = CorpusTables.load(prepared / "data" / "written")
    own = [computed(data, "lstm:lm", draw).cost.language_models for draw in (0, 1)]
    one = [
        computed(data, "lstm:lm", draw, language_models=1).cost.language_models for draw in (0, 1)
    ]
    assert own[0] != own[1] and one == [own[0], own[0]]
    two = computed(data, "lstm:lm", 1, language_models=2)
    assert two.cost.language_models == own[1]


def test_only_cells_that_read_a_language_model_depend_on_their_number() -> None:
    params = small_params("0" * 64, draws=2)
    params["study"]["grid"] = [{"arms": ["lstm:plain", "lstm:lm"], "budgets": [30]}]
    keys = []
    for count in (None, 1):
        params["study"]["language_models"] = count
        loaded = config.parse(params)
        settings = {"30": {a: {"all": {}} for a in ("lstm:plain", "lstm:lm")}}
        made = grid.make_grid(loaded, grid.Scope("written", 100, "digest", {}), settings)
        keys.append({str(c.arm): c.key for c in made.cells})
    assert keys[0]["lstm:plain"] == keys[1]["lstm:plain"]
    assert keys[0]["lstm:lm"] != keys[1]["lstm:lm"]


def test_a_damaged_file_is_one_error(tmp_path: Path) -> None:
    shape = {"hidden": 4, "topics": 2, "max_tokens": 9}
    made, now = kept_topics(texts_about(np.arange(70) % 3), shape, 1, ("k",), tmp_path)
    again, later = kept_topics(texts_about(np.arange(70) % 3), shape, 1, ("k",), tmp_path)
    assert now and not later and again.name == made.name and again.words == made.words
    path = tmp_path / "state" / "pretrained" / f"{made.name}.safetensors"
    path.write_bytes(path.read_bytes()[:-3] + b"xyz")
    with pytest.raises(UserError, match="is damaged .*Delete it; the next study makes it again"):
        PretrainedTopics.load(path)
