"""Holds the sections of the report, one module for each."""
