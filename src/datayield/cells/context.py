"""Builds the context in which a strategy works on one cell."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datayield import corpora
from datayield.cells.arm_hooks import hooks_of
from datayield.cells.corpus_tables import CellTables, CorpusTables
from datayield.core import seeds
from datayield.core.arm import WEIGHTED, Arm, Member
from datayield.core.types import Cost, Floats, Ints, Sample, Settings, TrainingSet
from datayield.models import embedded, linear, pooling, pretraining
from datayield.models.hooks import NOTHING_SHOWN
from datayield.models.settings import ARCHITECTURES, OUTSIDE
from datayield.models.topic_model import PretrainedTopics, kept_topics
from datayield.models.trainer import HeldOut, TrainingHooks, train
from datayield.strategies.base import Fitted, Kind, Strategy
from datayield.strategies.pool_models import LanguageModel, TopicModel
from datayield.strategies.registry import compose
from datayield.text import sequences

NOTHING: HeldOut = [], np.empty(0, np.int64)
MOST_UNLABELLED = 50_000
"""Most unlabelled texts that a cell reads, so that its cost does not grow with the pool."""


class CellContext:
    """The context of one strategy in one cell (`base.StrategyContext`)."""

    def __init__(
        self,
        tables: CorpusTables,
        sample: Sample,
        settings: Settings,
        cost: Cost,
        key: tuple[seeds.Key, ...],
        strategy: Strategy,
        labelled: Ints,
        language_models: int | None = None,
    ) -> None:
        """Build the context.

        Args:
            tables: of the corpus.
            sample: the labelled texts.
            settings: of the network.
            cost: of the cell; what the strategy uses is added to it.
            key: study, corpus, draw, and what else tells this context from others.
            strategy: the strategy.
            labelled: ids of the texts that may train.
            language_models: number of language models that all draws share in turn; None: each has its own.
        """
        self.rng = seeds.rng(*key, "desk")
        self.classes = len(tables.corpus.classes)
        labels = len(sample.train) + len(sample.validation)
        self.precomputed = CellTables(tables, strategy, cost, labels)
        self._tables, self._sample, self._settings = tables, sample, settings
        self._cost, self._key = cost, key
        self.labelled = labelled
        self._paid = {int(i) for i in labelled}
        self._limit = len(sample.train)
        self._language_models = language_models

    @property
    def unlabelled(self) -> Sequence[str]:
        """The texts of `unlabelled_ids`; reading them is charged."""
        self._cost.unlabelled = max(self._cost.unlabelled, len(self.unlabelled_ids))
        return sequences.SelectedTexts(corpora.everything(self._tables.corpus), self.unlabelled_ids)

    @property
    def candidates(self) -> Ints:
        """The pool ids outside the held-out fold and what must not be parted from it."""
        blocks = self._tables.corpus.blocks
        return np.flatnonzero(~np.isin(blocks, blocks[self._sample.validation]))

    def reveal_labels(self, ids: Ints) -> Ints:
        """Return the labels of these pool ids and charge them.

        Raises:
            LookupError: for texts of the held-out fold, and for more labels than the budget.
        """
        asked_ids = {int(i) for i in ids}
        if asked_ids & {int(i) for i in self._sample.validation}:
            raise LookupError("a strategy must not ask for labels of held-out texts")
        self._paid |= asked_ids
        if len(self._paid) > self._limit:
            raise LookupError(
                f"a strategy asked for {len(self._paid)} labels; the budget has {self._limit} for training"
            )
        return self._tables.corpus.labels[ids]

    def add_labelled(self, ids: Ints) -> None:
        """Make these texts the labelled ones in place of the draw's training texts."""
        drawn = np.concatenate([self._sample.train, self._sample.rest])
        rest = drawn[~np.isin(drawn, ids)]
        self._sample = replace(self._sample, train=ids, rest=rest)
        self.labelled, self._paid = ids, {int(i) for i in ids}

    @property
    def unlabelled_ids(self) -> Ints:
        """The pool texts that the draw would label next, then texts of the corpus without labels.

        At most MOST_UNLABELLED, of which at most half are from outside the pool.
        """
        pool, count = len(self._tables.corpus.texts), len(self._tables.corpus.unlabelled)
        if not count:
            return self._sample.rest[:MOST_UNLABELLED]
        extra = np.arange(pool, pool + min(count, MOST_UNLABELLED // 2))
        return np.concatenate([self._sample.rest[: MOST_UNLABELLED - len(extra)], extra])

    def folds(self, training_set: TrainingSet) -> Ints:
        """Return the fold, 0 to 4, of every row, (rows,); -1 if its parent lies outside the pool.

        Rows with one parent share a fold, and so do rows whose parents are duplicates.
        """
        known = training_set.parents < len(self._sample.folds)
        folds = self._sample.folds[np.where(known, training_set.parents, 0)]
        return np.where(known, folds, -1).astype(np.int64)

    def language_model(self, task: str, passes: int) -> LanguageModel:
        """Return the language model of this corpus and draw; its cost is charged once for a cell.

        Where draws share K models, draw d reads that of draw d modulo K.
        """
        texts = corpora.everything(self._tables.corpus)
        shape = {k: getattr(self._settings, k) for k in pretraining.SHAPE}
        study, corpus, draw = self._key[:3]
        if self._language_models is not None:
            draw = int(draw) % self._language_models
        # Study, corpus and draw, not the cell: all cells of a draw share the model.
        key = (study, corpus, draw, "reader", task)
        root = self._tables.folder.parents[1]
        model, trained_now = pretraining.kept(texts, shape, task, passes, key, root)
        self._charge(model, trained_now, len(texts))
        return model

    def topic_model(self, topics: int, passes: int) -> TopicModel:
        """Return the topic model of this corpus; its cost is charged once for a cell."""
        texts = corpora.everything(self._tables.corpus)
        s = self._settings
        shape = {"hidden": s.embedding, "topics": topics, "max_tokens": s.max_tokens}
        # Study and corpus: all cells share the model.
        key = (*self._key[:2], "topics")
        root = self._tables.folder.parents[1]
        model, trained_now = kept_topics(texts, shape, passes, key, root)
        self._charge(model, trained_now, len(texts))
        return model

    def _charge(
        self,
        model: pretraining.PretrainedLanguageModel | PretrainedTopics,
        trained_now: bool,
        texts: int,
    ) -> None:
        """Add the whole cost of a model that other cells use too, once for a cell.

        Args:
            model: what was learnt from texts without labels.
            trained_now: whether this cell trained it.
            texts: number of texts that it read.
        """
        cost = self._cost
        charged = cost.language_models.split("+") if cost.language_models else []
        if model.name not in charged:  # two strategies of an arm may use the same model
            cost.language_models = "+".join([*charged, model.name])
            cost.unlabelled = max(cost.unlabelled, texts - len(self._sample.train))
            cost.tokens += model.tokens
            cost.pretrain_seconds += model.seconds
        if trained_now:  # reported as pretrain_seconds, so it must not count as preparation too
            cost.prepare_seconds -= model.seconds

    def fit(self, training_set: TrainingSet, kind: Kind = "network", share: float = 1.0) -> Fitted:
        """Train a helper and add its cost to the cell.

        Args:
            training_set: the rows to train on.
            kind: "network" or "linear".
            share: the share of the cell's updates that a network trains for.
        """
        self._cost.helper_fits += 1
        key = (*self._key, "helper", self._cost.helper_fits)
        if kind == "linear":
            linear_model = linear.tfidf(training_set, seeds.integer(*key))
            return Fitted(linear_model.predict, NOTHING_SHOWN)
        updates = max(1, round(share * self._settings.updates))
        settings = replace(self._settings, updates=updates, rounds=1)
        trained = train(training_set, NOTHING, settings, TrainingHooks(), key)
        self._cost.tokens += trained.tokens
        return Fitted(trained.predict, trained.presentations, trained.sample)

    def fit_arm(self, training_set: TrainingSet, arm: Arm) -> Fitted:
        """Train an arm on these rows, a blend's members one after the other; the cell pays for all of it.

        Its networks have the settings of the cell, but for what their architecture and strategies fix;
        strategies have their default arguments. Exponents of a weighted blend are fitted on a fold of the
        rows that its members did not see; then all rows train the members.
        """
        members = arm.members or (Member(arm),)
        exponents: Sequence[float] = ()
        if arm.architecture == WEIGHTED:
            folds = self.folds(training_set)
            held_out = folds == folds[folds >= 0].min()
            seen, unseen = (
                training_set.take(np.flatnonzero(rows)) for rows in (~held_out, held_out)
            )
            first = [_double(self._fit_member(seen, m).predict(unseen.texts)) for m in members]
            exponents = pooling.fitted_exponents(first, unseen.targets.argmax(1))
        fitted = [self._fit_member(training_set, m) for m in members]

        def predict(texts: Sequence[str]) -> NDArray[np.float32]:
            each = [_double(f.predict(texts)) for f in fitted]
            pooled = pooling.product(each, exponents) if len(exponents) else pooling.mean(each)
            return pooled.astype(np.float32)

        return Fitted(predict, NOTHING_SHOWN)

    def _fit_member(self, training_set: TrainingSet, member: Member) -> Fitted:
        """Train a member, once for each of its seeds; its probabilities are their mean."""
        fitted = [self._fit_trained(training_set, member.arm) for _ in range(member.count)]
        return Fitted(
            lambda texts: np.mean([f.predict(texts) for f in fitted], axis=0), NOTHING_SHOWN
        )

    def _fit_trained(self, training_set: TrainingSet, arm: Arm) -> Fitted:
        """Train an arm that has no members."""
        self._cost.helper_fits += 1
        key = (*self._key, "helper", self._cost.helper_fits)
        if arm.architecture in ARCHITECTURES:
            return self._fit_network(training_set, arm, key)
        if arm.architecture in OUTSIDE:
            embed = self._tables.embed(arm.architecture)
            fitted = embedded.fit_embedded(
                self._unchanged(training_set), seeds.integer(*key), embed
            )
        else:
            fitted = linear.FITTERS[arm.architecture](training_set, seeds.integer(*key))
        return Fitted(fitted.predict, NOTHING_SHOWN)

    def _unchanged(self, training_set: TrainingSet) -> TrainingSet:
        """Return the rows that hold a text of the corpus; rewritten texts have no embeddings."""
        texts = corpora.everything(self._tables.corpus)
        pairs = zip(training_set.texts, training_set.parents.tolist(), strict=True)
        return training_set.take(np.flatnonzero([text == texts[i] for text, i in pairs]))

    def _fit_network(
        self, training_set: TrainingSet, arm: Arm, key: tuple[seeds.Key, ...]
    ) -> Fitted:
        """Train a network with the strategies of its arm."""
        composition = compose(arm.strategies, {})
        fixed = composition.pins(len(self._sample.train) + len(self._sample.validation))
        settings = replace(
            self._settings, **{"cell": Settings().cell, **ARCHITECTURES[arm.architecture], **fixed}
        )
        contexts = [
            CellContext(
                self._tables,
                self._sample,
                settings,
                self._cost,
                (*key, part.name),
                part,
                self.labelled,
                self._language_models,
            )
            for part in composition.parts
        ]
        rows = composition.transform(training_set, contexts)
        hooks = hooks_of(composition, contexts, self._tables.corpus, settings)
        trained = train(rows, NOTHING, settings, hooks, key)
        self._cost.tokens += trained.tokens
        return Fitted(trained.predict, trained.presentations, trained.sample)


def _double(p: NDArray[np.float32]) -> Floats:
    return p.astype(np.float64)
