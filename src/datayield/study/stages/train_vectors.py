"""Runs the stage `vectors`: writes `vectors.parquet`, word vectors and each word's neighbours."""

from pathlib import Path

from datayield import corpora
from datayield.config import Params
from datayield.core import seeds
from datayield.study.corpus_folder import corpus_folder
from datayield.text import word_vectors

VECTOR_DIMENSIONS = 100


def run(params: Params, name: str, root: Path) -> None:
    """Learn word vectors of one corpus from its pool's texts, without their labels."""
    corpus = corpora.checked(corpus_folder(root, name))
    seed = seeds.integer(params.study.seed, "vectors", name) % 2**32
    texts = corpora.everything(corpus)
    vectors = word_vectors.vectors(texts, dimensions=VECTOR_DIMENSIONS, seed=seed)
    word_vectors.save_vectors(vectors, corpus_folder(root, name) / "vectors.parquet")
