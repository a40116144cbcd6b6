"""Rewritten texts a second: ours against nlpaug's word-level augmenters, the same texts and operations.

    python benchmarks/augment.py [corpus] [python with nlpaug and nltk]

8 variants of each of 10,000 pool texts on one core: EDA's four operations in turn as the augment stage
makes them, and each operation alone beside the augmenter of nlpaug that does the same (alpha 0.05, at
least one word). nlpaug has no insertion of synonyms without word vectors, so that one is told alone.
Both sides read the same WordNet files; nlpaug runs without its part-of-speech tagger, whose data no
package index has, and is faster for it (every synonym then counts, as in EDA). Seconds are processor
time, so that other work on the machine does not count; ours and nlpaug's take turns.
Also: lm_substitute, the language model's training apart. Needs the corpus and vectors stages
(`dvc repro vectors@pydocs`). Prints ratios; writes benchmarks/augment.json.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np
import torch

from datayield import corpora
from datayield.core import seeds
from datayield.core.types import Settings
from datayield.corpora.loaders.catalog import DOWNLOADS
from datayield.models import pretraining
from datayield.strategies import registry
from datayield.strategies.augmentation_ops import OPERATIONS, Operation
from datayield.strategies.base import Rewrite, Synonyms
from datayield.study.stages import augment_texts
from datayield.text import tokens, wordnet
from datayield.text.word_vectors import Neighbours

Write = Callable[[list[str], Synonyms, int, np.random.Generator], list[str]]

HERE = Path(__file__).parent
TEXTS, VARIANTS, ALPHA = 10_000, 8, 0.05
RIVAL_TEXTS, RUNS = 1_000, 3  # texts that one of nlpaug's runs rewrites; runs of each side
READ, FILLED = 2_000, 1_000  # texts for the language model, and of those that it rewrites
NAMES = dict(zip(("synonym", "insert", "swap", "delete"), OPERATIONS, strict=True))


def clocked(action: Callable[[], object]) -> float:
    """Processor seconds of an action."""
    began = time.process_time()
    action()
    return time.process_time() - began


def rewrite_all(texts: Sequence[str], rewrite: Rewrite, words: Synonyms) -> None:
    """What the augment stage does for each text."""
    for i, line in enumerate(texts):
        augment_texts.rewritten(line, rewrite, words, VARIANTS, (1, "variant", "bench", i))


def written_by(operation: Operation) -> Write:
    """One operation alone, at ALPHA."""
    return lambda words, thesaurus, k, rng: operation(words, thesaurus, ALPHA, rng)


def rewrites() -> dict[str, Rewrite]:
    """EDA as it is, and its operations alone."""
    alone = {name: Rewrite(lambda n: VARIANTS, written_by(own)) for name, own in NAMES.items()}
    whole = registry.make_strategy("eda", {"alpha": ALPHA, "n_aug": VARIANTS}).rewrite
    assert whole is not None
    return {"eda": whole, **alone}


def rival(python: str, texts: Path, operation: str) -> float:
    """Processor seconds of nlpaug for VARIANTS variants of RIVAL_TEXTS texts."""
    script = HERE / "rivals" / "nlpaug_words.py"
    asked = [python, str(script), str(texts), operation, str(ALPHA), str(VARIANTS)]
    told = subprocess.run(
        asked,
        check=True,
        capture_output=True,
        text=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    return float(told.stdout.strip().splitlines()[-1])


def substitution(texts: Sequence[str]) -> dict[str, float]:
    """Processor seconds of a language model's one pass, and of VARIANTS variants of FILLED texts."""
    made: list[pretraining.PretrainedLanguageModel] = []
    key = ("bench",)
    learnt = clocked(
        lambda: made.append(pretraining.read(texts[:READ], Settings(), "next", 1, key))
    )
    lines = [tokens.tokens(t) for t in texts[:FILLED] for _ in range(VARIANTS)]
    rng = seeds.rng("bench")
    drawn = [{t: rng.random() for t in range(len(x)) if rng.random() < 0.15} for x in lines]
    return {"one pass": learnt, "variants": clocked(lambda: made[0].infill(lines, drawn))}


def main() -> None:
    """Measure, print, keep."""
    torch.set_num_threads(1)
    name = sys.argv[1] if len(sys.argv) > 1 else "pydocs"
    python = sys.argv[2] if len(sys.argv) > 2 else None
    folder = Path("data") / name
    texts = corpora.load(folder).texts[:TEXTS]
    words = wordnet.WordNet.load(DOWNLOADS)
    near = Neighbours.load(folder / "vectors.parquet")
    ours: dict[str, list[float]] = {}
    theirs: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as scratch:
        few = Path(scratch) / "texts.json"
        few.write_text(json.dumps([" ".join(tokens.tokens(t)) for t in texts[:RIVAL_TEXTS]]))
        for _ in range(RUNS):
            for operation, rewrite in rewrites().items():
                made = clocked(partial(rewrite_all, texts, rewrite, words))
                ours.setdefault(operation, []).append(made)
                if python and operation not in ("eda", "insert"):
                    theirs.setdefault(operation, []).append(rival(python, few, operation))
            made = clocked(lambda: rewrite_all(texts, rewrites()["eda"], near))
            ours.setdefault("eda with neighbours", []).append(made)
    report(name, len(texts), ours, theirs, substitution(texts))


def report(
    corpus: str, count: int, ours: dict[str, list[float]], theirs: dict[str, list[float]],
    language: dict[str, float],
) -> None:  # fmt: skip
    """Print medians, keep every number."""
    scale = count / min(count, RIVAL_TEXTS)
    print(f"{VARIANTS} variants of {count:,} texts of {corpus}, processor seconds on one core")
    print(f"{'':22} {'ours':>8} {'nlpaug':>8} {'ratio':>7}")
    for operation, own in ours.items():
        line = f"{operation:22} {median(own):8.2f}"
        if operation in theirs:
            other = scale * median(theirs[operation])
            line += f" {other:8.2f} {other / median(own):6.1f}x"
        print(line)
    if theirs:
        a, b = (sum(median(x[o]) for o in theirs) for x in (ours, theirs))
        print(f"{'these three together':22} {a:8.2f} {scale * b:8.2f} {scale * b / a:6.1f}x")
    print(
        f"lm_substitute: {language['variants']:.2f} s for {VARIANTS} variants of {FILLED:,} texts;"
        f" one pass of its language model over {READ:,} texts {language['one pass']:.2f} s"
    )
    kept = {"corpus": corpus, "texts": count, "variants": VARIANTS, "ours": ours, "nlpaug": theirs,
            "nlpaug's texts": RIVAL_TEXTS, "lm_substitute": language}  # fmt: skip
    (HERE / "augment.json").write_text(json.dumps(kept, indent=1) + "\n")


if __name__ == "__main__":
    main()
