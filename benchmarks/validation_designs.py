"""Compares ways of choosing inside n labels while all n labels train the scored model.

    python benchmarks/validation_designs.py train OUT.jsonl [--corpora pydocs …] [--draws 0 1 2 3]
    python benchmarks/validation_designs.py table OUT.jsonl

`train` fits, for every corpus, budget, draw and arm, five folds of the n labels (each network learns
from four fifths) and one network on all n labels, and appends one line: accuracy on the held-out
fold and on the test set of each fold network, of their averaged probabilities (all five, the first
two, three) and of the network that learned from all n. Lines that are there already are skipped.
`table` prints what docs/adr/0021-every-label-trains.md quotes. The corpora come from DATAYIELD_MIRROR
or are downloaded.
"""

import argparse
import json
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import product
from pathlib import Path
from statistics import fmean, stdev
from tempfile import TemporaryDirectory
from typing import Any

from datayield.core.system import machine

machine.prepare_process()

import numpy as np

from datayield import corpora
from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.draws import FOLDS, Draws, tabulate
from datayield.cells.fit import fit_cell
from datayield.cells.run import load_sample, prepare
from datayield.config.sources import CatalogSource, PydocsSource
from datayield.core import seeds
from datayield.core.arm import Arm
from datayield.core.types import Cell, Corpus, Cost, Settings
from datayield.models import device
from datayield.models.trainer import HeldOut
from datayield.study.arms import parse_arm

SEED = 20261123
BUDGETS = (100, 300, 1000, 3000)
ARMS = ("lstm:plain", "lstm:mixup_word", "lstm:distil", "tfidf")
CORPORA = ("pydocs", "eda_trec", "eda_sst2", "eda_subj", "ag_news")
LETTERS_ONLY = {"embedding_scale": 0.3, "learning_rate": 0.008}  # docs/adr/0007
LIBRARIES = ("matplotlib", "mlflow", "pandas", "prefect", "scipy", "sklearn", "sqlalchemy", "sympy")
MOST_TEST = 1500  # test texts that are predicted


def built(name: str, folder: Path) -> Corpus:
    source = (
        PydocsSource(loader="pydocs", libraries=LIBRARIES, per_class=1800, test_share=0.1)
        if name == "pydocs"
        else CatalogSource(loader="catalog")
    )
    corpus = corpora.build(name, source, SEED, folder)[0]
    kept = np.sort(seeds.rng(SEED, "test", name).permutation(len(corpus.test_labels))[:MOST_TEST])
    texts = [corpus.test_texts[i] for i in kept]
    return replace(corpus, test_texts=texts, test_labels=corpus.test_labels[kept])


def settings_of(arm: Arm, corpus: str) -> dict[str, Any]:
    """Return the untuned settings, as the presets have them."""
    if not arm.strategies:
        return {"model": {}}
    model: dict[str, Any] = LETTERS_ONLY if corpus.startswith("eda_") else {}
    kind = "gru" if arm.architecture == "gru" else "lstm"
    return {"model": Settings(cell=kind, updates=400, **model).to_dict()}


def line(corpus: Corpus, draws: Draws, arm: Arm, n: int, draw: int) -> dict[str, Any]:
    """Fit the folds and all n labels; return the accuracies."""
    tables = CorpusTables(corpus, draws, Path())
    settings = settings_of(arm, corpus.name)
    cell = Cell(corpus.name, n, arm, draw, 0, settings, {"study_seed": SEED})
    on_test, held_out, seconds = [], [], []
    nothing: HeldOut = [], np.empty(0, np.int64)
    for fold in (*range(FOLDS), None):
        inputs = load_sample(cell, tables, Cost(), fold)
        fitted = fit_cell(prepare(inputs, nothing))
        seconds.append(inputs.cost.train_seconds)
        on_test.append(fitted.predict(corpus.test_texts))
        ids = inputs.sample.validation
        if len(ids):
            predicted = fitted.predict([corpus.texts[i] for i in ids]).argmax(1)
            held_out.append(float((predicted == corpus.labels[ids]).mean()))
    *on_test, final = on_test

    def accuracy(p: Any) -> float:
        return float((p.argmax(1) == corpus.test_labels).mean())

    return {
        "corpus": corpus.name, "n": n, "draw": draw, "arm": str(arm),
        "held_out": held_out, "folds_test": [accuracy(p) for p in on_test],
        "averaged": {k: accuracy(np.mean(on_test[:k], axis=0)) for k in (2, 3, 5)},
        "all_n": accuracy(final), "seconds": fmean(seconds),
    }  # fmt: skip


def train(
    out: Path, names: Sequence[str], budgets: Sequence[int], draw_numbers: Sequence[int]
) -> None:
    device.configure()
    done = {
        (x["corpus"], x["n"], x["draw"], x["arm"])
        for x in map(json.loads, out.read_text().splitlines() if out.exists() else [])
    }
    with TemporaryDirectory() as folder:
        loaded = {name: built(name, Path(folder)) for name in names}
    draws = {
        name: Draws(tabulate(corpus, draw_numbers, SEED, "stratified"))
        for name, corpus in loaded.items()
    }
    for draw, n, name, arm in product(draw_numbers, budgets, names, ARMS):
        if (name, n, draw, arm) not in done and n <= len(loaded[name].texts):
            told = line(loaded[name], draws[name], parse_arm(arm), n, draw)
            with out.open("a") as stream:
                stream.write(json.dumps(told) + "\n")


