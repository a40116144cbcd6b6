"""Cells per minute on one GPU: our processes sharing it, networks stacked in one, and one cuDNN loop.

    python benchmarks/gpu.py [corpus]

Same texts and widths as benchmarks/engine.py, then the same at datayield's default widths. A cell is one
training of 600 updates; the start of processes is left out. The rival trains one model after the other,
packed, as PyTorch's tutorials do it, on the same device; our processes on the machine's cores alone stand
beside. `graphed` and `stacked` are prototypes in benchmarks/rivals. Needs a CUDA build of torch and the
corpus and subsample stages (`dvc repro subsample@pydocs`).
"""

import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import torch
from engine import CORES, HERE, measure, write_texts

RIVAL = "one by one, packed cuDNN"
WIDTHS: dict[str, list[str]] = {"BiLSTM 128, embedding 300": [], "default widths": ["default"]}


def ways() -> Iterator[tuple[str, str, int, int, list[str]]]:
    """(name, script, processes, cells per process, further arguments)."""
    yield RIVAL, "packed.py", 1, 1, ["cuda"]
    yield f"datayield, {CORES} cores, no GPU", "ours.py", CORES, 1, []
    for k in (1, 4, 8, 16):
        yield f"datayield, processes: {k}", "ours.py", k, 1, ["cuda"]
    yield "datayield, bf16, processes: 8", "ours.py", 8, 1, ["cuda", "bf16"]
    for k in (1, 8):
        yield f"graphed, processes: {k}", "graphed.py", k, 1, ["cuda"]
    for k in (8, 32, 64):
        yield f"stacked, networks: {k}", "stacked.py", 1, k, [str(k), "cuda"]


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
    told = {"device": torch.cuda.get_device_name(), "ways": found}
    (HERE / "gpu.json").write_text(json.dumps(told, indent=1) + "\n")


if __name__ == "__main__":
    main()
