"""Small parts: scores, grid, thesaurus, linear baselines, progress, tables, history."""

import io
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from datayield.config import Block
from datayield.core import progress, tables
from datayield.core.metrics import accuracy, confusion, macro_f1
from datayield.core.rows import pack_hits, pack_predicted, unpack_hits, unpack_predicted
from datayield.core.types import Corpus, Settings, TrainingSet
from datayield.models import linear
from datayield.models.trainer import TrainingHooks, train
from datayield.study import arms, grid
from datayield.text import word_vectors


def _rows(corpus: Corpus, count: int) -> TrainingSet:
    ids = np.arange(count)
    targets = np.eye(3, dtype=np.float32)[corpus.labels[ids]]
    return TrainingSet(corpus.texts[:count], targets, np.ones(count, np.float32), ids)


def test_scores_by_hand() -> None:
    predicted, labels = np.array([0, 0, 1, 1, 1]), np.array([0, 1, 1, 1, 0])
    assert accuracy(predicted, labels) == 0.6
    assert confusion(predicted, labels, 3).tolist() == [[1, 1, 0], [1, 2, 0], [0, 0, 0]]
    assert macro_f1(predicted, labels, 3) == pytest.approx((2 / 4 + 4 / 6) / 2)
    assert np.isnan(accuracy(predicted[:0], labels[:0]))
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 4, 200), rng.integers(0, 4, 200)
    assert macro_f1(a, b, 4) == pytest.approx(f1_score(b, a, average="macro"))


def test_baselines_learn_and_majority_does_not(corpus: Corpus) -> None:
    rows = _rows(corpus, 240)
    found = {
        name: accuracy(fit(rows, 1).predict(corpus.test_texts).argmax(1), corpus.test_labels)
        for name, fit in linear.FITTERS.items()
    }
    assert found["tfidf"] > 0.9 and found["nbsvm"] > 0.9 and found["majority"] < 0.45
    p = linear.tfidf(rows, 1).predict(corpus.test_texts[:3])
    assert np.allclose(p.sum(1), 1, atol=1e-5)


def test_baselines_survive_a_single_class(corpus: Corpus) -> None:
    one = _rows(corpus, 30).take(np.flatnonzero(corpus.labels[:30] == 1))
    for fit in linear.FITTERS.values():
        assert (fit(one, 1).predict(corpus.test_texts[:5]).argmax(1) == 1).all()


def test_networks_learn_with_equal_updates(corpus: Corpus) -> None:
    settings = Settings(hidden=16, embedding=16, updates=150, rounds=5, learning_rate=0.02)
    rows = _rows(corpus, 240)
    held_out = list(corpus.texts[240:300]), corpus.labels[240:300]
    trained = train(rows, held_out, settings, TrainingHooks(), (1,))
    again = train(rows, held_out, settings, TrainingHooks(), (1,))
    predicted = trained.predict(corpus.test_texts)
    assert accuracy(predicted.argmax(1), corpus.test_labels) > 0.85
    assert np.array_equal(predicted, again.predict(corpus.test_texts)), "one key, one result"
    history = trained.history
    assert [h.updates for h in history] == [30, 60, 90, 120, 150]
    assert history[-1].learning_rate < 0.001 < history[0].learning_rate
    assert history[-1].loss < history[0].loss and history[-1].validation_accuracy > 0.8


def test_past_holds_the_latest_probabilities(corpus: Corpus) -> None:
    pasts = []

    def schedule(rows: TrainingSet, past: object, rng: np.random.Generator) -> np.ndarray:
        pasts.append((past.progress, past.probabilities.copy()))
        with pytest.raises(ValueError, match="read-only"):
            past.probabilities[0] = 0
        return np.arange(40)

    settings = Settings(hidden=4, embedding=4, updates=20, rounds=2, batch=20)
    train(
        _rows(corpus, 80),
        ((), np.empty(0, np.int64)),
        settings,
        TrainingHooks(schedule=schedule),
        (1,),
    )
    assert [p for p, _ in pasts] == [0.0, 0.5]
    assert np.isnan(pasts[0][1]).all()
    assert np.allclose(pasts[1][1][:40].sum(1), 1, atol=1e-5) and np.isnan(pasts[1][1][40:]).all()


