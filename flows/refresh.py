"""Brings a study up to date in a scheduled Prefect flow. Deployed by prefect.yaml; calls `dvc repro`.

To run it once by hand, without a server: python flows/refresh.py
"""

from datayield.integrations.prefect_refresh import refresh_study

if __name__ == "__main__":
    refresh_study()
