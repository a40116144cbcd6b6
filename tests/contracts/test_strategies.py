"""What every registered strategy must keep; runs over the whole list."""

from dataclasses import asdict, fields, replace

import numpy as np
import pytest
import torch

from datayield import grid, strategies
from datayield.case import SEED_LABELS
from datayield.desk import CellDesk, Data
from datayield.encode import Vocabulary, batch_of, encode
from datayield.model import Classifier, initialise
from datayield.run import run_cell
from datayield.strategies import active
from datayield.strategies.base import Plan, Strategy
from datayield.strategies.operations import MARKS
from datayield.types import Account, Cell, Past, Pool, Settings, TrainingSet
from tests.contracts.conftest import NAMES, N, having


def _desk(data: Data, strategy: Strategy, key: int = 1) -> tuple[CellDesk, Account]:
    account = Account(labels_paid=N)
    sample = data.draws.sample(0, N)
    known = sample.train[: min(SEED_LABELS, len(sample.train) // 2)]
    settings = Settings(hidden=6, embedding=6, updates=4, rounds=2)
    start = known if strategy.acquire else sample.train
    return CellDesk(data, sample, settings, account, (key,), strategy, start), account


def _rows(data: Data) -> TrainingSet:
    ids = data.draws.sample(0, N).train
    targets = np.eye(3, dtype=np.float32)[data.corpus.labels[ids]]
    texts = tuple(data.corpus.texts[i] for i in ids)
    return TrainingSet(texts, targets, np.ones(len(ids), np.float32), ids)


def _frozen(rows: TrainingSet) -> TrainingSet:
    for f in fields(rows):
        value = getattr(rows, f.name)
        if isinstance(value, np.ndarray):
            value.flags.writeable = False
    return rows


@pytest.mark.parametrize("name", NAMES)
def test_declares_itself(name: str) -> None:
    made = strategies.make(name)
    assert made.name == name
    assert made.summary
    assert made.summary[0].islower() and not made.summary.endswith(".")
    assert made.version >= 1
    known = strategies.arguments_of(name, {})
    assert {k.name for k in made.space} <= set(known)
    assert made.role in ("plain", "strategy", "control", "check")
    assert made.role != "check" or made.plan
    if made.role == "strategy":
        assert made.source, "a published method names its source"


@pytest.mark.parametrize("name", having("prepare"))
def test_prepare_keeps_parents_weights_and_labels(name: str, data: Data) -> None:
    made = strategies.make(name)
    desk, account = _desk(data, made)
    rows = _frozen(_rows(data))
    before = replace(rows)
    out = made.prepare(rows, desk)
    assert rows == before, "arguments are not changed in place"
    paid = set(rows.parents)
    assert set(out.parents) <= paid | set(desk.unlabelled_ids), "derived texts keep their parent"
    assert not set(out.parents) & set(data.draws.sample(0, N).validation)
    assert np.isfinite(out.weights).all() and (out.weights >= 0).all() and out.weights.sum() > 0
    assert np.allclose(out.targets.sum(1), 1, atol=1e-6) and (out.targets >= 0).all()
    assert len(out.texts) == len(out.targets) == len(out.weights) == len(out.parents)
    assert all(isinstance(t, str) and t.strip() for t in out.texts)
    assert account.labels_paid == N
    again = made.prepare(_rows(data), _desk(data, made)[0])
    assert again.texts == out.texts and np.array_equal(again.targets, out.targets)


@pytest.mark.parametrize("name", having("present"))
def test_present_shows_known_rows_and_all_in_the_end(name: str, data: Data) -> None:
    made = strategies.make(name)
    desk, _ = _desk(data, made)
    rows = _frozen(made.prepare(_rows(data), desk) if made.prepare else _rows(data))
    seen = np.full(rows.targets.shape, np.nan, np.float32)
    for progress in (0.0, 0.1, 0.3, 0.6, 0.99):
        past = Past(int(progress * 20), progress, 8, seen)
        shown = made.present(rows, past, np.random.default_rng(0))
        same = made.present(rows, past, np.random.default_rng(0))
        if shown is None:
            continue
        assert len(shown) and shown.min() >= 0 and shown.max() < len(rows)
        assert np.array_equal(shown, same), "one key, one result"


@pytest.mark.parametrize("name", having("objective"))
def test_objective_gives_a_finite_loss_per_example(name: str, data: Data) -> None:
    made = strategies.make(name)
    rows = _rows(data)
    vocabulary = Vocabulary.of(rows.texts)
    model = Classifier(Settings(hidden=6, embedding=6), len(vocabulary), 3)
    initialise(model, vocabulary, ("k",))
    batch = batch_of(encode(rows.texts, vocabulary, 64), rows, np.arange(8))

    def judged() -> torch.Tensor:
        torch.manual_seed(0)
        return made.objective(model, batch, (), None, np.random.default_rng(0))[0]

    loss = judged()
    assert loss.shape == (8,) and torch.isfinite(loss).all()
    loss.mean().backward()
    assert all(p.grad is not None and torch.isfinite(p.grad).all() for p in model.parameters())
    assert torch.equal(loss, judged()), "one key, one result"


def _longest(pool: Pool, n: int, desk: CellDesk) -> np.ndarray:
    """An acquiring strategy: the longest texts that may be asked for."""
    order = np.argsort([-len(t) for t in pool.texts], kind="stable")
    allowed = set(desk.candidates) - set(desk.labelled)
    return np.array([*desk.labelled, *(i for i in order if i in allowed)][:n])


ACQUIRING = [Strategy("longest", "labels the longest texts", acquire=_longest)] + [
    strategies.make(n) for n in having("acquire")
]


@pytest.mark.parametrize("made", ACQUIRING, ids=lambda s: s.name)
def test_acquire_stays_within_its_budget(made: Strategy, data: Data) -> None:
    desk, _ = _desk(data, made)
    sample = data.draws.sample(0, N)
    ids = made.acquire(Pool(data.corpus.texts), len(sample.train), desk)
    assert len(set(ids)) == len(sample.train) and set(desk.labelled) <= set(ids)
    again = made.acquire(Pool(data.corpus.texts), len(sample.train), _desk(data, made)[0])
    assert np.array_equal(ids, again)
    assert not np.isin(data.corpus.units[ids], data.corpus.units[sample.validation]).any()
    assert not set(ids) & set(sample.validation)


@pytest.mark.parametrize("name", having("rewrite"))
def test_rewrites_depend_on_their_key_alone(name: str) -> None:
    rewrite = strategies.make(name).rewrite

    class Few:
        def synonyms(self, word: str) -> tuple[str, ...]:
            return {"rain": ("drizzle", "shower"), "boat": ("ship",)}.get(word, ())

    words = "the rain fell on the old boat .".split()
    for k in range(rewrite.variants(10_000)):
        one = rewrite.write(list(words), Few(), k, np.random.default_rng(k))
        two = rewrite.write(list(words), Few(), k, np.random.default_rng(k))
        assert one == two and one
        assert set(one) <= {*words, "drizzle", "shower", "ship", *MARKS}
        assert rewrite.write(["rain"], Few(), k, np.random.default_rng(k))


def test_an_acquirer_may_ask_for_more_at_once_than_it_looks_at(
    data: Data, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(active, "LOOKED_AT", 3)
    made = strategies.make("entropy", {"rounds": 1})
    sample = data.draws.sample(0, N)
    ids = made.acquire(Pool(data.corpus.texts), len(sample.train), _desk(data, made)[0])
    assert len(set(ids)) == len(sample.train)


def test_texts_that_were_acquired_are_labelled_and_the_others_are_not(data: Data) -> None:
    desk, _ = _desk(data, strategies.make("distil"))
    sample = data.draws.sample(0, N)
    ids = np.concatenate([sample.train[:5], sample.rest[: len(sample.train) - 5]])
    desk.acquired(ids)
    assert np.array_equal(desk.labelled, ids) and not np.isin(ids, desk.unlabelled_ids).any()
    assert set(sample.train[5:]) < set(desk.unlabelled_ids)
    assert not np.isin(sample.validation, desk.unlabelled_ids).any()
    assert len(desk.unlabelled) == len(data.corpus.texts) - N


@pytest.mark.parametrize("name", NAMES)
def test_helper_fits_are_declared(name: str, data: Data) -> None:
    made = strategies.make(name)
    desk, account = _desk(data, made)
    if made.acquire:
        made.acquire(Pool(data.corpus.texts), len(data.draws.sample(0, N).train), desk)
    elif made.prepare:
        made.prepare(_rows(data), desk)
    assert made.compute or not account.helper_fits


def test_desk_refuses_what_was_not_paid_or_declared(data: Data) -> None:
    desk, _ = _desk(data, strategies.make("plain"))
    sample = data.draws.sample(0, N)
    with pytest.raises(LookupError, match="validation"):
        desk.ask(sample.validation[:1])
    with pytest.raises(LookupError, match="paid for"):
        desk.ask(sample.rest[:1])
    with pytest.raises(LookupError, match="without naming it"):
        desk.facts.difficulty("length", sample.train)


def test_helpers_learn_and_are_charged(data: Data) -> None:
    desk, account = _desk(data, strategies.make("plain"))
    for kind in ("linear", "network"):
        p = desk.fit(_rows(data), kind).predict(data.corpus.test_texts[:5])
        assert p.shape == (5, 3) and np.allclose(p.sum(1), 1, atol=1e-5)
    assert account.helper_fits == 2 and account.tokens > 0
    assert len(desk.unlabelled) == len(data.corpus.texts) - N
    assert account.unlabelled == len(desk.unlabelled)


def test_compositions_are_canonical_and_exclusive() -> None:
    assert strategies.canonical(["mixup_word", "eda_nn"]) == ("eda_nn", "mixup_word")
    assert strategies.canonical(["plain", "eda_nn"]) == ("eda_nn",)
    assert strategies.canonical(["plain"]) == ("plain",)
    both = strategies.compose(["competence", "eda_nn"], {})
    assert both.role == "strategy" and both.facts == ("difficulties", "neighbours")
    with pytest.raises(strategies.UserError, match="cannot be combined"):
        strategies.compose(["twin", "double"], {})
    with pytest.raises(strategies.UserError, match="named twice"):
        strategies.canonical(["eda_nn", "eda_nn"])
    with pytest.raises(strategies.UserError, match='did you mean "eda_nn"'):
        strategies.make("eda_mn")
    with pytest.raises(strategies.UserError, match='did you mean "alpha"'):
        strategies.make("eda_nn", {"alhpa": 0.1})


def test_checks_rewrite_the_plan_alone() -> None:
    plan = Plan(100, 0)
    checks = {n: strategies.make(n).plan for n in ("twin", "double", "permuted_labels")}
    assert checks["twin"](plan).seed != 0 and checks["twin"](plan).labels == 100
    assert checks["double"](plan) == Plan(200, 0)
    assert checks["permuted_labels"](plan) == Plan(100, 0, permuted=True)


def _compositions(count: int) -> list[tuple[str, ...]]:
    """Random compositions of two or three strategies that do not want the same exclusive verb."""
    rng = np.random.default_rng(11)
    free = [n for n in NAMES if strategies.make(n).role in ("strategy", "control")]
    found: list[tuple[str, ...]] = []
    while len(found) < count:
        names = tuple(rng.choice(free, int(rng.integers(2, 4)), replace=False))
        try:
            strategies.compose(names, {})
        except strategies.UserError:
            continue
        found.append(names)
    return found


@pytest.mark.parametrize("names", _compositions(24), ids="+".join)
def test_compositions_train_and_stay_within_the_budget(names: tuple[str, ...], data: Data) -> None:
    arm = grid.parse_arm(f"lstm:{'+'.join(names)}")
    pinned = strategies.compose(arm.strategies, {}).pins(N)
    wanted = {"hidden": 6, "embedding": 6, "batch": 8, **pinned, "updates": 10, "rounds": 5}
    chosen = {"model": asdict(Settings.of(wanted))}
    one, two = (
        run_cell(Cell("written", N, arm, 0, 0, chosen, {"study_seed": 5}), data) for _ in range(2)
    )
    assert np.array_equal(one.predicted, two.predicted), "one key, one result"
    assert one.account.labels_paid == N and one.account.examples <= one.n_train
    assert one.n_train + one.n_validation == N
