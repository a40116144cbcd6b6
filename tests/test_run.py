"""run_cell with every verb in use: what a strategy gives is what the network trains on."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest

from datayield import config, grid, strategies
from datayield.desk import CellDesk, Data
from datayield.run import run_cell
from datayield.strategies.base import Start, Strategy
from datayield.strategies.coverage import farthest_first
from datayield.types import Cell, Pool, Row, Settings

N = 60


@pytest.fixture(scope="module")
def data(prepared: Path) -> Data:
    return Data.load(prepared / "data" / "written")


def run(data: Data, arm: str, **model: object) -> Row:
    parsed = grid.parse_arm(arm)
    settings = {"hidden": 8, "embedding": 8, "updates": 20, "rounds": 4, "batch": 8, **model}
    chosen = {"model": asdict(Settings.of(settings))} if parsed.strategies else {}
    identity = {"study_seed": 5, "data": data.corpus.digest}
    return run_cell(Cell("written", N, parsed, 0, 0, chosen, identity), data)


def register(monkeypatch: pytest.MonkeyPatch, made: Strategy) -> None:
    monkeypatch.setitem(strategies.registry(), made.name, lambda: made)


def test_acquire_decides_what_is_labelled(data: Data, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[int] = []

    def ends_of_pool(pool: Pool, n: int, desk: CellDesk) -> np.ndarray:
        forbidden = set(data.draws.sample(0, N).validation)
        start = data.draws.sample(0, N).train[: n // 2]
        more = [i for i in range(len(pool)) if i not in forbidden and i not in start]
        ids = np.array([*start, *more[-(n - len(start)) :]])
        asked.extend(desk.ask(ids))
        return ids

    register(monkeypatch, Strategy("ends", "last texts of the pool", acquire=ends_of_pool))
    row = run(data, "lstm:ends")
    assert row.n_train + row.n_validation == N and row.account.examples == row.n_train
    assert len(asked) == row.n_train


@pytest.mark.parametrize("fault", ["too few", "validation"])
def test_acquire_cannot_cheat(data: Data, monkeypatch: pytest.MonkeyPatch, fault: str) -> None:
    sample = data.draws.sample(0, N)
    ids = (
        sample.train[:-1]
        if fault == "too few"
        else np.append(sample.train[1:], sample.validation[0])
    )
    register(monkeypatch, Strategy("cheat", "cheats", acquire=lambda pool, n, desk: ids))
    with pytest.raises(LookupError, match="distinct texts|validation"):
        run(data, "lstm:cheat")


def test_pretrain_decides_where_the_network_starts(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[Sequence[str]] = []

    def start(texts: Sequence[str], shape: Mapping[str, int], desk: CellDesk) -> Start:
        seen.append(texts)
        words = ("<pad>", "<unk>", "rain", "boat", "soup")
        return Start({"embedding.weight": np.zeros((5, shape["embedding"]), np.float32)}, words)

    register(monkeypatch, Strategy("warm", "starts from zeros", pretrain=start))
    row = run(data, "lstm:warm", updates=1, rounds=1, learning_rate=1e-9)
    validation = {data.corpus.texts[i] for i in data.draws.sample(0, N).validation}
    assert not validation & set(seen[0]) and not set(data.corpus.test_texts) & set(seen[0])
    assert len(set(row.predicted)) == 1, "all-zero embeddings read every text alike"
    assert row.account.parameters < run(data, "lstm:plain").account.parameters


def test_double_trains_on_twice_the_labels_and_bills_n(data: Data) -> None:
    row, plain = run(data, "lstm:double"), run(data, "lstm:plain")
    assert row.account.labels_paid == plain.account.labels_paid == N
    assert row.account.examples == pytest.approx(2 * plain.account.examples, abs=2)


def test_repeat_and_augmentation_keep_the_number_of_updates(data: Data) -> None:
    rows = {a: run(data, f"lstm:{a}") for a in ("plain", "repeat", "eda_nn", "competence")}
    assert {r.account.updates for r in rows.values()} == {20}
    assert {r.account.examples for r in rows.values()} <= set(range(1, rows["plain"].n_train + 1))
    assert rows["eda_nn"].account.unlabelled == len(data.corpus.texts) - N
    assert rows["plain"].account.unlabelled == 0


def test_the_same_cell_gives_the_same_row(data: Data) -> None:
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
        return Cell(arm=grid.parse_arm("lstm"), **{**base, **changes})

    keys = [
        cell(), cell(n=20), cell(draw=1), cell(seed=1), cell(corpus="d"),
        cell(settings={"model": {"hidden": 8}}), cell(identity={"data": "y"}),
    ]  # fmt: skip
    assert len({grid.key(k) for k in keys}) == len(keys)
    assert grid.key(cell()) == grid.key(cell())


def test_the_articles_recipe_trains_on_nine_tenths_for_twenty_epochs(data: Data) -> None:
    arm = grid.parse_arm("lstm:article")
    params = config.load(data.folder.parent.parent / "params.yaml")
    settings = grid.default_settings(params, arm, N)["model"]
    assert (settings["optimizer"], settings["learning_rate"], settings["batch"]) == (
        "sgd",
        0.01,
        32,
    )
    assert settings["updates"] == 20 * 2  # 54 rows in batches of 32
    row = run(data, "lstm:article", **{**settings, "hidden": 8, "embedding": 8})
    sample = data.draws.sample(0, N)
    assert row.n_train == len(sample.train) + len(sample.validation) // 2
    assert row.n_train + row.n_validation == N
    assert {r.learning_rate for r in row.history} == {0.01}
    everything = run(data, "lstm:refit_all")
    assert (everything.n_train, everything.n_validation) == (N, 0)
    assert np.isnan(everything.validation_accuracy)


def test_k_center_covers_the_pool_better_than_chance(data: Data) -> None:
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
    assert row.account.unlabelled == len(data.corpus.texts) - N
