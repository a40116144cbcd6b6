"""Every way in which datayield writes a file, each under one fault; run as a process of its own.

    python -m tests.faults.writers FOLDER

Prints a JSON object: fault -> writer -> what it raised ("" for nothing), its message, and the paths that
are neither as they were before nor as they should be after. The faults are the kernel's own:

- full: /dev/full lies where the temporary file would be (ENOSPC).
- limit-N: no file may grow beyond N bytes (RLIMIT_FSIZE: EFBIG), so that a write ends in the middle.
- denied: the folder belongs to another user (EACCES).
"""

import contextlib
import functools
import hashlib
import io
import json
import os
import resource
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from datayield.core.system import machine

machine.prepare_process()
os.environ.pop("DATAYIELD_MIRROR", None)

import numpy as np
import pyarrow as pa
import yaml

from datayield import config, corpora
from datayield.cells import store
from datayield.core import dynamics_rows, files, rows, tables
from datayield.core.errors import UserError
from datayield.core.system import download
from datayield.core.types import (
    ModelArrays,
    Settings,
)
from datayield.corpora import (
    incoming,
    unlabelled,
)
from datayield.models import pretraining
from datayield.models.encoding import Vocabulary
from datayield.models.saved import format, model_card, predict
from datayield.study import export
from datayield.text import sequences, word_vectors
from tests.conftest import small_params
from tests.fuzz.seeds import TEXTS
from tests.fuzz.stored import built, exported_files, some_rows

FAULTS = ("full", "limit-0", "limit-300", "limit-3000", "denied")
Write = Callable[[Path, int], None]  # folder, version of the content


def _table(version: int) -> pa.Table:
    return pa.table({"a": np.arange(3000) * (version + 1), "b": [f"{version}" * 9] * 3000})


def _corpus(folder: Path, version: int) -> None:
    made, card = built()
    corpora.save(made, {**card, "version": version}, folder)


def _cell(folder: Path, version: int) -> None:
    row = some_rows()[0]
    row.cost.tokens = version
    store.CellStore(folder).put(row)


def _export(folder: Path, version: int) -> None:
    model = format.load(_kept_model(folder.parent.parent / "model"))
    arrays = {"shares": np.eye(3, dtype=np.float32)[version % 3]}
    told = {k: v for k, v in model.config.items() if k not in ("made_by", "format", "sha256")}
    before = model_card.text_of
    model_card.text_of = lambda config: f"card {version}"
    try:
        export.write(folder / "model", [ModelArrays("majority", (), arrays)], told)
    finally:
        model_card.text_of = before


def _kept_model(folder: Path) -> Path:
    if not folder.exists():
        folder.mkdir()
        for name, content in exported_files("majority").items():
            (folder / name).write_bytes(content)
    return folder


def _reader(folder: Path, version: int) -> None:
    words = Vocabulary.of(["rain boat"])
    arrays = {"w": np.full((40, 20), version, np.float32)}
    made = pretraining.PretrainedLanguageModel(Settings(), words, np.arange(4), arrays, 5, 1.0, 0.5)
    made.save(folder / "a.safetensors")


def _predictions(ending: str) -> Write:
    def write(folder: Path, version: int) -> None:
        class Model:  # what `writer` asks of a model
            output = "probability"

        record = {"text": "x" * 40, "label": f"{version}", "probability": 0.5, "scores": {"1": 0.5}}
        with predict.writer(folder / f"out{ending}", Model(), False) as put:  # type: ignore[arg-type]
            put([record] * 100)

    return write


def _params(folder: Path, version: int) -> None:
    path = folder / "params.yaml"
    if not path.exists():
        path.write_text(yaml.safe_dump(small_params("0" * 64)))
    source = config.load(path).corpora["written"]
    incoming._rewrite(path, {"written": source.model_copy(update={"sha256": f"{version}" * 64})})


@contextlib.contextmanager
def temporary(folder: Path) -> Iterator[None]:
    """Temporary files go there."""
    before, tempfile.tempdir = tempfile.tempdir, str(folder)
    try:
        yield
    finally:
        tempfile.tempdir = before


def _spool(folder: Path, version: int) -> None:
    """What is read back is what counts."""
    with temporary(folder):
        assert list(sequences.TextColumn.spooled(["x" * 3000] * 10)) == ["x" * 3000] * 10


def _standard_input(folder: Path, version: int) -> None:
    with temporary(folder), unlabelled._spooled(io.BytesIO(b"x" * 5000)) as kept:
        assert Path(kept.name).read_bytes() == b"x" * 5000


