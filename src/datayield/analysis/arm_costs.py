"""Computes what the cells of every arm cost, with language models shared among the cells that use them."""

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from datayield.analysis.exported_size import exported_bytes
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


def costs(lines: list[dict[str, Any]], classes: int) -> tuple[ArmCost, ...]:
    """Return the mean cost by arm and budget; language models in full and shared among their cells.

    Args:
        lines: the rows of one corpus.
        classes: its number of classes.
    """
    part, sizes = amortised(lines), exported_sizes(lines, classes)
    return tuple(
        _arm_cost(arm, n, rows, part, sizes[arm, n]) for (arm, n), rows in by_arm(lines).items()
    )


def _arm_cost(
    arm: str, n: int, rows: list[dict[str, Any]], part: Mapping[str, float], size: float | None
) -> ArmCost:
    means = {k: float(np.mean([x[k] for x in rows])) for k in COSTS}
    shared = float(np.mean([part[x["cell"]] for x in rows]))
    return ArmCost(
        arm,
        n,
        **means,
        amortised_pretrain_seconds=shared,
        learning_seconds=means["prepare_seconds"] + means["train_seconds"] + shared,
        seconds_per_thousand=1000 * means["inference_seconds"] / rows[0]["test_size"],
        exported_mb=None if size is None else size / 1e6,
    )


def exported_sizes(
    lines: list[dict[str, Any]], classes: int
) -> dict[tuple[str, int], float | None]:
    """Return the mean bytes of exported models by arm and budget; of a blend the sum of its members'.

    A blend has None if a member has no row at its budget.
    """
    grouped = {(Arm.named(arm), n): rows for (arm, n), rows in by_arm(lines).items()}
    sizes = {
        (str(arm), n): _mean_bytes(rows, classes)
        for (arm, n), rows in grouped.items()
        if not arm.members
    }
    blends = {(str(arm), n): _sum_of_members(arm, n, sizes) for arm, n in grouped if arm.members}
    return {**sizes, **blends}


def _mean_bytes(rows: list[dict[str, Any]], classes: int) -> float:
    each = [
        exported_bytes(x["architecture"], x["parameters"], json.loads(x["settings"]), classes)
        for x in rows
    ]
    return float(np.mean(each))


def _sum_of_members(arm: Arm, n: int, sizes: Mapping[tuple[str, int], float]) -> float | None:
    if not all((str(m.arm), n) in sizes for m in arm.members):
        return None
    return sum(m.count * sizes[str(m.arm), n] for m in arm.members)


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
