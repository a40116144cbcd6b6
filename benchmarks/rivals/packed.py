"""Plain PyTorch as its tutorials do it: DataLoader, pack_padded_sequence, Adam.

Run by benchmarks/engine.py. With the word `article` as fourth argument: the article's loop with its
faults repaired, that is fixed length, no packing, SGD 0.01. With the word `cuda`: on the GPU.
"""

import sys
import time

import torch
from data import BATCH, EMBEDDING, EVERY, HIDDEN, LIMIT, UPDATES, answer, arguments
from torch import nn
from torch.utils.data import DataLoader

ARTICLE = "article" in sys.argv
DEVICE = "cuda" if "cuda" in sys.argv else "cpu"


class Network(nn.Module):
    """Embedding, bidirectional LSTM, last states, linear."""

    def __init__(self, words: int, classes: int) -> None:
        super().__init__()
        self.embedding = nn.Embedding(words, EMBEDDING, padding_idx=0)
        self.lstm = nn.LSTM(EMBEDDING, HIDDEN, batch_first=True, bidirectional=True)
        self.dropout = nn.Dropout(0.5)
        self.linear = nn.Linear(2 * HIDDEN, classes)

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        x = self.dropout(self.embedding(ids))
        if not ARTICLE:
            x = nn.utils.rnn.pack_padded_sequence(
                x, lengths, batch_first=True, enforce_sorted=False
            )
        _, (h, _) = self.lstm(x)
        return self.linear(self.dropout(torch.cat([h[0], h[1]], 1)))


def collate(rows: list) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """(ids, lengths, labels) of a batch; padded to its longest, or to LIMIT."""
    lines = [torch.from_numpy(x[:LIMIT]) for x, _ in rows]
    lengths = torch.tensor([len(x) for x in lines])
    ids = nn.utils.rnn.pad_sequence(lines, batch_first=True)
    if ARTICLE:
        ids = nn.functional.pad(ids, (0, LIMIT - ids.shape[1]))
    return ids, lengths, torch.tensor([y for _, y in rows])


def main() -> None:
    texts, seed, threads = arguments()
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    model = Network(texts.words, texts.classes).to(DEVICE)
    rows = list(zip(texts.train, texts.labels.tolist(), strict=True))
    loader = DataLoader(rows, BATCH, shuffle=True, collate_fn=collate, drop_last=True)
    held = list(zip(texts.validation, texts.validation_labels.tolist(), strict=True))
    scored = DataLoader(held, 256, collate_fn=collate)
    optimizer = (
        torch.optim.SGD(model.parameters(), 0.01)
        if ARTICLE
        else torch.optim.Adam(model.parameters(), 1e-3)
    )
    tokens, seconds, done, curve = 0, 0.0, 0, []
    began = time.perf_counter()
    while done < UPDATES:
        for ids, lengths, labels in loader:
            loss = nn.functional.cross_entropy(model(ids.to(DEVICE), lengths), labels.to(DEVICE))
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            tokens += int(lengths.sum())
            done += 1
            if done % EVERY == 0:
                seconds += time.perf_counter() - began
                model.eval()
                with torch.no_grad():
                    right = sum(
                        int((model(i.to(DEVICE), n).argmax(1).cpu() == y).sum())
                        for i, n, y in scored
                    )
                model.train()
                curve.append((seconds, right / len(held)))
                began = time.perf_counter()
            if done == UPDATES:
                break
    answer(tokens, seconds, curve)


if __name__ == "__main__":
    main()
