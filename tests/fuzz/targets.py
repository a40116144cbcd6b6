"""What is fuzzed: every reader of what others made or of what a disk may have damaged.

A target gets bytes and an empty folder. It may return, or raise UserError; everything else is a crash.
"""

import contextlib
import hashlib
import io
import json
import re
import struct
import tarfile
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from datayield import (
    cells,
    config,
    corpora,
    draws,
    dynamics,
    exported,
    grid,
    regimes,
    spreadsheet,
    stages,
    study,
    table,
    text,
    thesaurus,
    wordnet,
)
from datayield.commands import common, pipeline
from datayield.corpora import columns, fetch, files, raw
from datayield.corpora.build import Labelled
from datayield.errors import UserError, masked
from datayield.report import versus
from datayield.report.metrics import SCHEMA
from datayield.search import settings
from datayield.stats.analyse import VERSION
from datayield.strategies.pretrain import read_vectors
from datayield.types import Parts, Row
from tests.conftest import small_params, write_dictionary, written_texts
from tests.report_data import _row

TEXTS, LABELS = written_texts(66)


@dataclass(frozen=True, slots=True)
class Target:
    """One reader.

    Attributes:
        run: reads the bytes in the folder.
        seeds: good inputs, from which others are made.
        refuses: whether it can refuse anything.
    """

    run: Callable[[bytes, Path], object]
    seeds: Callable[[], Sequence[bytes]]
    refuses: bool = True


def picked(data: bytes, among: Sequence[Any]) -> tuple[Any, bytes]:
    """One of some things by the first byte, and the other bytes."""
    return among[(data[0] if data else 0) % len(among)], data[1:]


# ---- labelled and unlabelled files
ENCODINGS = ("utf-8", "utf-16", "latin-1", "cp1252", "utf-8-sig", "utf-7", "shift_jis", "idna")


def labelled(ending: str) -> Callable[[bytes, Path], object]:
    """Columns guessed or named, every row read, the corpus built and written."""

    def run(data: bytes, folder: Path) -> object:
        named, content = picked(data, (None, ("body", "stars")))
        encoding = "utf-8"
        if ending != ".parquet":
            encoding, content = picked(content, ENCODINGS)
        path = folder / f"texts{ending}"
        path.write_bytes(content)
        with contextlib.suppress(UserError):
            _raw(path, encoding)
        body, stars = named or (None, None)
        found = columns.choose(path, encoding, body, stars, None, False)
        source = files.describe(path, found.text, found.label, encoding, found.split)
        built, card = corpora.build("texts", source, 1, Path())
        corpora.save(built, card, folder / "built")
        return corpora.checked(folder / "built")

    return run


def _raw(path: Path, encoding: str) -> None:
    for form in (None, "lines"):
        with raw.opened(raw.Asked(path, form, None, encoding)) as texts:
            for line in texts:
                text.tokens(line)
                line.encode()  # what is read can be written


def _csv(separator: str = ",") -> str:
    out = io.StringIO()
    rows = spreadsheet.writer(out, separator)
    rows.writerows([["body", "stars"], *zip(TEXTS, LABELS, strict=True)])
    return out.getvalue()


def _jsonl() -> str:
    pairs = zip(TEXTS, LABELS, strict=True)
    return "".join(json.dumps({"body": a, "stars": b}) + "\n" for a, b in pairs)


def _with_heads(*contents: bytes) -> list[bytes]:
    return [bytes([k, 0]) + c for k in (0, 1) for c in contents]


