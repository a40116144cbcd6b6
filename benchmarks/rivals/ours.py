"""datayield's own training at the same widths; run by benchmarks/engine.py.

Further arguments: `bf16` takes the other precision, `cuda` the GPU, a number so many networks as one stack.
"""

import sys

from datayield.core.system import machine

machine.prepare_process()

import numpy as np
import torch
from data import BATCH, EMBEDDING, EVERY, HIDDEN, LIMIT, UPDATES, answer, arguments

from datayield.core.types import (
    Settings,
    TrainingSet,
)
from datayield.models import device
from datayield.models.stacked.stack_trainer import train_together
from datayield.models.trainer import (
    TrainingHooks,
    TrainingJob,
    train,
)


def main() -> None:
    """Texts are handed over as words, so that encoding them is part of what is done."""
    texts, seed, threads = arguments()
    device.configure(
        "cuda" if "cuda" in sys.argv else "cpu", "bf16" if "bf16" in sys.argv else "fp32"
    )
    torch.set_num_threads(threads)
    settings = Settings(
        hidden=HIDDEN, embedding=EMBEDDING, batch=BATCH, max_tokens=LIMIT, updates=UPDATES,
        rounds=UPDATES // EVERY, evaluations=UPDATES // EVERY, learning_rate=0.008,
    )  # fmt: skip
    lines = tuple(" ".join(f"w{i}" for i in line) for line in texts.train)
    targets = np.eye(texts.classes, dtype=np.float32)[texts.labels]
    rows = TrainingSet(lines, targets, np.ones(len(lines), np.float32), np.arange(len(lines)))
    held = [" ".join(f"w{i}" for i in line) for line in texts.validation]
    count = next((int(a) for a in sys.argv[4:] if a.isdigit()), 0)
    jobs = [
        TrainingJob(
            rows,
            (held, texts.validation_labels),
            settings,
            TrainingHooks(),
            ("rival", seed + 1000 * k),
        )
        for k in range(max(1, count))
    ]
    done = train_together(jobs, ("rival", "turns")) if count else [train(*jobs[0])]
    seconds = sum(d.seconds for d in done)
    told = zip(*(d.history for d in done), strict=True)
    curve = [
        (seconds * each[0].updates / UPDATES, sum(h.validation_accuracy for h in each) / len(each))
        for each in told
    ]
    answer(sum(d.tokens for d in done), seconds, curve)


if __name__ == "__main__":
    main()
