"""Does `datayield next` beat random picking? Test accuracy after so many more labels, both ways.

    nice -n 10 python benchmarks/next.py [--repetitions 10] [--have 300] [--more 300] [--pool 10000]
        [--by margin …] [--corpora pydocs eda_trec ag_news] [--out next.jsonl]

Every repetition takes its own draw of a corpus's pool. The first HAVE texts are labelled; then MORE texts
are labelled that the method chooses among the next POOL, or that come next in the draw (random). A network
(untuned, with the same seed) and TF-IDF + logistic regression are trained anew on all HAVE + MORE labels
and scored on the test set. Differences are paired by repetition; intervals are Student's t over
repetitions, 95 %, of this pool and test set. A line per (corpus, repetition, method) goes to --out, and
what lies there already is not computed again.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from datayield.core.system import machine

machine.prepare_process()

import numpy as np
import yaml
from scipy import stats

from datayield import config, corpora
from datayield.cells import draws
from datayield.core import seeds
from datayield.core.metrics import accuracy
from datayield.core.types import (
    Corpus,
    Ints,
    TrainingSet,
)
from datayield.models import device, linear
from datayield.models.trainer import (
    TrainingHooks,
    train,
)
from datayield.study import next_texts

SEED = 20261125
MODELS = ("network", "tfidf")


def main() -> None:
    """Compute what is missing, then print the table."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--repetitions", type=int, default=10)
    parser.add_argument("--have", type=int, default=300)
    parser.add_argument("--more", type=int, default=300)
    parser.add_argument("--pool", type=int, default=10_000, help="unlabelled texts at most")
    parser.add_argument("--corpora", nargs="+", default=["pydocs", "eda_trec", "ag_news"])
    parser.add_argument("--by", nargs="+", default=next_texts.query_strategies())
    parser.add_argument("--out", type=Path, default=Path("next.jsonl"))
    asked = parser.parse_args()
    device.configure()
    loaded = {name: load(name) for name in asked.corpora}
    for repetition in range(asked.repetitions):
        for name, corpus in loaded.items():
            compute(corpus, name, repetition, asked)
    print("\n".join(table(read(asked.out), asked)))


def load(name: str) -> Corpus:
    """A corpus of the default preset or of the catalog."""
    params = config.parse(yaml.safe_load(config.preset("default")))
    source = params.corpora.get(name) or config.CatalogSource(loader="catalog")
    return corpora.build(name, source, params.study.seed, Path())[0]


def compute(corpus: Corpus, name: str, repetition: int, asked: argparse.Namespace) -> None:
    """Every method on one draw."""
    order = draws.permutation(corpus, repetition, SEED, "stratified")[0]
    have, rest = order[: asked.have], order[asked.have :][: asked.pool]
    texts = [corpus.texts[i] for i in have]
    labels = [corpus.classes[c] for c in corpus.labels[have]]
    known = {(r["corpus"], r["repetition"], r["by"], r["have"], r["more"]) for r in read(asked.out)}
    for by in ("random", *asked.by):
        what = {
            "corpus": name,
            "repetition": repetition,
            "by": by,
            "have": asked.have,
            "more": asked.more,
        }
        if tuple(what.values()) in known:
            continue
        if by == "random":
            more = rest[: asked.more]
        else:
            open_texts = [corpus.texts[i] for i in rest]
            chosen = next_texts.choose(texts, labels, open_texts, asked.more, by, repetition)
            more = rest[[a.place for a in chosen.asked]]
        scores = scored(corpus, np.concatenate([have, more]), repetition)
        with asked.out.open("a", encoding="utf-8") as out:
            out.write(json.dumps({**what, **scores}) + "\n")
        print(name, repetition, by, scores, file=sys.stderr)


def scored(corpus: Corpus, ids: Ints, repetition: int) -> dict[str, float]:
    """Test accuracy of both models trained on these labels."""
    rows = TrainingSet(
        tuple(corpus.texts[i] for i in ids),
        np.eye(len(corpus.classes), dtype=np.float32)[corpus.labels[ids]],
        np.ones(len(ids), np.float32),
        ids,
    )
    settings, key = next_texts._settings(len(ids)), (SEED, "next", corpus.name, repetition)
    network = train(rows, ([], ids[:0]), settings, TrainingHooks(), key)
    simple = linear.tfidf(rows, seeds.integer(*key))
    tested = {"network": network.predict, "tfidf": simple.predict}
    return {m: accuracy(tested[m](corpus.test_texts).argmax(1), corpus.test_labels) for m in MODELS}


def read(path: Path) -> list[dict[str, Any]]:
    """The lines so far."""
    return [json.loads(x) for x in path.read_text().splitlines()] if path.exists() else []


def table(rows: Sequence[dict[str, Any]], asked: argparse.Namespace) -> list[str]:
    """Mean gain over random in points with its interval, per corpus, method and model; and over corpora."""
    mine = [r for r in rows if (r["have"], r["more"]) == (asked.have, asked.more)]
    out = [
        "| corpus | by | model | random | difference in points | repetitions |",
        "|---|---|---|---|---|---|",
    ]
    for name in asked.corpora:
        for by in asked.by:
            for model in MODELS:
                a, b = (paired(mine, name, x, model) for x in (by, "random"))
                both = sorted(a.keys() & b.keys())
                if len(both) > 1:
                    gaps = 100 * np.array([a[k] - b[k] for k in both])
                    base = 100 * np.mean([b[k] for k in both])
                    out.append(
                        f"| {name} | {by} | {model} | {base:.1f} % | {interval(gaps)} | {len(both)} |"
                    )
    return out


def paired(rows: Sequence[dict[str, Any]], name: str, by: str, model: str) -> dict[int, float]:
    """repetition -> accuracy."""
    return {r["repetition"]: r[model] for r in rows if (r["corpus"], r["by"]) == (name, by)}


def interval(gaps: np.ndarray) -> str:
    """Mean and 95 % t interval."""
    half = stats.t.ppf(0.975, len(gaps) - 1) * gaps.std(ddof=1) / len(gaps) ** 0.5
    return f"{gaps.mean():+.1f} [{gaps.mean() - half:+.1f}, {gaps.mean() + half:+.1f}]"


if __name__ == "__main__":
    main()
