"""Pruned against unpruned searches: what is saved and what is found (docs/adr/0014).

    python benchmarks/pruning.py [corpus] [--n 300 1000] [--trials 20] [--draws 6] [--workers 2]

Needs the corpus's data stages (`dvc repro curriculum@pydocs augment@pydocs`) for that many draws.
Both kinds of search run here, each on every draw's own labels; trials follow the rules of
`datayield.tuning.optuna_search`, on a journal in a temporary folder. The last lines tell what a
trial costs besides its training.
"""

import argparse
import tempfile
import time
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
from scipy.stats import t as student

from datayield import config
from datayield.cells.worker_pool import LocalPool
from datayield.core.system import machine
from datayield.study import data_stages
from datayield.tuning import optuna_search, searches
from datayield.tuning.searches import SearchSpec


def main() -> None:
    """Print a row per budget: trainings saved, best scores, their paired difference."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus", nargs="?", default="pydocs")
    parser.add_argument("--n", type=int, nargs="+", default=[300, 1000])
    parser.add_argument("--trials", type=int, default=20)
    parser.add_argument("--draws", type=int, default=6)
    parser.add_argument("--workers", type=int, default=2)
    asked = parser.parse_args()
    machine.prepare_process()
    root = Path()
    pool = LocalPool(root, 3600, asked.workers)
    spent: list[float] = []

    def carry(search: SearchSpec) -> list[dict[str, Any]]:
        began, inside = time.perf_counter(), [0.0]

        def score(*of: Any) -> Mapping[str, Any]:
            found = pool.trial(*of)
            inside[0] += found["seconds"]
            return found

        optuna_search.run(search, kept, score)
        spent.append((time.perf_counter() - began - inside[0]) / search.trials)
        return optuna_search.lines(search, kept)

    with tempfile.TemporaryDirectory() as folder:
        kept = optuna_search.storage(Path(folder))
        both = [searches_of(root, asked, prune) for prune in (False, True)]
        found = [s for pair in zip(*both, strict=True) for s in pair]  # side by side in time
        with ThreadPoolExecutor(asked.workers) as threads:
            rows = list(threads.map(carry, found))
    pool.close()
    print("| n | searches | trials | updates, pruned / unpruned | seconds | ended early | best, unpruned"
          " | best, pruned | difference, points |\n|" + "---|" * 9)  # fmt: skip
    for n in asked.n:
        print(
            row(
                n, asked.trials, [(s, r) for s, r in zip(found, rows, strict=True) if s.cell.n == n]
            )
        )
    print(f"\nbesides its training a trial took {1000 * np.median(spent):.1f} ms"
          f" (median over {len(spent)} searches; {1000 * min(spent):.1f} to {1000 * max(spent):.1f})")  # fmt: skip


def searches_of(root: Path, asked: argparse.Namespace, prune: bool) -> list[SearchSpec]:
    """Of `lstm:plain` at every budget and draw."""
    params = config.load(root / "params.yaml")
    study = params.study.model_copy(
        update={
            "grid": (config.Block(arms=("lstm:plain",), budgets=tuple(asked.n)),),
            "draws": asked.draws,
        }
    )
    tuning = config.Tuning(trials=asked.trials, scope="draw", prune=prune)
    params = params.model_copy(update={"study": study, "tuning": tuning})
    return searches.searches(params, data_stages.scope(params, asked.corpus, root), "accuracy")


def row(n: int, trials: int, found: list[tuple[SearchSpec, list[dict[str, Any]]]]) -> str:
    """One line of the table."""
    kinds = {p: [r for s, r in found if s.prune == p] for p in (False, True)}
    cost = {p: {k: sum(x[k] for rows in own for x in rows) for k in ("updates", "seconds")}
            for p, own in kinds.items()}  # fmt: skip
    best = {p: np.array([max(x["score"] for x in rows if x["score"] is not None) for rows in own])
            for p, own in kinds.items()}  # fmt: skip
    gap = best[True] - best[False]
    half = student.ppf(0.975, len(gap) - 1) * gap.std(ddof=1) / np.sqrt(len(gap))
    ended = np.mean([x["state"] == "pruned" for rows in kinds[True] for x in rows])
    ratio = {k: cost[True][k] / cost[False][k] for k in ("updates", "seconds")}
    return (
        f"| {n:,} | {len(gap)} + {len(gap)} | {trials} | {ratio['updates']:.2f} | {ratio['seconds']:.2f}"
        f" | {ended:.0%} | {100 * best[False].mean():.1f} | {100 * best[True].mean():.1f}"
        f" | {100 * gap.mean():+.1f} [{100 * (gap.mean() - half):+.1f}, {100 * (gap.mean() + half):+.1f}] |"
    )


if __name__ == "__main__":
    main()