def test_half_octaves_fill_up_to_four_times_the_largest() -> None:
    found = grid.half_octaves([100, 300, 1000, 3000], 12_960)
    assert found[0] == 100 and found[-1] == 12_000 and {300, 1000, 3000} <= set(found)
    assert max(b / a for a, b in pairwise(found)) <= 2**0.5 + 0.01
    assert grid.half_octaves([100], 250)[-1] == 250
    blocks = [
        Block(arms=("tfidf",), budgets=(100, 200)),
        Block(arms=("majority",), budgets="half_octaves"),
    ]
    assert grid.budgets(blocks, 10_000)[0] == [[100, 200], [100, 141, 200, 283, 400, 566, 800]]


def test_arms_have_one_form() -> None:
    assert str(arms.parse_arm("lstm")) == "lstm:plain"
    assert str(arms.parse_arm("gru:mixup_word+eda_nn")) == "gru:eda_nn+mixup_word"
    assert str(arms.parse_arm("tfidf")) == "tfidf"


def test_neighbours_come_from_shared_contexts() -> None:
    rng = np.random.default_rng(0)
    pets, cities = ["cat", "dog", "rabbit"], ["paris", "london", "rome"]
    texts = [f"the {rng.choice(pets)} eats food at home" for _ in range(150)]
    texts += [f"we travel to {rng.choice(cities)} by train" for _ in range(150)]
    made = word_vectors.vectors(texts, dimensions=8, seed=1)
    near = dict(zip(made.words, word_vectors.neighbours(made), strict=True))
    assert set(near["cat"][:2]) == {"dog", "rabbit"} and set(near["rome"][:2]) == {
        "paris",
        "london",
    }
    assert near["the"] == [] and "cat" not in near["cat"]
    again = word_vectors.vectors(texts, dimensions=8, seed=1)
    assert np.array_equal(made.vectors, again.vectors)


def test_thesaurus_is_stored_and_small_pools_have_none(tmp_path: Path) -> None:
    texts = ["the cat eats food", "the dog eats food", "a cat and a dog"] * 5
    word_vectors.save_vectors(word_vectors.vectors(texts, 100, 1), tmp_path / "v.parquet")
    near = word_vectors.Neighbours.load(tmp_path / "v.parquet")
    assert "dog" in near.synonyms("cat") and near.synonyms("zebra") == ()
    assert word_vectors.load_vectors(tmp_path / "v.parquet").words[0] in (
        "cat",
        "the",
        "a",
        "eats",
        "dog",
        "food",
    )
    word_vectors.save_vectors(word_vectors.vectors(["one"], 100, 1), tmp_path / "w.parquet")
    assert word_vectors.Neighbours.load(tmp_path / "w.parquet").near == {}


def test_a_log_gets_readable_lines_of_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(progress, "LOG_SECONDS", 0)
    out = io.StringIO()
    bar = progress.Progress(2, 40.0, out)
    bar.add(10.0, "a cell")
    bar.add(30.0, "another cell")
    bar.close()
    assert "\r" not in out.getvalue()
    lines = out.getvalue().splitlines()
    first = next(line for line in lines if line.startswith("[1/2 cells]"))
    assert "25%" in first and "left" in first and first.endswith("a cell")
    assert lines[-1].startswith("[2/2 cells]") and "100%" in lines[-1]


def test_a_log_gets_few_lines_of_progress() -> None:
    out = io.StringIO()
    bar = progress.Progress(500, 500.0, out)
    for _ in range(500):
        bar.add(1.0, "a cell")
    bar.close()
    assert len(out.getvalue().splitlines()) <= 3
    assert progress.duration(3 * 3600 + 125) == "3 h 02 min"


def test_hits_and_predictions_survive_packing() -> None:
    rng = np.random.default_rng(0)
    hits, predicted = rng.random(1001) < 0.5, rng.integers(0, 60_000, 1001)
    assert np.array_equal(unpack_hits(pack_hits(hits), 1001), hits)
    assert np.array_equal(unpack_predicted(pack_predicted(predicted)), predicted)


def test_a_table_of_another_shape_is_refused(tmp_path: Path) -> None:
    import pyarrow as pa

    from datayield.core.errors import UserError

    tables.write_table(pa.table({"a": [1]}), tmp_path / "t.parquet")
    with pytest.raises(UserError, match=r"other columns.*missing: .*accuracy"):
        tables.read_table(tmp_path / "t.parquet", tables.CELLS)
    with pytest.raises(UserError, match="is missing"):
        tables.read_table(tmp_path / "none.parquet")
    (tmp_path / "bad.parquet").write_bytes(b"nonsense")
    with pytest.raises(UserError, match="not a readable parquet"):
        tables.read_table(tmp_path / "bad.parquet")
