"""A stack trains what `train` trains, and each network the same whatever is stacked beside it."""

import json
import os
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
import torch

from datayield import config
from datayield.cells import stacking
from datayield.cells.context import CorpusTables
from datayield.cells.draws import FOLDS
from datayield.cells.run import run_cells
from datayield.cells.trial import run_trial
from datayield.core import seeds, tables
from datayield.core.types import Cell, Cost, Row, Settings, TrainingProgress, TrainingSet
from datayield.models import encoding
from datayield.models.device import array, configure, tensor
from datayield.models.stacked import random_numbers, stack_trainer
from datayield.models.trainer import Trained, TrainingHooks, TrainingJob, train
from datayield.strategies import registry
from datayield.strategies.base import Strategy
from datayield.study import data_stages, grid
from datayield.study.arms import default_settings, parse_arm
from tests.conftest import flow, read_params, write_params

STILL = {"dropout": 0.0, "word_dropout": 0.0, "embedding_dropout": 0.0}
SMALL = {"hidden": 6, "embedding": 10, "batch": 16, "updates": 24, "rounds": 4, "evaluations": 2}
TURNS = ("a study", "turns")


@pytest.fixture(autouse=True)
def nothing_kept() -> Iterator[None]:
    stack_trainer._kept.clear()
    yield
    stack_trainer._kept.clear()


@pytest.fixture(params=["cpu", "cuda"])
def device(request: pytest.FixtureRequest) -> Iterator[str]:
    """What a stack is for, and the processor, on which the same code runs without graphs."""
    if request.param == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    configure(request.param)
    yield request.param
    configure("cpu")


def job(number: int, rows: int = 60, longest: int = 20, **model: object) -> TrainingJob:
    """Texts whose class follows from some of their words; other numbers, other words."""
    rng = np.random.default_rng([7, number])

    def texts(count: int) -> tuple[tuple[str, ...], np.ndarray]:
        labels = rng.integers(0, 3, count)
        lines = tuple(
            " ".join(
                f"w{label if rng.random() < 0.3 else rng.integers(3, 40 + 300 * number)}"
                for _ in range(rng.integers(1, longest + 1))
            )
            for label in labels
        )
        return lines, labels

    (lines, labels), held = texts(rows), texts(11 + number)
    training_set = TrainingSet(
        lines, np.eye(3, dtype=np.float32)[labels], rng.uniform(0.5, 1.5, rows).astype(np.float32),
        np.arange(rows),
    )  # fmt: skip
    return TrainingJob(
        training_set, held, Settings.from_dict({**SMALL, **model}), TrainingHooks(), ("net", number)
    )


def same(a: Trained, b: Trained) -> bool:
    """Whether weights, history and what was shown are equal to the last bit."""
    weights = zip(a.model.parameters(), b.model.parameters(), strict=True)
    history = [np.array([list(asdict(h).values()) for h in t.history], float) for t in (a, b)]
    return (
        all(torch.equal(p, q) for p, q in weights)
        and np.array_equal(*history, equal_nan=True)
        and np.array_equal(a.presentations.rows, b.presentations.rows)
        and np.array_equal(a.presentations.p_label, b.presentations.p_label)
    )


