"""The tables of `results/<corpus>/`: the meeting point of the experiment and the analysis arm.

Tables are written sorted, with a fixed schema and writer settings, so equal rows give equal bytes.
"""

import hashlib
import io
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from datayield.errors import UserError

_ACCOUNT = pa.schema(
    [
        ("labels_paid", pa.int64()),
        ("examples", pa.int64()),
        ("unlabelled", pa.int64()),
        ("updates", pa.int64()),
        ("tokens", pa.int64()),
        ("helper_fits", pa.int64()),
        ("prepare_seconds", pa.float64()),
        ("train_seconds", pa.float64()),
        ("inference_seconds", pa.float64()),
        ("cell_seconds", pa.float64()),
        ("pretrain_seconds", pa.float64()),
        ("peak_memory_mib", pa.float64()),
        ("parameters", pa.int64()),
    ]
)

CELLS = pa.schema(
    [
        ("corpus", pa.string()),
        ("arm", pa.string()),  # "lstm:eda_nn", "tfidf"
        ("architecture", pa.string()),  # "lstm", "tfidf"
        ("strategies", pa.string()),  # "eda_nn", "" for baselines that are no networks
        ("n", pa.int64()),  # labels paid, validation included
        ("draw", pa.int64()),
        ("seed", pa.int64()),
        ("cell", pa.string()),  # hash: the cell's identity
        ("n_train", pa.int64()),
        ("n_validation", pa.int64()),
        ("validation_accuracy", pa.float64()),  # NaN without validation texts
        ("validation_macro_f1", pa.float64()),
        ("accuracy", pa.float64()),  # test
        ("macro_f1", pa.float64()),  # test
        ("hits", pa.binary()),  # np.packbits of correct/incorrect, test order, big bit order
        ("predicted", pa.binary()),  # little-endian uint16 class index per test text
        ("test_size", pa.int64()),
        ("test_digest", pa.string()),
        *_ACCOUNT,
        ("settings", pa.string()),  # JSON, sorted keys
        ("identity", pa.string()),  # JSON, sorted keys
    ]
)

CORPUS = pa.schema(
    [
        ("split", pa.string()),  # "pool" or "test"
        ("id", pa.int64()),  # position in its split
        ("text", pa.large_string()),
        ("label", pa.int64()),
        ("unit", pa.int64()),  # -1 in the test set
    ]
)
"""`corpus.arrow`, the pool before the test set; its metadata hold name, classes, pool size, digest."""

AUDIT = pa.schema(
    [
        ("split", pa.string()),  # "pool" or "test"
        ("id", pa.int64()),
        ("class", pa.string()),
        ("letters", pa.int64()),  # hash of the text's letters and digits
        ("twin", pa.string()),  # "exact", "near" or "": has the pool (another text like) this one?
    ]
)

HISTORY = pa.schema(
    [
        ("corpus", pa.string()),
        ("arm", pa.string()),
        ("n", pa.int64()),
        ("draw", pa.int64()),
        ("seed", pa.int64()),
        ("cell", pa.string()),
        ("round", pa.int64()),
        ("updates", pa.int64()),
        ("learning_rate", pa.float64()),
        ("loss", pa.float64()),
        ("train_accuracy", pa.float64()),
        ("validation_loss", pa.float64()),
        ("validation_accuracy", pa.float64()),
    ]
)

TRIALS = pa.schema(
    [
        ("search", pa.string()),  # of which the trial is one; unique for all that determines it
        ("corpus", pa.string()),
        ("arm", pa.string()),  # that was searched for; it may serve others
        ("n", pa.int64()),
        ("draw", pa.int64()),  # whose labels it read; -1: of a draw that is never scored
        ("number", pa.int64()),  # in the order they ended; 0 is the untuned setting
        ("state", pa.string()),  # "complete", "pruned" (ended early) or "failed"
        ("score", pa.float64()),  # on held-out labels; null unless complete
        ("steps", pa.list_(pa.float64())),  # the score while training, or after each fold
        ("seconds", pa.float64()),
        ("tokens", pa.int64()),
        ("updates", pa.int64()),
        ("helper_fits", pa.int64()),
        ("settings", pa.string()),  # JSON, all of them
        ("values", pa.string()),  # JSON, of what was searched
        ("error", pa.string()),
        ("importances", pa.string()),  # JSON, of the whole search; {} where unknown
    ]
)
"""`trials.parquet`; its metadata under "tuning" say what served which arm (regimes.served)."""

_HASH = b"datayield.hash"
_SUM = "sha256"  # key of a JSON file of ours that holds the checksum of the others
UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, LookupError, RuntimeError)
"""What pyarrow raises for files that are not what they say, names that are no UTF-8 included."""


