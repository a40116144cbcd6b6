"""The desk: everything a strategy may reach while one cell is prepared, with the account."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from datayield import corpora, linear, pretrain, seeds, table, text, thesaurus
from datayield.draws import Draws
from datayield.score import accuracy
from datayield.strategies.base import NOTHING_SHOWN, Fitted, Kind, Reader, Strategy
from datayield.train import Verbs, train
from datayield.types import Account, Corpus, Floats, Ints, Sample, Settings, TrainingSet

MOST_UNLABELLED = 50_000
"""More texts without labels are not read beside the labels: a cell's cost is not the pool's."""


@dataclass(slots=True)
class Data:
    """One corpus with the tables that the data stages made; everything is read when asked for."""

    corpus: Corpus
    draws: Draws
    folder: Path
    _cache: dict[str, object] = field(default_factory=dict)

    @classmethod
    def load(cls, folder: Path) -> "Data":
        """Open `data/<corpus>/`."""
        return cls(corpora.load(folder), Draws.load(folder / "draws.arrow"), folder)

    def variants(self, strategy: str) -> dict[int, tuple[str, ...]]:
        """Pool id → variants, as the augment stage made them."""
        if strategy not in self._cache:
            made = table.read(self.folder / "variants.parquet")
            own = made.filter(pc.equal(made["strategy"], strategy))
            lines = zip(own["id"].to_pylist(), own["texts"].to_pylist(), strict=True)
            self._cache[strategy] = {i: tuple(texts) for i, texts in lines}
        return self._cache[strategy]  # type: ignore[return-value]

    def difficulty(self, name: str) -> Floats:
        """Difficulty of every pool text, shape (pool,)."""
        slot = f"difficulty {name}"
        if slot not in self._cache:
            made = table.read(self.folder / "difficulties.parquet", columns=[name])
            self._cache[slot] = made[name].to_numpy()
        return self._cache[slot]  # type: ignore[return-value]

    def word_vectors(self) -> thesaurus.WordVectors:
        """The label-free word vectors."""
        if "vectors" not in self._cache:
            self._cache["vectors"] = thesaurus.load_vectors(self.folder / "vectors.parquet")
        return self._cache["vectors"]  # type: ignore[return-value]


@dataclass(frozen=True, slots=True)
class DeskFacts:
    """The facts of one strategy: only the tables that it declared."""

    data: Data
    strategy: Strategy
    account: Account
    paid: int

    def _check(self, name: str) -> None:
        if name not in self.strategy.facts:
            raise LookupError(f'{self.strategy.name} reads "{name}" without naming it in its facts')

    def variants(self, ids: Ints) -> list[tuple[str, ...]]:
        """See `base.Facts`; the neighbours behind variants are made from the pool's texts."""
        self._check("variants")
        made = self.data.variants(self.strategy.name)
        if self.strategy.rewrite and self.strategy.rewrite.thesaurus == "neighbours":
            self.account.unlabelled = len(corpora.everything(self.data.corpus)) - self.paid
        return [made[int(i)] for i in ids]

    def difficulty(self, name: str, ids: Ints) -> Floats:
        """See `base.Facts`."""
        self._check("difficulties")
        return self.data.difficulty(name)[ids]

    def vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """See `base.Facts`."""
        self._check("vectors")
        self.account.unlabelled = len(corpora.everything(self.data.corpus)) - self.paid
        known = self.data.word_vectors()
        place = {w: i for i, w in enumerate(known.words)}
        out = np.full((len(words), known.vectors.shape[1]), np.nan, np.float32)
        for row, word in enumerate(words):
            if word in place:
                out[row] = known.vectors[place[word]]
        return out


def readable(corpus: Corpus, sample: Sample) -> Sequence[str]:
    """What a language model reads: the pool but what validates in this draw, and texts beside it."""
    own = text.Chosen(corpus.texts, sample.readable)
    return text.Joined(own, corpus.beside) if len(corpus.beside) else own