def lines_of(path: Path) -> list[dict[str, Any]]:
    return [json.loads(x) for x in path.read_text().splitlines()]


def table(path: Path) -> Iterator[str]:
    """Yield the table: test accuracy, spread of paired differences per training, right picks."""
    cells = {(x["corpus"], x["n"], x["draw"], x["arm"]): x for x in lines_of(path)}
    designs = {
        "four fifths alone": (lambda x: x["folds_test"][0], 1),
        "one fifth held out + final fit": (lambda x: x["all_n"], 2),
        "five folds + final fit": (lambda x: x["all_n"], 6),
        "two fold networks averaged": (lambda x: x["averaged"]["2"], 2),
        "three fold networks averaged": (lambda x: x["averaged"]["3"], 3),
        "five fold networks averaged": (lambda x: x["averaged"]["5"], 5),
        "all n, nothing held out": (lambda x: x["all_n"], 1),
    }
    yield (
        "| design | trainings | n | test accuracy of lstm:plain | sd over draws of arm - plain |"
        " the same for equal trainings |"
    )
    yield "|---|---|---|---|---|---|"
    for (name, (score, trainings)), n in product(designs.items(), BUDGETS):
        plain = [score(x) for k, x in cells.items() if k[1] == n and k[3] == "lstm:plain"]
        spreads = []
        for corpus, arm in product(CORPORA, ARMS):
            pairs = [
                score(x) - score(cells[corpus, n, k[2], "lstm:plain"])
                for k, x in cells.items()
                if k[:2] == (corpus, n) and k[3] == arm != "lstm:plain" and arm.startswith(("lstm", "gru"))
                and (corpus, n, k[2], "lstm:plain") in cells
            ]  # fmt: skip
            if len(pairs) > 1:
                spreads.append(stdev(pairs))
        if not spreads:
            continue
        spread = np.sqrt(np.mean(np.square(spreads)))
        yield (
            f"| {name} | {trainings} | {n} | {100 * fmean(plain):.1f} | {100 * spread:.2f} |"
            f" {100 * spread * np.sqrt(trainings):.2f} |"
        )


def picks(path: Path) -> Iterator[str]:
    """Yield how often a choice by held-out accuracy takes the best arm, and what it loses."""
    cells = lines_of(path)
    by: dict[tuple[str, int], dict[str, list[dict[str, Any]]]] = defaultdict(
        lambda: defaultdict(list)
    )
    for x in cells:
        by[x["corpus"], x["n"]][x["arm"]].append(x)
    ways = {
        "one fifth of one draw": lambda x, draws: x[draws[0]]["held_out"][:1],
        "five folds of one draw": lambda x, draws: x[draws[0]]["held_out"],
        "one fifth of every draw": lambda x, draws: [x[d]["held_out"][d % FOLDS] for d in draws],
        "five folds of every draw": lambda x, draws: [h for d in draws for h in x[d]["held_out"]],
    }
    yield "| chosen by | n | best arm taken | points lost |"
    yield "|---|---|---|---|"
    for (way, scores), n in product(ways.items(), BUDGETS):
        right, lost = [], []
        for (_, budget), arms in by.items():
            draws = sorted(set.intersection(*({x["draw"] for x in own} for own in arms.values())))
            if budget != n or len(arms) < len(ARMS) or not draws:
                continue
            lines = {a: {x["draw"]: x for x in own} for a, own in arms.items()}
            truth = {a: fmean(x["all_n"] for x in own.values()) for a, own in lines.items()}
            firsts = draws if "one draw" in way else draws[:1]
            for first in firsts:
                order = [first, *(d for d in draws if d != first)]
                chosen = max(lines, key=lambda a: fmean(scores(lines[a], order)))
                right.append(truth[chosen] == max(truth.values()))
                lost.append(max(truth.values()) - truth[chosen])
        if right:
            yield f"| {way} | {n} | {100 * fmean(right):.0f} % | {100 * fmean(lost):.2f} |"


def main() -> None:
    """Train, or print the tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", choices=["train", "table"])
    parser.add_argument("out", type=Path)
    parser.add_argument("--corpora", nargs="+", default=list(CORPORA))
    parser.add_argument("--budgets", nargs="+", type=int, default=list(BUDGETS))
    parser.add_argument("--draws", nargs="+", type=int, default=[0, 1, 2, 3])
    asked = parser.parse_args()
    if asked.what == "train":
        train(asked.out, asked.corpora, asked.budgets, asked.draws)
    else:
        print("\n".join([*table(asked.out), "", *picks(asked.out)]))


if __name__ == "__main__":
    main()
