"""What the audit means for the scores: overlap with the pool, and texts that corpora share."""

from itertools import combinations
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from datayield import table
from datayield.stats.scores import Scores
from datayield.types import Ints


def truth(audited: pa.Table, classes: list[str]) -> Ints:
    """Class index of every test text, in test order."""
    test = audited.filter(pc.equal(audited["split"], "test")).sort_by("id")
    return np.array([classes.index(c) for c in test["class"].to_pylist()], np.int64)


def labels(audited: pa.Table) -> list[str]:
    """Class of every pool text, in pool order."""
    named: list[str] = (
        audited.filter(pc.equal(audited["split"], "pool")).sort_by("id")["class"].to_pylist()
    )
    return named


def told(audit: dict[str, Any], texts: str) -> dict[str, Any]:
    """What audit.json says; `texts` "hidden": without its examples."""
    if texts == "shown":
        return audit
    return {**audit, "findings": [{**f, "examples": []} for f in audit["findings"]]}


def overlap(audited: pa.Table, scores: Scores) -> dict[str, Any]:
    """Mean score with and without the test texts that the pool holds too, exactly or nearly.

    Args:
        audited: schema table.AUDIT.
        scores: of the same corpus; test texts in test order.
    """
    test = audited.filter(pc.equal(audited["split"], "test")).sort_by("id")
    clean = np.array([twin == "" for twin in test["twin"].to_pylist()], bool)
    lines = []
    for (arm, n), m in sorted(scores.items()):
        if clean.all() or not clean.any():
            break
        lines.append(
            {
                "arm": arm,
                "n": n,
                "all": float(m.values.mean()),
                "without": float(m.values[:, clean].mean()),
            }
        )
    return {"texts": int((~clean).sum()), "of": len(clean), "scores": lines}


def shared(names: list[str], families: dict[str, str], root: Path) -> list[dict[str, Any]]:
    """Pairs of corpora with texts of the same letters, most first.

    `test_in_other` counts the test texts of each that occur anywhere in the other; `other_class` the
    shared texts whose class has another name there, where both have the same classes.
    """
    content = {
        n: _classes(table.read(root / "data" / n / "audit.parquet", table.AUDIT)) for n in names
    }
    out = []
    for a, b in combinations(names, 2):
        common = content[a].keys() & content[b].keys()
        if not common:
            continue
        named = {s for c in (a, b) for _, s in content[c].values()}
        same = all({s for _, s in content[c].values()} == named for c in (a, b))
        out.append(
            {
                "corpora": [a, b],
                "texts": len(common),
                "test_in_other": [sum(content[x][k][0] == "test" for k in common) for x in (a, b)],
                "other_class": sum(content[a][k][1] != content[b][k][1] for k in common)
                if same
                else None,
                "same_family": families[a] == families[b],
                "share": len(common) / min(len(content[a]), len(content[b])),
            }
        )
    return sorted(out, key=lambda pair: -pair["texts"])


def _classes(audited: pa.Table) -> dict[int, tuple[str, str]]:
    """Letters → (split, class); a text in both parts counts for the test set."""
    columns = (audited[c].to_pylist() for c in ("letters", "split", "class"))
    lines = sorted(zip(*columns, strict=True), key=lambda line: line[1])  # pool before test
    return {key: (split, name) for key, split, name in lines}