@pytest.mark.parametrize(
    "model",
    [
        {},
        {"pooling": "last"},
        {"bidirectional": False},
        {"decay": False, "clip": 0.05},
        {"cell": "gru"},
        {"optimizer": "sgd", "learning_rate": 0.3},
        {"updates": 3, "rounds": 4},
    ],
    ids=["default", "last", "one way", "clipped", "gru", "sgd", "more rounds than updates"],
)
def test_a_stack_trains_what_one_training_does(device: str, model: dict[str, object]) -> None:
    """All rows in every batch, so that the order of batches is the same; without dropout."""
    jobs = [job(k, rows=16 - 3 * k, **{**STILL, **model}) for k in range(3)]
    for ours, wanted in zip(
        stack_trainer.train_together(jobs, TURNS), [train(*j) for j in jobs], strict=True
    ):
        for h, w in zip(ours.history, wanted.history, strict=True):
            told, asked = asdict(h), asdict(w)
            assert told["updates"] == asked["updates"]
            assert told["learning_rate"] == asked["learning_rate"]
            assert np.allclose(
                list(told.values()), list(asked.values()), atol=1e-4, equal_nan=True
            ), "the same rates, losses and scores"
        for p, q in zip(ours.model.parameters(), wanted.model.parameters(), strict=True):
            assert torch.allclose(p, q, atol=5e-4)
        assert ours.tokens == wanted.tokens
        texts = ["w1 w2 w9", "nothing known"]
        assert np.allclose(ours.predict(texts), wanted.predict(texts), atol=1e-3)


@pytest.mark.parametrize("kind", ["lstm", "gru"])
def test_neighbours_change_nothing(device: str, kind: str) -> None:
    """Longer texts, more words and more rows beside it: the network is the same to the last bit."""
    own = {"cell": kind, "clip": 0.05}  # so that every gradient's length matters
    jobs = [job(0, **own), job(9, rows=300, longest=60, **own), job(5, rows=30, longest=3, **own)]
    unlabelled = stack_trainer.train_together(jobs, TURNS)
    for k in (0, 2):
        assert same(stack_trainer.train_together([jobs[k]], TURNS)[0], unlabelled[k])
    turned = stack_trainer.train_together(jobs[::-1], TURNS)
    assert all(same(a, b) for a, b in zip(turned, unlabelled[::-1], strict=True))


def test_more_networks_than_places_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 32 jobs for a stack, got 33"):
        stack_trainer.train_together([job(0)] * 33, TURNS)


def test_a_stack_that_served_before_leaves_nothing_behind(device: str) -> None:
    first = stack_trainer.train_together([job(0), job(9, rows=300)], TURNS)
    (kept,) = stack_trainer._kept.values()
    again = stack_trainer.train_together([job(9, rows=300), job(0)], TURNS)
    assert same(first[0], again[1]) and same(first[1], again[0])
    assert kept in stack_trainer._kept.values()
    small = stack_trainer.train_together([job(0)], TURNS)
    assert same(small[0], first[0]) and kept.room == 2048, "in a table with room for more"
    stack_trainer._kept.clear()
    assert same(stack_trainer.train_together([job(0)], TURNS)[0], first[0])


def test_it_learns_as_one_training_does(device: str) -> None:
    """With dropout and its own order of batches nothing is equal but what is learnt."""
    jobs = [job(k, rows=150, longest=12, updates=200, batch=16) for k in range(6)]
    ours = [t.history[-1].train_accuracy for t in stack_trainer.train_together(jobs, TURNS)]
    alone = [train(*j).history[-1].train_accuracy for j in jobs]
    assert abs(np.mean(ours) - np.mean(alone)) < 0.05
    assert min(ours) > 0.5, "a third is chance"


def test_dropout_is_drawn_from_a_hash_of_network_update_and_place(device: str) -> None:
    networks, turn = tensor(np.arange(32)), tensor(np.array(7))
    drawn = random_numbers.uniform(networks, turn, 16, 300).cpu()
    assert drawn.shape == (32, 16, 300)
    assert drawn.min() >= 0 and drawn.max() < 1
    assert abs(drawn.mean() - 0.5) < 0.005 and abs(drawn.std() - 12**-0.5) < 0.005
    correlations = np.corrcoef(drawn.flatten(1).numpy()) - np.eye(32)
    assert np.abs(correlations).max() < 0.1, "networks draw on their own"
    later = random_numbers.uniform(networks, turn + 1, 16, 300).cpu()
    assert abs(np.corrcoef(drawn.flatten().numpy(), later.flatten().numpy())[0, 1]) < 0.02
    one = random_numbers.uniform(networks[3:4], turn, 16, 300).cpu()
    assert torch.equal(one[0], drawn[3])
    # The same arithmetic in numpy's unsigned numbers.
    z = np.array([0, 1, 2**63 + 12345], np.uint64)
    mixed = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed = mixed ^ (mixed >> np.uint64(31))
    ours = array(random_numbers.mixed(tensor(z.astype(np.int64)))).astype(np.uint64)
    assert np.array_equal(ours, mixed)