class CellDesk:
    """`base.Desk` for one strategy in one cell."""

    def __init__(
        self,
        data: Data,
        sample: Sample,
        settings: Settings,
        account: Account,
        key: tuple[seeds.Key, ...],
        strategy: Strategy,
        known: Ints,
    ) -> None:
        self.rng = seeds.rng(*key, "desk")
        self.classes = len(data.corpus.classes)
        paid = len(sample.train) + len(sample.validation)
        self.facts = DeskFacts(data, strategy, account, paid)
        self._data, self._sample, self._settings = data, sample, settings
        self._account, self._key = account, key
        self.labelled = known
        self._paid = {int(i) for i in known}
        self._limit = len(sample.train)

    @property
    def unlabelled(self) -> Sequence[str]:
        """Pool texts whose labels are not paid for; see `unlabelled_ids`."""
        self._account.unlabelled = max(self._account.unlabelled, len(self.unlabelled_ids))
        return text.Chosen(corpora.everything(self._data.corpus), self.unlabelled_ids)

    @property
    def candidates(self) -> Ints:
        """Pool ids but the validation part and its duplicates."""
        units = self._data.corpus.units
        return np.flatnonzero(~np.isin(units, units[self._sample.validation]))

    def ask(self, ids: Ints) -> Ints:
        """Labels of these ids; validation texts cannot be asked for, nor more than the budget."""
        wanted = {int(i) for i in ids}
        if wanted & {int(i) for i in self._sample.validation}:
            raise LookupError("labels of validation texts were asked for")
        self._paid |= wanted
        if len(self._paid) > self._limit:
            raise LookupError(f"labels asked for: {len(self._paid)}; paid for: {self._limit}")
        return self._data.corpus.labels[ids]

    def acquired(self, ids: Ints) -> None:
        """From here on these texts are the labelled ones, and the draw's others are not."""
        drawn = np.concatenate([self._sample.train, self._sample.rest])
        rest = drawn[~np.isin(drawn, ids)]
        self._sample = replace(self._sample, train=ids, rest=rest)
        self.labelled, self._paid = ids, {int(i) for i in ids}

    @property
    def unlabelled_ids(self) -> Ints:
        """The ids of `unlabelled`: what the draw would label next, then texts beside the pool.

        At most MOST_UNLABELLED, of which those beside the pool are at most half.
        """
        pool, count = len(self._data.corpus.texts), len(self._data.corpus.beside)
        if not count:
            return self._sample.rest[:MOST_UNLABELLED]
        extra = np.arange(pool, pool + min(count, MOST_UNLABELLED // 2))
        return np.concatenate([self._sample.rest[: MOST_UNLABELLED - len(extra)], extra])

    def validation_accuracy(self, fitted: Fitted) -> float:
        """Accuracy on the validation part."""
        ids = self._sample.validation
        guessed = fitted.predict([self._data.corpus.texts[i] for i in ids])
        return accuracy(guessed.argmax(1), self._data.corpus.labels[ids])

    def reader(self, task: str, passes: int) -> Reader:
        """The language model of this corpus and draw; see `base.Desk`."""
        texts = readable(self._data.corpus, self._sample)
        shape = {k: getattr(self._settings, k) for k in pretrain.SHAPE}
        key = (*self._key[:3], "reader", task)  # of study, corpus and draw, not of the cell
        found, made = pretrain.kept(texts, shape, task, passes, key, self._data.folder.parents[1])
        account = self._account
        account.unlabelled = max(account.unlabelled, len(texts) - len(self._sample.train))
        account.tokens += found.tokens
        account.pretrain_seconds += found.seconds
        if made:  # its time is told apart from this cell's own
            account.prepare_seconds -= found.seconds
        return found

    def fit(self, training_set: TrainingSet, kind: Kind = "network", share: float = 1.0) -> Fitted:
        """Train a helper; its cost enters the account."""
        self._account.helper_fits += 1
        key = (*self._key, "helper", self._account.helper_fits)
        if kind == "linear":
            fitted_linear = linear.tfidf(training_set, seeds.integer(*key))
            return Fitted(fitted_linear.predict, NOTHING_SHOWN)
        updates = max(1, round(share * self._settings.updates))
        settings = replace(self._settings, updates=updates, rounds=1)
        fitted = train(training_set, ((), np.empty(0, np.int64)), settings, Verbs(), key)
        self._account.tokens += fitted.tokens
        return Fitted(fitted.predict, fitted.shown, fitted.sample)
