"""Draws the figures of a report: the same bytes for the same statistics, readable without colour."""

import io
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter, NullLocator

from datayield.analysis.claim_statements import ArmDifference
from datayield.analysis.statements import ArmMultiplier
from datayield.analysis.statistics import CorpusStatistics
from datayield.analysis.text_statements import DataMap
from datayield.report import wording
from datayield.report.wording import main_budgets, metric

# Okabe & Ito's colour-blind-safe palette, black and grey kept for baselines.
COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9")
MARKERS = ("o", "s", "^", "D", "v", "P")
PNG_DPI = 110
_TIP = re.compile(r'<g id="tip:([^"|]*)\|([^"|]*)">')
STYLE: Any = {
    "svg.hashsalt": "datayield",
    "svg.fonttype": "none",
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans"],
    "font.size": 11,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "grid.alpha": 0.25,
}


@dataclass(frozen=True, slots=True)
class Drawing:
    """One figure in both forms, equal bytes for equal statistics."""

    svg: str = field(repr=False)
    png: bytes = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg


def drawing(figure: Figure) -> Drawing:
    """Return a finished figure in both forms."""
    out, image = io.StringIO(), io.BytesIO()
    figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None}, bbox_inches="tight")
    figure.savefig(
        image, format="png", dpi=PNG_DPI, metadata={"Software": None}, bbox_inches="tight"
    )
    svg = _TIP.sub(r'<g data-arm="\2"><title>\1</title>', out.getvalue())
    return Drawing(svg[svg.index("<svg") :], image.getvalue())


def hover(text: str, arm: str) -> str:
    """Return the id of a mark: its hover text and arm, which `drawing` turns into a title."""
    return f"tip:{text}|{arm}"


def budget_axis(axis: Axes, budgets: Sequence[int]) -> None:
    """Show labels on a logarithmic axis with ticks at these budgets."""
    axis.set_xscale("log")
    axis.set_xticks(list(budgets))
    axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:,.0f}"))
    axis.xaxis.set_minor_locator(NullLocator())
    axis.xaxis.set_minor_formatter(NullFormatter())


