"""Measures how fast this machine trains, for predictions before any cell was computed."""

import numpy as np

from datayield.core.types import Ints, Settings, TrainingSet
from datayield.models.device import configure
from datayield.models.trainer import TrainingHooks, train

WORDS, TEXTS, UPDATES = 20, 256, 30
REFERENCE_SECONDS = 0.18  # time of the small training on the machine of time_estimates.REFERENCE


def slower(device: str = "cpu", precision: str = "fp32") -> float:
    """Return how many times slower this machine is than the reference, by a small training.

    The reference is the machine of `time_estimates.REFERENCE`; the best of two trainings counts.
    """
    configure(device, precision)
    words = np.random.default_rng(0).integers(0, 2000, (TEXTS, WORDS))
    texts = tuple(" ".join(f"w{i}" for i in line) for line in words)
    targets = np.eye(2, dtype=np.float32)[np.arange(TEXTS) % 2]
    rows = TrainingSet(texts, targets, np.ones(TEXTS, np.float32), np.arange(TEXTS))
    settings = Settings(updates=UPDATES, rounds=1)
    nothing: tuple[list[str], Ints] = [], np.empty(0, np.int64)
    seconds = [
        train(rows, nothing, settings, TrainingHooks(), ("probe",)).seconds for _ in range(2)
    ]
    return min(seconds) / REFERENCE_SECONDS
