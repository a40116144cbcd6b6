"""Holds the data stages of dvc.yaml, one module each, so that a stage depends on the code that it runs."""
