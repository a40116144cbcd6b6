"""Computes one cell: from a sample of a corpus to a stored row of scores."""
