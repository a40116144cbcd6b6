"""Whether bf16 recurrent layers learn as well as fp32: paired accuracies on texts no study scores.

    python benchmarks/precision.py [pairs per corpus] [corpus labels ...]

Every pair is one draw of the pool's texts, trained in both precisions from the same weights in the
same order, and judged on 2,000 other texts of the pool. bf16 may become the default where the 95 %
interval of the mean difference lies within half a point. Needs the corpus stages
(`dvc repro subsample@pydocs` for each corpus).
"""

import json
import sys
from pathlib import Path

import numpy as np
from scipy import stats

from datayield.core.system import machine

machine.prepare_process()

from datayield import corpora
from datayield.cells import draws
from datayield.core.types import (
    Corpus,
    Ints,
    Settings,
    TrainingSet,
)
from datayield.models import device
from datayield.models.trainer import (
    TrainingHooks,
    train,
)

HELD = 2000
DEFAULT = ["pydocs", "1000", "eda_trec", "500", "eda_cr", "500"]


def learnt(corpus: Corpus, ids: Ints, held: Ints, draw: int, precision: str) -> tuple[float, float]:
    """(accuracy on the held texts, seconds of training)."""
    device.configure(precision=precision)
    targets = np.eye(len(corpus.classes), dtype=np.float32)[corpus.labels[ids]]
    rows = TrainingSet(
        tuple(corpus.texts[i] for i in ids), targets, np.ones(len(ids), np.float32), ids
    )
    done = train(
        rows, ([], held[:0]), Settings(), TrainingHooks(), ("precision", corpus.name, draw)
    )
    guessed = done.predict([corpus.texts[i] for i in held]).argmax(1)
    return float((guessed == corpus.labels[held]).mean()), done.seconds


def main() -> None:
    """Measure, print, keep."""
    pairs = int(sys.argv[1]) if len(sys.argv) > 1 else 24
    named = sys.argv[2:] or DEFAULT
    differences: list[float] = []
    ratios: list[float] = []
    for name, labels in zip(named[::2], map(int, named[1::2]), strict=True):
        corpus = corpora.load(Path("data") / name)
        own = []
        for draw in range(-pairs, 0):  # negative: draws that no study scores
            ids, _, _ = draws.permutation(corpus, draw, 0, "stratified")
            train_ids, held = ids[:labels], ids[labels : labels + HELD]
            exact = learnt(corpus, train_ids, held, draw, "fp32")
            half = learnt(corpus, train_ids, held, draw, "bf16")
            own.append(half[0] - exact[0])
            ratios.append(exact[1] / half[1])
        differences += own
        print(
            f"{name} at {labels}: mean difference {100 * np.mean(own):+.2f} points, {pairs} pairs"
        )
    mean, n = float(np.mean(differences)), len(differences)
    half_width = float(stats.t.ppf(0.975, n - 1) * np.std(differences, ddof=1) / np.sqrt(n))
    result = {
        "pairs": n,
        "difference": mean,
        "low": mean - half_width,
        "high": mean + half_width,
        "median speed, bf16 over fp32": float(np.median(ratios)),
    }
    inside = max(abs(result["low"]), abs(result["high"])) <= 0.005
    print(
        f"bf16 - fp32: {100 * mean:+.2f} points [{100 * result['low']:+.2f}, {100 * result['high']:+.2f}],"
        f" {n} pairs: {'within' if inside else 'not within'} half a point;"
        f" {result['median speed, bf16 over fp32']:.2f} times the speed"
    )
    Path(__file__).with_suffix(".json").write_text(json.dumps(result, indent=1) + "\n")


if __name__ == "__main__":
    main()
