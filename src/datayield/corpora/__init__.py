"""Builds, writes and reads corpora: one loader per source, one form for all."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield.config import Source
from datayield.core import files, tables
from datayield.core.errors import UserError
from datayield.core.types import Corpus
from datayield.corpora import unlabelled
from datayield.corpora.build import Labelled, Noise, build_corpus, digest
from datayield.corpora.corpus_card import card
from datayield.corpora.loaders import catalog, file, hub, pydocs, synthetic
from datayield.corpora.placement import WAITING
from datayield.corpora.unlabelled import everything as everything
from datayield.text import sequences

Loader = Callable[[str, Any, int, Path], Labelled]
LOADERS: dict[str, Loader] = {
    "catalog": catalog.from_catalog,
    "download": catalog.load,
    "file": file.load,
    "hub": hub.load,
    "pydocs": pydocs.load,
    "synthetic": synthetic.load,
}


def build(name: str, source: Source, seed: int, root: Path) -> tuple[Corpus, dict[str, Any]]:
    """Build a corpus and its card from its entry in params.yaml."""
    loaded = LOADERS[source.loader](name, source, seed, root)
    noise = Noise(source.label_noise, source.noise)
    settled = source.settled or 0
    corpus = build_corpus(name, loaded, source.test_share, seed, noise, settled)
    waiting = len(loaded.texts) - len(corpus.texts) - len(corpus.test_texts)
    removed = {WAITING: waiting} if waiting else {}
    if source.unlabelled is not None or len(loaded.unlabelled):
        corpus, left_out = unlabelled.attach(corpus, source.unlabelled, root, loaded.unlabelled)
        removed |= left_out
    described = card(corpus, loaded)
    described["removed"] |= removed
    if len(corpus.unlabelled):
        described["texts"]["unlabelled"] = len(corpus.unlabelled)
    if corpus.settled:
        described["settled texts of the pool"] = corpus.settled
    if noise.share:
        described["planted label noise"] = {"share": noise.share, "kind": noise.kind}
    return corpus, described


def save(corpus: Corpus, described: dict[str, Any], folder: Path) -> None:
    """Write `corpus.arrow` and `card.json`."""
    schema = tables.CORPUS.with_metadata(
        {
            "name": corpus.name,
            "family": corpus.family,
            "classes": json.dumps(list(corpus.classes)),
            "pool": str(len(corpus.texts)),
            "digest": corpus.digest,
            **({"unlabelled": str(len(corpus.unlabelled))} if len(corpus.unlabelled) else {}),
            **({"settled": str(corpus.settled)} if corpus.settled else {}),
        }
    )
    tables.write_mapped(_batches(corpus, schema), schema, folder / "corpus.arrow")
    files.write_json(described, folder / "card.json")


def _batches(corpus: Corpus, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    none, unknown = (np.full(len(x), -1) for x in (corpus.test_texts, corpus.unlabelled))
    for split, texts, *numbers in (
        ("pool", corpus.texts, corpus.labels, corpus.duplicate_groups, corpus.blocks),
        ("test", corpus.test_texts, corpus.test_labels, none, none),
        ("unlabelled", corpus.unlabelled, unknown, unknown, unknown),
    ):
        start = 0
        for piece in sequences.pieces(texts):
            ids = np.arange(start, start := start + len(piece))
            columns = [split] * len(ids), ids, piece, *(x[ids] for x in numbers)
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            yield pa.record_batch(arrays, schema)


def load(folder: Path) -> Corpus:
    """Open the corpus that `save` wrote; its texts are mapped, so this takes no longer for a larger corpus.

    Raises:
        UserError: the file is missing or was not written by `save`.
    """
    path = folder / "corpus.arrow"
    rows = tables.read_mapped(path, tables.CORPUS)
    try:
        meta = {k.decode(): v.decode() for k, v in (rows.schema.metadata or {}).items()}
        name, family, found = meta["name"], meta["family"], meta["digest"]
        classes = tuple(json.loads(meta["classes"]))
        pool, last = int(meta["pool"]), len(rows) - int(meta.get("unlabelled", 0))
        settled = int(meta.get("settled", 0))
        labels, duplicate_groups, blocks = (
            rows[name].to_numpy() for name in ("label", "duplicate_group", "block")
        )
    except (KeyError, TypeError, ValueError) as e:  # ValueError: other than UTF-8 or numbers too
        raise files.damaged_error(path, f"its head cannot be read: {e}") from e
    return Corpus(
        name=name,
        family=family,
        classes=classes,
        texts=sequences.TextColumn(rows["text"][:pool]),
        labels=labels[:pool],
        duplicate_groups=duplicate_groups[:pool],
        blocks=blocks[:pool],
        test_texts=sequences.TextColumn(rows["text"][pool:last]),
        test_labels=labels[pool:last],
        digest=found,
        unlabelled=sequences.TextColumn(rows["text"][last:]) if last < len(rows) else (),
        settled=settled,
    )


def checked(folder: Path) -> Corpus:
    """Open a corpus as `load` does, having compared its whole content with its digest.

    Raises:
        UserError: as `load`, and if the content does not fit the digest.
    """
    corpus = load(folder)
    try:
        tables.read_mapped(folder / "corpus.arrow", tables.CORPUS).validate(full=True)
        found = digest(corpus)
    except tables.UNREADABLE:
        found = "unreadable"
    if found != corpus.digest:
        raise UserError(
            f"{folder / 'corpus.arrow'} does not fit its digest: it was changed."
            " Delete it and run `dvc repro`."
        )
    return corpus
