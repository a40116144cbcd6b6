"""Time and peak memory against the number of texts, from the file to one cell.

    python benchmarks/scale.py [--sizes 10000 30000 ...] [--steps ingest audit ...] [--folder DIR] [--json FILE]

Texts are drawn from Zipf's law over an open vocabulary (about 30 words each, five classes, some
duplicates and near duplicates), written to a parquet file and read by the normal `file` loader. The
test set has 2,000 texts at every size, so that what grows is the pool. Every step runs in a process
of its own, on one thread. Times are processor seconds, so that other work on the machine does not
count (wall seconds are in the JSON); memory is that process's peak, with its libraries and the pages
of mapped files. The second table has the strategies that compare texts with texts. Prints Markdown;
keeps what it measured in benchmarks/scale.json, and adds to it. A million texts take about 1 GB below
DIR (default: a temporary one).
"""

import argparse
import hashlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

from datayield.core.system import machine

machine.prepare_process()

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import yaml

from datayield import config
from datayield.core import seeds
from datayield.core.system.machine import peak_memory_mib
from datayield.study import arms, grid
from datayield.study.corpus_folder import corpus_folder
from datayield.study.stages import (
    audit_corpus,
    augment_texts,
    build_corpus,
    rate_difficulties,
    subsample_pool,
    train_vectors,
)

HERE = Path(__file__).parent
NAME = "zipf"
SIZES = (10_000, 30_000, 100_000, 300_000, 1_000_000)
TEST = 2000
LABELS = 1000  # of the cell, and what the strategies of the second table choose
CLASSES, WORDS, OWN = 5, 1_000_000, 400  # OWN: words that a class uses more than the others
EXPONENT, SHARE = 1.2, 0.12  # of Zipf's law; the share of words that tell the class
CHUNK = 10_000


def lines(seed: int) -> tuple[list[str], np.ndarray]:
    """CHUNK texts with their classes: the words of rank r about as often as 1/r^EXPONENT."""
    rng = seeds.rng("scale", seed)
    labels = rng.integers(0, CLASSES, CHUNK)
    lengths = np.maximum(3, rng.lognormal(3.3, 0.45, CHUNK)).astype(np.int64)
    owner = np.repeat(labels, lengths)
    ranks = zipf(rng.random(len(owner)), WORDS)
    tells = rng.random(len(owner)) < SHARE
    ranks[tells] = 200 + owner[tells] * OWN + zipf(rng.random(int(tells.sum())), OWN)
    kinds, inverse = np.unique(ranks, return_inverse=True)
    words = np.array([word(int(r)) for r in kinds], object)[inverse].tolist()
    ends = np.cumsum(lengths)
    texts = [" ".join(words[e - n : e]) for e, n in zip(ends, lengths, strict=True)]
    for i in range(0, CHUNK, 50):  # 2 % duplicates and 2 % near duplicates, of this chunk
        texts[i], labels[i] = texts[i + 1].upper(), labels[i + 1]
        texts[i + 2], labels[i + 2] = texts[i + 3] + " " + word(i), labels[i + 3]
    return texts, labels


def zipf(u: np.ndarray, count: int) -> np.ndarray:
    """Ranks 0..count-1 from uniform numbers: the inverse of the continuous law."""
    power = 1 - EXPONENT
    ranks: np.ndarray = (((count + 1.0) ** power - 1) * u + 1) ** (1 / power) // 1 - 1
    return ranks


