"""Holds one loader for each kind of corpus source."""
