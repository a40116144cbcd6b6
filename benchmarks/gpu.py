"""A GPU against this machine's cores: cells per minute of one training, and a whole study's cells.

    python benchmarks/gpu.py [corpus]

Same texts and widths as benchmarks/engine.py, then the same at datayield's default widths. A cell is one
training of 600 updates; the start of processes is left out, the making of a stack's graphs is not. The
rival trains one model after the other, packed, as PyTorch's tutorials do it, on the same device; our
processes on the machine's cores alone stand beside. Then every cell of params.yaml, untuned, by the pool
that studies use, start of its processes included. Needs a CUDA build of torch and the data stages of the
corpus (`dvc repro curriculum@pydocs`).
"""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch
from engine import CORES, HERE, measure, write_texts

from datayield import config
from datayield.cells import stacking
from datayield.cells.worker_pool import LocalPool
from datayield.core.types import Row
from datayield.models import stacked
from datayield.study import arms, data_stages, grid

RIVAL = "one by one, packed cuDNN"
WIDTHS: dict[str, list[str]] = {"BiLSTM 128, embedding 300": [], "default widths": ["default"]}
SHARES = (1, 4)  # processes that train stacks on one device
STUDY_SHARES = (4, 8)  # of a study, which has other work for them too


def ways() -> Iterator[tuple[str, str, int, int, list[str]]]:
    """(name, script, processes, cells per process, further arguments)."""
    yield RIVAL, "packed.py", 1, 1, ["cuda"]
    yield f"datayield, {CORES} cores, no GPU", "ours.py", CORES, 1, []
    yield "datayield, processes: 8, not stacked", "ours.py", 8, 1, ["cuda"]
    for k in SHARES:
        yield (
            f"datayield, processes: {k}",
            "ours.py",
            k,
            stacked.STACK_SIZE,
            ["cuda", str(stacked.STACK_SIZE)],
        )


def study(corpus: str, device: str, workers: int) -> tuple[float, list[Row]]:
    """Seconds of all cells of params.yaml with untuned settings, and their rows."""
    root = Path()
    params = config.load(root / "params.yaml")
    scope = replace(data_stages.scope(params, corpus, root), device=device)
    entries, _ = grid.arms_and_budgets(params, scope.pool, scope.unlabelled)
    cells = [
        grid.cell(params, scope, arm, n, draw, seed, arms.default_settings(params, arm, n))
        for arm, n in sorted(entries, key=lambda e: -e[1])
        for draw in params.study.numbers
        for seed in range(params.study.seeds)
    ]
    pool, began = LocalPool(root, 3600, workers), time.perf_counter()
    try:
        with ThreadPoolExecutor(workers) as threads:
            rows = [
                row
                for work_unit in threads.map(pool.run, stacking.work_units(cells, lambda cell: 0.0))
                for row in work_unit
            ]
    finally:
        pool.close()
    seconds = time.perf_counter() - began
    done = sorted(
        (row for row in rows if isinstance(row, Row)),
        key=lambda r: (str(r.cell.arm), r.cell.n, r.cell.draw, r.cell.seed),
    )
    if len(done) < len(rows):
        failed = next(row for row in rows if not isinstance(row, Row))
        raise SystemExit(f"{len(rows) - len(done)} cells failed, the first with {failed}")
    return seconds, done


def studies(corpus: str) -> dict[str, object]:
    """The study on cores and on the device, and what stacking changes about accuracy, cell by cell."""
    ways = {
        f"{device}, processes: {k}": (device, k)
        for device, k in (("cpu", CORES), *(("cuda", k) for k in STUDY_SHARES))
    }
    found: dict[str, object] = {}
    rows: list[list[Row]] = []
    for name, (device, workers) in ways.items():
        seconds, done = study(corpus, device, workers)
        rows.append(done)
        found[name] = seconds
        print(f"all {len(done)} cells, {name:20} {seconds:6.1f} s", flush=True)
    for others in rows[2:]:
        told = zip(rows[1], others, strict=True)
        assert all(np.array_equal(a.predicted, b.predicted) for a, b in told), "rows differ"
    pairs = [
        (cuda.accuracy - cpu.accuracy)
        for cpu, cuda in zip(rows[0], rows[1], strict=True)
        if stacking.stack_key(cuda.cell) is not None
    ]
    mean, error = np.mean(pairs), np.std(pairs, ddof=1) / len(pairs) ** 0.5
    low, high = (float(100 * (mean + z * 1.96 * error)) for z in (-1, 1))
    print(
        f"stacked - cores: {100 * mean:+.2f} points [{low:+.2f}, {high:+.2f}], {len(pairs)} pairs"
    )
    return {**found, "stacked - cores": [100 * float(mean), low, high, len(pairs)]}


def main() -> None:
    """Measure, print, keep."""
    if not torch.cuda.is_available():
        raise SystemExit(
            "this benchmark needs a CUDA device and a CUDA build of torch; none was found"
        )
    corpus = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    print(torch.cuda.get_device_name(), flush=True)
    found: dict[str, dict[str, dict[str, float]]] = {}
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.npz"
        write_texts(corpus, texts)
        for widths, own in WIDTHS.items():
            print(widths, flush=True)
            found[widths] = {}
            for name, script, k, cells, more in ways():
                answers = measure(
                    sys.executable, script, texts, k, 1, *more, *own, gpu="cuda" in more
                )
                rate = 60 * k * cells / max(a["seconds"] for a in answers)
                accuracy = sum(a["curve"][-1][1] for a in answers) / k
                found[widths][name] = {"cells per minute": rate, "accuracy": accuracy}
                ratio = rate / found[widths][RIVAL]["cells per minute"]
                print(
                    f"{name:34} {rate:8.1f} cells/min {ratio:6.1f}x   accuracy {accuracy:.3f}",
                    flush=True,
                )
    told = {"device": torch.cuda.get_device_name(), "ways": found, "study": studies(corpus)}
    (HERE / "gpu.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
