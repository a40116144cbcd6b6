"""How much memory a parquet file's largest row group takes, as the file itself says.

pyarrow ends the whole process when it looks at a column of a row group whose entry is damaged. Columns
are looked at only where all of them together would not fit, and then in a process of their own.
"""

import subprocess
import sys
from collections.abc import Collection, Sequence
from pathlib import Path

import pyarrow.parquet as pq

from datayield import memory
from datayield.errors import UserError


def require(what: str, file: pq.ParquetFile, path: Path, columns: Sequence[str]) -> None:
    """Whether the columns of the largest row group fit into memory.

    Args:
        what: for the message.
        file: the file, opened.
        path: of the same file.
        columns: that are read.

    Raises:
        UserError: they do not fit.
        OSError: the file is damaged.
    """
    groups = range(file.metadata.num_row_groups)
    every = max((file.metadata.row_group(i).total_byte_size for i in groups), default=0)
    try:
        memory.require(what, every)
    except UserError:
        memory.require(what, _apart(path, columns))


def _apart(path: Path, columns: Sequence[str]) -> int:
    command = [sys.executable, "-m", __name__, str(path), *columns]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    if done.returncode or not done.stdout.strip().isdecimal():
        raise OSError("the sizes of its columns cannot be read")
    return int(done.stdout)


def largest(path: Path, columns: Collection[str]) -> int:
    """Bytes of the columns in the largest row group, unpacked."""
    with pq.ParquetFile(path) as file:
        groups = (file.metadata.row_group(i) for i in range(file.metadata.num_row_groups))
        sizes = (
            sum(
                c.total_uncompressed_size
                for c in map(group.column, range(group.num_columns))
                if c.path_in_schema.partition(".")[0] in columns
            )
            for group in groups
        )
        return max(sizes, default=0)


if __name__ == "__main__":
    print(largest(Path(sys.argv[1]), set(sys.argv[2:])))