def canonical(value: Any) -> str:
    """JSON with sorted keys and no spaces: one text per value."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def digest(value: Any) -> str:
    """The sha256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def write(table: pa.Table, path: Path, order: tuple[str, ...] = (), hashed: bool = False) -> None:
    """Parquet with fixed writer settings; sorted by `order`; written whole or not at all.

    Every page has a checksum, which `read` compares.

    Args:
        table: what is written.
        path: where.
        order: columns to sort by.
        hashed: keep in the file's head what `hash_of` tells: the hash of the same file without
            checksums, as it was before there were any, because cells' identities hold it.
    """
    if order:
        table = table.sort_by([(name, "ascending") for name in order])
    if hashed:
        out = io.BytesIO()
        pq.write_table(table, out, compression="zstd", version="2.6")
        found = hashlib.sha256(out.getvalue()).hexdigest()
        table = table.replace_schema_metadata({**(table.schema.metadata or {}), _HASH: found})
    with whole(path) as temporary:
        pq.write_table(
            table, temporary, compression="zstd", version="2.6", write_page_checksum=True
        )


def hash_of(path: Path) -> str:
    """The sha256 of a table's file, of what it would be without checksums (see `write`).

    Raises:
        UserError: as `read`.
    """
    kept = (read(path).schema.metadata or {}).get(_HASH)
    return kept.decode() if kept else hashlib.sha256(path.read_bytes()).hexdigest()


def write_mapped(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> None:
    """An uncompressed Arrow file, which `read_mapped` maps; written whole or not at all."""
    with whole(path) as temporary, pa.ipc.new_file(temporary, schema) as out:
        for batch in batches:
            out.write_batch(batch)


def write_text(text: str, path: Path) -> None:
    """UTF-8 text; see `write_bytes`."""
    write_bytes(text.encode("utf-8"), path)


def write_bytes(content: bytes, path: Path) -> None:
    """A file written to a temporary name and renamed.

    Raises:
        UserError: when the disk is full or the folder cannot be written.
    """
    with whole(path) as temporary:
        temporary.write_bytes(content)


@contextmanager
def whole(path: Path) -> Iterator[Path]:
    """A temporary name that becomes `path` if all goes well; errors as `write_bytes`."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        temporary.replace(path)
    except OSError as e:
        raise UserError(
            f"cannot write {path}: {e.strerror or e}. Free some space or choose a writable folder."
        ) from e
    finally:
        if temporary.exists():
            temporary.unlink()


def read(
    path: Path, schema: pa.Schema | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """A table; with a schema, its columns are checked; with `columns`, only those are read.

    Raises:
        UserError: when the file is missing, unreadable, or has other columns than the schema.
    """
    return _read(
        path,
        schema,
        "parquet",
        lambda: pq.read_table(path, columns=columns, page_checksum_verification=True),
    )


def read_mapped(path: Path, schema: pa.Schema) -> pa.Table:
    """A table of `write_mapped`, in its batches; nothing is read before it is looked at.

    Raises:
        UserError: as `read`.
    """
    return _read(
        path, schema, "Arrow", lambda: pa.ipc.open_file(pa.memory_map(str(path))).read_all()
    )


def _read(
    path: Path, schema: pa.Schema | None, kind: str, opened: Callable[[], pa.Table]
) -> pa.Table:
    if not path.exists():
        raise UserError(f"{path} is missing. Run `dvc repro` to make it.")
    try:
        table = opened()
        if kind == "parquet":  # a mapped file is not read before it is looked at
            table.validate(full=True)
        names = table.schema.names
    except UNREADABLE as e:
        raise damaged(
            path, f"it is no readable {kind} file: {' '.join(str(e).split())[:200]}"
        ) from e
    if schema is not None and names != schema.names:
        missing = sorted(set(schema.names) - set(names))
        raise UserError(
            f"{path} has other columns than this version of datayield writes"
            f" (missing: {', '.join(missing) or 'none'}). Delete it and run `dvc repro`."
        )
    if schema is not None and table.schema.types != schema.types:
        raise UserError(
            f"{path} has columns of other types than this version of datayield writes. Delete it and"
            " run `dvc repro`."
        )
    return table


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object that a stage wrote.

    Raises:
        UserError: when the file is missing or damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as e:
        raise UserError(f"{path} is missing. Run `dvc repro` to make it.") from e
    except (OSError, ValueError, RecursionError) as e:
        raise damaged(path, str(e)) from e
    if not isinstance(found, dict):
        raise damaged(path, f"wanted a JSON object, got {type(found).__name__}")
    told = found.pop(_SUM, None)  # files of earlier versions have none
    if told is not None and told != digest(found):
        raise damaged(path, "its checksum does not fit its content")
    return found


def write_json(value: Mapping[str, Any], path: Path, ordered: bool = True) -> None:
    """A JSON object with a checksum, which `read_json` compares; keys sorted where `ordered`."""
    plain = json.loads(json.dumps(value))
    told = {**plain, _SUM: digest(plain)}
    write_text(json.dumps(told, indent=1, sort_keys=ordered, ensure_ascii=False) + "\n", path)


def damaged(path: Path, why: str) -> UserError:
    """The error about a file that a stage wrote and that is not as it was."""
    return UserError(f"{path} is damaged ({why}). Delete it and run `dvc repro`.")
