"""Checks what every strategy must keep: budgets, labels, parents, repeatability, declarations."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from typing import Any, ClassVar, TypeVar

import numpy as np
import pytest
from numpy.typing import NDArray

from datayield.cells import draws
from datayield.cells.context import CellContext
from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.fit import SEED_LABELS
from datayield.cells.run import run_cell
from datayield.core.types import (
    Cell,
    Cost,
    Pool,
    Row,
    Settings,
    TrainingProgress,
    TrainingSet,
)
from datayield.models import device
from datayield.models.classifier import Classifier, initialise
from datayield.models.encoding import Vocabulary, batch_of, encode
from datayield.strategies import registry
from datayield.strategies.base import RunProtocol, Strategy
from datayield.study import arms
from datayield.testing.small_corpus import HELD_OUT, LABELS, NAME, STUDY_SEED, build_tables

ORACLE_TEXTS = 200  # of the corpus whose labels nothing predicts
Check = TypeVar("Check", bound=Callable[..., None])


def _for_verb(verb: str) -> Callable[[Check], Check]:
    """Mark a check that concerns only strategies with this verb."""

    def mark(check: Check) -> Check:
        check.verb = verb  # type: ignore[attr-defined]
        return check

    return mark


class StrategyContract:
    """The contract tests of strategies; a subclass named Test... runs them on its `factories`.

    Each check runs once for every strategy with the verb that it concerns. Strategies that no
    installed package registers are registered while the class runs.

    Attributes:
        factories: functions that make the strategies under test, with arguments that have defaults.
    """

    factories: ClassVar[Sequence[registry.Factory]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Call every check with each strategy that it concerns (a hook of pytest)."""
        if "strategy" in metafunc.fixturenames:
            verb = getattr(metafunc.function, "verb", None)
            strategies = [factory() for factory in self.factories]
            concerned = [s for s in strategies if verb is None or getattr(s, verb) is not None]
            metafunc.parametrize("strategy", concerned, ids=[s.name for s in concerned])

    @pytest.fixture(scope="class", autouse=True)
    @classmethod
    def _registered(cls) -> Iterator[None]:
        with pytest.MonkeyPatch.context() as patch:
            for factory in cls.factories:
                patch.setitem(registry.registered(), factory().name, factory)
            yield

    @pytest.fixture(scope="class")
    @classmethod
    def data(cls, _registered: None, tmp_path_factory: pytest.TempPathFactory) -> CorpusTables:
        """Return a small corpus with the tables that these strategies read."""
        strategies = [factory() for factory in cls.factories]
        return build_tables(tmp_path_factory.mktemp("project"), strategies)

    @pytest.fixture(scope="class")
    @classmethod
    def oracle(cls, data: CorpusTables) -> CorpusTables:
        """Return a corpus on which every strategy that sees hidden labels gives itself away."""
        return random_labels(data)

    def test_declares_itself(self, strategy: Strategy) -> None:
        """The record is complete: summary, version, role, tunable arguments, source."""
        assert registry.make_strategy(strategy.name).name == strategy.name, (
            "it is registered by its name"
        )
        assert strategy.summary, "a strategy has a summary"
        assert strategy.summary[0].islower(), "the summary begins in lower case"
        assert not strategy.summary.endswith("."), "the summary ends without a full stop"
        assert strategy.version >= 1
        arguments = registry.arguments_of(strategy.name, {})
        unknown = {a.name for a in strategy.space} - set(arguments)
        assert not unknown, "tunable arguments are arguments of the factory"
        assert strategy.role in ("plain", "strategy", "control", "check")
        assert strategy.role != "check" or strategy.protocol, "a check rewrites the protocol"
        assert strategy.role != "strategy" or strategy.source, "a strategy names its source"

    @_for_verb("transform")
    def test_transform_keeps_parents_weights_and_labels(
        self, strategy: Strategy, data: CorpusTables
    ) -> None:
        """Derived rows keep their parents, targets and weights are legal, arguments stay as they are."""
        assert strategy.transform is not None
        context, cost = context_of(data, strategy)
        rows, before = labelled_rows(data), labelled_rows(data)
        out = strategy.transform(rows, context)
        assert same_rows(rows, before), "the training set is not changed in place"
        allowed = {*rows.parents.tolist(), *context.unlabelled_ids.tolist()}
        assert set(out.parents.tolist()) <= allowed, "derived texts keep their parent"
        held_out = data.draws.sample(0, LABELS, HELD_OUT).validation
        assert not np.isin(out.parents, held_out).any(), "held-out texts do not train"
        assert np.isfinite(out.weights).all() and (out.weights >= 0).all()
        assert out.weights.sum() > 0
        assert np.allclose(out.targets.sum(1), 1, atol=1e-6) and (out.targets >= 0).all()
        assert len(out.texts) == len(out.targets) == len(out.weights) == len(out.parents)
        assert all(isinstance(t, str) and t.strip() for t in out.texts), "texts are not empty"
        assert cost.labels_paid == LABELS, "the bill is not changed"
        again = strategy.transform(labelled_rows(data), context_of(data, strategy)[0])
        assert same_rows(again, out), "the same key gives the same rows"

    @_for_verb("schedule")
    def test_schedule_shows_rows_of_the_training_set(
        self, strategy: Strategy, data: CorpusTables
    ) -> None:
        """Each round shows some rows of the training set; the same key gives the same rows."""
        assert strategy.schedule is not None
        rows = labelled_rows(data)
        if strategy.transform:
            rows = strategy.transform(rows, context_of(data, strategy)[0])
        unseen = np.full(rows.targets.shape, np.nan, np.float32)
        for progress in (0.0, 0.1, 0.3, 0.6, 0.99):
            past = TrainingProgress(int(progress * 20), progress, 8, unseen)
            shown = strategy.schedule(rows, past, np.random.default_rng(0))
            if shown is None:
                continue
            assert len(shown) and shown.min() >= 0 and shown.max() < len(rows)
            again = strategy.schedule(rows, past, np.random.default_rng(0))
            assert again is not None and np.array_equal(shown, again), (
                "the same key gives the same rows"
            )

    @_for_verb("objective")
    def test_objective_gives_a_finite_loss_per_example(
        self, strategy: Strategy, data: CorpusTables
    ) -> None:
        """The loss has one finite number per example, reaches every parameter and is repeatable."""
        rows = labelled_rows(data)
        vocabulary = Vocabulary.of(rows.texts)
        model = Classifier(Settings(hidden=6, embedding=6), len(vocabulary), 3)
        initialise(model, vocabulary, ("k",))
        batch = batch_of(encode(rows.texts, vocabulary, 64), rows, np.arange(8))

        start = device.random_state()

        def loss_of_batch() -> Any:
            assert strategy.objective is not None
            device.restore(start)  # the same dropout each time
            return strategy.objective(model, batch, (), None, np.random.default_rng(0))[0]

        loss = loss_of_batch()
        values: NDArray[np.float32] = device.array(loss)
        assert values.shape == (8,) and np.isfinite(values).all(), "one finite loss per example"
        loss.mean().backward()
        for name, parameter in model.named_parameters():
            assert parameter.grad is not None, f"the loss does not reach {name}"
            assert np.isfinite(device.array(parameter.grad)).all()
        assert np.array_equal(values, device.array(loss_of_batch())), "the same key, the same loss"

    @_for_verb("query")
    def test_query_stays_within_its_budget(self, strategy: Strategy, data: CorpusTables) -> None:
        """As many distinct texts as labels are paid for, none of them like a held-out text."""
        assert strategy.query is not None
        sample = data.draws.sample(0, LABELS, HELD_OUT)
        pool, count = Pool(data.corpus.texts), len(sample.train)
        context, _ = context_of(data, strategy)
        ids = strategy.query(pool, count, context)
        assert len(set(ids.tolist())) == count, "every label is bought once, and all of them"
        assert set(context.labelled.tolist()) <= set(ids.tolist()), "paid labels are kept"
        groups = data.corpus.duplicate_groups
        duplicates = np.isin(groups[ids], groups[sample.validation])
        assert not duplicates.any(), "no text is a held-out text or a duplicate of one"
        again = strategy.query(pool, count, context_of(data, strategy)[0])
        assert np.array_equal(ids, again), "the same key gives the same texts"

    @_for_verb("rewrite")
    def test_rewrite_depends_on_its_key_alone(self, strategy: Strategy) -> None:
        """A variant has words, also of a text of one word, and the same key gives the same variant."""
        assert strategy.rewrite is not None
        words = ["the", "rain", "fell", "on", "the", "old", "boat", "."]
        for k in range(strategy.rewrite.variants(10_000)):
            one, two = (
                strategy.rewrite.write(list(words), Few(), k, np.random.default_rng(k))
                for _ in range(2)
            )
            assert one == two, "the same key gives the same variant"
            assert one and all(isinstance(w, str) and w for w in one)
            assert strategy.rewrite.write(["rain"], Few(), k, np.random.default_rng(k))

    def test_helper_fits_are_declared(self, strategy: Strategy, data: CorpusTables) -> None:
        """A strategy that trains helpers says so in `compute`."""
        context, cost = context_of(data, strategy)
        if strategy.query:
            count = len(data.draws.sample(0, LABELS, HELD_OUT).train)
            strategy.query(Pool(data.corpus.texts), count, context)
        elif strategy.transform:
            strategy.transform(labelled_rows(data), context)
        assert strategy.compute or not cost.helper_fits

    def test_an_arm_is_repeatable_and_pays_for_its_labels(
        self, strategy: Strategy, data: CorpusTables
    ) -> None:
        """The arm `lstm:<strategy>` trains, twice with the same result, within its budget."""
        check_arm([strategy.name], data)

    def test_hidden_labels_stay_hidden(self, strategy: Strategy, oracle: CorpusTables) -> None:
        """Labels that were not paid for are not known better than by chance."""
        row = memorising_row(strategy.name, oracle)
        known = row.cost.examples / ORACLE_TEXTS
        classes = len(oracle.corpus.classes)
        # 4.5 standard deviations of the accuracy of guessing on the texts that were not trained on
        chance = 1 / classes + 4.5 * np.sqrt(
            (classes - 1) / classes**2 / ((1 - known) * ORACLE_TEXTS)
        )
        assert row.accuracy <= known + (1 - known) * chance, "a hidden label was seen"


