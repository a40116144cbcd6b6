"""Real tokens per second of our loop against the loops a user would write otherwise.

    python benchmarks/engine.py [corpus]

One run, one thread, the same texts, the same widths (BiLSTM 128, embedding 300, batch 32):
ours; the article's loop repaired (fixed length, SGD); plain PyTorch with packing and Adam.
Needs the corpus and subsample stages. Prints ratios; writes benchmarks/engine.json.
"""

import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch import nn

from datayield.desk import Data
from datayield.encode import Encoded, Vocabulary, encode, padded
from datayield.train import Verbs, train
from datayield.types import Ints, Settings, TrainingSet

UPDATES, BATCH, HIDDEN, EMBEDDING, LIMIT = 150, 32, 128, 300, 64
N = 3000


class Plain(nn.Module):
    """What a tutorial's reader would write, without the tutorial's faults."""

    def __init__(self, words: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, EMBEDDING, padding_idx=0)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.linear = nn.Linear(2 * HIDDEN, classes)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor | None) -> torch.Tensor:
        x = self.embedding(ids)
        if lengths is None:
            _, (h, _) = self.lstm(x)
        else:
            packed = nn.utils.rnn.pack_padded_sequence(
                x, lengths, batch_first=True, enforce_sorted=False
            )
            _, (h, _) = self.lstm(packed)
        return self.linear(torch.cat([h[0], h[1]], 1))


def batches(encoded: Encoded, seed: int) -> Iterator[Ints]:
    """Random batches, as a DataLoader gives them."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(encoded))
        yield from (order[i : i + BATCH] for i in range(0, len(order) - BATCH + 1, BATCH))


def loop(encoded: Encoded, labels: torch.Tensor, words: int, classes: int, packed: bool) -> float:
    """Real tokens per second of the plain loops."""
    torch.manual_seed(0)
    model = Plain(words, classes)
    parameters = model.parameters()
    optimizer = torch.optim.Adam(parameters, 1e-3) if packed else torch.optim.SGD(parameters, 0.01)
    stream, tokens, began = batches(encoded, 0), 0, 0.0
    for update in range(UPDATES + 5):
        if update == 5:
            tokens, began = 0, time.perf_counter()
        rows = next(stream)
        ids, lengths = padded(encoded, rows)
        if not packed:
            ids = nn.functional.pad(ids, (0, LIMIT - ids.shape[1]))
        loss = nn.functional.cross_entropy(model(ids, lengths if packed else None), labels[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        tokens += int(lengths.sum())
    return tokens / (time.perf_counter() - began)


def ours(rows: TrainingSet) -> float:
    """Real tokens per second of `train`."""
    settings = Settings(
        hidden=HIDDEN, embedding=EMBEDDING, batch=BATCH, max_tokens=LIMIT, updates=UPDATES, rounds=3
    )
    nothing: tuple[tuple[()], Ints] = ((), np.empty(0, np.int64))
    train(rows, nothing, settings, Verbs(), ("warm",))
    trained = train(rows, nothing, settings, Verbs(), ("timed",))
    return trained.tokens / trained.seconds


def main() -> None:
    """Measure, print, keep."""
    torch.set_num_threads(1)
    data = Data.load(Path("data") / (sys.argv[1] if len(sys.argv) > 1 else "pydocs"))
    corpus, ids = data.corpus, data.draws.sample(-1, N).train
    texts = tuple(corpus.texts[i] for i in ids)
    classes = len(corpus.classes)
    targets = np.eye(classes, dtype=np.float32)[corpus.labels[ids]]
    vocabulary = Vocabulary.of(texts)
    encoded = encode(texts, vocabulary, LIMIT)
    labels = torch.from_numpy(corpus.labels[ids])
    speeds = {
        "article's loop repaired": loop(encoded, labels, len(vocabulary), classes, packed=False),
        "packed PyTorch, Adam": loop(encoded, labels, len(vocabulary), classes, packed=True),
        "datayield": ours(TrainingSet(texts, targets, np.ones(len(ids), np.float32), ids)),
    }
    for name, speed in speeds.items():
        print(f"{name:26} {speed:9,.0f} tokens/s   datayield is {speeds['datayield'] / speed:.1f}x")
    Path(__file__).with_suffix(".json").write_text(json.dumps(speeds, indent=1) + "\n")


if __name__ == "__main__":
    main()
