"""Reads and writes exported models, and predicts with them outside of a study."""