class Few:
    """A thesaurus of two words."""

    def synonyms(self, word: str) -> tuple[str, ...]:
        """Return words that may stand for this one."""
        return {"rain": ("drizzle", "shower"), "boat": ("ship",)}.get(word, ())


def context_of(data: CorpusTables, strategy: Strategy, key: int = 1) -> tuple[CellContext, Cost]:
    """Return the context of a strategy in a training that holds out a fold of LABELS labels, and its cost."""
    cost = Cost(labels_paid=LABELS)
    sample = data.draws.sample(0, LABELS, HELD_OUT)
    settings = Settings(hidden=6, embedding=6, updates=4, rounds=2)
    first = sample.train[: min(SEED_LABELS, len(sample.train) // 2)]
    known = first if strategy.query else sample.train
    of_cell = (STUDY_SEED, NAME, 0, key)
    return CellContext(data, sample, settings, cost, of_cell, strategy, known), cost


def labelled_rows(data: CorpusTables) -> TrainingSet:
    """Return the training rows of the first draw without a fold, as they are before any `transform`."""
    ids = data.draws.sample(0, LABELS, HELD_OUT).train
    targets = np.eye(len(data.corpus.classes), dtype=np.float32)[data.corpus.labels[ids]]
    texts = tuple(data.corpus.texts[i] for i in ids)
    return TrainingSet(texts, targets, np.ones(len(ids), np.float32), ids.copy())


def same_rows(one: TrainingSet, two: TrainingSet) -> bool:
    """Return whether two training sets hold the same texts and numbers."""
    return one.texts == two.texts and all(
        np.array_equal(getattr(one, name), getattr(two, name))
        for name in ("targets", "weights", "parents", "difficulty")
    )


def random_labels(data: CorpusTables) -> CorpusTables:
    """Return the first texts of a corpus with random labels, as pool and as test set at once.

    Every text has a word of its own, so a network learns by heart each label that it is shown. Who
    knows hidden labels (or test labels) is right everywhere; everyone else is right about the texts
    that were trained on, and by chance about the rest.
    """
    classes = len(data.corpus.classes)
    labels = np.random.default_rng(3).integers(0, classes, ORACLE_TEXTS)
    texts = data.corpus.texts[:ORACLE_TEXTS]
    corpus = replace(
        data.corpus,
        texts=texts,
        labels=labels,
        duplicate_groups=np.arange(ORACLE_TEXTS),
        blocks=np.arange(ORACLE_TEXTS),
        test_texts=texts,
        test_labels=labels,
    )
    table = draws.tabulate(corpus, [0], STUDY_SEED, "stratified")
    noisy = np.random.default_rng(4).integers(0, classes, ORACLE_TEXTS)
    return CorpusTables(corpus, draws.Draws(table), data.folder, {"noisy": noisy})


def memorising_row(name: str, oracle: CorpusTables) -> Row:
    """Train the arm `lstm:<name>` long enough to learn every label that it is shown by heart."""
    model = {
        "hidden": 16, "embedding": 32, "batch": 16, "learning_rate": 0.02, "word_dropout": 0.0,
        "embedding_dropout": 0.0, "dropout": 0.0, "embedding_scale": 1.0,
    }  # fmt: skip
    return run_cell(cell_of([name], model, updates=150, rounds=10), oracle)


def check_arm(names: Sequence[str], data: CorpusTables) -> None:
    """Train the arm `lstm:<a>+<b>` twice; check that both rows agree and that the budget is kept.

    Raises:
        AssertionError: if they differ, or if more labels were used than paid for.
    """
    cell = cell_of(names, {"hidden": 6, "embedding": 6, "batch": 8}, updates=10, rounds=5)
    one, two = (run_cell(cell, data) for _ in range(2))
    assert np.array_equal(one.predicted, two.predicted), "the same key gives the same predictions"
    assert one.cost.labels_paid == LABELS and one.cost.examples <= one.n_train
    protocol = registry.compose(cell.arm.strategies, {}).one("protocol")
    run = protocol(RunProtocol(LABELS, 0)) if protocol else RunProtocol(LABELS, 0)
    assert one.n_train == round((1 - run.unused) * run.labels), (
        "every label trains the scored model"
    )
    assert 0 < one.n_validation <= run.labels / 4, "one fold is held out of another training"


def cell_of(names: Sequence[str], model: dict[str, Any], updates: int, rounds: int) -> Cell:
    """Return a cell of LABELS labels for the arm of these strategies."""
    arm = arms.parse_arm(f"lstm:{'+'.join(names)}")
    pinned = registry.compose(arm.strategies, {}).pins(LABELS)
    settings = Settings.from_dict({**model, **pinned, "updates": updates, "rounds": rounds})
    identity = {"study_seed": STUDY_SEED, "validation_folds": 1}
    return Cell(NAME, LABELS, arm, 0, 0, {"model": asdict(settings)}, identity)
