"""Prefect flow: settings for every regime of one corpus. Called by dvc.yaml's stage `tune`."""

import sys

from datayield.start import run_flow

if __name__ == "__main__":
    sys.exit(run_flow("tune"))
