"""Real tokens per second and seconds to the same accuracy: ours against loops a user would write.

    python benchmarks/engine.py [corpus] [python with keras and tensorflow-cpu]

All of the machine's cores are allowed to every side: a user's loop runs as one process on all cores,
ours as one process of one thread per core, each training its own seed. Same texts, same widths
(BiLSTM 128, embedding 300, batch 32); more lines for ours in bf16 and at its default widths. Rivals lie
in benchmarks/rivals/. Prints ratios; writes benchmarks/engine.json and docs/engine.svg.
Needs the corpus and subsample stages (`dvc repro subsample@pydocs`).
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import torch

from datayield.cells.corpus_tables import CorpusTables
from datayield.models.encoding import Vocabulary, encode

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE / "rivals"))
from data import EMBEDDING, HIDDEN, LIMIT, save

N = 3000
CORES = len(os.sched_getaffinity(0))
OURS = "datayield"


def write_texts(corpus: str, path: Path) -> None:
    """The training and validation part of one draw that no study scores, as word numbers."""
    data = CorpusTables.load(Path("data") / corpus)
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
    python: str,
    script: str,
    texts: Path,
    processes: int,
    threads: int,
    *more: str,
    gpu: bool = False,
) -> list[dict[str, Any]]:
    """Run a rival in so many processes at once; their answers."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(threads)}
    if not gpu:
        environment["CUDA_VISIBLE_DEVICES"] = ""
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


def gemm_peak(kind: torch.dtype) -> float:
    """GFLOP/s of one core: a 1,024-cubed product by the faster of BLAS and oneDNN, best of several."""
    torch.set_num_threads(1)
    a = torch.randn(1024, 1024).to(kind)
    times = []
    for product in (
        torch.mm,
        lambda x, y: torch.ops.mkldnn._linear_pointwise(x, y, None, "none", [], ""),
    ):
        for _ in range(12):
            began = time.perf_counter()
            product(a, a)
            times.append(time.perf_counter() - began)
    return 2 * 1024**3 / min(times) / 1e9


def draw(speed: dict[str, float], curves: dict[str, list[Any]], path: Path) -> None:
    """Tokens per second, and accuracy against seconds of training."""
    from matplotlib.figure import Figure

    figure = Figure((9, 3.4), layout="constrained")
    bars, lines = figure.subplots(1, 2, width_ratios=[1.2, 1])
    names = sorted(speed, key=lambda name: speed[name])
    bars.barh(
        names, [speed[k] for k in names], color=["#0072B2" if OURS in k else "#999" for k in names]
    )
    bars.set(xlabel="real tokens per second", xscale="linear")
    for name, curve in curves.items():
        lines.plot(*zip(*curve, strict=True), label=name, color="#0072B2" if name == OURS else None)
    lines.set(xlabel="seconds of training", ylabel="validation accuracy", xscale="log")
    lines.legend(fontsize=7, frameon=False)
    figure.savefig(path, metadata={"Date": None})


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
            f"{OURS}, bf16": measure(python, "ours.py", texts, CORES, 1, "bf16"),
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
    peaks = {"fp32": gemm_peak(torch.float32), "bf16": gemm_peak(torch.bfloat16)}
    used = {
        p: speed[k] / CORES * 6 * macs / 1e9 / peaks[p]
        for p, k in (("fp32", OURS), ("bf16", f"{OURS}, bf16"))
    }
    result = {
        "corpus": corpus, "labels": N, "cores": CORES, "target accuracy": target,
        "tokens per second": {k: round(v) for k, v in speed.items()},
        "times ours": {k: round(speed[OURS] / v, 2) for k, v in speed.items()},
        "seconds to target": {
            k: first_reach(v[0]["curve"], target) for k, v in found.items()
        },
        "final accuracy": {k: round(float(np.mean([a["curve"][-1][1] for a in v])), 4) for k, v in found.items()},
        "GEMM peak of a core, GFLOP/s": {p: round(v, 1) for p, v in peaks.items()},
        "share of it in the recurrent products": {p: round(v, 3) for p, v in used.items()},
    }  # fmt: skip
    print(f"{'':28} {'tokens/s':>10} {'ours is':>8} {'s to ' + str(target):>10} {'final':>7}")
    for k in found:
        reached = result["seconds to target"][k]
        shown = "not" if reached is None else f"{reached:.1f}"
        final = result["final accuracy"][k]
        print(f"{k:28} {speed[k]:10,.0f} {speed[OURS] / speed[k]:7.1f}x {shown:>10} {final:7.3f}")
    for precision, peak in peaks.items():
        print(
            f"{precision}: a core's products peak at {peak:.0f} GFLOP/s; recurrent products of training"
            f" on real tokens take {used[precision]:.0%} of that"
        )
    curves = {k: v[0]["curve"] for k, v in found.items() if len(v[0]["curve"]) > 1}
    draw(speed, curves, HERE.parent / "docs" / "engine.svg")
    (HERE / "engine.json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
