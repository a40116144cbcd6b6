"""How fast this machine trains: one small training, for predictions before any cell was computed."""

import numpy as np

from datayield import place
from datayield.train import Verbs, train
from datayield.types import Ints, Settings, TrainingSet

WORDS, TEXTS, UPDATES = 20, 256, 30
REFERENCE_SECONDS = 0.18  # that it takes on the machine of cost.REFERENCE


def slower(device: str = "cpu", precision: str = "fp32") -> float:
    """Seconds of a small training here over those on the machine of `cost.REFERENCE`, best of two."""
    place.settle(device, precision)
    words = np.random.default_rng(0).integers(0, 2000, (TEXTS, WORDS))
    texts = tuple(" ".join(f"w{i}" for i in line) for line in words)
    targets = np.eye(2, dtype=np.float32)[np.arange(TEXTS) % 2]
    rows = TrainingSet(texts, targets, np.ones(TEXTS, np.float32), np.arange(TEXTS))
    settings = Settings(updates=UPDATES, rounds=1)
    nothing: tuple[list[str], Ints] = [], np.empty(0, np.int64)
    seconds = [train(rows, nothing, settings, Verbs(), ("probe",)).seconds for _ in range(2)]
    return min(seconds) / REFERENCE_SECONDS
