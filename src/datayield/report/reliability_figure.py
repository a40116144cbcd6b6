"""Draws the reliability of class probabilities: how often arms are right where they are so sure."""

from collections.abc import Sequence
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datayield.analysis.probability_statements import ArmProbabilities, ReliabilityBin
from datayield.analysis.shares import FEWEST
from datayield.report import wording
from datayield.report.figures import COLOURS, STYLE, Drawing, drawing, hover

LOOKS: tuple[dict[str, Any], ...] = (
    {"color": "black", "marker": "o", "lw": 2},
    {"color": COLOURS[0], "marker": "s", "lw": 1.3},
    {"color": COLOURS[1], "marker": "^", "lw": 1.3, "dashes": (5, 2)},
)


def reliability(arms: Sequence[ArmProbabilities], classes: int, texts: int) -> Drawing:
    """Draw share right against mean top probability with intervals, and below how many texts lie there.

    Args:
        arms: at most three, the study's baseline first.
        classes: number of classes; no top probability lies below 1 / classes.
        texts: number of test texts; bins with fewer than 10 of them are left out.
    """
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(6.4, 6.2), layout="constrained")
        upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 1))
        upper.plot(
            [0, 100], [0, 100], color="#999999", lw=1, ls=":", label="as often right as it says"
        )
        for arm, look in zip(arms, LOOKS, strict=False):
            bins = [b for b in arm.bins if b.texts * texts >= FEWEST]
            _right(upper, arm.arm, bins, look)
            _texts(lower, arm.arm, bins, look)
        upper.set_xlim(100 / classes - 1, 101)
        lowest = min(100 * b.right.estimate for arm in arms for b in arm.bins)
        upper.set_ylim(min(lowest, 100 / classes) - 2, 102)
        upper.set_ylabel("right, % of these texts")
        lower.set_ylim(bottom=0)
        lower.set_ylabel("texts, %")
        lower.set_xlabel("the model says: probability of its answer, %")
        figure.legend(
            *upper.get_legend_handles_labels(), frameon=False, loc="outside lower center", ncols=4
        )
        return drawing(figure)


def _right(axis: Axes, arm: str, bins: Sequence[ReliabilityBin], look: dict[str, Any]) -> None:
    """Draw the line of one arm, with the interval of every bin that has one."""
    says = [100 * b.says for b in bins]
    axis.plot(
        says, [100 * b.right.estimate for b in bins], ms=5, label=arm, gid=hover(arm, arm), **look
    )
    for x, b in zip(says, bins, strict=True):
        text = (
            f"{arm} says {wording.share(b.says)}, is right in {wording.score(b.right)}"
            f" ({wording.percent(b.texts)} of the texts)"
        )
        axis.plot([x], [100 * b.right.estimate], "o", ms=9, alpha=0, gid=hover(text, arm))
        if b.right.low is not None and b.right.high is not None:
            ends = 100 * max(0.0, b.right.low), 100 * min(1.0, b.right.high)
            axis.vlines(x, *ends, color=look["color"], lw=0.9, alpha=0.6, gid=hover(arm, arm))


def _texts(axis: Axes, arm: str, bins: Sequence[ReliabilityBin], look: dict[str, Any]) -> None:
    """Draw the share of the texts in every bin."""
    says, texts = [100 * b.says for b in bins], [100 * b.texts for b in bins]
    axis.plot(says, texts, ms=3, gid=hover(arm, arm), **look)
