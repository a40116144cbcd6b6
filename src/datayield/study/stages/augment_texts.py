"""Runs the stage `augment`: writes `variants.parquet`, rewritten texts that some cell trains on."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pyarrow as pa

from datayield import corpora
from datayield.cells import draws
from datayield.config import Params
from datayield.core import seeds
from datayield.core.tables import hash_of, read_table, write_table
from datayield.core.types import Corpus
from datayield.corpora.loaders.catalog import DOWNLOADS
from datayield.strategies.base import Rewrite, Synonyms
from datayield.strategies.registry import make_strategy
from datayield.study import grid
from datayield.study.corpus_folder import corpus_folder
from datayield.study.stages.subsample_pool import load_draws
from datayield.text import tokens, word_vectors, wordnet

VARIANTS = pa.schema(
    [("strategy", pa.string()), ("id", pa.int64()), ("texts", pa.list_(pa.string()))]
)


def run(params: Params, name: str, root: Path) -> None:
    """Rewrite the training texts of one corpus as often as the study's arms need."""
    folder = corpus_folder(root, name)
    corpus = corpora.checked(folder)
    drawn = load_draws(params, name, root, corpus)
    thesauri: dict[str, Synonyms] = {}
    digests: dict[str, str] = {}
    tables = [VARIANTS.empty_table()]
    for strategy, largest in grid.arms_with_rewrites(
        params, len(corpus.texts), len(corpus.unlabelled)
    ):
        drawn_ids = [drawn.first(d, largest) for d in (draws.TUNING_DRAW, *params.study.all_draws)]
        ids = np.unique(np.concatenate(drawn_ids))
        rewrite = make_strategy(strategy, params.strategies.get(strategy, {})).rewrite
        assert rewrite is not None
        synonyms: Synonyms = word_vectors.Neighbours({})
        if rewrite.thesaurus is not None:
            if rewrite.thesaurus not in thesauri:
                opened, digest = THESAURI[rewrite.thesaurus](folder)
                thesauri[rewrite.thesaurus], digests[rewrite.thesaurus] = opened, digest
            synonyms = thesauri[rewrite.thesaurus]
        count = rewrite.variants(largest)
        tables.append(variants(params, corpus, synonyms, strategy, rewrite, count, ids.tolist()))
    table = pa.concat_tables(tables).replace_schema_metadata(digests)
    write_table(table, folder / "variants.parquet", ("strategy", "id"))


def _neighbours(folder: Path) -> tuple[Synonyms, str]:
    path = folder / "vectors.parquet"
    return word_vectors.Neighbours.load(path), hash_of(path)[:32]


def _wordnet(folder: Path) -> tuple[Synonyms, str]:
    dictionary = wordnet.WordNet.load(folder.parents[1] / DOWNLOADS)
    return dictionary, dictionary.digest


THESAURI: dict[str, Callable[[Path], tuple[Synonyms, str]]] = {
    "neighbours": _neighbours,
    "wordnet": _wordnet,
}
"""By the name that a rewrite gives: opens a thesaurus; returns it with the digest of its source."""


def thesaurus_digests(folder: Path) -> dict[str, str]:
    """Return the digest of every thesaurus from which a corpus's variants were written."""
    stored = read_table(folder / "variants.parquet", VARIANTS).schema.metadata or {}
    return {name: stored[key].decode() for name in THESAURI if (key := name.encode()) in stored}


def variants(
    params: Params,
    corpus: Corpus,
    synonyms: Synonyms,
    strategy: str,
    rewrite: Rewrite,
    count: int,
    ids: list[int],
) -> pa.Table:
    """Return the first `count` variants of the texts with these ids, one row per text."""
    key = (params.study.seed, "variant", strategy, corpus.name)
    texts = [rewritten(corpus.texts[i], rewrite, synonyms, count, (*key, i)) for i in ids]
    return pa.table({"strategy": [strategy] * len(ids), "id": ids, "texts": texts}, VARIANTS)


def rewritten(
    text: str, rewrite: Rewrite, synonyms: Synonyms, count: int, key: tuple[seeds.Key, ...]
) -> list[str]:
    """Return the first variants of one text; variant k depends on (key, k) and the text alone."""
    words = tokens.tokens(text)
    return [" ".join(rewrite.write(words, synonyms, k, seeds.rng(*key, k))) for k in range(count)]
