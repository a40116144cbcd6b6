"""Prints the answers of `datayield need` and the last lines of `datayield study`."""

from collections.abc import Sequence
from pathlib import Path

from datayield.analysis import statistics
from datayield.analysis.labels_needed import TargetAnswer, TargetCost
from datayield.analysis.questions import NeedAnswer, Question, plan_labels
from datayield.analysis.statements import NextLabels
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.config import Params
from datayield.report import wording
from datayield.report.report_folder import report_folder
from datayield.report.sections import answer, recommendation


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


def answer_lines(c: CorpusStatistics, s: StudyStatistics, gain: NextLabels | None) -> list[str]:
    """Return three lines about one corpus: the next label, the best arm, the target.

    Args:
        c: one corpus of the statistics.
        s: the whole statistics.
        gain: the gain of the next labels from the largest common budget.
    """
    return [
        f"one more label: {_gain(gain)}",
        f"best arm:       {_best(c, s)}",
        f"target:         {' '.join(answer.target(c, s)) or 'no target was reached or named.'}",
    ]


def _gain(g: NextLabels | None) -> str:
    if g is None or g.estimate is None:
        return f"no answer{': ' + g.reason if g and g.reason else ''}."
    each = wording.signed(100 * g.estimate / g.more)
    start = f"with {g.have:,} labels, {g.more:,} more of them buy {g.arm}"
    if g.low is None:
        return f"{start} about {wording.signed(g.estimate)} points; no interval: {g.reason}."
    if g.high is None:
        fitted = wording.signed(g.estimate)
        return f"{start} at least {wording.signed(g.low)} points ({fitted} by the fitted curve)."
    return f"{start} {wording.points_of(g.estimate, g.low, g.high)} points ({each} for a hundred)."


def _best(c: CorpusStatistics, s: StudyStatistics) -> str:
    if not c.recommended:
        return "no budget has three arms with validation scores; nothing is picked."
    r = c.recommended[-1]
    start = f"with {r.n:,} labels {r.arm}, picked by validation: {wording.score(r.score)}"
    d = r.difference
    if d is None:
        return f"{start} {wording.metric(c.metric)}; it is the baseline itself."
    verdict = {"sure": "", "worse": "", "none": ", no gain of a point"}.get(
        recommendation.side(c, r, s.baseline), ", not told apart from it"
    )
    return f"{start} {wording.metric(c.metric)}, {wording.points(d)} points against {s.baseline}{verdict}."


def answer_sentences(params: Params, root: Path, corpus: str) -> list[str]:
    """Return the three lines that answer a study of one corpus."""
    found = statistics.read(report_folder(params, root) / "statistics.json")
    largest = max(
        budget
        for block in params.study.grid
        if not isinstance(block.budgets, str)
        for budget in block.budgets
    )
    more = max(10, min(100, largest // 4))
    question = Question(corpus=corpus, arm=params.analysis.baseline, have=largest, more=more)
    gains = plan_labels(params, root, question).gains
    (of_corpus,) = (c for c in found.corpora if c.corpus == corpus)
    return answer_lines(of_corpus, found, gains[0] if gains else None)
