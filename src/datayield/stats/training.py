"""Whether training ended too early: validation accuracy that was still rising at the last update."""

from collections import defaultdict
from collections.abc import Iterable, Mapping
from math import isnan, sqrt
from typing import Any

import numpy as np
from scipy.stats import t as student

RISE = 0.01  # accuracy between the last two evaluations below which nothing is said


def still_rising(history: Iterable[Mapping[str, Any]], level: float) -> dict[str, Any]:
    """Arms and budgets that still gained between the last two evaluations of their trainings.

    A t interval over draws, uncorrected: it raises a doubt and decides nothing. Every arm has the
    same number of updates, so an arm that needs more of them shows less than it can.

    Args:
        history: rows of table.HISTORY of one corpus.
        level: of the interval, in (0, 1).

    Returns:
        `of`: how many arms and budgets have two draws to be judged by; `rows`: those whose interval
        lies above 0 and whose mean gain is RISE or more, with `arm`, `n`, `estimate`, `low`, `high`.
    """
    curves: dict[tuple[str, int, int, int], list[tuple[int, float]]] = defaultdict(list)
    for line in history:
        if not isnan(line["validation_accuracy"]):
            key = line["arm"], line["n"], line["draw"], line["seed"]
            curves[key].append((line["round"], line["validation_accuracy"]))
    gains: dict[tuple[str, int], dict[int, list[float]]] = defaultdict(lambda: defaultdict(list))
    for (arm, n, draw, _), curve in curves.items():
        if len(curve) > 1:
            (_, before), (_, last) = sorted(curve)[-2:]
            gains[arm, n][draw].append(last - before)
    rows, of = [], 0
    for (arm, n), by_draw in sorted(gains.items()):
        means = np.array([np.mean(seeds) for seeds in by_draw.values()])
        if len(means) < 2:
            continue
        of += 1
        gain = float(means.mean())
        half = student.ppf((1 + level) / 2, len(means) - 1) * means.std(ddof=1) / sqrt(len(means))
        if gain >= RISE and gain > half:
            found = {"estimate": gain, "low": gain - float(half), "high": gain + float(half)}
            rows.append({"arm": arm, "n": n, **found})
    return {"of": of, "rows": rows}
