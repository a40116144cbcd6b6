"""Builds a small corpus with every table of the data stages, in seconds and without a download."""

import json
from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from datayield import config, corpora
from datayield.cells.corpus_tables import CorpusTables
from datayield.core import seeds
from datayield.core.types import Corpus
from datayield.corpora.build import Labelled, build_corpus
from datayield.corpora.embeddings import write_embeddings
from datayield.corpora.noisy_labels import write_noisy_labels
from datayield.corpora.tabular import digest
from datayield.models.outside_tables import lengths_of, rows_of
from datayield.models.settings import ENCODER_TOKENS, OUTSIDE_TABLES
from datayield.strategies.base import Strategy
from datayield.study.corpus_folder import corpus_folder
from datayield.study.stages import (
    augment_texts,
    rate_difficulties,
    subsample_pool,
    train_vectors,
)

NAME = "written"
LABELS = 60  # budget of the cells that the contract tests train
HELD_OUT = 2  # the fold of these labels that contexts and training rows leave out
STUDY_SEED = 5
SUBJECTS = {
    "weather": (
        "rain",
        "wind",
        "cloud",
        "storm",
        "sunshine",
        "frost",
        "thunder",
        "mist",
        "breeze",
        "drizzle",
    ),
    "kitchen": (
        "pan",
        "oven",
        "dough",
        "soup",
        "knife",
        "onion",
        "butter",
        "recipe",
        "simmer",
        "plate",
    ),
    "harbour": ("boat", "anchor", "tide", "sail", "pier", "crane", "cargo", "gull", "rope", "mast"),
}
COMMON = (
    "the",
    "a",
    "old",
    "very",
    "today",
    "we",
    "saw",
    "near",
    "with",
    "some",
    "again",
    "before",
)


def written_texts(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """Return `count` short texts and their classes.

    There are three classes; they share some words, and every text has one word of its own.
    """
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(count):
        label = sorted(SUBJECTS)[i % 3]
        words = [*rng.choice(SUBJECTS[label], 3), *rng.choice(COMMON, int(rng.integers(3, 9)))]
        other = SUBJECTS[sorted(SUBJECTS)[int(rng.integers(3))]]
        words += [other[int(rng.integers(10))], f"no{i}"]
        texts.append(" ".join(rng.permutation(words)) + ".")
        labels.append(label)
    return texts, labels


def write_dictionary(folder: Path) -> None:
    """Write WordNet's dictionary files with two words in them: "boat" and "rain"."""
    data = {
        "noun": ["00000001 05 n 03 boat 0 small_boat 0 Vessel 1 000 | floats",
                 "00000002 05 n 02 rain 0 rain-fall 0 000 | wets"],
        "verb": ["00000003 30 v 02 rain 0 pour(p) 0 000 | falls"],
    }  # fmt: skip
    index = {"noun": ["boat n 1 0 1 0 00000001", "rain n 1 0 1 0 00000002"],
             "verb": ["rain v 1 0 1 0 00000003"]}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("noun", "verb", "adj", "adv"):
        head = "  1 licence line\n"
        (folder / f"data.{part}").write_text(head + "\n".join(data.get(part, [])) + "\n")
        (folder / f"index.{part}").write_text(head + "\n".join(index.get(part, [])) + "\n")
        (folder / f"{part}.exc").write_text("boaten boat\n" if part == "noun" else "")


def build_tables(root: Path, strategies: Iterable[Strategy]) -> CorpusTables:
    """Run the data stages on 600 written texts: draws, word vectors, variants, difficulties.

    Args:
        root: empty folder to write into.
        strategies: registered strategies; those that rewrite texts get their variants.
    """
    arms = [
        # With k_center any text of the pool may be labelled, so that each gets its variants.
        f"lstm:{s.name}" if s.query else f"lstm:k_center+{s.name}"
        for s in strategies
        if s.rewrite is not None
    ]
    params = _params(arms or ["lstm:plain"])
    folder = corpus_folder(root, NAME)
    texts, labels = written_texts(600)
    origin = Labelled(texts, labels, None, {"loader": "testing"}, NAME)
    corpus = build_corpus(NAME, origin, 0.1, 7)
    corpora.save(corpus, {}, folder)
    _write_noisy_labels(corpus, root, folder)
    write_dictionary(root / "wordnet")
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("DATAYIELD_WORDNET", str(root / "wordnet"))
        for stage in (subsample_pool, train_vectors, augment_texts, rate_difficulties):
            stage.run(params, NAME, root)
    tables = CorpusTables.load(folder)
    embedded = {table: _embedded(rows_of(tables.corpus, table)) for table in OUTSIDE_TABLES}
    texts = rows_of(tables.corpus, ENCODER_TOKENS)
    embedded[ENCODER_TOKENS] = _embedded([word for text in texts for word in text.split()])
    lengths = np.array([len(text.split()) for text in texts])
    embedded[lengths_of(ENCODER_TOKENS)] = lengths
    write_embeddings(embedded, dict.fromkeys(OUTSIDE_TABLES, "testing"), folder)
    return tables


def _write_noisy_labels(corpus: Corpus, root: Path, folder: Path) -> None:
    """Give every pool text a noisy label, one in three of them wrong."""
    names = [corpus.classes[(y + (i % 3 == 0)) % 3] for i, y in enumerate(corpus.labels)]
    pairs = zip(corpus.texts, names, strict=True)
    path = root / "noisy.jsonl"
    path.write_text("".join(json.dumps({"text": t, "label": y}) + "\n" for t, y in pairs))
    entry = config.NoisyFile(path=path.name, sha256=digest(path), text="text", label="label")
    write_noisy_labels(corpus, entry, root, folder)


def _embedded(texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the mean of a fixed random vector for each word of a text, in place of a model from outside."""
    words = sorted({word for text in texts for word in text.split()})
    vectors = seeds.rng("testing", "embeddings").normal(0, 1, (len(words), 16))
    rows = {word: row for row, word in enumerate(words)}
    means = [vectors[[rows[w] for w in text.split()]].mean(0) for text in texts]
    return np.array(means, np.float32)


def _params(arms: list[str]) -> config.Params:
    """Return a study of these arms; its corpus entry is never loaded, because the corpus is given."""
    study = {
        "name": "contracts",
        "seed": STUDY_SEED,
        "corpora": [NAME],
        "draws": 1,
        "seeds": 1,
        "grid": [{"arms": arms, "budgets": [LABELS]}],
    }
    corpus = {"loader": "synthetic", "classes": 3}
    return config.parse({"study": study, "corpora": {NAME: corpus}, "updates": {0: 12}})
