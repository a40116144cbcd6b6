"""Computes every cell of one corpus in a Prefect flow. Called by dvc.yaml's stage `study`."""

import sys

from datayield.integrations.run_flow import run_flow

if __name__ == "__main__":
    sys.exit(run_flow("study", "datayield.integrations.study_flow"))
