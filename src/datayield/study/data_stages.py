"""Reads what the data stages wrote, as the grid, the searches and the estimates of time need it."""

from collections.abc import Callable, Iterable
from functools import cache, partial
from pathlib import Path

import numpy as np
import pyarrow as pa

from datayield import corpora
from datayield.cells import draws
from datayield.config import Params
from datayield.core import files
from datayield.core.metrics import lead_metric
from datayield.core.tables import hash_of
from datayield.core.types import Corpus
from datayield.corpora.corpus_card import WITHIN, share_read
from datayield.corpora.embeddings import embedding_digests
from datayield.corpora.noisy_labels import noisy_digest
from datayield.models import accelerator
from datayield.models.settings import OUTSIDE, OUTSIDE_TABLES
from datayield.strategies.registry import make_strategy
from datayield.study import arms, grid
from datayield.study.corpus_folder import corpus_folder, known_corpus
from datayield.study.stages.augment_texts import thesaurus_digests
from datayield.study.stages.subsample_pool import load_draws
from datayield.study.time_estimates import Shape


def checked_params(params: Params) -> Params:
    """Return the parameters after checking every corpus, arm and strategy that they name.

    Raises:
        UserError: for an unknown name or arguments that do not fit.
    """
    for name in params.study.corpora:
        known_corpus(params, name)
    for block in params.study.grid:
        for arm in grid.arms_of(block):
            arms.default_settings(params, arm, 10)
            arms.check_noisy_labels(params, arm)
    for strategy, arguments in params.strategies.items():
        if strategy in OUTSIDE:
            arms.model_of(params, strategy)
        else:
            make_strategy(strategy, arguments)
    grid.check_controls(params)
    arms.parse_arm(params.analysis.baseline)
    return params


def check_draws(params: Params, name: str, root: Path) -> None:
    """Raise UserError if the draws are missing, damaged or not those of the study's seed."""
    load_draws(params, name, root, corpora.load(corpus_folder(root, name)))


def shapes(root: Path, names: Iterable[str] | None = None) -> dict[str, Shape]:
    """Return, for the named corpora or all that are built, what the cost of cells depends on."""
    cards = {n: corpus_folder(root, n) / "card.json" for n in names} if names is not None else {
        p.parent.name: p for p in (root / "data").glob("*/card.json")
    }  # fmt: skip
    return {n: _shape(p) for n, p in cards.items()}


def _shape(path: Path) -> Shape:
    card = files.read_json(path)
    try:
        mean, test = card["tokens per text"]["mean"], card["texts"]["test"]
        if WITHIN not in card:  # written by an earlier version
            return Shape(mean, test)
        share_read(card, 1)  # raises an error if a share is missing
        return Shape(mean, test, partial(share_read, card))
    except (KeyError, TypeError) as e:
        raise files.damaged_error(path, f"the entry {e} is missing") from e


def scope(params: Params, name: str, root: Path) -> grid.Scope:
    """Return the size of one corpus's pool and the digests of its tables, as the grid needs them."""
    folder = corpus_folder(root, name)
    corpus = corpora.checked(folder)
    vectors_digest = _digest(folder / "vectors.parquet")
    return grid.Scope(
        name,
        len(corpus.texts),
        corpus.digest,
        {
            # A variant depends on its text, the thesaurus, the strategy and its arguments (which
            # the settings hold), not on which other texts the table holds: one more draw changes
            # the table and no cell.
            **thesaurus_digests(folder),
            **dict.fromkeys(OUTSIDE_TABLES, "not embedded"),  # where no arm reads embeddings
            **embedding_digests(folder),
            "vectors": vectors_digest,
            "noisy": noisy_digest(folder),
            "difficulties": _digest(folder / "difficulties.parquet"),
        },
        accelerator.choose_device(params.execution.device),
        sampled(params, corpus) if corpus.settled else None,
        len(corpus.unlabelled),
    )


def sampled(params: Params, corpus: Corpus) -> Callable[[int, int], str]:
    """Return what gives the digest of a sample, (draw, labels), and computes each only once."""
    study = params.study

    @cache
    def drawn(draw: int) -> pa.RecordBatch:
        return next(draws.tabulate(corpus, [draw], study.seed, study.sampling))

    @cache
    def digest_of(draw: int, labels: int) -> str:
        return draws.sample_digest(corpus, drawn(draw), labels)

    return digest_of


def metric(params: Params, name: str, root: Path) -> str:
    """Return the metric that a corpus's searches maximise: the one that leads its report."""
    labels = corpora.load(corpus_folder(root, name)).labels
    return lead_metric(params.analysis.metric, max(np.bincount(labels)) / len(labels))


def _digest(path: Path) -> str:
    return hash_of(path)[:32]
