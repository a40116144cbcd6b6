"""Cells per minute on one GPU: our processes sharing it, networks stacked in one, and one cuDNN loop.

    python benchmarks/gpu.py [corpus]

Same texts and widths as benchmarks/engine.py. A cell is one training of 600 updates; the start of
processes is left out. The rival trains one model after the other, packed, as PyTorch's tutorials do it,
on the same device; our processes on the machine's cores alone stand beside. `stacked` is
benchmarks/rivals/stacked.py. Needs a CUDA build of torch and the corpus and subsample stages
(`dvc repro subsample@pydocs`).
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from engine import CORES, HERE, measure, write_texts

RIVAL = "one by one, packed cuDNN"
PROCESSES = {"fp32": (1, 4, 8, 16), "bf16": (8,)}
STACKED = (8, 32, 64)


def ways() -> Iterator[tuple[str, str, int, int, list[str]]]:
    """(name, script, processes, cells per process, further arguments)."""
    yield RIVAL, "packed.py", 1, 1, ["cuda"]
    yield f"datayield, {CORES} cores, no GPU", "ours.py", CORES, 1, []
    for precision, processes in PROCESSES.items():
        for k in processes:
            yield f"datayield, {precision}, processes: {k}", "ours.py", k, 1, ["cuda", precision]
    for k in STACKED:
        yield f"stacked, fp32, networks: {k}", "stacked.py", 1, k, [str(k), "cuda"]


def main() -> None:
    """Measure, print, keep."""
    if not torch.cuda.is_available():
        raise SystemExit(
            "this benchmark needs a CUDA device and a CUDA build of torch; none was found"
        )
    corpus = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    print(torch.cuda.get_device_name())
    found: dict[str, dict[str, float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.npz"
        write_texts(corpus, texts)
        for name, script, k, cells, more in ways():
            answers = measure(sys.executable, script, texts, k, 1, *more, gpu="cuda" in more)
            rate = 60 * k * cells / max(a["seconds"] for a in answers)
            accuracy = sum(a["curve"][-1][1] for a in answers) / k
            found[name] = {"cells per minute": rate, "accuracy": accuracy}
            ratio = rate / found[RIVAL]["cells per minute"]
            print(f"{name:34} {rate:8.1f} cells/min {ratio:6.1f}x   accuracy {accuracy:.3f}")
    told = {"device": torch.cuda.get_device_name(), "ways": found}
    (HERE / "gpu.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
