"""Real tokens per second and seconds to the same accuracy: ours against loops a user would write.

    python benchmarks/engine.py [corpus] [python with keras and tensorflow-cpu]

All of the machine's cores are allowed to every side: a user's loop runs as one process on all cores,
ours as one process of one thread per core, each training its own seed. Same texts, same widths
(BiLSTM 128, embedding 300, batch 32); a second line for ours at its default widths. Rivals lie in
benchmarks/rivals/. Prints ratios; writes benchmarks/engine.json and engine.svg.
Needs the corpus and subsample stages (`dvc repro subsample@pydocs`).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from datayield.desk import Data
from datayield.encode import Vocabulary, encode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "rivals"))
from data import EMBEDDING, HIDDEN, LIMIT, save  # noqa: E402

N = 3000
CORES = len(os.sched_getaffinity(0))
OURS = "datayield"


def write_texts(corpus: str, path: Path) -> None:
    """The training and validation part of one draw that no study scores, as word numbers."""
    data = Data.load(Path("data") / corpus)
    sample = data.draws.sample(-1, N)
    texts = [data.corpus.texts[i] for i in sample.train]
    vocabulary = Vocabulary.of(texts)
    parts = {}
    for name, ids in (("train", sample.train), ("validation", sample.validation)):
        encoded = encode([data.corpus.texts[i] for i in ids], vocabulary, LIMIT)
        parts[name] = [
            encoded.flat[s : s + n] for s, n in zip(encoded.starts, encoded.lengths, strict=True)
        ]
    save(
        path, **parts, labels=data.corpus.labels[sample.train],
        validation_labels=data.corpus.labels[sample.validation],
        words=len(vocabulary), classes=len(data.corpus.classes),
    )  # fmt: skip


def measure(
    python: str, script: str, texts: Path, processes: int, threads: int, *more: str
) -> list[dict]:
    """Run a rival in so many processes at once; their answers."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads), "CUDA_VISIBLE_DEVICES": ""}
    running = [
        subprocess.Popen(
            [python, str(HERE / "rivals" / script), str(texts), str(seed), str(threads), *more],
            stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment,
        )
        for seed in range(processes)
    ]  # fmt: skip
    answers = [p.communicate()[0] for p in running]
    if any(p.returncode for p in running):
        raise SystemExit(f"{script} failed; run it by hand to see why")
    return [json.loads(a.strip().splitlines()[-1]) for a in answers]


def gemm_peak() -> float:
    """fp32 GFLOP/s of one core: a 1,024-cubed product, best of several."""
    torch.set_num_threads(1)
    a = torch.randn(1024, 1024)
    times = []
    for _ in range(8):
        began = time.perf_counter()
        torch.mm(a, a)
        times.append(time.perf_counter() - began)
    return 2 * 1024**3 / min(times) / 1e9


def first_reach(curve: list[list[float]], target: float) -> float | None:
    """Seconds of training until the validation accuracy reached the target."""
    return next((s for s, accuracy in curve if accuracy >= target), None)


def main() -> None:
    """Measure, print, keep."""
    corpus = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    keras = sys.argv[2] if len(sys.argv) > 2 else None
    with tempfile.TemporaryDirectory() as folder:
        texts = Path(folder) / "texts.npz"
        write_texts(corpus, texts)
        python = sys.executable
        found = {
            OURS: measure(python, "ours.py", texts, CORES, 1),
            "article's loop repaired": measure(python, "packed.py", texts, 1, CORES, "article"),
            "PyTorch, packed": measure(python, "packed.py", texts, 1, CORES),
            "datayield, default widths": measure(python, "ours.py", texts, CORES, 1, "default"),
            "TF-IDF + LR": measure(python, "tfidf.py", texts, 1, CORES),
        }
        if keras:
            found["Keras 3"] = measure(keras, "keras_loop.py", texts, 1, CORES)
    speed = {k: sum(a["tokens"] / a["seconds"] for a in v) for k, v in found.items()}
    target = round(max(acc for a in found["PyTorch, packed"] for _, acc in a["curve"]) - 0.01, 3)
    macs = 4 * HIDDEN * (EMBEDDING + HIDDEN) * 2
    peak = gemm_peak()
    result = {
        "corpus": corpus, "labels": N, "cores": CORES, "target accuracy": target,
        "tokens per second": {k: round(v) for k, v in speed.items()},
        "times ours": {k: round(speed[OURS] / v, 2) for k, v in speed.items()},
        "seconds to target": {
            k: first_reach(v[0]["curve"], target) for k, v in found.items()
        },
        "final accuracy": {k: round(float(np.mean([a["curve"][-1][1] for a in v])), 4) for k, v in found.items()},
        "GEMM peak of a core, GFLOP/s": round(peak, 1),
        "share of it in the recurrent products": round(speed[OURS] / CORES * 6 * macs / 1e9 / peak, 3),
    }  # fmt: skip
    print(f"{'':28} {'tokens/s':>10} {'ours is':>8} {'s to ' + str(target):>10} {'final':>7}")
    for k in found:
        reached = result["seconds to target"][k]
        shown = "not" if reached is None else f"{reached:.1f}"
        final = result["final accuracy"][k]
        print(f"{k:28} {speed[k]:10,.0f} {speed[OURS] / speed[k]:7.1f}x {shown:>10} {final:7.3f}")
    print(
        f"a core's fp32 product peak is {peak:.0f} GFLOP/s;"
        f" {result['share of it in the recurrent products']:.0%} of it is spent in recurrent products"
    )
    (HERE / "engine.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
