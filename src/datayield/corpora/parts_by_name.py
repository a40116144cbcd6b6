"""Finds the files of a test set by their names, as data sets of the hub are laid out."""

import re
from pathlib import Path

from datayield.corpora import packed

_PART = re.compile(r"(?:^|[-_. ])(train|test|validation|valid|val|dev)(?=[-_. ]|$)", re.IGNORECASE)


def by_part(paths: list[Path], tests: list[Path]) -> tuple[list[Path], list[Path], tuple[str, ...]]:
    """Divide files that are named by their part, as data sets of the hub are, into pool and test files."""
    parts = [
        found[-1].lower() if (found := _PART.findall(packed.content_name(p).stem)) else ""
        for p in paths
    ]
    if tests or "test" not in parts or "train" not in parts or not all(parts):
        return paths, tests, ()
    pool, held = (
        [p for p, x in zip(paths, parts, strict=True) if (x == "test") == t] for t in (0, 1)
    )
    names = [", ".join(p.name for p in group) for group in (pool, held)]
    return pool, held, (f"by their names: test set {names[1]}; pool {names[0]}",)
