"""Runs the stage `analyse`: writes statistics.json, metrics.json and curves.csv."""

import json
from pathlib import Path

from datayield.analysis import analyse, statistics
from datayield.config import Params
from datayield.core import files
from datayield.report import metrics_file
from datayield.report.report_folder import report_folder


def write_statistics(params: Params, root: Path) -> None:
    """Write statistics.json, metrics.json and curves.csv from the study's tables.

    Raises:
        UserError: the study has not run, or a table is damaged.
    """
    found = analyse.analyse(params, root)
    folder = report_folder(params, root)
    metrics = json.dumps(metrics_file.metrics(found), indent=1, sort_keys=True)
    statistics.write(found, folder / "statistics.json")
    files.write_text(metrics + "\n", folder / "metrics.json")
    files.write_text(metrics_file.curves(found), folder / "curves.csv")
