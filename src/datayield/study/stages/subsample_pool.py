"""Runs the stage `subsample`: writes `draws.arrow`, every draw as one nested permutation."""

from pathlib import Path

from datayield import corpora
from datayield.cells import draws
from datayield.config import Params
from datayield.core.tables import write_mapped
from datayield.core.types import Corpus
from datayield.study.corpus_folder import corpus_folder


def run(params: Params, name: str, root: Path) -> None:
    """Draw the samples of one corpus, those of tuning included."""
    corpus = corpora.checked(corpus_folder(root, name))
    numbers = [draws.TUNING_DRAW, *params.study.all_draws]
    drawn = draws.tabulate(corpus, numbers, params.study.seed, params.study.sampling)
    write_mapped(drawn, draws.DRAWS, corpus_folder(root, name) / "draws.arrow")


def load_draws(params: Params, name: str, root: Path, corpus: Corpus) -> draws.Draws:
    """Return the draws of a corpus after checking that they are those of the study's seed.

    Raises:
        UserError: they are missing or damaged, or follow from another seed.
    """
    path, study = corpus_folder(root, name) / "draws.arrow", params.study
    numbers = [draws.TUNING_DRAW, *study.all_draws]
    return draws.checked(path, corpus, numbers, study.seed, study.sampling)
