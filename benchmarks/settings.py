"""The untuned setting, compared on a draw that no study scores (docs/adr/0004).

    python benchmarks/settings.py [corpus]

Needs the corpus and subsample stages (`dvc repro subsample@pydocs`). Scores are taken on pool texts
outside the sample, never on the test set.
"""

import sys
from pathlib import Path

import numpy as np
import torch

from datayield.cells import draws
from datayield.cells.corpus_tables import CorpusTables
from datayield.core.types import Settings, TrainingSet
from datayield.models.trainer import TrainingHooks, train

SETTINGS = (
    {"embedding_scale": 1.0, "learning_rate": 4e-3, "updates": 600, "hidden": 128},
    {"embedding_scale": 1.0, "learning_rate": 4e-3, "updates": 600},
    {"embedding_scale": 1.0, "learning_rate": 4e-3, "updates": 300},
    {"embedding_scale": 0.2, "learning_rate": 8e-3, "updates": 300},
    {"embedding_scale": 0.1, "learning_rate": 8e-3, "updates": 300},
    {"embedding_scale": 0.1, "learning_rate": 8e-3, "updates": 600},
    {"embedding_scale": 0.1, "learning_rate": 1.5e-2, "updates": 200},
)
SIZES = (300, 1000, 3000)
SCORED = 3000


def main() -> None:
    """Print a row per setting: accuracy at every size and seconds per training."""
    torch.set_num_threads(1)
    name = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    data = CorpusTables.load(Path("data") / name)
    corpus = data.corpus
    classes = len(corpus.classes)
    print("| setting | " + " | ".join(map(str, SIZES)) + " | s per training |")
    print("|---|" + "---|" * (len(SIZES) + 1))
    for values in SETTINGS:
        scores, seconds = [], []
        for n in SIZES:
            sample = data.draws.sample(draws.TUNING_DRAW, n)
            rows = TrainingSet(
                tuple(corpus.texts[i] for i in sample.train),
                np.eye(classes, dtype=np.float32)[corpus.labels[sample.train]],
                np.ones(len(sample.train), np.float32),
                sample.train,
            )
            trained = train(
                rows,
                ((), np.empty(0, np.int64)),
                Settings.from_dict(values),
                TrainingHooks(),
                ("setting",),
            )
            # The end of the draw: the same texts at every size.
            rest = sample.rest[-SCORED:]
            predicted = trained.predict([corpus.texts[i] for i in rest]).argmax(1)
            scores.append(float((predicted == corpus.labels[rest]).mean()))
            seconds.append(trained.seconds)
        shown = ", ".join(f"{k} {v:g}" for k, v in values.items())
        print(
            f"| {shown} | "
            + " | ".join(f"{s:.3f}" for s in scores)
            + f" | {np.mean(seconds):.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    main()