def test_long_texts_come_at_the_same_updates() -> None:
    """Every row once a pass; the batch of an update stands where its turn stands in the window."""
    order = np.random.default_rng(0).random(40)

    def batches(seed: int, count: int) -> list[np.ndarray]:
        rng = np.random.default_rng(seed)
        lengths = rng.integers(1, 60, count)
        stream = encoding.row_stream(
            np.arange(count), lengths, 16, rng, lambda update, n: order[update : update + n]
        )
        taken = [next(stream) for _ in range(16)]
        assert count % 16 or sorted(np.concatenate(taken[: count // 16])) == [*range(count)]
        return [lengths[b].mean() for b in taken]

    many = np.array([batches(seed, 256) for seed in range(5)])
    assert np.corrcoef(many)[np.triu_indices(5, 1)].min() > 0.9
    assert np.argmax(many.mean(0)) == np.argmax(order[:16])


# Which cells are stacked


def cell(arm: str = "lstm:plain", draw: int = 0, device: str = "cuda", **more: object) -> Cell:
    parsed = parse_arm(arm)
    model = {**SMALL, "cell": "gru" if arm.startswith("gru") else "lstm", **more}
    chosen = {"model": asdict(Settings.from_dict(model))} if parsed.strategies else {}
    identity = {"study_seed": 5, "device": device, "precision": "fp32", "validation_folds": 1}
    return Cell("written", 60, parsed, draw, 0, chosen, identity)


@pytest.mark.parametrize(
    ("own", "stacks"),
    [
        (cell(), True),
        (cell("lstm:competence"), True),
        (cell("lstm:eda_nn"), True),
        (cell("lstm:margin"), True),
        (cell(device="cpu"), False),
        (cell("lstm:mixup_word"), False),
        (cell("lstm:vectors"), False),
        (cell("gru:plain"), True),
        (cell(optimizer="sgd"), True),
        (cell("lstm:vat"), False),
        (cell("tfidf"), False),
        (cell(layers=2), False),
        (cell(batch=12), False),
        (cell(batch=13), True),
        (cell(ema=20), False),
        (cell(windows=2), False),
        (replace(cell(), identity={**cell().identity, "precision": "bf16"}), False),
    ],
)
def test_a_cell_is_stacked_by_what_it_is(own: Cell, stacks: bool) -> None:
    assert (stacking.stack_key(own) is not None) == stacks


def test_lots_hold_cells_of_equal_settings() -> None:
    cells = [cell(draw=d, **more) for d in range(40) for more in ({}, {"hidden": 5})]
    cells.insert(3, cell("lstm:mixup_word"))
    cells.append(replace(cell(), corpus="another"))
    units_of_work = stacking.work_units(cells, lambda c: 1.0)
    assert sorted(map(len, units_of_work)) == [1, 1, 8, 8, 32, 32]
    assert units_of_work[0][0] == cells[0] and [cells[3]] in units_of_work
    assert all(len({stacking.stack_key(c) for c in work_unit}) == 1 for work_unit in units_of_work)
    assert [
        c for work_unit in units_of_work for c in work_unit if c.settings["model"]["hidden"] == 5
    ] == [c for c in cells if c.settings["model"]["hidden"] == 5]
    alone = stacking.work_units([cell(device="cpu", draw=d) for d in range(3)], lambda c: 1.0)
    assert [len(work_unit) for work_unit in alone] == [1, 1, 1]


def test_long_lots_come_first_and_take_no_more_cells() -> None:
    """Helpers are fitted one by one, so that one worker would be left alone with many."""
    costly = [cell("lstm:margin", draw=d) for d in range(4)]
    plain = [cell(draw=d, hidden=7) for d in range(32)]
    others = [cell("lstm:mixup_word", draw=d) for d in range(3)]

    def seconds(c: Cell) -> float:
        return {"margin": 40.0, "mixup_word": 5.0, "plain": 1.0}[c.arm.strategies[0]]

    units_of_work = stacking.work_units([*costly, *others, *plain], seconds)
    assert units_of_work == [costly[:2], costly[2:], plain, *([c] for c in others)]


def test_only_keys_of_a_gpu_say_how_they_are_trained(staged: Path) -> None:
    params = config.load(staged / "params.yaml")
    scope = data_stages.scope(params, "written", staged)
    told = {}
    for device in ("cpu", "cuda"):
        for arm in ("lstm:plain", "lstm:mixup_word", "tfidf"):
            parsed = parse_arm(arm)
            chosen = default_settings(params, parsed, 30)
            if "model" in chosen:
                chosen["model"]["batch"] = 16
            made = grid.cell(params, replace(scope, device=device), parsed, 30, 0, 0, chosen)
            told[device, arm] = made.identity.get("stack")
    assert [told["cuda", a] for a in ("lstm:plain", "lstm:mixup_word", "tfidf")] == [1, 0, None]
    assert {v for (device, _), v in told.items() if device == "cpu"} == {None}


def _late(training_set: TrainingSet, past: TrainingProgress, rng: np.random.Generator) -> None:
    if past.round == 2:
        raise ValueError("fails in mid-training")


@pytest.fixture(scope="module")
def data(staged: Path) -> CorpusTables:
    return CorpusTables.load(staged / "data" / "written")


def test_rows_of_a_lot_are_rows_of_its_cells(
    device: str, data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With cells that fail early, while training and late: each says so, and the others go on."""
    monkeypatch.setitem(registry.registered(), "late", lambda: Strategy("late", "", schedule=_late))
    arms = ["lstm:plain", "lstm:repeat", "lstm:competence", "lstm:self_paced", "lstm:double"]
    work_unit = [cell(arm, draw=d) for d in (0, 1) for arm in arms]
    broken = replace(cell(), draw=99)
    found = list(run_cells([*work_unit[:2], broken, *work_unit[2:], cell("lstm:late")], data))
    assert isinstance(found.pop(2), Exception)
    assert str(found.pop()) == "fails in mid-training"
    for own, row in zip(work_unit, found, strict=True):
        assert isinstance(row, Row) and row.cell == own
        (alone,) = run_cells([own], data)
        assert isinstance(alone, Row)
        assert np.array_equal(alone.predicted, row.predicted)
        assert alone.probabilities is not None and row.probabilities is not None
        assert np.array_equal(alone.probabilities.held_out, row.probabilities.held_out)
        assert alone.n_validation == row.n_validation > 0
        assert repr(alone.history) == repr(row.history), (
            "held-out texts are scored in a stack as alone"
        )
        assert alone.cost.tokens == row.cost.tokens > 0
        assert alone.cost.updates == row.cost.updates == 24
        assert row.dynamics is not None and 0 < row.cost.train_seconds < row.cost.cell_seconds
    assert len({tuple(r.predicted) for r in found if isinstance(r, Row)}) > 5


def test_folds_of_a_trial_are_one_stack(
    device: str, data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Judged fold by fold as ever: a floor that a fold lies below ends the trial's steps there."""
    own = replace(cell(), draw=-1)
    stacks: list[int] = []

    def noted(jobs: Sequence[TrainingJob], turns: tuple[seeds.Key, ...]) -> list[Trained]:
        stacks.append(len(jobs))
        return train_together(jobs, turns)

    train_together = stack_trainer.train_together
    monkeypatch.setattr(stack_trainer, "train_together", noted)
    found = run_trial(own, data)
    again = run_trial(own, data, thresholds=(0.0, 1.1))
    assert stacks == [FOLDS, FOLDS] and found["updates"] == FOLDS * 24
    assert len(found["steps"]) == FOLDS and not found["stopped"]
    assert again["steps"] == found["steps"][:2] and again["stopped"]
    one_by_one = run_trial(replace(own, identity={**own.identity, "device": "cpu"}), data)
    assert len(stacks) == 2 and one_by_one["tokens"] == pytest.approx(found["tokens"], rel=0.1)


AS_A_GPU = """
from datayield.models import device

configure = device.configure
device.configure = lambda device='cpu', precision='fp32': configure('cpu', precision)
device.check = lambda device, precision: None
"""
FAULTY = """
import os
from datayield.strategies.base import Strategy

def fail(rows, context): raise ValueError('never works')
def die(rows, context): os._exit(9)
def faulty(): return Strategy('faulty', 'raises', transform=fail)
def deadly(): return Strategy('deadly', 'ends its process', transform=die)
"""


@pytest.mark.slow
def test_a_study_of_stacks_goes_on_where_it_ended(project: Path) -> None:
    """By flow and workers, on a processor that passes for a GPU: whatever is left to compute is
    stacked with whatever else is left, and rows are the same.
    """
    plugin = project / "plugin"
    (plugin / "faulty-1.dist-info").mkdir(parents=True)
    (plugin / "faulty-1.dist-info" / "METADATA").write_text("Name: faulty\nVersion: 1\n")
    (plugin / "faulty-1.dist-info" / "entry_points.txt").write_text(
        "[datayield.strategies]\nfaulty = faulty:faulty\ndeadly = faulty:deadly\n"
    )
    (plugin / "faulty.py").write_text(FAULTY)
    (plugin / "sitecustomize.py").write_text(AS_A_GPU)
    paths = {"PYTHONPATH": f"{plugin}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    params = read_params(project)
    arms = ["lstm:plain", "lstm:repeat", "lstm:competence", "lstm:mixup_word", "lstm:faulty"]
    blocks = [{"arms": [*arms, "majority"], "budgets": [30, 60]}]
    blocks.append({"arms": ["lstm:deadly"], "budgets": [60]})
    params["study"] |= {"draws": 2, "grid": blocks}
    params["execution"] |= {"device": "cuda", "workers": 2}
    params["tuning"] = {"trials": 0}
    params["model"]["batch"] = 16
    write_params(project, params)
    results, store = project / "results" / "written", project / "state" / "cells"
    assert flow(project, "tune", **paths).returncode == 0

    def rows() -> list[dict[str, object]]:
        done = flow(project, "study", **paths)
        assert done.returncode == 0, done.stderr
        assert done.stderr.count("failed: written lstm:faulty") == 4, "named, cell by cell"
        assert done.stderr.count("failed: written lstm:deadly") == 2, "and not those beside it"
        cells = tables.read_table(results / "cells.parquet", tables.CELLS)
        found: list[dict[str, object]] = cells.drop_columns(list(Cost.MEASURED)).to_pylist()
        return found

    first = rows()
    assert len(first) == 2 * 2 * 5
    stacked_cells = [json.loads(str(row["identity"])).get("stack") == 1 for row in first]
    assert sum(stacked_cells) == 2 * 2 * 3, "all networks but those of mixup_word"
    missing = json.loads((results / "study.json").read_text())["missing"]
    errors = sorted(m["error"] for m in missing)
    assert errors[:4] == ["ValueError: never works"] * 4 and len(errors) == 6
    assert all("ended with status 9" in e for e in errors[4:])
    for name in ("cells.parquet", "history.parquet"):
        (results / name).unlink()
    kept = sorted(store.glob("*.json"))
    for path in kept[::2]:
        path.unlink()
    params["execution"]["workers"] = 1
    write_params(project, params)
    assert repr(rows()) == repr(first)
    assert len(list(store.glob("*.json"))) == len(kept)
