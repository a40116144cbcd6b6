"""Reads and writes the tables of `data/` and `results/`, and defines their columns.

Tables are written sorted, with a fixed schema and writer settings, so equal rows give equal bytes.
"""

import hashlib
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from datayield.core.errors import UserError
from datayield.core.files import atomic_path, damaged_error

_COST = pa.schema(
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
        ("validation_seconds", pa.float64()),
        ("peak_memory_mib", pa.float64()),
        ("parameters", pa.int64()),
        ("language_models", pa.string()),  # "" for none; cells with one name share one model
    ]
)

CELL = pa.schema(
    [
        ("corpus", pa.string()),
        ("arm", pa.string()),  # "lstm:eda_nn", "tfidf"
        ("n", pa.int64()),  # labels paid
        ("draw", pa.int64()),
        ("seed", pa.int64()),
        ("cell", pa.string()),  # the hash that identifies the cell
    ]
)
"""The columns by which other tables name a cell, and sort by."""

CELLS = pa.schema(
    [
        ("corpus", pa.string()),
        ("arm", pa.string()),
        ("architecture", pa.string()),  # "lstm", "tfidf"
        ("strategies", pa.string()),  # "eda_nn", "" for baselines that are not networks
        ("n", pa.int64()),  # labels paid
        ("draw", pa.int64()),
        ("seed", pa.int64()),
        ("cell", pa.string()),  # the hash that identifies the cell
        ("n_train", pa.int64()),  # labelled texts that the scored model learned from
        ("n_validation", pa.int64()),  # texts held out of one more training each
        ("validation_accuracy", pa.float64()),  # of the held-out texts; NaN without any
        ("validation_macro_f1", pa.float64()),
        ("accuracy", pa.float64()),  # test
        ("macro_f1", pa.float64()),  # test
        ("hits", pa.binary()),  # np.packbits of correct or not, in test order, first text highest
        ("predicted", pa.binary()),  # little-endian uint16 class index per test text
        ("test_size", pa.int64()),
        ("test_digest", pa.string()),
        *_COST,
        ("settings", pa.string()),  # JSON, sorted keys
        ("identity", pa.string()),  # JSON, sorted keys
    ]
)

CORPUS = pa.schema(
    [
        ("split", pa.string()),  # "pool", "test" or "unlabelled", in this order
        ("id", pa.int64()),  # position in its split
        ("text", pa.large_string()),
        ("label", pa.int64()),  # class index; -1 without a label
        ("duplicate_group", pa.int64()),  # equal for duplicates in the pool; -1 outside of it
        ("block", pa.int64()),  # equal for pool texts that no fold parts; -1 outside of the pool
    ]
)
"""`corpus.arrow`. Its metadata hold name, family, classes, digest and the sizes of pool and unlabelled."""

AUDIT = pa.schema(
    [
        ("split", pa.string()),  # "pool" or "test"
        ("id", pa.int64()),
        ("class", pa.string()),
        ("letters", pa.int64()),  # hash of the text's letters and digits
        (
            "twin",
            pa.string(),
        ),  # whether the pool has another text like it: "exact", "near" or "" (none)
    ]
)

HISTORY = pa.schema(
    [
        *CELL,
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
        ("search", pa.string()),  # name of the search; unique for everything that determines it
        ("corpus", pa.string()),
        ("arm", pa.string()),  # the arm that was searched for; other arms may use the result
        ("n", pa.int64()),
        ("draw", pa.int64()),  # the draw whose labels were read; -1: a draw that is never scored
        ("number", pa.int64()),  # place in the order of completion; 0 is the untuned setting
        ("state", pa.string()),  # "complete", "pruned" (ended early) or "failed"
        ("score", pa.float64()),  # on held-out labels; null unless complete
        ("steps", pa.list_(pa.float64())),  # the score while training, or after each fold
        ("seconds", pa.float64()),
        ("tokens", pa.int64()),
        ("updates", pa.int64()),
        ("helper_fits", pa.int64()),
        ("settings", pa.string()),  # JSON, all settings of the trial
        ("values", pa.string()),  # JSON, the values that the search chose
        ("error", pa.string()),
        (
            "importances",
            pa.string(),
        ),  # JSON, importance of each argument in the whole search; {} if unknown
    ]
)
"""`trials.parquet`; its metadata under "tuning" say which arm uses which search."""

UNREADABLE = (pa.ArrowException, OSError, ValueError, OverflowError, LookupError, RuntimeError)
"""What pyarrow raises for files of another kind or with damage, also for names that are not UTF-8."""


def write_table(table: pa.Table, path: Path, order: tuple[str, ...] = ()) -> None:
    """Write parquet with fixed settings, sorted by the columns `order`; complete or not at all.

    Every page has a checksum, which `read_table` compares.
    """
    if order:
        table = table.sort_by([(name, "ascending") for name in order])
    with atomic_path(path) as temporary:
        pq.write_table(
            table, temporary, compression="zstd", version="2.6", write_page_checksum=True
        )


def hash_of(path: Path) -> str:
    """Return the sha256 of the file of a table.

    Raises:
        UserError: as `read_table`.
    """
    read_table(path)  # a damaged table must not pass for another one
    return hashlib.sha256(path.read_bytes()).hexdigest()


def write_mapped(batches: Iterable[pa.RecordBatch], schema: pa.Schema, path: Path) -> None:
    """Write an uncompressed Arrow file, which `read_mapped` maps; complete or not at all."""
    with atomic_path(path) as temporary, pa.ipc.new_file(temporary, schema) as out:
        for batch in batches:
            out.write_batch(batch)


def read_table(
    path: Path, schema: pa.Schema | None = None, columns: Sequence[str] | None = None
) -> pa.Table:
    """Read a table; with `columns`, only those.

    Raises:
        UserError: the file is missing, unreadable, or has other columns than the schema, if one is given.
    """
    return _read(
        path,
        schema,
        "parquet",
        lambda: pq.read_table(path, columns=columns, page_checksum_verification=True),
    )


def read_mapped(path: Path, schema: pa.Schema) -> pa.Table:
    """Open a table of `write_mapped` in its batches; a value is read from the file when it is used.

    Raises:
        UserError: as `read_table`.
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
        if kind == "parquet":  # a mapped file is not read here
            table.validate(full=True)
        names = table.schema.names
    except UNREADABLE as e:
        raise damaged_error(
            path, f"it is not a readable {kind} file: {' '.join(str(e).split())[:200]}"
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
