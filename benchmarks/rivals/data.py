"""What every rival gets: the same word numbers, labels and validation texts, in one .npz file.

With the word `default` among a rival's arguments widths are datayield's own (BiLSTM 64, embedding 128).
"""

import json
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

HIDDEN, EMBEDDING = (64, 128) if "default" in sys.argv else (128, 300)
BATCH, LIMIT = 32, 60
UPDATES, EVERY = 600, 50  # updates in all, and between two looks at the validation part


@dataclass(frozen=True)
class Texts:
    """Texts as lists of word numbers (0 pads, 1 is unknown), with labels."""

    train: list[np.ndarray]
    labels: np.ndarray
    validation: list[np.ndarray]
    validation_labels: np.ndarray
    words: int
    classes: int

    def fixed(self, which: str) -> np.ndarray:
        """(texts, LIMIT) cut or padded on the right."""
        lines = self.train if which == "train" else self.validation
        out = np.zeros((len(lines), LIMIT), np.int64)
        for row, line in zip(out, lines, strict=True):
            row[: min(LIMIT, len(line))] = line[:LIMIT]
        return out


def load(path: str) -> Texts:
    """Read what benchmarks/engine.py wrote."""
    with np.load(path) as z:
        cut = {k: np.split(z[f"{k}_flat"], z[f"{k}_ends"][:-1]) for k in ("train", "validation")}
        return Texts(
            cut["train"], z["labels"], cut["validation"], z["validation_labels"],
            int(z["words"]), int(z["classes"]),
        )  # fmt: skip


def save(path: Path, **parts: Any) -> None:
    """Write the parts of `Texts` as flat arrays."""
    arrays: dict[str, Any] = {}
    for name, value in parts.items():
        if name in ("train", "validation"):
            arrays[f"{name}_flat"] = np.concatenate(value)
            arrays[f"{name}_ends"] = np.cumsum([len(x) for x in value])
        else:
            arrays[name] = value
    np.savez(path, **arrays)


def arguments() -> tuple[Texts, int, int]:
    """(texts, seed, threads) from the command line."""
    return load(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3])


def answer(tokens: int, seconds: float, curve: list[tuple[float, float]]) -> None:
    """Print the result: real tokens, seconds of training, (seconds, validation accuracy)."""
    print(json.dumps({"tokens": tokens, "seconds": seconds, "curve": curve}))