def word(rank: int) -> str:
    """Pronounceable, short for small ranks, different for different ranks."""
    out = ""
    rest = rank
    while not out or rest:
        rest, place = divmod(rest, 85)
        out += "bdfghklmnprstvwyz"[place % 17] + "aeiou"[place // 17]
    return out


def write_texts(path: Path, count: int) -> None:
    """`count` texts to learn from and TEST more; a smaller file is the beginning of a larger one."""
    schema = pa.schema([("body", pa.string()), ("topic", pa.string()), ("part", pa.string())])
    with pq.ParquetWriter(path, schema) as out:
        for start in range(0, count + TEST, CHUNK):
            texts, labels = lines(start)
            keep = min(CHUNK, count + TEST - start)
            part = ["test" if start + i < TEST else "train" for i in range(keep)]
            topics = [f"topic {k}" for k in labels[:keep]]
            out.write_table(pa.table([texts[:keep], topics, part], schema))


def write_params(root: Path, updates: int) -> None:
    """params.yaml of a study on these texts, whose networks train for so many updates."""
    path = root / "texts.parquet"
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    source = {
        "loader": "file", "path": str(path), "sha256": digest, "text": "body", "label": "topic",
        "format": "parquet", "split": "part",
    }  # fmt: skip
    study = {
        "name": NAME, "seed": 1, "corpora": [NAME], "draws": 10,
        "grid": [{"arms": ["lstm:plain", "lstm:eda_nn"], "budgets": [LABELS]}],
    }  # fmt: skip
    raw = {"study": study, "corpora": {NAME: source}, "updates": {0: updates}}
    (root / "params.yaml").write_text(yaml.safe_dump(raw))


def encode_pool(root: Path) -> None:
    """Every text of the pool as word numbers, as an arm that reads them all has it."""
    from datayield import corpora
    from datayield.models.encoding import numbered

    numbered(corpora.load(corpus_folder(root, NAME)).texts, 64, 2)


def cell(root: Path, arm: str = "lstm:plain") -> None:
    """One cell as a fresh worker computes it, opening the corpus included."""
    import torch

    from datayield.cells.corpus_tables import CorpusTables
    from datayield.cells.run import run_cell

    torch.set_num_threads(1)
    made = params_of(root)
    scope = grid.Scope(NAME, 0, "", dict.fromkeys(("vectors", "difficulties", "neighbours"), ""))
    parsed = arms.parse_arm(arm)
    chosen = arms.default_settings(made, parsed, LABELS)
    run_cell(
        grid.cell(made, scope, parsed, LABELS, 0, 0, chosen),
        CorpusTables.load(root / "data" / NAME),
    )


def strategy(root: Path, name: str) -> None:
    """What a strategy chooses: LABELS of all texts to label, or which of all labels to keep."""
    from datayield.cells.context import CellContext
    from datayield.cells.corpus_tables import CorpusTables
    from datayield.core.types import Cost, Pool, Settings, TrainingSet
    from datayield.strategies import registry

    data = CorpusTables.load(corpus_folder(root, NAME))
    sample, part = data.draws.sample(0, LABELS), registry.make_strategy(name)
    known = sample.train[:50]
    context = CellContext(data, sample, Settings(), Cost(), ("scale",), part, known)
    if part.query is not None:
        part.query(Pool(data.corpus.texts), len(sample.train), context)
    else:
        assert part.transform is not None
        count = len(data.corpus.texts)
        rows = TrainingSet(
            tuple(data.corpus.texts), np.ones((count, 1), np.float32),
            np.ones(count, np.float32), np.arange(count),
        )  # fmt: skip
        part.transform(rows, context)


def params_of(root: Path) -> config.Params:
    return config.load(root / "params.yaml")


STEPS: dict[str, Callable[[Path], object]] = {
    "ingest": lambda root: build_corpus.run(params_of(root), NAME, root),
    "audit": lambda root: audit_corpus.run(params_of(root), NAME, root),
    "draws": lambda root: subsample_pool.run(params_of(root), NAME, root),
    "vectors": lambda root: train_vectors.run(params_of(root), NAME, root),
    "variants": lambda root: augment_texts.run(params_of(root), NAME, root),
    "curriculum": lambda root: rate_difficulties.run(params_of(root), NAME, root),
    "encode": encode_pool,
    "cell": cell,
    "cell that reads unlabelled texts": lambda root: cell(root, "lstm:vat"),
}
STRATEGIES = ("k_center", "facility_location", "dedup")


def measured(step: str, root: Path) -> dict[str, float]:
    """Run one step in this process."""
    import torch  # noqa: F401  # so that no step is charged for importing it

    began, worked = time.perf_counter(), time.process_time()
    if step in STRATEGIES:
        strategy(root, step)
    else:
        STEPS[step](root)
    return {
        "seconds": time.perf_counter() - began,
        "cpu": time.process_time() - worked,
        "mib": peak_memory_mib(),
    }


def in_a_process(step: str, root: Path) -> dict[str, float]:
    """Run one step in a process of its own."""
    done = subprocess.run(
        [sys.executable, __file__, "--one", step, str(root)],
        stdout=subprocess.PIPE, text=True, check=False,
    )  # fmt: skip
    if done.returncode:
        raise SystemExit(f"{step} ended with status {done.returncode} in {root}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def exponent(sizes: list[int], values: list[float]) -> float:
    """b of the least-squares fit log value = a + b log size."""
    return float(np.polyfit(np.log(sizes), np.log(values), 1)[0])


Found = Mapping[str, Mapping[int, Mapping[str, float]]]


def table(found: Found) -> Iterator[str]:
    """A line per step: processor seconds and MiB at every size, exponents of the seconds."""
    sizes = sorted({n for own in found.values() for n in own})
    yield "| step | " + " | ".join(f"{n:,}" for n in sizes) + " | exponent | from 100,000 on |"
    yield "|---|" + "---|" * (len(sizes) + 2)
    for step, own in found.items():
        shown = [
            f"{own[n]['cpu']:.1f} s, {own[n]['mib']:,.0f} MiB" if n in own else "" for n in sizes
        ]
        fits = []
        for least in (0, 100_000):
            used = [n for n in sizes if n in own and n >= least]
            seconds = [own[n]["cpu"] for n in used]
            fits.append(f"{exponent(used, seconds):.2f}" if len(used) > 1 else "–")
        yield f"| {step} | " + " | ".join([*shown, *fits]) + " |"


def kept(path: Path) -> dict[str, dict[int, dict[str, float]]]:
    """What was measured before: runs of some sizes or steps add up to one table."""
    stored = json.loads(path.read_text()) if path.exists() else {}
    return {
        step: {int(n): stored[step][n] for n in sorted(stored[step], key=int)}
        for step in (*STEPS, *STRATEGIES)
        if step in stored
    }


def main() -> None:
    """Measure, print, keep."""
    ask = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    ask.add_argument("--sizes", type=int, nargs="+", default=list(SIZES))
    ask.add_argument("--steps", nargs="+", default=[*STEPS], choices=[*STEPS, "none"])
    ask.add_argument(
        "--strategies", nargs="+", default=[*STRATEGIES], choices=[*STRATEGIES, "none"]
    )
    ask.add_argument("--strategy-sizes", type=int, nargs="+", default=list(SIZES[:4]))
    ask.add_argument("--updates", type=int, default=200, help="updates of every network")
    ask.add_argument("--folder", type=Path)
    ask.add_argument("--json", type=Path, default=HERE / "scale.json")
    ask.add_argument("--one", nargs=2, metavar=("STEP", "ROOT"), help=argparse.SUPPRESS)
    options = ask.parse_args()
    if options.one:
        print(json.dumps(measured(options.one[0], Path(options.one[1]))))
        return
    with tempfile.TemporaryDirectory() as temporary:
        folder = (options.folder or Path(temporary)).resolve()
        found = kept(options.json)
        for n in options.sizes:
            root = folder / str(n)
            root.mkdir(parents=True, exist_ok=True)
            if not (root / "params.yaml").exists():
                write_texts(root / "texts.parquet", n)
                write_params(root, options.updates)
            wanted = [s for s in options.steps if s != "none"]
            if n in options.strategy_sizes:
                wanted += [s for s in options.strategies if s != "none"]
            for step in wanted:
                found.setdefault(step, {})[n] = one = in_a_process(step, root)
                print(f"{n} {step}: " + json.dumps(one), file=sys.stderr, flush=True)
                options.json.write_text(json.dumps(found, indent=1) + "\n")
    steps = {k: found[k] for k in STEPS if k in found}
    chosen = {k: found[k] for k in STRATEGIES if k in found}
    for part in (steps, chosen):
        if part:
            print("\n".join(table(part)), end="\n\n")


if __name__ == "__main__":
    main()
