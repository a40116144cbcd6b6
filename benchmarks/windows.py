"""Compares ways to read long texts: their beginning, all in windows, all at once (docs/adr/0030).

    python benchmarks/windows.py [DRAWS]

The texts are whole docstrings of the libraries of pydocs with 40 words or more; the label is the library.
Prints accuracy on 1,000 test texts and processor seconds of training on one core.
"""

import ast
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch

from datayield.core.types import Ints, Settings, TrainingSet
from datayield.corpora.loaders.pydocs import _folder, _masked
from datayield.models import device
from datayield.models.trainer import TrainingHooks, train

WAYS = {
    "the first 64 tokens": Settings(updates=200, evaluations=0),
    "8 windows of 64 tokens": Settings(updates=200, evaluations=0, windows=8),
    "512 tokens at once": Settings(updates=200, evaluations=0, max_tokens=512),
}
BUDGETS = (150, 600)
FEWEST_WORDS, PER_CLASS, TEST = 40, 700, 1000
LIBRARIES = ("matplotlib", "mlflow", "pandas", "prefect", "scipy", "sklearn", "sqlalchemy", "sympy")
_DOCUMENTED = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


def docstrings(folder: Path) -> Iterator[str]:
    """Whole docstrings below a folder but those of tests, one line each."""
    for path in sorted(folder.rglob("*.py")):
        if any("test" in part for part in path.relative_to(folder).parts):
            continue
        try:
            tree = ast.parse(path.read_bytes())
        except (SyntaxError, ValueError):
            continue
        for node in ast.walk(tree):
            if isinstance(node, _DOCUMENTED) and (docs := ast.get_docstring(node)):
                line = " ".join(docs.split())
                if len(line.split()) >= FEWEST_WORDS:
                    yield line


def corpus() -> tuple[list[str], Ints]:
    """Texts and the numbers of their libraries; no text twice, library names masked."""
    masked = {k: _masked([*docstrings(_folder(k))], LIBRARIES) for k in LIBRARIES}
    counts = Counter(key for found in masked.values() for key in found)
    rng = np.random.default_rng(0)
    texts: list[str] = []
    labels: list[int] = []
    for number, found in enumerate(masked.values()):
        usable = [text for key, text in sorted(found.items()) if counts[key] == 1]
        chosen = [usable[i] for i in rng.permutation(len(usable))[:PER_CLASS]]
        texts += chosen
        labels += [number] * len(chosen)
    return texts, np.array(labels)


def main(draws: int) -> None:
    device.configure("cpu", "fp32")
    torch.set_num_threads(1)
    texts, labels = corpus()
    order = np.random.default_rng(1).permutation(len(texts))
    test, pool = order[:TEST], order[TEST:]
    for n in BUDGETS:
        for way, settings in WAYS.items():
            right, seconds = [], []
            for draw in range(draws):
                ids = np.random.default_rng([7, draw]).permutation(pool)[:n]
                targets = np.eye(len(LIBRARIES), dtype=np.float32)[labels[ids]]
                lines = tuple(texts[i] for i in ids)
                rows = TrainingSet(lines, targets, np.ones(n, np.float32), ids)
                began = time.process_time()
                nothing: tuple[list[str], Ints] = ([], np.empty(0, np.int64))
                made = train(rows, nothing, settings, TrainingHooks(), ("k", draw))
                seconds.append(time.process_time() - began)
                predicted = made.predict([texts[i] for i in test]).argmax(1)
                right.append(100 * float((predicted == labels[test]).mean()))
            each = " ".join(f"{x:.1f}" for x in right)
            print(
                f"{n:4} labels  {way:24} {np.mean(right):.1f} % ({each})  {np.mean(seconds):.1f} s"
            )


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
