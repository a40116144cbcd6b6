"""Every file that datayield keeps for itself, and how it is read again: for tests of damage."""

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from datayield import corpora
from datayield.cells import draws, store
from datayield.core import dynamics_rows, files, rows, tables
from datayield.core.types import Settings
from datayield.corpora.audit import audit
from datayield.models import pretraining
from datayield.models.encoding import Vocabulary
from datayield.models.saved import format
from datayield.study.stages import augment_texts
from datayield.text import word_vectors
from tests.fuzz.seeds import TEXTS
from tests.fuzz.stored import built, exported_files, good_data, some_rows, some_trials


@dataclass(frozen=True, slots=True)
class Reader:
    """One kind of file.

    Attributes:
        write: fills a folder.
        file: the one of its files that is damaged.
        read: folder -> a value that can be compared; None: the file was set aside, to be made again.
        silent: whether damage may go unseen at this place of so many bytes.
    """

    write: Callable[[Path], object]
    file: str
    read: Callable[[Path], Any]
    silent: Callable[[int, bytes], bool] = lambda at, content: False


def in_head(at: int, content: bytes) -> bool:
    """In a parquet file any place can be in the head of a page, which no checksum covers."""
    return True


def plain(value: Any) -> str:
    """As a text, in which two NaN are equal."""
    return repr(value.to_pylist() if isinstance(value, pa.Table) else value)


def _tables(folder: Path) -> None:
    rows.write_rows(some_rows(), folder / "cells.parquet", folder / "history.parquet")
    dynamics_rows.write_dynamics(some_rows(), folder / "dynamics.parquet")
    tables.write_table(some_trials(), folder / "trials.parquet")
    made, card = built()
    tables.write_table(audit(made, card["removed"])[1], folder / "audit.parquet")
    lines = {"strategy": ["eda_nn"] * 40, "id": list(range(40)), "texts": [[t] for t in TEXTS[:40]]}
    tables.write_table(pa.table(lines, augment_texts.VARIANTS), folder / "variants.parquet")
    word_vectors.save_vectors(word_vectors.vectors(TEXTS, 4, 1), folder / "vectors.parquet")
    harder = pa.table({"id": np.arange(60), "length": np.arange(60.0), "rarity": np.arange(60.0)})
    tables.write_table(harder, folder / "difficulties.parquet")


def _of(name: str, schema: pa.Schema | None) -> Reader:
    path = f"{name}.parquet"
    return Reader(_tables, path, lambda f: plain(tables.read_table(f / path, schema)), in_head)


def _data(folder: Path) -> None:
    for name, content in good_data().items():
        (folder / name).write_bytes(content)


def _corpus(folder: Path) -> str:
    found = corpora.checked(folder)
    parts = (found.texts, found.test_texts, found.labels, found.test_labels, found.duplicate_groups)
    return repr([list(x) for x in parts] + [found.classes])


def _draws(folder: Path) -> str:
    made = corpora.checked(folder)
    drawn = draws.checked(folder / "draws.arrow", made, [0, 1], 1, "stratified")
    return repr([(list(drawn.first(d, 50)), list(drawn.sample(d, 30, 0).train)) for d in (0, 1)])


def _cell(folder: Path) -> None:
    store.CellStore(folder).put(some_rows()[0])


def _cell_again(folder: Path) -> str | None:
    row = store.CellStore(folder).get(some_rows()[0].key)
    return None if row is None else store.dumps(row)


def _export(kind: str) -> Callable[[Path], object]:
    def write(folder: Path) -> None:
        for name, content in exported_files(kind).items():
            (folder / name).write_bytes(content)

    return write


def _scores(folder: Path) -> str:
    return repr(format.load(folder).scores(TEXTS[:5]).tolist())


def _language(folder: Path) -> None:
    words = Vocabulary.of(["rain boat"])
    arrays = {"w": np.arange(200, dtype=np.float32)}
    made = pretraining.PretrainedLanguageModel(Settings(), words, np.arange(4), arrays, 5, 1.0, 0.5)
    made.save(folder / "a.safetensors")


def _language_again(folder: Path) -> str:
    found = pretraining.PretrainedLanguageModel.load(folder / "a.safetensors", Settings())
    return repr((found.words, found.counts.tolist(), found.arrays["w"].tolist(), found.tokens))


def _json(folder: Path) -> None:
    chosen = {"30": {"lstm:plain": {"all": {"model": {"hidden": 64, "learning_rate": 0.015}}}}}
    files.write_json(chosen, folder / "settings.json")


def _settings(folder: Path) -> str:
    found = files.read_json(folder / "settings.json")
    return json.dumps(
        {k: v for k, v in found.items() if isinstance(v, dict)}
    )  # no sum of another name


READERS: dict[str, Reader] = {
    "cells.parquet": _of("cells", tables.CELLS),
    "history.parquet": _of("history", tables.HISTORY),
    "dynamics.parquet": _of("dynamics", dynamics_rows.DYNAMICS),
    "trials.parquet": _of("trials", tables.TRIALS),
    "audit.parquet": _of("audit", tables.AUDIT),
    "variants.parquet": _of("variants", augment_texts.VARIANTS),
    "vectors.parquet": _of("vectors", None),
    "difficulties.parquet": _of("difficulties", None),
    "corpus.arrow": Reader(_data, "corpus.arrow", _corpus),
    "draws.arrow": Reader(_data, "draws.arrow", _draws),
    "a cell": Reader(_cell, f"{some_rows()[0].key}.json", _cell_again),
    "settings.json": Reader(_json, "settings.json", _settings),
    "config.json": Reader(_export("tfidf"), "config.json", _scores),
    "model.safetensors": Reader(_export("tfidf"), "model.safetensors", _scores),
    "a language model": Reader(_language, "a.safetensors", _language_again),
}  # fmt: skip
