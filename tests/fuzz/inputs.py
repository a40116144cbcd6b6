"""Targets: files of texts, downloads, params.yaml, arms, and texts themselves."""

import contextlib
import hashlib
import io
import json
import tarfile
import zipfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from datayield import config, corpora
from datayield.cli import common
from datayield.core import spreadsheet
from datayield.core.errors import UserError
from datayield.core.system.secrets import masked
from datayield.corpora import columns, encodings, separated, tabular, text_files, unlabelled
from datayield.corpora.loaders.file import describe
from datayield.study import arms, grid
from datayield.testing.small_corpus import write_dictionary
from datayield.text import tokens as text
from datayield.text import wordnet
from datayield.text.vector_file import open_vectors
from datayield.text.word_vectors import Neighbours, load_vectors, save_vectors, vectors
from datayield.tuning import searches
from tests.conftest import small_params
from tests.fuzz.seeds import LABELS, TEXTS, picked

# ---- labelled and unlabelled files
ENCODINGS = (
    "utf-8",
    None,
    "utf-16",
    "latin-1",
    "cp1252",
    "utf-8-sig",
    "utf-7",
    "shift_jis",
    "idna",
)


def labelled(ending: str) -> Callable[[bytes, Path], object]:
    """Columns guessed or named, every row read, the corpus built and written."""

    def run(data: bytes, folder: Path) -> object:
        named, content = picked(data, (None, ("body", "stars")))
        encoding = "utf-8"
        if ending != ".parquet":
            encoding, content = picked(content, ENCODINGS)
        path = folder / f"texts{ending}"
        path.write_bytes(content)
        encoding = encoding or encodings.found(path).name
        with contextlib.suppress(UserError):
            _predicted(path, encoding)
        body, stars = named or (None, None)
        layout = tabular.layout_of(path, encoding)
        found = columns.choose(layout, body, stars, None, False)
        source = describe(path, found.text, found.label, encoding, found.split, tool=layout.tool)
        built, card = corpora.build("texts", source, 1, Path())
        for file in card["rows"]:  # every row is in exactly one place
            reasons = [*file["unlabelled"].values(), *file["left_out"].values()]
            assert file["rows"] == file["labelled"] + sum(x["rows"] for x in reasons)
            assert file["rows"] == _counted(layout)
        corpora.save(built, card, folder / "built")
        return corpora.checked(folder / "built")

    return run


def _counted(layout: tabular.Layout) -> int:
    """Return the rows of a file, of which no line and no letter is lost, twice read or invented."""
    plain = replace(layout, tool=None)
    rows = [row for _, row in tabular.rows(plain)]
    if layout.format == "parquet":
        assert len(rows) == pq.ParquetFile(layout.path).metadata.num_rows
        return len(rows)
    with text_files.opened(layout.path, "file", layout.encoding, "") as file:
        content = file.read()
    if layout.format == "jsonl":
        assert len(rows) == sum(bool(line.strip()) for line in content.split("\n"))
    elif layout.format == "json":
        assert len(rows) == len(json.loads(content))
    else:
        dialect = tabular.dialect_of(plain)
        lines = io.StringIO(content, newline="")
        for _ in range(dialect.first):
            lines.readline()
        wanted = _letters(lines.read())
        lines.seek(0)
        for _ in range(dialect.first):
            lines.readline()
        header = next(row for row in separated.reader(lines, dialect) if row)
        found = _letters("".join(header)) if dialect.header else Counter()
        assert wanted == sum((_letters("".join(row.values())) for row in rows), found)
    return len(rows)


def _letters(text: str) -> Counter[str]:
    return Counter(filter(str.isalnum, text))


def _predicted(path: Path, encoding: str) -> None:
    for form in (None, "lines"):
        with unlabelled.open_texts(path, form, None, encoding) as texts:
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


