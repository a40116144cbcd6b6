"""Opens the tables that the data stages made for a corpus, each on first use."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.compute as pc
from numpy.typing import NDArray

from datayield import corpora
from datayield.cells.draws import Draws
from datayield.core.tables import read_table
from datayield.core.types import Corpus, Cost, Floats, Ints
from datayield.corpora.embeddings import map_embeddings, read_embeddings
from datayield.corpora.noisy_labels import read_noisy_labels
from datayield.models.outside_model import Embed
from datayield.models.outside_tables import lengths_of, rows_of
from datayield.models.settings import ENCODER_TOKENS
from datayield.models.token_states import TokenStates
from datayield.strategies.base import Strategy
from datayield.text.word_vectors import Neighbours, WordVectors, load_vectors


@dataclass(slots=True)
class CorpusTables:
    """One corpus with the tables that the data stages made; each table is read on first use."""

    corpus: Corpus
    draws: Draws
    folder: Path
    opened: dict[str, Any] = field(default_factory=dict)  # tables that were read, by name

    @classmethod
    def load(cls, folder: Path) -> "CorpusTables":
        """Open the folder `data/<corpus>/`."""
        return cls(corpora.load(folder), Draws.load(folder / "draws.arrow"), folder)

    def variants(self, strategy: str) -> dict[int, tuple[str, ...]]:
        """Return the variants that the augment stage made for a strategy, by pool id."""
        if strategy not in self.opened:
            table = read_table(self.folder / "variants.parquet")
            rows = table.filter(pc.equal(table["strategy"], strategy))
            pairs = zip(rows["id"].to_pylist(), rows["texts"].to_pylist(), strict=True)
            self.opened[strategy] = {i: tuple(texts) for i, texts in pairs}
        variants: dict[int, tuple[str, ...]] = self.opened[strategy]
        return variants

    def difficulty(self, name: str) -> Floats:
        """Return the difficulty of every pool text, shape (pool,)."""
        slot = f"difficulty {name}"
        if slot not in self.opened:
            table = read_table(self.folder / "difficulties.parquet", columns=[name])
            self.opened[slot] = table[name].to_numpy()
        difficulty: Floats = self.opened[slot]
        return difficulty

    def embed(self, table: str) -> Embed:
        """Return what looks up the stored embeddings of a text of this corpus, or of a word of its pool."""
        if table not in self.opened:
            self.opened[table] = (
                read_embeddings(self.folder, table),
                {text: row for row, text in enumerate(rows_of(self.corpus, table))},
            )
        stored, rows = self.opened[table]
        return lambda texts: stored[[rows[text] for text in texts]]

    def token_states(self) -> TokenStates:
        """Return the stored states of a sentence encoder at every token of every text."""
        if ENCODER_TOKENS not in self.opened:
            self.opened[ENCODER_TOKENS] = TokenStates.of(
                rows_of(self.corpus, ENCODER_TOKENS),
                map_embeddings(self.folder, ENCODER_TOKENS),
                read_embeddings(self.folder, lengths_of(ENCODER_TOKENS)),
            )
        states: TokenStates = self.opened[ENCODER_TOKENS]
        return states

    def noisy_labels(self) -> Ints:
        """Return the noisy label of every pool text, -1 without one; (pool,)."""
        if "noisy" not in self.opened:
            self.opened["noisy"] = read_noisy_labels(self.folder, len(self.corpus.texts))
        labels: Ints = self.opened["noisy"]
        return labels

    def neighbours(self) -> Neighbours:
        """Return the thesaurus of words with similar vectors, which were made without labels."""
        if "neighbours" not in self.opened:
            self.opened["neighbours"] = Neighbours.load(self.folder / "vectors.parquet")
        near: Neighbours = self.opened["neighbours"]
        return near

    def word_vectors(self) -> WordVectors:
        """Return the word vectors, which were made without labels."""
        if "vectors" not in self.opened:
            self.opened["vectors"] = load_vectors(self.folder / "vectors.parquet")
        vectors: WordVectors = self.opened["vectors"]
        return vectors


@dataclass(frozen=True, slots=True)
class CellTables:
    """The precomputed tables that one strategy declared, for one cell (`base.PrecomputedTables`)."""

    tables: CorpusTables
    strategy: Strategy
    cost: Cost
    labels: int  # texts of the sample, whose labels are paid for

    def variants(self, ids: Ints) -> list[tuple[str, ...]]:
        """Return the variants of these texts."""
        self._check("variants")
        variants = self.tables.variants(self.strategy.name)
        if self.strategy.rewrite and self.strategy.rewrite.thesaurus == "neighbours":
            self._charge_all_texts()  # that thesaurus was made from the texts of the whole pool
        return [variants[int(i)] for i in ids]

    def difficulty(self, name: str, ids: Ints) -> Floats:
        """Return the difficulties of these texts, shape (ids,)."""
        self._check("difficulties")
        return self.tables.difficulty(name)[ids]

    def vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the vectors of these words, shape (words, dimensions); NaN for unknown words."""
        self._check("vectors")
        self._charge_all_texts()
        known = self.tables.word_vectors()
        numbers = {w: i for i, w in enumerate(known.words)}
        out = np.full((len(words), known.vectors.shape[1]), np.nan, np.float32)
        for row, word in enumerate(words):
            if word in numbers:
                out[row] = known.vectors[numbers[word]]
        return out

    def noisy_labels(self, ids: Ints) -> Ints:
        """Return the noisy label of each id, -1 without one; (ids,)."""
        self._check("noisy")
        known = self.tables.noisy_labels()
        return np.where(ids < len(known), known[np.minimum(ids, len(known) - 1)], -1)

    def synonyms(self) -> Neighbours:
        """Return the words with similar vectors as a thesaurus."""
        self._check("vectors")
        self._charge_all_texts()
        return self.tables.neighbours()

    def embeddings(self, table: str, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the embeddings of texts of this corpus, or of words of its pool: (texts, dimensions)."""
        self._check(table)
        return self.tables.embed(table)(texts)

    def token_states(self) -> TokenStates:
        """Return the states of a sentence encoder at every token of every text."""
        self._check(ENCODER_TOKENS)
        return self.tables.token_states()

    def _check(self, name: str) -> None:
        if name not in self.strategy.precomputed:
            raise LookupError(
                f'strategy {self.strategy.name} reads the table "{name}"; add it to the strategy\'s'
                " `precomputed`"
            )

    def _charge_all_texts(self) -> None:
        self.cost.unlabelled = len(corpora.everything(self.tables.corpus)) - self.labels
