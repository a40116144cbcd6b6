"""Runs the stage `embed`: writes `embeddings.safetensors`, what models from outside make of every text.

Without an arm that reads them the file holds nothing.
"""

from pathlib import Path

from datayield import corpora
from datayield.config import Params
from datayield.core import files
from datayield.corpora.embeddings import write_embeddings
from datayield.models import outside
from datayield.models.settings import ENCODER
from datayield.study import arms, grid
from datayield.study.corpus_folder import corpus_folder


def run(params: Params, name: str, root: Path) -> None:
    """Embed the texts of one corpus: the pool's, those without labels, the test texts."""
    folder = corpus_folder(root, name)
    every = (arm for block in params.study.grid for arm in grid.arms_of(block))
    if not any(arms.reads_embeddings(arm, params.strategies) for arm in every):
        write_embeddings({}, {}, folder)
        return
    corpus = corpora.checked(folder)
    encoder = outside.open_encoder(arms.encoder_of(params))
    made = encoder.embed([*corpora.everything(corpus), *corpus.test_texts])
    digest = files.digest([encoder.digest, corpus.digest])[:32]
    write_embeddings({ENCODER: made}, {ENCODER: digest}, folder)
