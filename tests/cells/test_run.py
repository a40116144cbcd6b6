"""run_cell with every verb in use: what a strategy gives is what the network trains on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from datayield import config
from datayield.cells.context import CellContext, CorpusTables
from datayield.cells.run import run_cell
from datayield.core.types import Cell, Pool, Row, Settings
from datayield.models.hooks import Start
from datayield.strategies import registry
from datayield.strategies.base import Strategy
from datayield.strategies.coverage import farthest_first
from datayield.study import arms

N = 60


@pytest.fixture(scope="module")
def data(prepared: Path) -> CorpusTables:
    return CorpusTables.load(prepared / "data" / "written")


def run(data: CorpusTables, arm: str, folds: int = 0, **model: object) -> Row:
    parsed = arms.parse_arm(arm)
    settings = {"hidden": 8, "embedding": 8, "updates": 20, "rounds": 4, "batch": 8, **model}
    chosen = {"model": asdict(Settings.from_dict(settings))} if parsed.strategies else {}
    identity = {"study_seed": 5, "data": data.corpus.digest, "validation_folds": folds}
    return run_cell(Cell("written", N, parsed, 0, 0, chosen, identity), data)


def register(monkeypatch: pytest.MonkeyPatch, made: Strategy) -> None:
    monkeypatch.setitem(registry.registered(), made.name, lambda: made)


def test_acquire_decides_what_is_labelled(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def ends_of_pool(pool: Pool, n: int, context: CellContext) -> np.ndarray:
        start = context.labelled
        more = [i for i in context.candidates if i not in start]
        ids = np.array([*start, *more[-(n - len(start)) :]])
        asked.extend(context.reveal_labels(ids))
        return ids

    register(monkeypatch, Strategy("ends", "last texts of the pool", query=ends_of_pool))
    row = run(data, "lstm:ends")
    assert row.n_train == row.cost.examples == len(asked) == N


def test_all_labels_train_and_each_held_out_text_is_predicted_by_another_training(
    data: CorpusTables,
) -> None:
    rows = {folds: run(data, "lstm:plain", folds) for folds in (0, 1, 5)}
    assert {r.n_train for r in rows.values()} == {r.cost.examples for r in rows.values()} == {N}
    assert len({r.predicted.tobytes() for r in rows.values()}) == 1, "the scored model is the same"
    assert [r.n_validation for r in rows.values()] == [0, len(held := fold_ids(data, 0)), N]
    assert np.isnan(rows[0].validation_accuracy)
    every, one = rows[5].probabilities, rows[1].probabilities
    assert every is not None and one is not None
    assert one.held_out_ids.tolist() == held
    assert sorted(every.held_out_ids) == sorted(data.draws.first(0, N))
    assert np.array_equal(every.held_out[: len(held)], one.held_out), "fold by fold"
    truth = data.corpus.labels[every.held_out_ids]
    assert rows[5].validation_accuracy == (every.held_out.argmax(1) == truth).mean()
    assert np.array_equal(every.test.argmax(1), rows[5].predicted)
    assert 0 < rows[5].cost.validation_seconds < rows[5].cost.cell_seconds
    assert rows[1].history[-1].validation_accuracy == rows[1].validation_accuracy
    assert rows[1].history[-1].loss == rows[0].history[-1].loss


def fold_ids(data: CorpusTables, fold: int) -> list[int]:
    return data.draws.sample(0, N, fold).validation.tolist()


@pytest.mark.parametrize("arm", ["tfidf", "nbsvm", "majority"])
def test_baselines_train_on_all_labels_too(data: CorpusTables, arm: str) -> None:
    row = run(data, arm, folds=5)
    assert row.n_train == row.n_validation == N
    assert (row.probabilities is None) == (arm == "nbsvm"), "margins are no probabilities"


@pytest.mark.parametrize("fault", ["too few", "held out"])
def test_acquire_cannot_cheat(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch, fault: str
) -> None:
    sample = data.draws.sample(0, N, 0)

    def cheats(pool: Pool, n: int, context: CellContext) -> np.ndarray:
        if n == N:
            return data.draws.sample(0, N).train
        wrong = sample.validation[:1] if fault == "held out" else sample.train[:0]
        return np.append(sample.train[1:], wrong)

    register(monkeypatch, Strategy("cheat", "cheats", query=cheats))
    with pytest.raises(LookupError, match="distinct texts|held-out"):
        run(data, "lstm:cheat", folds=1)


def test_pretrain_decides_where_the_network_starts(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sequence[str]] = []

    def start(texts: Sequence[str], shape: Mapping[str, int], context: CellContext) -> Start:
        seen.append(texts)
        words = ("<pad>", "<unk>", "rain", "boat", "soup")
        return Start({"embedding.weight": np.zeros((5, shape["embedding"]), np.float32)}, words)

    register(monkeypatch, Strategy("warm", "starts from zeros", pretrain=start))
    row = run(data, "lstm:warm", updates=1, rounds=1, learning_rate=1e-9)
    assert set(seen[0]) == set(data.corpus.texts) - set(data.corpus.test_texts)
    assert len(set(row.predicted)) == 1, "all-zero embeddings read every text alike"
    assert row.cost.parameters < run(data, "lstm:plain").cost.parameters


def test_double_trains_on_twice_the_labels_and_bills_n(data: CorpusTables) -> None:
    row, plain = run(data, "lstm:double"), run(data, "lstm:plain")
    assert row.cost.labels_paid == plain.cost.labels_paid == N
    assert row.cost.examples == pytest.approx(2 * plain.cost.examples, abs=2)


def test_repeat_and_augmentation_keep_the_number_of_updates(data: CorpusTables) -> None:
    rows = {a: run(data, f"lstm:{a}") for a in ("plain", "repeat", "eda_nn", "competence")}
    assert {r.cost.updates for r in rows.values()} == {20}
    assert {r.cost.examples for r in rows.values()} <= set(range(1, rows["plain"].n_train + 1))
    assert rows["eda_nn"].cost.unlabelled == len(data.corpus.texts) - N
    assert rows["plain"].cost.unlabelled == 0


def test_the_same_cell_gives_the_same_row(data: CorpusTables) -> None:
    one, two = run(data, "lstm:eda_nn+mixup_word"), run(data, "lstm:eda_nn+mixup_word")
    assert np.array_equal(one.predicted, two.predicted)
    assert [h.loss for h in one.history] == [h.loss for h in two.history]


def test_settings_change_the_key_and_role_names_do_not() -> None:
    def cell(**changes: object) -> Cell:
        base = {
            "corpus": "c",
            "n": 10,
            "draw": 0,
            "seed": 0,
            "settings": {},
            "identity": {"data": "x"},
        }
        return Cell(arm=arms.parse_arm("lstm"), **{**base, **changes})

    keys = [
        cell(), cell(n=20), cell(draw=1), cell(seed=1), cell(corpus="d"),
        cell(settings={"model": {"hidden": 8}}), cell(identity={"data": "y"}),
    ]  # fmt: skip
    assert len({k.key for k in keys}) == len(keys)
    assert cell().key == cell().key


def test_the_articles_recipe_trains_on_nine_tenths_for_twenty_epochs(data: CorpusTables) -> None:
    arm = arms.parse_arm("lstm:article")
    params = config.load(data.folder.parent.parent / "params.yaml")
    settings = arms.default_settings(params, arm, N)["model"]
    assert (settings["optimizer"], settings["learning_rate"], settings["batch"]) == (
        "sgd",
        0.01,
        32,
    )
    assert settings["updates"] == 20 * 2  # 54 rows in batches of 32
    row = run(data, "lstm:article", **{**settings, "hidden": 8, "embedding": 8})
    assert row.n_train == row.cost.examples == 0.9 * N
    assert {r.learning_rate for r in row.history} == {0.01}


def test_k_center_covers_the_pool_better_than_chance(data: CorpusTables) -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((400, 5)).astype(np.float32)
    start, allowed = np.array([3, 9]), np.arange(0, 400, 2)
    ids, gaps = farthest_first(points, start, allowed, 30)
    assert list(ids[:2]) == [3, 9] and len(set(ids)) == 30 and set(ids[2:]) <= set(allowed)
    assert (np.diff(gaps) <= 1e-5).all()

    def radius(chosen: np.ndarray) -> float:
        apart = np.linalg.norm(points[allowed][:, None] - points[chosen][None], axis=2)
        return float(apart.min(1).max())

    others = [radius(rng.choice(allowed, 30, replace=False)) for _ in range(20)]
    assert radius(ids) < min(others)
    row = run(data, "lstm:k_center")
    assert row.cost.unlabelled == len(data.corpus.texts) - N
