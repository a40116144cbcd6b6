"""Labels cannot reach a model from outside: it gets texts alone, and must treat each by itself."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datayield import corpora
from datayield.cells.context import CorpusTables
from datayield.core.errors import UserError
from datayield.corpora.embeddings import FILE
from datayield.models import outside
from datayield.models.outside_model import OutsideModel
from datayield.models.outside_tables import make_tables, rows_of
from datayield.models.settings import ENCODER, ENCODER_TOKENS, OUTSIDE_TABLES, STATIC, STATIC_WORDS
from datayield.study.corpus_folder import corpus_folder
from datayield.study.stages import embed_texts
from datayield.testing import build_tables
from datayield.testing.small_corpus import NAME, _params


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CorpusTables:
    return build_tables(tmp_path_factory.mktemp("project"), [])


def reader(name: str = "letters") -> OutsideModel:
    """A model of letter counts, which knows texts alone."""

    def embed(texts: list[str]) -> np.ndarray:
        return np.array([[t.count(c) for c in "aeiourst"] for t in texts], np.float32)

    def states(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        words = [w for t in texts for w in t.split() or [""]]
        return embed(words).astype(np.float16), np.array([len(t.split() or [""]) for t in texts])

    return OutsideModel(name, "digest", embed, lambda words: [1] * len(words), embed, states)


def test_other_labels_give_the_same_tables(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    for kind in (ENCODER, STATIC):
        monkeypatch.setitem(outside.OPENERS, kind, lambda name: reader())
    models = {ENCODER: "a", STATIC: "b"}
    one, _ = make_tables(list(OUTSIDE_TABLES), models, data.corpus)
    unknown = replace(
        data.corpus, labels=data.corpus.labels * 0 - 1, test_labels=data.corpus.test_labels * 0 - 1
    )
    two, _ = make_tables(list(OUTSIDE_TABLES), models, unknown)
    assert set(one) == set(two) and all(np.array_equal(one[k], two[k]) for k in one)


def test_the_words_of_test_texts_are_not_looked_up(data: CorpusTables) -> None:
    other = replace(data.corpus, test_texts=("a word of the test set",))
    assert "test" not in rows_of(other, STATIC_WORDS)
    assert rows_of(other, STATIC)[-1] == "a word of the test set"


def planted(data: CorpusTables, wrong: str) -> OutsideModel:
    """A model that knows the labels of the test texts by their places among all texts."""
    corpus, honest = data.corpus, reader("planted")
    labels = np.concatenate([np.zeros(len(corpus.texts), int), 1 + corpus.test_labels])
    oracle = np.eye(4, 8, dtype=np.float32)[labels]

    def embed(texts: list[str]) -> np.ndarray:
        return oracle[: len(texts)]

    def states(texts: list[str]) -> tuple[np.ndarray, np.ndarray]:
        return embed(texts).astype(np.float16), np.ones(len(texts), np.int64)

    if wrong == ENCODER_TOKENS:
        return replace(honest, token_states=states)
    return replace(honest, embed=embed)


@pytest.mark.parametrize(
    ("arm", "table"),
    [("outside-encoder", ENCODER), ("outside-static", STATIC), ("lstm:encoder", ENCODER_TOKENS)],
)
def test_a_planted_model_that_knows_the_test_labels_is_refused_before_any_training(
    arm: str, table: str, data: CorpusTables, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(outside.OPENERS, OUTSIDE_TABLES[table], lambda name: planted(data, table))
    folder = corpus_folder(tmp_path, NAME)
    corpora.save(data.corpus, {}, folder)
    with pytest.raises(UserError, match="planted embeds a text differently .* labels could leak"):
        embed_texts.run(_params([arm]), NAME, tmp_path)
    assert not (folder / FILE).exists(), "nothing is half-written"
