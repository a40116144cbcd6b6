"""Draws scores against times: which methods no other one beats in both."""

from collections.abc import Sequence
from typing import Literal, TypeAlias

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from datayield.analysis.statements import ArmCost, ArmScore
from datayield.analysis.statistics import CorpusStatistics
from datayield.report import wording
from datayield.report.figures import COLOURS, STYLE, Drawing, drawing, hover

SHORTEST = 0.001  # seconds; shorter times are drawn there
Time: TypeAlias = Literal["seconds_per_thousand", "learning_seconds"]
PANELS: tuple[tuple[Time, str], ...] = (
    ("seconds_per_thousand", "seconds for 1,000 predictions"),
    ("learning_seconds", "seconds of learning"),
)


def price_figure(
    c: CorpusStatistics, costs: Sequence[ArmCost], called: dict[str, str], baseline: str
) -> Drawing:
    """Draw scores with intervals against prediction time and against learning time.

    Args:
        c: the corpus.
        costs: of the methods to draw, all at one budget.
        called: what readers call each arm.
        baseline: the arm that is drawn in black.
    """
    scores = {x.arm: x for x in c.scores if x.n == costs[0].n}
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(9.6, 4.4), layout="constrained")
        for axis, (time, label) in zip(figure.subplots(1, 2, sharey=True), PANELS, strict=True):
            outside = {a for a, d in c.arms.items() if d.outside}
            best = front(costs, scores, time, outside)
            _front_line(axis, best, scores, time)
            for k in costs:
                _mark(axis, c, k, scores[k.arm], called[k.arm], time, k.arm == baseline)
            named = [k for k in costs if k in best or k.arm in outside or k.arm == baseline]
            for row, k in enumerate(sorted(named, key=lambda k: _seconds(k, time))):
                _name(axis, called[k.arm], _seconds(k, time), scores[k.arm], row)
            axis.set_xscale("log")
            axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}"))
            axis.xaxis.set_minor_formatter(NullFormatter())
            axis.margins(x=0.3, y=0.2)
            axis.set_xlabel(label)
        figure.axes[0].set_ylabel(f"test {wording.metric(c.metric)}, %")
        return drawing(figure)


def front(
    costs: Sequence[ArmCost], scores: dict[str, ArmScore], time: Time, outside: set[str]
) -> list[ArmCost]:
    """Return the methods that no other one beats in both score and time, the fastest first.

    Args:
        costs: of methods at one budget.
        scores: by arm, at that budget.
        time: which time counts.
        outside: arms whose time is not known in full; they are left out.
    """
    out: list[ArmCost] = []
    for k in sorted(costs, key=lambda k: (getattr(k, time), -scores[k.arm].score.estimate)):
        better = not out or scores[k.arm].score.estimate > scores[out[-1].arm].score.estimate
        if k.arm not in outside and better:
            out.append(k)
    return out


def _seconds(k: ArmCost, time: Time) -> float:
    return max(SHORTEST, float(getattr(k, time)))


def _front_line(
    axis: Axes, best: Sequence[ArmCost], scores: dict[str, ArmScore], time: Time
) -> None:
    x = [_seconds(k, time) for k in best]
    y = [100 * scores[k.arm].score.estimate for k in best]
    axis.step(x, y, where="post", color="#999999", lw=1, ls=":")


def _mark(
    axis: Axes, c: CorpusStatistics, k: ArmCost, x: ArmScore, name: str, time: Time, base: bool
) -> None:
    """Draw one method: baselines grey, strategies blue, hollow where its time is not known in full."""
    outside = c.arms[k.arm].outside
    colour = "black" if base else COLOURS[0] if c.arms[k.arm].role == "strategy" else "#777777"
    at, score = _seconds(k, time), x.score
    if score.low is not None and score.high is not None:
        axis.vlines(at, 100 * score.low, 100 * score.high, color=colour, lw=0.9, alpha=0.6)
    text = f"{name}: {wording.score(score)}, {wording.figures(at)} s"
    axis.plot(
        [at], [100 * score.estimate], ">" if outside else "o", ms=6, color=colour,
        mfc="white" if outside else colour, gid=hover(text, k.arm),
    )  # fmt: skip


def _name(axis: Axes, name: str, at: float, x: ArmScore, row: int) -> None:
    """Write a method's name above its mark, in another row than that of the method before."""
    axis.annotate(
        name, (at, 100 * x.score.estimate), xytext=(0, 8 + 11 * (row % 3)),
        textcoords="offset points", ha="center", va="bottom", fontsize=8,
    )  # fmt: skip
