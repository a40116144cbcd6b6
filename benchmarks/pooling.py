"""Compares ways to pool the probabilities of members: test accuracy, with weights fitted on held-out texts.

    datayield preset blends && datayield study && python benchmarks/pooling.py

Reads the tables of that study. Everything fitted is fitted inside n, on the fold that each cell held out.
"""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from datayield import config, corpora
from datayield.core.probability_rows import attach_probabilities
from datayield.core.rows import read_rows
from datayield.core.types import Corpus, Floats, Ints, Row
from datayield.models import pooling
from datayield.models.settings import ENCODER

MEMBERS = (
    ("lstm:plain", "tfidf"),
    (ENCODER, "tfidf"),
    ("lstm:plain", ENCODER, "tfidf"),
    ("lstm:distil_encoder", ENCODER, "tfidf"),
)
Key = tuple[str, int, int]  # arm, n, draw


def mixture_weights(probabilities: Sequence[Floats], labels: Ints) -> Floats:
    """Weights of a mean with the largest likelihood of held-out labels, one text of prior for each member."""
    given = np.stack([p[np.arange(len(labels)), labels] for p in probabilities], 1) + 1e-6
    weights = np.full(len(probabilities), 1 / len(probabilities))
    for _ in range(500):
        shares = weights * given
        shares /= shares.sum(1, keepdims=True)
        weights = (shares.sum(0) + 1) / (len(labels) + len(probabilities))
    return weights


def ways(rows: Sequence[Row], corpus: Corpus) -> dict[str, float]:
    """Test accuracy in % of every way to pool these rows, and of the member that held-out texts prefer."""
    stored = [r.probabilities for r in rows]
    test = [p.test.astype(np.float64) for p in stored if p]
    held = [p.held_out.astype(np.float64) for p in stored if p]
    labels = corpus.labels[stored[0].held_out_ids] if stored[0] else np.empty(0, np.int64)
    equal = (1.0 / len(test),) * len(test)
    weights = mixture_weights(held, labels)
    best = int(np.argmax([(p.argmax(1) == labels).mean() for p in held]))
    pooled = {
        "best member": test[best],
        "mean": pooling.mean(test),
        "product": pooling.product(test, equal),
        "mean, fitted": np.sum([w * p for w, p in zip(weights, test, strict=True)], axis=0),
        "product, fitted": pooling.product(test, pooling.fitted_exponents(held, labels)),
    }
    return {
        name: 100 * float((p.argmax(1) == corpus.test_labels).mean()) for name, p in pooled.items()
    }


def found(root: Path) -> dict[tuple[tuple[str, ...], int], dict[str, list[float]]]:
    """Accuracies by members and labels, over corpora and draws."""
    out: dict[tuple[tuple[str, ...], int], dict[str, list[float]]] = {}
    for name in config.load(root / "params.yaml").study.corpora:
        results = root / "results" / name
        read = read_rows(results / "cells.parquet", results / "history.parquet")
        every = attach_probabilities(read, results / "probabilities.parquet")
        rows: Mapping[Key, Row] = {
            (str(r.cell.arm), r.cell.n, r.cell.draw): r for r in every if r.cell.seed == 0
        }
        corpus = corpora.load(root / "data" / name)
        for n, draw in sorted({key[1:] for key in rows}):
            for members in MEMBERS:
                if all((m, n, draw) in rows for m in members):
                    at = out.setdefault((members, n), {})
                    for way, value in ways([rows[m, n, draw] for m in members], corpus).items():
                        at.setdefault(way, []).append(value)
    return out


def main() -> int:
    """Print the mean accuracies as a table."""
    accuracies = found(Path(sys.argv[1] if len(sys.argv) > 1 else "."))
    if not accuracies:
        print("no finished members here; run the preset blends first", file=sys.stderr)
        return 1
    heads = list(next(iter(accuracies.values())))
    print(f"| members | n | {' | '.join(heads)} |\n{'|---' * (len(heads) + 2)}|")
    for (members, n), values in sorted(accuracies.items(), key=lambda x: (x[0][1], x[0][0])):
        cells = " | ".join(f"{np.mean(values[h]):.1f}" for h in heads)
        print(f"| {', '.join(members)} | {n:,} | {cells} |")
    return 0


if __name__ == "__main__":
    sys.exit(main())
