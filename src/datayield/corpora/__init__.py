"""Corpora: one loader per source, one form once built."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield import table, text
from datayield.config import Source
from datayield.corpora import beside, download, files, hub, pydocs, synthetic
from datayield.corpora.beside import everything as everything
from datayield.corpora.build import Labelled, Noise, digest
from datayield.corpora.build import build as build_corpus
from datayield.corpora.card import card
from datayield.errors import UserError
from datayield.types import Corpus

Loader = Callable[[str, Any, int, Path], Labelled]
LOADERS: dict[str, Loader] = {
    "catalog": download.from_catalog,
    "download": download.load,
    "file": files.load,
    "hub": hub.load,
    "pydocs": pydocs.load,
    "synthetic": synthetic.load,
}


def build(name: str, source: Source, seed: int, root: Path) -> tuple[Corpus, dict[str, Any]]:
    """A corpus and its card from its entry in params.yaml."""
    loaded = LOADERS[source.loader](name, source, seed, root)
    noise = Noise(source.label_noise, source.noise)
    corpus = build_corpus(name, loaded, source.test_share, seed, noise)
    removed: dict[str, int] = {}
    if source.unlabelled is not None:
        corpus, removed = beside.attach(corpus, source.unlabelled, root)
    described = card(corpus, loaded)
    if source.unlabelled is not None:
        described["texts"]["unlabelled"] = len(corpus.beside)
        described["removed"] |= removed
    if noise.share:
        described["planted label noise"] = {"share": noise.share, "kind": noise.kind}
    return corpus, described


def save(corpus: Corpus, described: dict[str, Any], folder: Path) -> None:
    """Write `corpus.arrow` and `card.json`."""
    schema = table.CORPUS.with_metadata(
        {
            "name": corpus.name,
            "family": corpus.family,
            "classes": json.dumps(list(corpus.classes)),
            "pool": str(len(corpus.texts)),
            "digest": corpus.digest,
            **({"beside": str(len(corpus.beside))} if len(corpus.beside) else {}),
        }
    )
    table.write_mapped(_batches(corpus, schema), schema, folder / "corpus.arrow")
    table.write_json(described, folder / "card.json")


def _batches(corpus: Corpus, schema: pa.Schema) -> Iterator[pa.RecordBatch]:
    none, unknown = (np.full(len(x), -1) for x in (corpus.test_texts, corpus.beside))
    for split, texts, labels, units in (
        ("pool", corpus.texts, corpus.labels, corpus.units),
        ("test", corpus.test_texts, corpus.test_labels, none),
        ("beside", corpus.beside, unknown, unknown),
    ):
        start = 0
        for piece in text.pieces(texts):
            ids = np.arange(start, start := start + len(piece))
            columns = [split] * len(ids), ids, piece, labels[ids], units[ids]
            arrays = [pa.array(c, f.type) for c, f in zip(columns, schema, strict=True)]
            yield pa.record_batch(arrays, schema)


def load(folder: Path) -> Corpus:
    """What `save` wrote, its texts mapped: opening takes no longer for a larger corpus.

    Raises:
        UserError: when the file is missing or is none of ours.
    """
    path = folder / "corpus.arrow"
    rows = table.read_mapped(path, table.CORPUS)
    try:
        meta = {k.decode(): v.decode() for k, v in (rows.schema.metadata or {}).items()}
        name, family, found = meta["name"], meta["family"], meta["digest"]
        classes = tuple(json.loads(meta["classes"]))
        pool, last = int(meta["pool"]), len(rows) - int(meta.get("beside", 0))
        labels, units = rows["label"].to_numpy(), rows["unit"].to_numpy()
    except (KeyError, TypeError, ValueError) as e:  # ValueError: other than UTF-8 or numbers too
        raise table.damaged(path, f"its head cannot be read: {e}") from e
    return Corpus(
        name=name,
        family=family,
        classes=classes,
        texts=text.Column(rows["text"][:pool]),
        labels=labels[:pool],
        units=units[:pool],
        test_texts=text.Column(rows["text"][pool:last]),
        test_labels=labels[pool:last],
        digest=found,
        beside=text.Column(rows["text"][last:]) if last < len(rows) else (),
    )


def checked(folder: Path) -> Corpus:
    """As `load`, every byte of it read: for those who read it all or hand it to others.

    Raises:
        UserError: as `load`, and when the content does not fit its digest.
    """
    corpus = load(folder)
    try:
        table.read_mapped(folder / "corpus.arrow", table.CORPUS).validate(full=True)
        found = digest(corpus)
    except table.UNREADABLE:
        found = "unreadable"
    if found != corpus.digest:
        raise UserError(
            f"{folder / 'corpus.arrow'} does not fit its digest: it was changed."
            " Delete it and run `dvc repro`."
        )
    return corpus
