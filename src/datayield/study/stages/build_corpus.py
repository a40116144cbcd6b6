"""Runs the stage `corpus`: writes `corpus.arrow`, `card.json` and the noisy labels."""

from pathlib import Path

from datayield import corpora
from datayield.config import Params
from datayield.corpora.noisy_labels import write_noisy_labels
from datayield.study.corpus_folder import corpus_folder, known_corpus


def run(params: Params, name: str, root: Path) -> None:
    """Load the labelled texts of one corpus and split them into a pool and a test set."""
    source = params.corpora[known_corpus(params, name)]
    corpus, card = corpora.build(name, source, params.study.seed, root)
    folder = corpus_folder(root, name)
    found, removed = write_noisy_labels(corpus, source.noisy, root, folder)
    card["removed"] |= removed
    if found:
        card["texts"]["noisy labels"] = found
    corpora.save(corpus, card, folder)
