"""Static embeddings: read from the folders and files of their writers, and what is refused."""

import importlib.util
import json
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file
from tokenizers import Tokenizer
from tokenizers.models import WordLevel, WordPiece
from tokenizers.normalizers import BertNormalizer
from tokenizers.pre_tokenizers import BertPreTokenizer

from datayield.core.errors import UserError
from datayield.models import static_embeddings
from datayield.models.outside_model import OutsideModel, check_language, check_texts_alone
from datayield.models.static_embeddings import open_static
from datayield.text.vector_file import open_vectors

PIECES = ["[PAD]", "[UNK]", "rain", "boat", "soup", "the", "##y", "##s", "."]
TEXTS = ["The rain.", "rainy boats, the soup", "nothing known", "", "the the rain"]
RNG = np.random.default_rng(4)
VECTORS = RNG.normal(0, 1, (len(PIECES), 5)).astype(np.float32)


def write_folder(folder: Path, **arrays: np.ndarray) -> Path:
    """A folder as model2vec writes it."""
    folder.mkdir(parents=True, exist_ok=True)
    vocabulary = {p: i for i, p in enumerate(PIECES)}
    tokenizer = Tokenizer(WordPiece(vocabulary, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = BertNormalizer(), BertPreTokenizer()
    tokenizer.save(str(folder / "tokenizer.json"))
    save_file(arrays or {"embeddings": VECTORS}, folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"normalize": True, "model_type": "model2vec"}))
    return folder


def mean_of(*pieces: str, table: np.ndarray = VECTORS) -> np.ndarray:
    """The plain computation: the mean of the vectors of known pieces, of unit length."""
    mean = table[[PIECES.index(p) for p in pieces]].mean(0)
    return mean / np.linalg.norm(mean)


EXPECTED = [
    ("the", "rain", "."),
    ("rain", "##y", "boat", "##s", "the", "soup"),
    (),
    (),
    ("the", "the", "rain"),
]


def test_a_text_is_the_mean_of_its_known_pieces(tmp_path: Path) -> None:
    model = open_static(str(write_folder(tmp_path / "m")))
    found = model.embed(TEXTS)
    assert found.shape == (5, 5) and found.dtype == np.float32
    for row, pieces in zip(found, EXPECTED, strict=True):
        assert np.allclose(row, mean_of(*pieces) if pieces else 0, atol=1e-6)
    words = model.word_vectors(["rainy", "wind", "soup"])
    assert np.allclose(words[0], VECTORS[[2, 6]].mean(0)) and np.allclose(words[2], VECTORS[4])
    assert np.isnan(words[1]).all() and model.pieces(["rainy", "wind"]) == [2, 0]


def test_weights_and_a_smaller_table_count_as_in_model2vec(tmp_path: Path) -> None:
    weights = RNG.random(len(PIECES)).astype(np.float32)
    mapping = np.array([0, 0, 1, 1, 2, 2, 3, 3, 3])
    folder = write_folder(
        tmp_path / "m", embeddings=VECTORS[:4].astype(np.float16), weights=weights, mapping=mapping
    )
    table = VECTORS[:4].astype(np.float16).astype(np.float32)[mapping] * weights[:, None]
    found = open_static(str(folder)).embed(TEXTS[:2])
    assert np.allclose(found[0], mean_of(*EXPECTED[0], table=table), atol=1e-6)
    assert np.allclose(found[1], mean_of(*EXPECTED[1], table=table), atol=1e-6)


@pytest.mark.skipif(importlib.util.find_spec("model2vec") is None, reason="model2vec not installed")
def test_model2vec_itself_gives_the_same(tmp_path: Path) -> None:
    from model2vec import StaticModel

    weights = RNG.random(len(PIECES)).astype(np.float32)
    folder = write_folder(tmp_path / "m", embeddings=VECTORS, weights=weights)
    theirs = StaticModel.from_pretrained(folder).encode(TEXTS)
    assert np.allclose(open_static(str(folder)).embed(TEXTS), theirs, atol=1e-6)


def test_a_file_of_word_vectors_is_read_by_words(tmp_path: Path) -> None:
    file = tmp_path / "glove.txt"
    file.write_text("rain 1 0\nboat 0 3\nthe 1 1\n")
    open_vectors.cache_clear()
    model = open_static(str(file))
    found = model.embed(["The rain!", "unheard", "boat boat rain"])
    for row, mean in zip(found, ([1, 0.5], [0, 0], [1 / 3, 2]), strict=True):
        length = np.linalg.norm(mean)
        assert np.allclose(row, np.array(mean) / (length or 1), atol=1e-6)
    assert model.word_vectors(["boat"]).tolist() == [[0, 3]]


