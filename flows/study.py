"""Prefect flow: every cell of one corpus. Called by dvc.yaml's stage `study`."""

import sys

from datayield.start import run_flow

if __name__ == "__main__":
    sys.exit(run_flow("study"))
