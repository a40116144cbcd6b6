"""Prints the answers of `datayield need` and the last lines of `datayield study`."""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

from datayield.analysis import statistics
from datayield.analysis.labels_needed import TargetAnswer, TargetCost
from datayield.analysis.questions import NeedAnswer
from datayield.analysis.statements import NextLabels
from datayield.analysis.statistics import StudyStatistics
from datayield.config import Params
from datayield.report import wording
from datayield.report.report_folder import report_folder
from datayield.report.sections import across
from datayield.report.sections.first_screen import first_screen

MOST_WIDE = 110  # columns of a line in the terminal
MOST_LINES = 8  # of the last words of a study


def target(a: TargetAnswer, metric: str, level: float) -> list[str]:
    """Say how many labels an arm needs, or why no number is given."""
    goal, needed = f"{wording.percent(a.target)} {metric}", a.labels
    low, high = needed.measured
    kind = f"{wording.level(level)} interval"
    if needed.reason and needed.point is None:
        return [f"{a.arm}: no answer for {goal}: {needed.reason}."]
    if needed.side == "below":
        return [
            f"{a.arm}: {goal} is reached with fewer than {low:,} labels, the smallest budget measured."
        ]
    if needed.side == "above":
        return [_above(a, goal, level)]
    if needed.point is None:
        return [f"{a.arm}: no answer for {goal}: {a.reason}."]
    if needed.reason:
        return [
            f"{a.arm}: about {needed.point:,.0f} labels for {goal}; no interval: {needed.reason}."
        ]
    out = [
        f"{a.arm}: {wording.labels(needed)} labels for {goal} ({kind}, measured from {low:,} to {high:,})."
    ]
    if needed.high is None:
        out.append(
            f"The upper end is open: at {high:,} labels, the largest budget, the target is not certain."
        )
    return out


def _above(a: TargetAnswer, goal: str, level: float) -> str:
    low, high = a.labels.measured
    least = a.at_least if a.at_least is not None else (a.labels.low or low)
    sided = f"{wording.level(level)}, one-sided" if a.at_least is not None else wording.level(level)
    return (
        f"{a.arm}: at least {least:,.0f} labels for {goal} ({sided}); the measured curve stays below"
        f" it up to {high:,}, the largest budget; {a.reason or 'the upper end is open'}."
    )


def gain(g: NextLabels) -> str:
    """Say what the next labels buy at one budget."""
    start = f"from {g.have:,} labels, {g.more:,} more"
    if g.estimate is None:
        return f"{start}: no answer: {g.reason}."
    if g.low is None:
        return f"{start}: about {wording.signed(g.estimate)} points; no interval: {g.reason}."
    if g.high is None:
        return (
            f"{start}: at least {wording.signed(g.low)} points, {wording.signed(g.estimate)} by the fitted"
            " curve (one-sided, beyond the measured budgets)."
        )
    return f"{start}: {wording.points_of(g.estimate, g.low, g.high)} points."


def money(costs: Sequence[TargetCost], best: str | None, near: Sequence[str]) -> list[str]:
    """Say what the target costs by arm, cheapest first, and which arm is cheapest."""
    known = sorted(
        ((p, c) for c in costs if (p := c.point) is not None), key=lambda pair: pair[0].total
    )
    if best is None:
        return ["No arm is known to reach the target, so its cost is unknown."]
    lines = ["labels and computing to the target, cheapest first:"]
    for p, c in known:
        if c.at_most:
            lines.append(
                f"  {c.arm:24} {'≤ ' + format(p.total, ',.2f'):>10}  reached at its smallest budget,"
                f" {p.labels:,.0f} labels, already"
            )
            continue
        low = f"{c.low.total:,.2f}" if c.low else "below the smallest budget's"
        high = f"{c.high.total:,.2f}" if c.high else "open"
        lines.append(
            f"  {c.arm:24} {p.total:>10,.2f} [{low}, {high}]  = {p.labels:,.0f} labels for"
            f" {p.label_cost:,.2f} + {p.hours:.2g} h for {p.compute_cost:,.2f}"
        )
    tail = (
        f"; not clearly dearer: {wording.listed(near)}" if near else "; every other arm is dearer"
    )
    if len(known) == 1:
        tail = ""
    return [*lines, f"cheapest by its estimate: {best}{tail}."]


def need_lines(p: NeedAnswer) -> list[str]:
    """Say all answers to one question, in the order of its options."""
    metric = wording.metric(p.metric)
    out = [f"{p.corpus}, {metric}"]
    for answered in p.targets:
        out += target(answered, metric, p.level)
    if p.costs is not None:
        out += money(p.costs, p.cheapest, p.near)
    if p.gains:
        out.append(
            f"what the next labels buy {p.gains[0].arm} ({wording.level(p.level)} intervals):"
        )
        out += [f"  {gain(g)}" for g in p.gains]
    return out


def answer_lines(s: StudyStatistics, page: Path, columns: int = MOST_WIDE) -> list[str]:
    """Return the last lines of a study: what its report begins with, and where the report is.

    At most `MOST_LINES` lines of `MOST_WIDE` columns, and more where a terminal is narrower: the last
    sentences give way, first those about how sure the study is, then those of the answer; the report
    has them all.

    Args:
        s: the statistics.
        page: the report's page.
        columns: of the terminal.
    """
    whole = across.overview(s)
    if whole is not None:
        return [*_wrapped(whole.answer, columns), f"report: {page}"]
    (c,) = s.corpora
    screen = first_screen(c, s)
    numbers = [f"{x.label}: {x.value} ({x.note})" for x in screen.numbers]
    answer, sure = list(screen.answer), list(screen.sure)

    def lines(wide: int) -> list[str]:
        return [*_wrapped([" ".join(answer), *numbers, " ".join(sure)], wide), f"report: {page}"]

    while len(lines(MOST_WIDE)) > MOST_LINES and len(answer) > 1:
        (sure or answer).pop()
    return lines(columns)


def _wrapped(paragraphs: Sequence[str], columns: int) -> list[str]:
    """Return paragraphs as lines of at most this many columns."""
    return [line for p in paragraphs if p for line in wrap(p, columns, break_on_hyphens=False)]


def print_answer(params: Params, root: Path) -> None:
    """Print the last lines of the study in this folder."""
    folder = report_folder(params, root)
    found = statistics.read(folder / "statistics.json")
    terminal = sys.stdout.isatty()
    columns = min(MOST_WIDE, shutil.get_terminal_size().columns) if terminal else MOST_WIDE
    print(*answer_lines(found, folder / "index.html", columns), sep="\n")
