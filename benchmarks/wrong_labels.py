"""Measures how many planted wrong labels `datayield audit` lists, and how many of its list are wrong.

Usage: python benchmarks/wrong_labels.py [CORPUS ...]

Labels of the file that are wrong already count as right, so the true precision is higher.
"""

import sys
import time
from pathlib import Path

from datayield.core.system import machine

machine.prepare_process()  # before numpy is imported: one thread

import numpy as np

from datayield import config, corpora
from datayield.core import seeds
from datayield.corpora.build import Noise
from datayield.study.wrong_labels import judge_labels

CORPORA = ("ag_news", "eda_trec", "cr", "sms_spam")
SHARES = (0.02, 0.05, 0.2)
MOST, FIRST = 10_000, 100


def measured(name: str) -> None:
    """Print one row of the table for each share of planted labels."""
    source = config.CatalogSource(loader="catalog")
    corpus, _ = corpora.build(name, source, 1, Path())
    texts, labels = list(corpus.texts[:MOST]), corpus.labels[:MOST]
    classes, groups = len(corpus.classes), corpus.duplicate_groups[:MOST]
    for share in SHARES:
        rng = seeds.rng(1, "wrong labels", name)
        planted = Noise(share).plant(labels, classes, rng)
        wrong = planted != labels
        start = time.process_time()
        found = np.array([x.place for x in judge_labels(texts, planted, groups, classes, 0).wrong])
        seconds = time.process_time() - start
        hits = wrong[found]
        print(
            f"| {name} | {len(texts):,} | {share:.0%} | {len(found):,} | {hits.sum() / wrong.sum():.0%} |"
            f" {hits.mean():.0%} | {hits[:FIRST].mean():.0%} | {seconds:.1f} |",
            flush=True,
        )


if __name__ == "__main__":
    print("| corpus | texts | planted | listed | planted ones listed | wrong among listed"
          " | wrong among the first 100 | seconds |\n|---|---|---|---|---|---|---|---|")  # fmt: skip
    for corpus_name in sys.argv[1:] or CORPORA:
        measured(corpus_name)
