"""Searches settings with Optuna: one search for each budget and arm."""
