"""Runs the stage `curriculum`: writes `difficulties.parquet`, label-free difficulties."""

from pathlib import Path

import numpy as np
import pyarrow as pa

from datayield import corpora
from datayield.config import Params
from datayield.core.tables import write_table
from datayield.study.corpus_folder import corpus_folder
from datayield.text import tokens


def run(params: Params, name: str, root: Path) -> None:
    """Rate every text of the pool; a larger value is harder.

    length: tokens; rarity: sum over tokens of -log p(token), p from the pool.
    """
    corpus = corpora.checked(corpus_folder(root, name))
    texts = corpora.everything(corpus)  # unlabelled texts may also become rows of a training set
    counts = tokens.counts(texts)
    total = counts.total()
    surprise = {w: -np.log(c / total) for w, c in counts.items()}
    length, rarity = np.empty(len(texts)), np.empty(len(texts))
    for i, words in enumerate(map(tokens.tokens, texts)):
        length[i], rarity[i] = len(words), sum(surprise[w] for w in words)
    columns = {"id": np.arange(len(length)), "length": length, "rarity": rarity}
    path = corpus_folder(root, name) / "difficulties.parquet"
    write_table(pa.table(columns), path)
