"""Seconds of every strategy's cells over those of plain ones, as the rows of this folder tell.

    python benchmarks/effort.py

`Strategy.effort` holds these numbers, rounded, for predictions on machines that computed nothing yet.
Run after `datayield preset arms && datayield study`.
"""

from collections import defaultdict
from pathlib import Path
from statistics import median
from typing import Any

import pyarrow.parquet as pq

from datayield.strategies import registry


def main() -> None:
    """Print the median ratio of every strategy that stands alone, beside what it declares."""
    seconds: dict[str, dict[tuple[Any, ...], float]] = defaultdict(dict)
    for path in sorted(Path("results").glob("*/cells.parquet")):
        for row in pq.read_table(path).to_pylist():
            where = row["corpus"], row["n"], row["draw"], row["seed"]
            seconds[row["arm"]][where] = row["cell_seconds"]
    plain = seconds["lstm:plain"]
    for name, make in registry.registered().items():
        own = seconds.get(f"lstm:{name}", {})
        ratios = [own[k] / plain[k] for k in own if k in plain]
        if ratios:
            print(f"{name:20} {median(ratios):6.2f}  declared {make().effort:g}")


if __name__ == "__main__":
    main()
