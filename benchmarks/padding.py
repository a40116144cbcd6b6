"""Tokens that a stack of networks is padded to, with batches in each network's own order and in a shared one.

    python benchmarks/padding.py [corpus] [labels]

Every update of a stack is as wide as the longest text in any of its batches. Needs the corpus stage
(`dvc repro corpus@pydocs`), no GPU.
"""

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from datayield import corpora
from datayield.core.types import Settings
from datayield.models.encoding import WINDOW, Turns, row_stream
from datayield.models.stacked import STACK_SIZE
from datayield.models.stacked.recurrent import STEP
from datayield.text import tokens

UPDATES = 400


def widths(lengths: np.ndarray, labels: int, turns: Turns | None) -> np.ndarray:
    """The longest text of each network's batch at every update, (updates, networks)."""
    streams: list[Iterator[np.ndarray]] = []
    for k in range(STACK_SIZE):
        rng = np.random.default_rng([labels, k])
        rows = rng.choice(len(lengths), min(labels, len(lengths)), replace=False)
        streams.append(row_stream(rows, lengths, Settings().batch, rng, turns))
    return np.array([[lengths[next(s)].max() for s in streams] for _ in range(UPDATES)])


def main() -> None:
    """Measure and print."""
    name = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    labels = int(sys.argv[2]) if len(sys.argv) > 2 else 3000
    loaded = corpora.load(Path("data") / name)
    longest = Settings().max_tokens
    lengths = np.array([min(longest, max(1, len(tokens.tokens(t)))) for t in loaded.texts])
    order = np.random.default_rng(1).random(UPDATES + WINDOW)
    for told, turns in (
        ("each network's own order", None),
        ("one order for all", lambda update, count: order[update : update + count]),
    ):
        found = widths(lengths, labels, turns)
        stack = -(-found.max(1) // STEP) * STEP
        print(
            f"{told:26} a network alone {found.mean():5.1f} tokens, a stack of {STACK_SIZE} {stack.mean():5.1f}"
        )


if __name__ == "__main__":
    main()
