"""Runs the stage `report`: writes the pages, figures and tables of the report."""

from pathlib import Path

from datayield.analysis import statistics
from datayield.config import Params
from datayield.core import files
from datayield.report import render
from datayield.report.report_folder import report_folder


def write_pages(params: Params, root: Path) -> Path:
    """Write the report from statistics.json; return its index.html.

    Raises:
        UserError: statistics.json is missing, damaged or of another version.
    """
    folder = report_folder(params, root)
    for name, content in render.render(statistics.read(folder / "statistics.json")).items():
        as_bytes = content.encode("utf-8") if isinstance(content, str) else content
        files.write_bytes(as_bytes, folder / name)
    return folder / "index.html"
