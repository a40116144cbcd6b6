"""Tables → arrays: correctness per arm and budget, draws aligned."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from datayield import table
from datayield.errors import UserError
from datayield.types import Floats


@dataclass(frozen=True, slots=True)
class Measured:
    """One arm at one budget: correctness by draw, seeds averaged."""

    draws: tuple[int, ...]
    hits: Floats  # (draws, test texts), in [0, 1]
    macro_f1: Floats  # (draws,)
    validation: Floats  # (draws,), NaN where nothing validates
    cells: int


Scores = dict[tuple[str, int], Measured]


def gather(lines: Iterable[dict[str, Any]]) -> Scores:
    """(arm, n) → Measured from the rows of one corpus's `cells.parquet`.

    Raises:
        UserError: when the rows were scored on different test sets.
    """
    grouped: dict[tuple[str, int], dict[int, list[dict[str, Any]]]] = {}
    digests = set()
    for line in lines:
        digests.add(line["test_digest"])
        grouped.setdefault((line["arm"], line["n"]), {}).setdefault(line["draw"], []).append(line)
    if len(digests) > 1:
        raise UserError(
            f"the rows were scored on {len(digests)} different test sets ({', '.join(sorted(digests))})"
            " and cannot be paired. Run `dvc repro` to compute them anew."
        )
    return {k: _measured(by_draw) for k, by_draw in grouped.items()}


def _measured(by_draw: dict[int, list[dict[str, Any]]]) -> Measured:
    draws = tuple(sorted(by_draw))

    def mean(column: str) -> Floats:
        return np.array([np.mean([line[column] for line in by_draw[d]]) for d in draws])

    hits = np.array(
        [
            np.mean([table.unpack_hits(x["hits"], x["test_size"]) for x in by_draw[d]], axis=0)
            for d in draws
        ]
    )
    cells = sum(len(lines) for lines in by_draw.values())
    return Measured(draws, hits, mean("macro_f1"), mean("validation_accuracy"), cells)


def paired(a: Measured, b: Measured) -> tuple[Floats, Floats]:
    """Correctness of both on the draws that both have, (D, m) each; D may be 0."""
    common = [d for d in a.draws if d in b.draws]
    return (
        a.hits[[a.draws.index(d) for d in common]],
        b.hits[[b.draws.index(d) for d in common]],
    )


def curve_of(scores: Scores, arm: str, draws: tuple[int, ...]) -> dict[int, Floats]:
    """The learning curve of an arm on the given draws: budgets at which all of them were run."""
    found = {}
    for (name, n), m in scores.items():
        if name == arm and set(draws) <= set(m.draws):
            found[n] = m.hits[[m.draws.index(d) for d in draws]]
    return dict(sorted(found.items()))
