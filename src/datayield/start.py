"""How `flows/*.py` start a flow: options, environment, then orchestrate."""

import argparse
import os
import sys
from pathlib import Path

from datayield import environment
from datayield.cli import guard


def run_flow(name: str) -> int:
    """Run the flow `tune` or `study` for the corpus named on the command line; returns the exit code."""
    parser = argparse.ArgumentParser(prog=f"flows/{name}.py")
    parser.add_argument("--corpus", required=True)
    corpus = parser.parse_args().corpus
    root = Path()

    def run() -> None:
        environment.prepare()
        environment.prepare_prefect(root)
        from datayield import config, orchestrate, stages

        params = config.load(root / "params.yaml")
        stages.known_corpus(params, corpus)
        flow = orchestrate.run_tune if name == "tune" else orchestrate.run_study
        if flow(corpus, params, root):
            _leave()

    return guard(run)


def _leave() -> None:
    """End at once: at its exit Prefect would try for minutes to tell a server that is gone."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)
