"""Teachers that are arms: what they predict, what they cost, what their students learn; co-training by hand."""

from dataclasses import replace

import numpy as np
import pytest

from datayield import config
from datayield.cells import context as context_module
from datayield.cells.context import CorpusTables
from datayield.core.arm import Arm
from datayield.core.errors import UserError
from datayield.core.types import TrainingSet
from datayield.models import pooling
from datayield.models.settings import ENCODER
from datayield.strategies import co_training, registry
from datayield.strategies.base import Strategy, StrategyContext
from datayield.strategies.self_training import rows_to_choose_by
from datayield.study import arms, data_stages
from datayield.testing import StrategyContract, build_tables
from datayield.testing.small_corpus import LABELS
from datayield.testing.strategy_contract import (
    cell_of,
    context_of,
    labelled_rows,
    memorising_row,
    random_labels,
)
from tests.conftest import small_params


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> CorpusTables:
    return build_tables(tmp_path_factory.mktemp("teachers"), [])


def _teachers(data: CorpusTables, *names: str) -> tuple[list[np.ndarray], object]:
    """What each arm predicts, trained one after the other in one context, and the cost."""
    context, cost = context_of(data, registry.make_strategy("distil_blend"))
    rows, texts = labelled_rows(data), data.corpus.test_texts
    return [context.fit_arm(rows, Arm.named(n)).predict(texts) for n in names], cost


def test_a_blend_is_the_mean_of_what_its_members_predict(data: CorpusTables) -> None:
    (one, two, linear), cost = _teachers(data, "lstm:plain", "lstm:mixup_word", "tfidf")
    (blend,), same = _teachers(data, "blend(lstm:plain, lstm:mixup_word, tfidf)")
    assert np.allclose(blend, (one + two + linear) / 3, atol=1e-6)
    assert cost.helper_fits == same.helper_fits == 3 and cost.tokens == same.tokens > 0
    (first, second), _ = _teachers(data, "lstm:plain", "lstm:plain")
    (mean,), _ = _teachers(data, "lstm:plain*2")
    assert not np.array_equal(first, second) and np.allclose(mean, (first + second) / 2, atol=1e-6)


