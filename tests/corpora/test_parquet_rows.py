"""Parquet files whose parts contradict each other."""

from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datayield.core.errors import UserError
from datayield.corpora import parquet_rows

ROWS = 40
COUNT, MORE = b"\x16\x50", b"\x16\x52"  # the number of rows in the file's end: 40, and 41


def test_a_file_that_promises_more_rows_than_it_holds_is_damaged(tmp_path: Path) -> None:
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": [str(k) for k in range(ROWS)]}), path)
    assert len(list(parquet_rows.rows(path, "a.parquet", lambda known: known))) == ROWS
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    path.write_bytes(content[:start] + content[start:].replace(COUNT, MORE, 1))
    with pytest.raises(UserError, match="its end promises 41 rows, and it holds 40"):
        list(parquet_rows.rows(path, "a.parquet", lambda known: known))