def test_the_layout_of_wordllama_is_found_without_importing_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    package = tmp_path / "carries_vectors"
    made = write_folder(package / "made")
    (package / "__init__.py").write_text("raise RuntimeError('imported')")
    for name in ("weights", "tokenizers"):
        (package / name).mkdir()
    save_file({"embedding.weight": VECTORS}, package / "weights/l2_5.safetensors")
    (made / "tokenizer.json").rename(package / "tokenizers/l2_tokenizer_config.json")
    monkeypatch.syspath_prepend(str(tmp_path))
    model = open_static("carries_vectors")
    assert np.allclose(model.embed(TEXTS[:1])[0], mean_of(*EXPECTED[0]), atol=1e-6)
    assert "carries_vectors" not in sys.modules


def test_the_digest_is_of_vectors_and_pieces(tmp_path: Path) -> None:
    one, same = (open_static(str(write_folder(tmp_path / n))).digest for n in "ab")
    other = open_static(str(write_folder(tmp_path / "c", embeddings=VECTORS + 1))).digest
    assert one == same != other


def _no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()


def _cut_weights(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-9])


def _no_tokenizer(folder: Path) -> None:
    (folder / "tokenizer.json").write_text("{")


def _another_tokenizer(folder: Path) -> None:
    Tokenizer(WordLevel({"a": 0, "[UNK]": 1}, "[UNK]")).save(str(folder / "tokenizer.json"))


def _not_finite(folder: Path) -> None:
    save_file({"embeddings": VECTORS * np.float32(np.nan)}, folder / "model.safetensors")


def _other_arrays(folder: Path) -> None:
    save_file({"vectors": VECTORS}, folder / "model.safetensors")


def _wild_mapping(folder: Path) -> None:
    arrays = {"embeddings": VECTORS, "mapping": np.arange(len(PIECES)) + 5}
    save_file(arrays, folder / "model.safetensors")


DAMAGES = [
    _no_weights, _cut_weights, _no_tokenizer, _another_tokenizer, _not_finite, _other_arrays, _wild_mapping
]  # fmt: skip


@pytest.mark.parametrize("damage", DAMAGES, ids=[d.__name__ for d in DAMAGES])
def test_a_damaged_folder_is_one_error(damage, tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "m")
    damage(folder)
    with pytest.raises(
        UserError, match=r"the static embeddings .* cannot be opened .*outside-static"
    ):
        open_static(str(folder))


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("no_such_package", 'the package "no_such_package" of outside-static is not installed'),
        ("./nowhere", "the folder or file ./nowhere of outside-static does not exist"),
    ],
)
def test_embeddings_that_are_not_there_are_one_error(name: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        open_static(name)


def test_a_name_of_the_hub_without_a_network_is_one_error(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        UserError, match="nobody/nothing cannot be fetched from the Hugging Face hub"
    ):
        open_static("nobody/nothing")


def test_without_the_extra_the_error_says_how_to_have_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_folder(tmp_path / "m")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(UserError, match=r"needs tokenizers.*pip install .datayield\[outside\]"):
        open_static(str(folder))


# --- language, and what an embedding may depend on


def test_a_model_of_another_language_is_refused(tmp_path: Path) -> None:
    model = open_static(str(write_folder(tmp_path / "m")))
    check_language(model, ["rain and boats", "the soup, rainy"])
    check_language(model, ["雨が降っています", "1 2 3"])  # no word that tells
    with pytest.raises(UserError, match=r"does not know 3 of 3 words .*regen.* another language"):
        check_language(model, ["Regen Boot", "Suppe"])


def test_words_that_are_read_letter_by_letter_tell_another_language() -> None:
    def spelt(words: list[str]) -> list[int]:
        return [len(w) for w in words]

    model = OutsideModel("m", "", lambda texts: np.zeros((len(texts), 2), np.float32), spelt)
    with pytest.raises(UserError, match=r"letter by letter \(привет"):
        check_language(model, ["привет добрый"])


def test_an_embedding_that_knows_the_place_of_its_text_is_refused(tmp_path: Path) -> None:
    """A planted model that looks labels up by the place of a text in the list that it is given."""
    labels = RNG.integers(0, 2, 400)
    texts = [f"text {i}" for i in range(400)]

    def cheats(lines: list[str]) -> np.ndarray:
        return np.eye(2, dtype=np.float32)[labels[: len(lines)]]

    planted = OutsideModel("planted", "", cheats, lambda words: [1] * len(words))
    for model, lines in ((planted, texts), (open_static(str(write_folder(tmp_path / "m"))), TEXTS)):
        embedded = model.embed(lines)
        arguments = model.name, lines, embedded.__getitem__, lambda t, m=model: m.embed([t])[0]
        if model is planted:
            with pytest.raises(UserError, match="planted embeds a text differently among other"):
                check_texts_alone(*arguments)
        else:
            check_texts_alone(*arguments)


def test_batches_do_not_matter(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = open_static(str(write_folder(tmp_path / "m")))
    whole = model.embed(TEXTS)
    monkeypatch.setattr(static_embeddings, "BATCH", 2)
    assert np.array_equal(model.embed(TEXTS[::-1])[::-1], whole)