def test_a_weighted_teacher_fits_its_exponents_on_a_fold_that_its_members_did_not_see(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[int] = []
    fitted = pooling.fitted_exponents
    monkeypatch.setattr(
        pooling, "fitted_exponents", lambda p, y: (seen.append(len(y)), fitted(p, y))[1]
    )
    (p,), cost = _teachers(data, "weighted(majority, tfidf)")
    rows = labelled_rows(data)
    folds = context_of(data, registry.make_strategy("distil_blend"))[0].folds(rows)
    assert seen == [int((folds == folds.min()).sum())] and 0 < seen[0] < len(rows) / 2
    assert cost.helper_fits == 4 and np.allclose(p.sum(1), 1, atol=1e-5)


def test_rounds_are_chosen_where_the_first_fold_is_held_out(data: CorpusTables) -> None:
    context, _ = context_of(data, registry.make_strategy("self_training"))
    rows = labelled_rows(data)
    folds = context.folds(rows)
    without_first = rows.take(np.flatnonzero(folds != folds.min()))
    chosen = rows_to_choose_by(without_first, context)
    assert 0 < chosen.sum() < len(chosen) / 2
    assert set(context.folds(without_first)[chosen]) == {sorted(set(folds))[1]}


def test_a_student_learns_its_teachers_probabilities(data: CorpusTables) -> None:
    made = registry.make_strategy(
        "distil_blend", {"teacher": "blend(majority, tfidf)", "texts": 40}
    )
    context, cost = context_of(data, made)
    rows = labelled_rows(data)
    out = made.transform(rows, context)
    added = out.take(np.arange(len(rows), len(out)))
    assert len(added) == 40 and not np.isin(added.parents, rows.parents).any()
    again, _ = context_of(data, made)
    p = again.fit_arm(rows, Arm.named("blend(majority, tfidf)")).predict(added.texts)
    assert np.allclose(added.targets, p, atol=1e-5)
    assert added.weights.sum() == pytest.approx(len(rows)) and cost.unlabelled > 0


def test_networks_of_a_teacher_have_their_own_architecture_and_settings(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    trained = []
    train = context_module.train
    monkeypatch.setattr(
        context_module, "train", lambda *job: (trained.append(job[2]), train(*job))[1]
    )
    context, _ = context_of(data, registry.make_strategy("distil_blend"))
    p = context.fit_arm(labelled_rows(data), Arm.named("gru:vat")).predict(["rain"])
    assert p.shape == (1, 3) and [(s.cell, s.normalised, s.hidden) for s in trained] == [
        ("gru", True, 6)
    ]
    context.fit_arm(labelled_rows(data), Arm.named("lstm-64"))
    assert (trained[1].cell, trained[1].normalised, trained[1].hidden) == ("lstm", False, 64)


WRONG = {
    3: "teacher: wanted an arm such as",
    "": "teacher: wanted an arm such as",
    "blend(lstm:plain": "the closing bracket of the blend is missing",
    "blend(lstm:pliny, tfidf)": 'unknown strategy "pliny"',
    "lsmt": 'unknown architecture "lsmt"',
    "nbsvm": "nbsvm gives no probabilities",
    "blend(lstm:entropy, tfidf)": "would use more labels",
    "lstm:double": "learns from other labels than its student",
    "blend(lstm:eda, tfidf)": "leave out the strategy that rewrites texts",
}


@pytest.mark.parametrize("teacher", WRONG, ids=str)
@pytest.mark.parametrize("name", ["distil_blend", "self_training_blend"])
def test_a_teacher_that_cannot_be_trained_is_refused_before_any_training(
    name: str, teacher: object
) -> None:
    raw = small_params("0" * 64)
    raw["study"]["grid"] = [{"arms": ["lstm:plain", f"lstm:{name}"], "budgets": [30]}]
    raw["strategies"] = {name: {"teacher": teacher}}
    with pytest.raises(UserError) as caught:
        data_stages.checked_params(config.parse(raw))
    assert WRONG[teacher] in str(caught.value) and name in str(caught.value)


def test_what_a_teacher_reads_its_student_reads_too() -> None:
    arm = arms.parse_arm("lstm:distil_blend")
    from_outside = {"distil_blend": {"teacher": f"blend(lstm:lm, {ENCODER})"}}
    taught = registry.compose(arm.strategies, from_outside)
    assert taught.precomputed == (ENCODER,) and taught.needs("language_model")
    assert [p.name for p in taught.with_teachers] == ["distil_blend", "lm"]
    assert arms.describe(arm, from_outside)["outside"] and "outside" not in arms.describe(arm)
    assert ENCODER in arms.describe(arm, from_outside)["summary"]


def test_a_teacher_that_knows_hidden_labels_is_found(
    data: CorpusTables, monkeypatch: pytest.MonkeyPatch
) -> None:
    oracle = random_labels(data)
    truth = dict(
        zip(oracle.corpus.texts, np.eye(3, dtype=np.float32)[oracle.corpus.labels], strict=True)
    )

    def transform(rows: TrainingSet, context: StrategyContext) -> TrainingSet:
        texts = tuple(context.unlabelled[i] for i in range(len(context.unlabelled_ids)))
        return TrainingSet(
            (*rows.texts, *texts),
            np.concatenate([rows.targets, np.array([truth[t] for t in texts])]),
            np.ones(len(rows) + len(texts), np.float32),
            np.concatenate([rows.parents, context.unlabelled_ids]),
        )

    thief = Strategy("thief", "has a teacher that knows", transform=transform, unlabelled=True)
    monkeypatch.setitem(registry.registered(), "thief", lambda: thief)
    assert memorising_row("thief", oracle).accuracy > 0.9
    with pytest.raises(AssertionError, match="a hidden label was seen"):
        StrategyContract().test_hidden_labels_stay_hidden(thief, oracle)


# --- co-training


def test_each_model_labels_what_it_is_surest_of_in_the_shares_of_the_labels() -> None:
    p = np.array([[0.9, 0.1], [0.6, 0.4], [0.2, 0.8], [0.7, 0.3], [0.45, 0.55]], np.float32)
    chosen, classes = co_training.surest(p, np.array([2, 1]))
    assert chosen.tolist() == [0, 3, 2] and classes.tolist() == [0, 0, 1]
    chosen, classes = co_training.surest(p, np.array([9, 0]))
    assert chosen.tolist() == [0, 3, 1] and classes.tolist() == [0, 0, 0]
    assert co_training.class_counts(np.array([30.0, 9.0, 0.0]), 0.1).tolist() == [3, 1, 0]


class Written:
    """A context in which both models know how sure they are of each text; `right` says how often."""

    def __init__(self, right: tuple[float, ...]) -> None:
        self.rng = np.random.default_rng(0)
        self.unlabelled = [f"text {i}" for i in range(100)]
        self.unlabelled_ids = np.arange(100, 200)
        self.labelled = np.arange(10)
        self.right, self.fitted = list(right), []

    def folds(self, rows: TrainingSet) -> np.ndarray:
        return np.where(rows.parents < 100, rows.parents % 5, -1)

    def fit(self, rows: TrainingSet, kind: str = "network") -> object:
        self.fitted.append((kind, len(rows)))
        networks = sum(k == "network" for k, _ in self.fitted)
        wrong = self.right[networks - 1] if networks <= len(self.right) else 1.0

        def predict(texts: list[str]) -> np.ndarray:
            numbers = np.array([int(t.split()[1]) for t in texts])
            sure = 0.6 + numbers / 300
            label = (numbers + (kind == "linear")) % 2
            if wrong < 1 and kind == "network":
                label = np.where(
                    np.arange(len(texts)) < wrong * len(texts), numbers % 2, 1 - numbers % 2
                )
            return np.where(label[:, None] == [0, 1], sure[:, None], 1 - sure[:, None])

        return type("Fitted", (), {"predict": staticmethod(predict)})


def _paid() -> TrainingSet:
    ids = np.arange(10)
    targets = np.eye(2, dtype=np.float32)[ids % 2]
    return TrainingSet(tuple(f"text {i}" for i in ids), targets, np.ones(10, np.float32), ids)


def test_co_training_takes_as_many_rounds_as_the_labels_prefer() -> None:
    made = registry.make_strategy("co_training", {"rounds": 3, "added": 0.2})
    context = Written((0.0, 0.5, 1.0, 0.5))  # the third network, after two rounds, is best
    out = made.transform(_paid(), context)
    assert [n for k, n in context.fitted if k == "network"][:4] == [8, 12, 16, 20]
    assert len(out) == 10 + 2 * 4, "two rounds, in each two texts of each model"
    assert len(np.unique(out.parents)) == len(out), "no text is labelled twice"
    assert replace(out.take(np.arange(10))).texts == _paid().texts
    none = made.transform(_paid(), Written((1.0, 0.5, 0.5, 0.5)))
    assert len(none) == 10, "a round that does not help is not taken"


def test_students_train_within_their_budget_with_any_teacher(data: CorpusTables) -> None:
    from datayield.cells.run import run_cell

    cell = cell_of(["distil_blend"], {"hidden": 6, "embedding": 6, "batch": 8}, 10, 5)
    settings = {**cell.settings, "distil_blend": {"teacher": f"weighted({ENCODER}, lstm:lm)"}}
    row = run_cell(replace(cell, settings=settings), data)
    assert row.cost.labels_paid == LABELS and row.cost.examples == LABELS
    assert row.cost.helper_fits == 4 and row.cost.language_models and row.cost.prepare_seconds > 0
