"""Computes what the cells of every arm cost, with language models shared among the cells that use them."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import numpy as np

from datayield.analysis.statements import ArmCost
from datayield.core.arm import Arm
from datayield.core.types import Cost, names_of

COSTS = tuple(name for name in names_of(Cost) if name != "language_models")  # the numbers


def by_arm(lines: Iterable[dict[str, Any]]) -> dict[tuple[str, int], list[dict[str, Any]]]:
    """Return the rows of every arm at every budget, sorted."""
    grouped: dict[tuple[str, int], list[dict[str, Any]]] = {}
    for line in lines:
        grouped.setdefault((line["arm"], line["n"]), []).append(line)
    return dict(sorted(grouped.items()))


def costs(lines: list[dict[str, Any]]) -> tuple[ArmCost, ...]:
    """Return the mean cost by arm and budget; language models in full and shared among their cells."""
    part = amortised(lines)
    return tuple(
        ArmCost(
            arm,
            n,
            **{k: float(np.mean([x[k] for x in rows])) for k in COSTS},
            amortised_pretrain_seconds=float(np.mean([part[x["cell"]] for x in rows])),
        )
        for (arm, n), rows in by_arm(lines).items()
    )


def amortised(lines: list[dict[str, Any]]) -> dict[str, float]:
    """Return each cell's share of the time of the language models that other cells use too.

    A cell that uses several models is charged for each as if they took equally long. A blend uses those of
    its members and counts as no further user.
    """
    models = {x["cell"]: x["language_models"].split("+") for x in lines}
    trained = (x["cell"] for x in lines if not Arm.named(x["arm"]).members)
    users = Counter(name for cell in trained for name in models[cell])
    return {
        x["cell"]: x["pretrain_seconds"] * float(np.mean([1 / users[m] for m in models[x["cell"]]]))
        for x in lines
    }
