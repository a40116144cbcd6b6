"""Computes statistics from result tables: estimates with intervals. Nothing is trained here.

Only `text_findings` reads texts, those few that the report shows.
"""
