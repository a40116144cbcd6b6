"""Cells per minute on one GPU: several of our processes sharing it, against one cuDNN loop.

    python benchmarks/gpu.py [corpus]

Same texts and widths as benchmarks/engine.py. A cell is one training of 600 updates. The rival trains
one model after the other, packed, as PyTorch's tutorials do it, on the same device. Needs a CUDA build
of torch and the corpus and subsample stages (`dvc repro subsample@pydocs`).
"""

import json
import sys
import tempfile
import time
from pathlib import Path

import torch
from engine import HERE, measure, write_texts

PROCESSES = (1, 2, 4, 8)


def per_minute(script: str, texts: Path, processes: int, *more: str) -> float:
    """Cells per minute, the start of processes left out."""
    answers = measure(sys.executable, script, texts, processes, 1, *more, gpu=True)
    return 60 * processes / max(a["seconds"] for a in answers)


def main() -> None:
    """Measure, print, keep."""
    if not torch.cuda.is_available():
        raise SystemExit(
            "this benchmark needs a CUDA device and a CUDA build of torch; none was found"
        )
    corpus = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    began = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.npz"
        write_texts(corpus, texts)
        found = {"one by one, packed cuDNN": per_minute("packed.py", texts, 1, "cuda")}
        for precision in ("fp32", "bf16"):
            for k in PROCESSES:
                name = f"datayield, {precision}, {k} process{'es' if k > 1 else ''}"
                found[name] = per_minute("ours.py", texts, k, "cuda", precision)
    rival = found["one by one, packed cuDNN"]
    print(f"{torch.cuda.get_device_name()}; {time.perf_counter() - began:.0f} s in all")
    for name, rate in found.items():
        print(f"{name:34} {rate:8.1f} cells/min {rate / rival:6.1f}x")
    told = {"device": torch.cuda.get_device_name(), "cells per minute": found}
    (HERE / "gpu.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
