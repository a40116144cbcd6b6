"""The analysis arm: tables in, statements out. Nothing here trains or reads a text."""

from datayield.stats.analyse import analyse

__all__ = ["analyse"]
