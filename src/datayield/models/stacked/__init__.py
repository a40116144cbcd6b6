"""Trains many networks of equal settings side by side on a GPU."""

STACK_SIZE = 32  # places for networks in a stack
