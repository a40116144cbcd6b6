"""How much of the workers' time a study spends inside cells, and where the rest goes.

    python benchmarks/share.py [corpus]

Runs the study stage of this folder's params.yaml with an empty store in a copy of the folder, then
compares the time inside cells, as the rows tell it, with workers x wall time. Needs the data and tune
stages (`dvc repro tune@pydocs`).
"""

import json
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import pyarrow.parquet as pq

from datayield import config
from datayield.core.system import machine


def main() -> None:
    """Measure, print, keep."""
    corpus = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    workers = machine.workers(config.load(Path("params.yaml")).execution.workers)
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        shutil.copy("params.yaml", root)
        shutil.copytree(Path("data") / corpus, root / "data" / corpus)
        results = root / "results" / corpus
        results.mkdir(parents=True)
        shutil.copy(Path("results") / corpus / "settings.json", results)
        began = time.perf_counter()
        command = [sys.executable, str(Path("flows/study.py").resolve()), "--corpus", corpus]
        subprocess.run(command, cwd=root, check=True, stderr=subprocess.DEVNULL)
        wall = time.perf_counter() - began
        names = ["cell_seconds", "train_seconds", "inference_seconds", "prepare_seconds"]
        columns = pq.read_table(results / "cells.parquet", columns=names).to_pydict()
    cells = len(columns["cell_seconds"])
    total = {name: sum(values) for name, values in columns.items()}
    shares = {name: seconds / (workers * wall) for name, seconds in total.items()}
    print(f"{cells} cells, {workers} workers, {wall:.0f} s")
    print(f"inside cells              {shares['cell_seconds']:6.1%}")
    for name in names[1:]:
        print(f"  {name.removesuffix('_seconds'):22}  {shares[name]:6.1%}")
    rest = shares["cell_seconds"] - sum(shares[n] for n in names[1:])
    print(f"  validation and the rest {rest:6.1%}")
    print(
        f"outside cells (start of flow and workers, tables, log) {1 - shares['cell_seconds']:.1%}"
    )
    told = {"cells": cells, "workers": workers, "wall seconds": wall, **shares}
    Path(__file__).with_suffix(".json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