class Site(BaseHTTPRequestHandler):
    """Answers /1 with 5,000 bytes of 1, and so on."""

    def do_GET(self) -> None:
        body = bytes([int(self.path[1:])]) * 5000
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *arguments: object) -> None:
        """Quiet."""


@functools.cache
def _site() -> str:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return f"http://127.0.0.1:{server.server_port}"


def _download(folder: Path, version: int) -> None:
    body = bytes([version]) * 5000
    address, digest = f"{_site()}/{version}", hashlib.sha256(body).hexdigest()
    file = download.RemoteFile(name="a.txt", url=address, sha256=digest, bytes=len(body))
    assert download.fetch(file, folder) == body


WRITERS: dict[str, Write] = {
    "text": lambda f, v: files.write_text(f"{v}" * 5000, f / "a.txt"),
    "bytes": lambda f, v: files.write_bytes(bytes([v]) * 5000, f / "a.bin"),
    "JSON": lambda f, v: files.write_json({"a": [v] * 1000}, f / "a.json"),
    "table": lambda f, v: tables.write_table(_table(v), f / "a.parquet"),
    "mapped table": lambda f, v: tables.write_mapped(
        _table(v).to_batches(), _table(v).schema, f / "a.arrow"
    ),
    "rows": lambda f, v: rows.write_rows(some_rows()[: 8 + v], f / "cells", f / "history"),
    "corpus": _corpus,
    "cell": _cell,
    "dynamics": lambda f, v: dynamics_rows.write_dynamics(some_rows()[v:], f / "dynamics.parquet"),
    "word vectors": lambda f, v: word_vectors.save_vectors(
        word_vectors.vectors(TEXTS, 4, v), f / "vectors.parquet"
    ),
    "exported model": _export,
    "language model": _reader,
    "predictions csv": _predictions(".csv"),
    "predictions jsonl": _predictions(".jsonl"),
    "predictions parquet": _predictions(".parquet"),
    "params.yaml": _params,
    "spool of texts": _spool,
    "spool of standard input": _standard_input,
    "download": _download,
}


def contents(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


@contextlib.contextmanager
def full(folder: Path, names: list[str]) -> Iterator[None]:
    pid = os.getpid()
    made = []
    for name in names:
        path = folder / name
        if path.parent != folder:  # a folder that is written beside its place
            path = folder / f".{path.parent.name}.{pid}" / path.name
            path.parent.mkdir(exist_ok=True)
        made.append(path.with_name(f".{path.name}.{pid}"))
        made[-1].symlink_to("/dev/full")
    yield
    for link in made:
        link.unlink(missing_ok=True)


@contextlib.contextmanager
def limited(size: int) -> Iterator[None]:
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


@contextlib.contextmanager
def denied(folder: Path) -> Iterator[None]:
    """As nobody, where this is root; else without the right to write."""
    folder.chmod(0o555)
    if os.geteuid() == 0:
        os.seteuid(65534)
    try:
        yield
    finally:
        if os.getuid() == 0:
            os.seteuid(0)
        folder.chmod(0o755)


def tried(name: str, fault: str, base: Path) -> dict[str, object]:
    """One writer: the old version, the new one under the fault, the new one again."""
    write = WRITERS[name]
    folder, other = base / "here" / name, base / "other" / name
    for f, versions in ((folder, (1,)), (other, (1, 2))):
        f.mkdir(parents=True)
        for version in versions:
            write(f, version)
    old, new = contents(folder), contents(other)
    broken = {
        "full": lambda: full(folder, list(new)),
        "denied": lambda: denied(folder),
    }.get(fault) or (lambda: limited(int(fault.partition("-")[2])))
    raised = said = ""
    with broken():
        try:
            write(folder, 2)
        except UserError as e:
            raised, said = "UserError", str(e)
        except Exception as e:
            raised, said = type(e).__name__, str(e)
    after = contents(folder)
    wrong = [p for p in {*old, *new, *after} if after.get(p) not in (old.get(p), new.get(p))]
    if set(after) not in (set(old), set(new)):
        wrong.append("some files of the old version and some of the new")
    extra = [p.name for p in folder.rglob("*") if p.name.startswith(".")]
    write(folder, 2)
    again = [] if contents(folder) == new else ["a later write fails"]
    return {"raised": raised, "said": said, "wrong": [*wrong, *extra, *again]}


if __name__ == "__main__":
    where = Path(sys.argv[1])
    found = {f: {name: tried(name, f, where / f) for name in WRITERS} for f in FAULTS}
    print(json.dumps(found))
