"""Draws the pictures of the first screen: what to use, what it is compared with, where the labels end."""

from collections.abc import Sequence
from dataclasses import dataclass

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from datayield.analysis.statistics import CorpusStatistics
from datayield.report import wording
from datayield.report.figures import COLOURS, STYLE, Drawing, budget_axis, drawing, hover

KEY, PLAIN, SIMPLE = COLOURS[0], "black", "#777777"
COLUMNS = 3  # of small pictures


@dataclass(frozen=True, slots=True)
class Line:
    """One learning curve of the first screen."""

    arm: str
    title: str
    colour: str
    dashes: tuple[int, int] | None


def lines(c: CorpusStatistics, baseline: str) -> list[Line]:
    """Return the curves that a first screen shows: the recommended arm's, the baselines'."""
    chosen = c.decision.arm if c.decision is not None else baseline
    drawn = {x.arm for x in c.scores}
    styles: dict[str, tuple[str, tuple[int, int] | None]] = {baseline: (PLAIN, None)}
    if c.best_simple:
        styles[c.best_simple] = (SIMPLE, (5, 2))
    styles[chosen] = (PLAIN if chosen == baseline else KEY, None)
    return [
        Line(arm, c.arms[arm].title or arm, *style) for arm, style in styles.items() if arm in drawn
    ]


def first(c: CorpusStatistics, baseline: str) -> Drawing:
    """Draw the learning curves of the first screen with the target and the labels at hand."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.0, 4.2), layout="constrained")
        axis = figure.subplots()
        shown = lines(c, baseline)
        for line in shown:
            _curve(axis, c, line)
        _marks(axis, c)
        ticks = sorted({x.n for x in c.scores if x.arm in {line.arm for line in shown}})
        budget_axis(axis, _thinned(ticks))
        axis.set_xlabel("labels")
        axis.set_ylabel(f"{wording.metric(c.metric)}, %")
        axis.legend(frameon=False, loc="upper left")
        return drawing(figure)


def _curve(axis: Axes, c: CorpusStatistics, line: Line) -> None:
    own = [x for x in c.scores if x.arm == line.arm]
    n, mean = [x.n for x in own], [100 * x.score.estimate for x in own]
    ends = [(x.score.low, x.score.high) for x in own]
    low = [m if e[0] is None else max(0.0, 100 * e[0]) for m, e in zip(mean, ends, strict=True)]
    high = [m if e[1] is None else min(100.0, 100 * e[1]) for m, e in zip(mean, ends, strict=True)]
    drawn = axis.plot(
        n, mean, marker="o", ms=4, lw=2.2, color=line.colour, label=line.title,
        gid=hover(line.title, line.arm),
    )  # fmt: skip
    if line.dashes:
        drawn[0].set_dashes(line.dashes)
    axis.fill_between(n, low, high, color=line.colour, alpha=0.15, lw=0)
    for x, y, scored in zip(n, mean, own, strict=True):
        text = f"{line.title}, {x:,} labels: {wording.score(scored.score)}"
        axis.plot([x], [y], "o", ms=11, alpha=0, gid=hover(text, line.arm))


def _marks(axis: Axes, c: CorpusStatistics) -> None:
    """Mark the target score, and the labels that the first screen speaks of."""
    if c.target:
        goal = 100 * c.target[0].target
        axis.axhline(goal, color="#999999", lw=1, ls=":")
        axis.annotate(
            f"target {goal:.0f} %", (1, goal), xycoords=("axes fraction", "data"),
            ha="right", va="bottom", fontsize=9, color="#555555",
        )  # fmt: skip
    if c.decision is not None:
        axis.axvline(c.decision.n, color="#999999", lw=1, ls=":")
        axis.annotate(
            f"{c.decision.n:,} labels", (c.decision.n, 0.02), xycoords=("data", "axes fraction"),
            rotation=90, ha="right", va="bottom", fontsize=9, color="#555555",
        )  # fmt: skip


def _thinned(ticks: Sequence[int], ratio: float = 1.6) -> list[int]:
    """Return budgets far enough apart to be read as ticks of a logarithmic axis, the last one first."""
    kept: list[int] = []
    for n in sorted(ticks, reverse=True):
        if not kept or kept[-1] >= ratio * n:
            kept.append(n)
    return kept[::-1]


def all_curves(corpora: Sequence[CorpusStatistics], baseline: str) -> Drawing:
    """Draw the first screens' curves of several corpora as small pictures."""
    with mpl.rc_context({**STYLE, "font.size": 9}):
        columns = min(COLUMNS, len(corpora))
        rows = -(-len(corpora) // columns)
        figure = Figure(figsize=(9.6, 2.6 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, squeeze=False)
        for axis in axes.flat[len(corpora) :]:
            axis.set_visible(False)
        for axis, c in zip(axes.flat, corpora, strict=False):
            shown = lines(c, baseline)
            for line in shown:
                _curve(axis, c, line)
            ticks = sorted({x.n for x in c.scores if x.arm in {line.arm for line in shown}})
            budget_axis(axis, _thinned(ticks, 3))
            axis.set_title(c.corpus, fontsize=10)
            axis.legend(frameon=False, loc="upper left", fontsize=7)
        return drawing(figure)
