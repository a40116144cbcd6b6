"""Corpora: one loader per source, one form once built."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from datayield import table
from datayield.config import Source
from datayield.corpora import download, files, hub, pydocs, synthetic
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

_SCHEMA = pa.schema(
    [
        ("split", pa.string()),  # "pool" or "test"
        ("id", pa.int64()),  # position in its split
        ("text", pa.string()),
        ("label", pa.int64()),
        ("unit", pa.int64()),  # -1 in the test set
    ]
)


def build(name: str, source: Source, seed: int, root: Path) -> tuple[Corpus, dict[str, Any]]:
    """A corpus and its card from its entry in params.yaml."""
    loaded = LOADERS[source.loader](name, source, seed, root)
    noise = Noise(source.label_noise, source.noise)
    corpus = build_corpus(name, loaded, source.test_share, seed, noise)
    described = card(corpus, loaded)
    if noise.share:
        described["planted label noise"] = {"share": noise.share, "kind": noise.kind}
    return corpus, described


def save(corpus: Corpus, described: dict[str, Any], folder: Path) -> None:
    """Write `corpus.parquet` and `card.json`."""
    pool, test = len(corpus.texts), len(corpus.test_texts)
    rows = pa.table(
        {
            "split": ["pool"] * pool + ["test"] * test,
            "id": [*range(pool), *range(test)],
            "text": [*corpus.texts, *corpus.test_texts],
            "label": np.concatenate([corpus.labels, corpus.test_labels]),
            "unit": np.concatenate([corpus.units, np.full(test, -1)]),
        },
        _SCHEMA.with_metadata(
            {
                "name": corpus.name,
                "family": corpus.family,
                "classes": json.dumps(list(corpus.classes)),
                "digest": corpus.digest,
            }
        ),
    )
    table.write(rows, folder / "corpus.parquet")
    text = json.dumps(described, indent=1, sort_keys=True, ensure_ascii=False)
    table.write_text(text + "\n", folder / "card.json")


def load(folder: Path) -> Corpus:
    """Read what `save` wrote.

    Raises:
        UserError: when the file is missing or its content does not fit its digest.
    """
    path = folder / "corpus.parquet"
    rows = table.read(path, _SCHEMA)
    meta = {k.decode(): v.decode() for k, v in (pq.read_schema(path).metadata or {}).items()}
    in_pool = np.array([s == "pool" for s in rows["split"].to_pylist()])
    texts, labels = rows["text"].to_pylist(), rows["label"].to_numpy()
    corpus = Corpus(
        name=meta["name"],
        family=meta["family"],
        classes=tuple(json.loads(meta["classes"])),
        texts=tuple(t for t, p in zip(texts, in_pool, strict=True) if p),
        labels=labels[in_pool],
        units=rows["unit"].to_numpy()[in_pool],
        test_texts=tuple(t for t, p in zip(texts, in_pool, strict=True) if not p),
        test_labels=labels[~in_pool],
        digest=meta["digest"],
    )
    found = digest(
        [
            corpus.classes,
            corpus.texts,
            corpus.labels.tolist(),
            corpus.units.tolist(),
            corpus.test_texts,
            corpus.test_labels.tolist(),
        ]
    )
    if found != corpus.digest:
        raise UserError(
            f"{path} does not fit its digest: it was changed. Delete it and run `dvc repro`."
        )
    return corpus
