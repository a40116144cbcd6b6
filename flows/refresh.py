"""Prefect flow: a study brought up to date on a schedule. Deployed by prefect.yaml; calls `dvc repro`.

Once and by hand, without a server: python flows/refresh.py
"""

from datayield.orchestrate import refresh_study

if __name__ == "__main__":
    refresh_study()
