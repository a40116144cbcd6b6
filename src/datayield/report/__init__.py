"""statistics.json → the study report: one HTML file, one Markdown file, figures, metrics."""

from datayield.report.metrics import curves, metrics
from datayield.report.render import render

__all__ = ["curves", "metrics", "render"]