def _parquet(made: pa.Table, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(made, out, **how)
    return out.getvalue()


def _parquet_seeds() -> list[bytes]:
    made = pa.table({"body": TEXTS, "stars": LABELS})
    coded = made.set_column(1, "stars", made["stars"].dictionary_encode())
    contents = [_parquet(made), _parquet(made, compression="none"), _parquet(coded)]
    return [bytes([k]) + c for k in (0, 1) for c in contents]


# ---- downloads: archives and the formats in them
def downloaded(data: bytes, folder: Path) -> object:
    """A file that lies in the cache, so that nothing is fetched."""
    kind, content = picked(data, [*sorted(download_formats()), "member"])
    digest = hashlib.sha256(content).hexdigest()
    cache_ = folder / "state" / "downloads"
    cache_.mkdir(parents=True, exist_ok=True)
    (cache_ / digest).write_bytes(content)
    file = {
        "name": "a",
        "url": "http://127.0.0.1:9/a",
        "sha256": digest,
        "bytes": len(content) or 1,
    }
    if kind == "member":
        file["member"], kind = "a", "label_tab_text"
        fetch._member(config.RemoteFile.model_validate(file), content)
    source = config.DownloadSource.model_validate(
        {"title": "t", "licence": "l", "citation": "c", "format": kind, "files": [file]}
    )
    return corpora.build("got", source, 1, folder)


def download_formats() -> Iterable[str]:
    """The known formats."""
    from datayield.corpora.download import FORMATS

    return FORMATS


def _download_seeds() -> list[bytes]:
    pairs = list(zip(LABELS, TEXTS, strict=True))
    tabs = "".join(f"{a}\t{b}\n" for a, b in pairs).encode()
    ag = "".join(f'"{a}","{b}","more"\n' for a, b in pairs).encode()
    zipped = io.BytesIO()
    with zipfile.ZipFile(zipped, "w", zipfile.ZIP_DEFLATED) as packed:
        packed.writestr(zipfile.ZipInfo("a"), tabs)
    out = [b"\x00" + ag, b"\x01" + tabs.replace(b"\t", b" "), b"\x02" + tabs]
    for mode in ("w", "w:gz", "w:xz"):
        tarred = io.BytesIO()
        with tarfile.open(fileobj=tarred, mode=mode) as packed_tar:  # type: ignore[call-overload]
            info = tarfile.TarInfo("a")
            info.size = len(tabs)
            packed_tar.addfile(info, io.BytesIO(tabs))
        out.append(b"\x03" + tarred.getvalue())
    return [*out, b"\x03" + zipped.getvalue()]


# ---- params.yaml and arms
def params(data: bytes, folder: Path) -> object:
    """As `datayield plan` reads it, up to the searches of the study."""
    (folder / "params.yaml").write_bytes(data)
    with contextlib.chdir(folder):
        found = common.checked_params()
    planned = grid.entries(found, 500)
    config.changes(found.model_dump(mode="json"), yaml.safe_load(data))
    if found.study.draws <= 4:
        scope = grid.Scope("written", 500, "digest", defaultdict(str))
        regimes.searches(found, scope, "accuracy")
    return planned


def _params_seeds() -> list[bytes]:
    own = yaml.safe_dump(small_params("0" * 64), sort_keys=False)
    return [own.encode(), *(config.preset(n).encode() for n in config.PRESETS)]


def arm(data: bytes, folder: Path) -> object:
    """An arm as text, its settings and how it is described."""
    found = grid.parse_arm(data.decode("utf-8", "surrogateescape"))
    assert grid.parse_arm(str(found)) == found
    grid.describe(found)
    return grid.default_settings(common.default_params(), found, 100)


def _arm_seeds() -> list[bytes]:
    blocks = common.default_params().study.grid
    named = {a for block in blocks for a in block.arms}
    return [a.encode() for a in sorted({*named, "tfidf", "gru:lm+eda_nn+vat", "lstm"})]


# ---- tables of results
@cache
def _rows() -> list[Row]:
    rng = np.random.default_rng(0)
    return [
        _row(arm, n, draw, rng.random(40) < 0.7)
        for arm in ("plain", "eda_nn", "tfidf")
        for n in (100, 200)
        for draw in range(2)
    ]


def _trials() -> pa.Table:
    line = {"search": "s", "corpus": "written", "arm": "lstm:plain", "n": 100, "draw": -1,
            "number": 0, "state": "complete", "score": 0.5, "steps": [0.1], "seconds": 1.0, "tokens": 5,
            "updates": 5, "helper_fits": 0, "settings": "{}", "values": "{}", "error": None,
            "importances": "{}"}  # fmt: skip
    made = pa.Table.from_pylist([line], table.TRIALS)
    return made.replace_schema_metadata({"tuning": json.dumps({"trials": 1, "served": []})})


TABLES = ("cells", "history", "dynamics", "trials")


def _table_seeds() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        table.write_rows(_rows(), folder / "cells", folder / "history")
        dynamics.write(_rows(), folder / "dynamics")
        table.write(_trials(), folder / "trials")
        whole = [bytes([k]) + (folder / name).read_bytes() for k, name in enumerate(TABLES)]
    first = table.record(_rows()[0])
    values = {k: v for k, v in first.items() if isinstance(v, (str, int, float))}
    return [*whole, bytes([len(TABLES)]) + json.dumps(values).encode()]


@cache
def _good_tables() -> dict[str, bytes]:
    return {n: s[1:] for n, s in zip(TABLES, _table_seeds(), strict=False)}


def results(data: bytes, folder: Path) -> object:
    """One of the tables changed, the others whole: read as a study and its analysis do."""
    name, content = picked(data, (*TABLES, "values"))
    for other, good in _good_tables().items():
        (folder / other).write_bytes(content if other == name else good)
    if name == "values":  # a whole file with other values in its first row
        try:
            line = {**table.record(_rows()[0]), **json.loads(content)}
            made = pa.Table.from_pylist([line], table.CELLS)
        except (pa.ArrowException, ValueError, TypeError, OverflowError, RecursionError) as e:
            raise UserError(f"no such table can be written: {e}") from e
        table.write(made, folder / "cells")
    rows = table.read_rows(folder / "cells", folder / "history")
    dynamics.attached(rows, folder / "dynamics")
    return table.read(folder / "trials", table.TRIALS).to_pylist()


# ---- what the data stages wrote
def _built() -> tuple[Any, dict[str, Any]]:
    loaded = Labelled(TEXTS, LABELS, None, {"loader": "test", "licence": "none"}, "written")
    from datayield.corpora.build import build
    from datayield.corpora.card import card

    made = build("written", loaded, 0.1, 1)
    return made, card(made, loaded)


def data_tables(data: bytes, folder: Path) -> object:
    """corpus.arrow and draws.arrow, as the flow's process reads them."""
    name, content = picked(data, ("corpus.arrow", "draws.arrow"))
    own = folder / "data"
    own.mkdir(exist_ok=True)
    for other, good in _good_data().items():
        (own / other).write_bytes(content if other == name else good)
    made = corpora.checked(own)
    drawn = draws.checked(own / "draws.arrow", made, [0, 1], 1, "stratified")
    return drawn.sample(0, 20)


@cache
def _good_data() -> dict[str, bytes]:
    import tempfile

    made, card = _built()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        corpora.save(made, card, folder)
        drawn = draws.tabulate(made, [0, 1], 1, "stratified")
        table.write_mapped(drawn, draws.DRAWS, folder / "draws.arrow")
        return {n: (folder / n).read_bytes() for n in ("corpus.arrow", "draws.arrow")}


def _data_seeds() -> list[bytes]:
    return [bytes([k]) + c for k, c in enumerate(_good_data().values())]


# ---- state, settings and reports
def state(data: bytes, folder: Path) -> object:
    """A small JSON file of ours, by what reads it."""
    name, content = picked(data, tuple(STATE))
    path = folder / f"{name}.json"
    path.write_bytes(content)
    return STATE[name](path)


def _cell(path: Path) -> object:
    """A damaged cell is set aside, and is no error."""
    store = cells.CellStore(path.parent)
    list(store.rows())
    kept = store.get(path.stem)
    (path.parent / "damaged" / path.name).unlink(missing_ok=True)
    return kept


def _metrics(path: Path) -> object:
    side = versus.read(str(path), path.parent)
    return versus.lines(side, side)


def _settings(path: Path) -> object:
    found = config.parse(small_params("0" * 64))
    scope = grid.Scope("written", 500, "digest", defaultdict(str))
    return grid.make(found, scope, study._settings(path))


def _shape(path: Path) -> object:
    own = path.parent / "data" / "written"
    own.mkdir(parents=True, exist_ok=True)
    path.replace(own / "card.json")
    return stages.shapes(path.parent, ["written"])


STATE: dict[str, Callable[[Path], object]] = {
    "cell": _cell,
    "metrics": _metrics,
    "settings": _settings,
    "card": _shape,
    "statistics": pipeline.statistics,
}


def _state_seeds() -> list[bytes]:
    found = config.parse(small_params("0" * 64))
    chosen: dict[str, Any] = {}
    for a, n in grid.entries(found, 500)[0]:
        own = {grid.ALL: grid.default_settings(found, a, n)}
        chosen.setdefault(str(n), {})[str(a)] = own
    study_ = {"study": "a", "seed": 1, "draws": 2}
    metrics = {"schema": SCHEMA, "study": study_, "corpora": {}}
    told = (cells.dumps(_rows()[0]), json.dumps(metrics), json.dumps(chosen), json.dumps(_built()[1]),
            json.dumps({"version": VERSION}))  # fmt: skip
    return [bytes([k]) + t.encode() for k, t in enumerate(told)]


# ---- exported models
def model(data: bytes, folder: Path) -> object:
    """config.json, weights, or a configuration whose checksums were made to fit."""
    what, content = picked(data, ("config", "weights", "network", "tfidf", "nbsvm", "majority"))
    good = _model(what if what in KINDS else "tfidf")
    for name, whole in good.items():
        (folder / name).write_bytes(whole)
    if what == "config":
        (folder / exported.CONFIG).write_bytes(content)
    elif what == "weights":
        _fit(folder, json.loads(good[exported.CONFIG]), content)
    else:
        cut = content.find(b"\0\0WEIGHTS")
        told = content if cut < 0 else content[:cut]
        weights = good[exported.WEIGHTS] if cut < 0 else content[cut + 9 :]
        try:
            changed = json.loads(told)
        except (ValueError, RecursionError):
            changed = None
        if isinstance(changed, dict):
            _fit(folder, changed, weights)
        else:
            (folder / exported.CONFIG).write_bytes(told)
    loaded = exported.load(folder)
    scores = loaded.scores(["the boat near the rain", "", "soup"])
    assert scores.shape == (3, len(loaded.classes))
    return exported.columns_of(loaded.config)


def _fit(folder: Path, told: dict[str, Any], weights: bytes) -> None:
    """Write both with checksums that fit: what a hostile maker of a model would do."""
    body = {k: v for k, v in told.items() if k not in ("made_by", "format", "sha256")}
    sums = {exported.WEIGHTS: hashlib.sha256(weights).hexdigest(), "this": exported._digest(body)}
    whole = {"made_by": "datayield", "format": exported.FORMAT, "sha256": sums, **body}
    (folder / exported.CONFIG).write_bytes(json.dumps(whole).encode())
    (folder / exported.WEIGHTS).write_bytes(weights)


KINDS = ("network", "tfidf", "nbsvm", "majority")


@cache
def _model(kind: str) -> dict[str, bytes]:
    from datayield import linear
    from datayield.encode import SPECIAL, Vocabulary
    from datayield.model import Classifier, initialise
    from datayield.types import Settings, TrainingSet

    told = {"classes": ["a", "b", "c"], "output": "probability", "kind": kind,
            "identity": {"device": "cpu", "precision": "fp32"}, "settings": {}}  # fmt: skip
    if kind == "network":
        own = settings("lstm", {"hidden": 2, "embedding": 2}, 5)
        words = Vocabulary.of(["the boat", "rain soup"])
        made = Classifier(Settings.of(own), len(words), 3)
        initialise(made, words, (1,))
        parts = exported.network_parts(made, words.words)
        assert parts.words[:2] == SPECIAL
        return exported.written(parts, {**told, "settings": {"model": own}}, "card")
    targets = np.eye(3, dtype=np.float32)[np.arange(12) % 3]
    rows = TrainingSet(tuple(TEXTS[:12]), targets, np.ones(12, np.float32), np.arange(12))
    parts = linear.BASELINES[kind](rows, 1).parts
    return exported.written(Parts(parts.kind, parts.words, parts.arrays), told, "card")


def _model_seeds() -> list[bytes]:
    out = [b"\0" + _model("tfidf")[exported.CONFIG], b"\1" + _model("tfidf")[exported.WEIGHTS]]
    for number, kind in enumerate(KINDS, 2):
        made = _model(kind)
        out.append(bytes([number]) + made[exported.CONFIG])
        both = made[exported.CONFIG] + b"\0\0WEIGHTS" + made[exported.WEIGHTS]
        out.append(bytes([number]) + both)
    return out


# ---- texts and small readers
def tokens(data: bytes, folder: Path) -> object:
    """Tokens of any text; no white space, nothing empty, the same of the tokens joined."""
    for line in (data.decode("utf-8", "replace"), data.decode("utf-16", "surrogatepass")
                 if len(data) % 2 == 0 else data.decode("latin-1")):  # fmt: skip
        found = text.tokens(line)
        assert all(t and not t.isspace() for t in found)
        assert text.key(text.key(line)) == text.key(line)
        text.is_word(line)
        columns._letters(line)
        columns._number(line)
        spreadsheet.guarded(line)
        assert masked(masked(line)) == masked(line)
    return found


def _token_seeds() -> list[bytes]:
    lines = ("Don't stop, it’s 3.5 €!", "今日は雨です", "สวัสดีครับ", "مرحبا بالعالم", "👩‍👩‍👧 🇩🇪 👍🏽",
             "naïve Å A\u030a ǆ", "a\u200db \u200f x", "http://me:word@host/x?token=abc")  # fmt: skip
    return [x.encode() for x in lines]


def word_vectors(data: bytes, folder: Path) -> object:
    """A file of word vectors, with the hash that it has."""
    path = folder / "vectors.txt"
    path.write_bytes(data)
    read_vectors.cache_clear()
    digest = hashlib.sha256(data).hexdigest()
    return read_vectors(str(path), digest, ("boat", "rain", "soup", "the"))


def dictionary(data: bytes, folder: Path) -> object:
    """WordNet's files, one of them changed."""
    name, content = picked(data, wordnet.NAMES)
    write_dictionary(folder)
    (folder / name).write_bytes(content)
    import os

    before = os.environ.get(wordnet.FOLDER)
    os.environ[wordnet.FOLDER] = str(folder)
    try:
        words = wordnet.WordNet.load(folder)
    finally:
        os.environ.pop(wordnet.FOLDER)
        if before is not None:
            os.environ[wordnet.FOLDER] = before
    return [words.synonyms(w) for w in ("boat", "rain", "boaten", "raining", "")]


def _dictionary_seeds() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        write_dictionary(Path(scratch))
        return [bytes([k]) + (Path(scratch) / n).read_bytes() for k, n in enumerate(wordnet.NAMES)]


def synonyms(data: bytes, folder: Path) -> object:
    """vectors.parquet, as the augment stage and cells read it."""
    path = folder / "vectors.parquet"
    path.write_bytes(data)
    thesaurus.Neighbours.load(path)
    return thesaurus.load_vectors(path)


def _synonym_seeds() -> list[bytes]:
    import tempfile

    made = thesaurus.vectors(TEXTS, 4, 1)
    with tempfile.TemporaryDirectory() as scratch:
        thesaurus.save_vectors(made, Path(scratch) / "v")
        return [(Path(scratch) / "v").read_bytes()]


TARGETS: dict[str, Target] = {
    "csv": Target(labelled(".csv"), lambda: _with_heads(_csv().encode(), _csv(";").encode())),
    "tsv": Target(labelled(".tsv"), lambda: _with_heads(_csv("\t").encode())),
    "jsonl": Target(labelled(".jsonl"), lambda: _with_heads(_jsonl().encode())),
    "parquet": Target(labelled(".parquet"), _parquet_seeds),
    "download": Target(downloaded, _download_seeds),
    "params": Target(params, _params_seeds),
    "arm": Target(arm, _arm_seeds),
    "results": Target(results, _table_seeds),
    "data": Target(data_tables, _data_seeds),
    "state": Target(state, _state_seeds),
    "model": Target(model, _model_seeds),
    "tokens": Target(tokens, _token_seeds, refuses=False),
    "vectors": Target(word_vectors, lambda: [b"boat 0.5 1\nrain 1 2\n", struct.pack("d", 1.0)]),
    "wordnet": Target(dictionary, _dictionary_seeds),
    "synonyms": Target(synonyms, _synonym_seeds),
}


def words_of(seeds: Iterable[bytes]) -> list[bytes]:
    """Words of the seeds that are texts, for a fuzzer's dictionary."""
    found = {w for s in seeds for w in re.findall(rb"[A-Za-z_][\w.]{2,30}", s)}
    return sorted(found)[:600]
