"""Held-out accuracy by the number of updates: who is not finished when training ends?

    python benchmarks/updates.py CORPUS LABELS [--arms lstm:plain lstm:lm …] [--updates 400 1200]

Run in a project whose data stages are made. Untuned settings, on the draw that is never scored; the
test set is not read. Prints the accuracy after every evaluation and the seconds of the training.
"""

import argparse
from pathlib import Path

from datayield.core.system import machine

machine.prepare_process()

from datayield import config
from datayield.cells.corpus_tables import CorpusTables
from datayield.cells.draws import TUNING_DRAW
from datayield.cells.trial import run_trial
from datayield.models import device
from datayield.study import arms, data_stages, grid
from datayield.study.corpus_folder import corpus_folder


def main() -> None:
    """A line per arm and number of updates."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("corpus")
    parser.add_argument("labels", type=int)
    parser.add_argument("--arms", nargs="+", default=["lstm:plain", "lstm:lm", "lstm:lm+vat"])
    parser.add_argument("--updates", type=int, nargs="+", default=[400, 1200])
    asked = parser.parse_args()
    device.configure()
    root = Path()
    params = config.load(root / "params.yaml")
    scope = data_stages.scope(params, asked.corpus, root)
    data = CorpusTables.load(corpus_folder(root, asked.corpus))
    for arm in map(arms.parse_arm, asked.arms):
        untuned = arms.default_settings(params, arm, asked.labels)
        for updates in asked.updates:
            chosen = {**untuned, "model": {**untuned["model"], "updates": updates}}
            cell = grid.cell(params, scope, arm, asked.labels, TUNING_DRAW, 0, chosen)
            found = run_trial(cell, data)
            steps = " ".join(f"{x:.3f}" for x in found["steps"])
            print(f"{arm} {updates} updates: {steps} ({found['seconds']:.0f} s)", flush=True)


if __name__ == "__main__":
    main()