def learning_curves(c: CorpusStatistics, baseline: str) -> Drawing:
    """Draw scores against labels: the baseline, the best simple baseline, every strategy."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.8), layout="constrained")
        axis = figure.subplots()
        strategies = [a for a, d in sorted(c.arms.items()) if d.role == "strategy"]
        for i, arm in enumerate(strategies):
            _line(axis, c, arm, COLOURS[i % 6], MARKERS[i % 6], bars=True)
        if c.best_simple:
            _line(axis, c, c.best_simple, "#777777", None, band=True, dashes=(5, 2))
        _line(axis, c, baseline, "black", None, band=True)
        if c.metric == "accuracy":
            _chance(axis, 100 * c.majority_share)
        budget_axis(axis, _round_budgets(c))
        axis.set_xlabel("labels paid")
        axis.set_ylabel(f"test {metric(c.metric)}, %")
        figure.legend(frameon=False, loc="outside lower center", ncols=4)
        return drawing(figure)


def _chance(axis: Axes, share: float) -> None:
    axis.axhline(share, color="#999999", lw=1, ls=":")
    axis.annotate(
        "largest class", (1, share), xycoords=("axes fraction", "data"),
        ha="right", va="bottom", fontsize=9, color="#666666",
    )  # fmt: skip


def _round_budgets(c: CorpusStatistics) -> list[int]:
    """Return the budgets that most arms share, and the ends: few enough to be read as ticks."""
    budgets = [s.n for s in c.scores]
    return sorted({*main_budgets(c.scores), min(budgets), max(budgets)})


def _line(
    axis: Axes,
    c: CorpusStatistics,
    arm: str,
    colour: str,
    marker: str | None,
    band: bool = False,
    bars: bool = False,
    dashes: tuple[int, int] | None = None,
) -> None:
    own = [s for s in c.scores if s.arm == arm]
    n = [s.n for s in own]
    mean = [100 * s.score.estimate for s in own]
    low = [100 * _or(s.score.low, s.score.estimate) for s in own]
    high = [100 * _or(s.score.high, s.score.estimate) for s in own]
    style: dict[str, Any] = {"color": colour, "label": arm, "lw": 2 if band else 1.3}
    if dashes:
        style["dashes"] = dashes
    axis.plot(n, mean, marker=marker, ms=5, gid=hover(arm, arm), **style)
    for x, y, scored in zip(n, mean, own, strict=True):  # hover text at each budget
        text = f"{arm}, {x:,} labels: {wording.score(scored.score)}"
        axis.plot([x], [y], "o", ms=9, alpha=0, gid=hover(text, arm))
    if band:
        axis.fill_between(n, low, high, color=colour, alpha=0.13, lw=0, gid=hover(arm, arm))
    if bars:
        axis.vlines(n, low, high, color=colour, lw=0.9, alpha=0.6, gid=hover(arm, arm))


def _or(value: float | None, other: float) -> float:
    return other if value is None else value


def differences(c: CorpusStatistics) -> Drawing:
    """Draw arm minus its baseline by budget, one small panel per strategy, control and check."""
    order = {"strategy": 0, "control": 1, "check": 2}
    shown = [a for a, d in c.arms.items() if d.role in order and _gaps(c, a)]
    shown.sort(key=lambda a: (order[c.arms[a].role], a))
    shown = [a for a in shown if abs(_gaps(c, a)[0].difference.estimate) < 0.25]
    with mpl.rc_context(STYLE):
        columns = min(4, max(1, len(shown)))
        rows = -(-len(shown) // columns) or 1
        figure = Figure(figsize=(10, 2.2 * rows), layout="constrained")
        axes = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
        for axis in axes.flat[len(shown) :]:
            axis.set_visible(False)
        for axis, arm in zip(axes.flat, shown, strict=False):
            _gap_panel(axis, c, arm)
        for axis in axes[:, 0]:
            axis.set_ylabel("points")
        return drawing(figure)


def _gaps(c: CorpusStatistics, arm: str) -> list[ArmDifference]:
    return [d for d in c.differences if d.arm == arm]


def _gap_panel(axis: Axes, c: CorpusStatistics, arm: str) -> None:
    own = _gaps(c, arm)
    colour = {"strategy": COLOURS[0], "control": "#555555", "check": "#999999"}[c.arms[arm].role]
    n = [d.n for d in own]
    axis.axhline(0, color="black", lw=0.8)
    for d in own:
        low, high = d.difference.low, d.difference.high
        if low is not None and high is not None:
            ends = max(-100.0, 100 * low), min(100.0, 100 * high)  # no difference lies outside
            axis.vlines(d.n, *ends, color=colour, lw=1.6)
    for d in own:
        text = f"{arm}, {d.n:,} labels: {wording.points(d.difference)} points"
        mark = axis.plot([d.n], [100 * d.difference.estimate], "o", color=colour, ms=5)
        mark[0].set_gid(hover(text, arm))
    axis.set_title(f"{arm}\n({c.arms[arm].role})", fontsize=9)
    shared = sorted({d.n for d in c.differences if c.arms[d.arm].role == "strategy"})
    budget_axis(axis, shared or n)
    axis.tick_params(axis="x", labelsize=8)


def multipliers(c: CorpusStatistics) -> Drawing:
    """Draw the multipliers of strategies with ranges; arrows are open ends."""
    rows = [m for m in c.multipliers if c.arms[m.arm].role == "strategy"]
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 0.8 + 0.3 * max(3, len(rows))))
        axis = figure.subplots()
        axis.axvline(1, color="black", lw=1)
        arms = sorted({m.arm for m in rows})
        for y, m in enumerate(reversed(rows)):
            _whisker(axis, m, y, COLOURS[arms.index(m.arm) % 6])
        axis.set_yticks(range(len(rows)), [f"{m.arm} at {m.n:,}" for m in reversed(rows)])
        axis.set_xscale("log", base=2)
        axis.xaxis.set_major_formatter(FuncFormatter(lambda v, _: f"{v:g}×"))
        axis.xaxis.set_minor_formatter(NullFormatter())
        axis.set_xlim(0.2, 5.5)
        axis.set_xlabel("data multiplier: how many of the baseline's labels one label is worth")
        return drawing(figure)


def _whisker(axis: Axes, row: ArmMultiplier, y: int, colour: str) -> None:
    m, n = row.multiplier, row.n
    low, high = (v / n for v in m.measured)
    if m.reason is None:
        left, right = _or(m.low, max(0.2, low)), _or(m.high, min(5.5, high))
        axis.hlines(y, left, right, color=colour, lw=1.8)
        if m.low is None:
            axis.plot(left, y, "<", color=colour, ms=7)
        if m.high is None:
            axis.plot(right, y, ">", color=colour, ms=7)
    if m.point is not None:
        tip = hover(f"{row.arm}, {n:,} labels: {wording.times(m, n)}", row.arm)
        axis.plot(m.point, y, "o", color=colour, ms=6, gid=tip)


def history(c: CorpusStatistics, arm: str) -> Drawing:
    """Draw training loss and validation accuracy of the baseline by budget."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.2), layout="constrained")
        left, right = figure.subplots(1, 2)
        shared = set(_round_budgets(c))
        budgets = sorted({h.n for h in c.history} & shared)
        for i, n in enumerate(budgets):
            own = [h for h in c.history if h.n == n]
            style: dict[str, Any] = {"color": COLOURS[i % 6], "label": f"{n:,}", "lw": 1.4}
            left.plot([h.updates for h in own], [h.loss for h in own], **style)
            scored = [(h.updates, v) for h in own if (v := h.validation_accuracy) is not None]
            right.plot(
                [updates for updates, _ in scored],
                [100 * v for _, v in scored],
                marker=MARKERS[i % 6], ms=4, **style,
            )  # fmt: skip
        left.set_ylabel("training loss")
        right.set_ylabel("validation accuracy, %")
        for axis in (left, right):
            axis.set_xlabel(f"updates ({arm})")
        left.legend(title="labels", frameon=False, fontsize=9)
        return drawing(figure)