def exports() -> list[bytes]:
    """Exports of labelling tools, as arrays of JSON."""
    pairs = list(zip(TEXTS, LABELS, strict=True))
    result = [{"value": {"choices": ["odd"]}, "from_name": "stars", "type": "choices"}]
    entries: list[list[dict[str, Any]]] = [
        [
            {"data": {"body": a}, "annotations": [{"completed_by": 1, "result": result}]}
            for a, _ in pairs
        ],
        [{"text": a, "label": [b]} for a, b in pairs],
        [{"text": a, "label": b, "answer": "accept", "accept": [b]} for a, b in pairs],
        [{"text": a, "cats": {"odd": 0.9}, "stars": b} for a, b in pairs],
        [{"fields": {"body": a}, "responses": {"stars": [{"value": b}]}} for a, b in pairs],
    ]
    return _with_heads(*(json.dumps(x).encode() for x in entries))


def _with_heads(*contents: bytes) -> list[bytes]:
    return [bytes([k, e]) + c for k in (0, 1) for e in (0, 1) for c in contents]


def csv_seeds() -> list[bytes]:
    return _with_heads(_csv().encode(), _csv(";").encode())


def tsv_seeds() -> list[bytes]:
    return _with_heads(_csv("\t").encode())


def jsonl_seeds() -> list[bytes]:
    return _with_heads(_jsonl().encode())


def _parquet(made: pa.Table, **how: Any) -> bytes:
    out = io.BytesIO()
    pq.write_table(made, out, **how)
    return out.getvalue()


def parquet_seeds() -> list[bytes]:
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
    source = config.DownloadSource.model_validate(
        {"title": "t", "licence": "l", "citation": "c", "format": kind, "files": [file]}
    )
    try:
        return corpora.build("got", source, 1, folder)
    finally:
        (cache_ / digest).unlink()


def download_formats() -> Iterable[str]:
    """The known formats."""
    from datayield.corpora.loaders.catalog import FORMATS

    return FORMATS


def download_seeds() -> list[bytes]:
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
    planned = grid.arms_and_budgets(found, 500)
    config.changes(yaml.safe_dump(found.model_dump(mode="json")), data.decode())
    if found.study.draws <= 4:
        scope = grid.Scope("written", 500, "digest", defaultdict(str))
        searches.searches(found, scope, "accuracy")
    return planned


def params_seeds() -> list[bytes]:
    own = yaml.safe_dump(small_params("0" * 64), sort_keys=False)
    return [own.encode(), *(config.preset(n).encode() for n in config.PRESETS)]


def arm(data: bytes, folder: Path) -> object:
    """An arm as text, its settings and how it is described."""
    found = arms.parse_arm(data.decode("utf-8", "surrogateescape"))
    assert arms.parse_arm(str(found)) == found
    arms.describe(found)
    return arms.default_settings(config.load_text(config.preset("default")), found, 100)


def arm_seeds() -> list[bytes]:
    blocks = config.load_text(config.preset("default")).study.grid
    named = {a for block in blocks for a in block.arms}
    return [a.encode() for a in sorted({*named, "tfidf", "gru:lm+eda_nn+vat", "lstm"})]


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


def token_seeds() -> list[bytes]:
    lines = ("Don't stop, it’s 3.5 €!", "今日は雨です", "สวัสดีครับ", "مرحبا بالعالم", "👩‍👩‍👧 🇩🇪 👍🏽",
             "naïve Å A\u030a ǆ", "a\u200db \u200f x", "http://me:word@host/x?token=abc")  # fmt: skip
    return [x.encode() for x in lines]


def word_vectors(data: bytes, folder: Path) -> object:
    """A file of word vectors."""
    path = folder / "vectors.txt"
    path.write_bytes(data)
    open_vectors.cache_clear()
    return open_vectors(path).vectors(("boat", "rain", "soup", "the"))


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


def dictionary_seeds() -> list[bytes]:
    import tempfile

    with tempfile.TemporaryDirectory() as scratch:
        write_dictionary(Path(scratch))
        return [bytes([k]) + (Path(scratch) / n).read_bytes() for k, n in enumerate(wordnet.NAMES)]


def synonyms(data: bytes, folder: Path) -> object:
    """vectors.parquet, as the augment stage and cells read it."""
    path = folder / "vectors.parquet"
    path.write_bytes(data)
    Neighbours.load(path)
    return load_vectors(path)


def synonym_seeds() -> list[bytes]:
    import tempfile

    made = vectors(TEXTS, 4, 1)
    with tempfile.TemporaryDirectory() as scratch:
        save_vectors(made, Path(scratch) / "v")
        return [(Path(scratch) / "v").read_bytes()]
