"""Finds the folder of a study's report; both of its stages need it, so it imports next to nothing."""

from pathlib import Path

from datayield.config import Params


def report_folder(params: Params, root: Path) -> Path:
    """Return the folder of the study's report."""
    return root / "reports" / params.study.name