def tuning(c: CorpusStatistics, baseline: str) -> Drawing:
    """Draw the best validation score against the number of trials, a line per budget of one arm."""
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 3.6), layout="constrained")
        axis = figure.subplots()
        found = [x for x in (c.tuning.by_trials if c.tuning else ()) if len(x.scores) > 1]
        arm = baseline if any(x.arm == baseline for x in found) else found[0].arm
        own = [x for x in found if x.arm == arm]
        few = own[:: -(-len(own) // 6)]  # at most six lines
        for i, x in enumerate(few):
            trials = range(1, len(x.scores) + 1)
            scores = [float("nan") if v is None else 100 * v for v in x.scores]
            style: dict[str, Any] = {"color": COLOURS[i % 6], "label": f"{x.n:,}", "lw": 1.4}
            axis.plot(trials, scores, marker=MARKERS[i % 6], ms=4, **style)
        axis.set_xlabel(f"trials of the search for {arm}")
        axis.set_ylabel(f"running best: validation {metric(c.metric)}, %")
        axis.legend(title="labels", frameon=False, fontsize=9)
        return drawing(figure)


# From rarely to always right: dark to light of one colour-blind-safe scale (cividis), one mark each.
LEVELS = (
    (0.2, "#00224e", "v", "under 20 %"),
    (0.4, "#434e6c", "s", "20 to 40 %"),
    (0.6, "#7d7c78", "D", "40 to 60 %"),
    (0.8, "#b2a26b", "^", "60 to 80 %"),
    (1.01, "#e2c63c", "o", "80 % and more"),
)

SMALLEST, LARGEST = 14.0, 90.0  # areas of marks, points squared


def data_map(m: DataMap) -> Drawing:
    """Draw texts by variability and confidence; a mark's area grows with the texts it stands for."""
    most = max(b.texts for b in m.bins)
    with mpl.rc_context(STYLE):
        figure = Figure(figsize=(8.4, 4.6), layout="constrained")
        axis = figure.subplots()
        low = 0.0
        for high, colour, marker, label in LEVELS:
            own = [b for b in m.bins if low <= b.correctness < high]
            low = high
            axis.scatter(
                [b.variability for b in own],
                [b.confidence for b in own],
                [SMALLEST + (LARGEST - SMALLEST) * (b.texts / most) ** 0.5 for b in own],
                color=colour, marker=marker, label=label, linewidths=0,
            )  # fmt: skip
        axis.set_xlim(0, 0.5)
        axis.set_ylim(0, 1)
        axis.set_xlabel("variability: standard deviation of p(given label)")
        axis.set_ylabel("confidence: mean of p(given label)")
        legend = figure.legend(
            frameon=False, loc="outside lower center", ncols=5, fontsize=9, title="given label led"
        )
        for handle in legend.legend_handles:
            if handle is not None:
                handle.set_sizes([40])  # type: ignore[attr-defined]
        return drawing(figure)
