"""Runs the stage `embed`: writes `embeddings.safetensors`, what models from outside make of every text.

Without an arm that reads them the file holds nothing.
"""

from pathlib import Path

from datayield import corpora
from datayield.config import Params
from datayield.corpora.embeddings import write_embeddings
from datayield.models.outside_tables import make_tables
from datayield.models.settings import OUTSIDE
from datayield.study import arms, grid
from datayield.study.corpus_folder import corpus_folder


def run(params: Params, name: str, root: Path) -> None:
    """Embed the texts of one corpus: the pool's, those without labels, the test texts."""
    folder = corpus_folder(root, name)
    every = (arm for block in params.study.grid for arm in grid.arms_of(block))
    wanted = {t for arm in every for t in arms.outside_tables(arm, params.strategies)}
    models = {kind: arms.model_of(params, kind) for kind in OUTSIDE}
    arrays, digests = (
        make_tables(sorted(wanted), models, corpora.checked(folder)) if wanted else ({}, {})
    )
    write_embeddings(arrays, digests, folder)
