"""Searches the settings of one corpus in a Prefect flow. Called by dvc.yaml's stage `tune`."""

import sys

from datayield.integrations.run_flow import run_flow

if __name__ == "__main__":
    sys.exit(run_flow("tune", "datayield.integrations.tune_flow"))
