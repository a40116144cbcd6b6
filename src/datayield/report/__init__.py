"""Turns statistics into the report: HTML, Markdown, figures and CSV tables."""
