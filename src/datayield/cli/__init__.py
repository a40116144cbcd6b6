"""Parses command lines, calls functions of the other rooms and prints their results."""
