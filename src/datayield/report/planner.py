"""`datayield need` in words: labels to a target, what the next labels buy, what both cost."""

from dataclasses import asdict
from typing import Any

from datayield.report import words
from datayield.stats.need import Answer
from datayield.stats.plan import Planned


def target(a: Answer, metric: str, level: float) -> list[str]:
    """How many labels an arm needs, or why no number is given."""
    goal, found = f"{words.percent(a.target)} {metric}", a.labels
    low, high = found.measured
    kind = f"{words.level(level)} interval"
    if found.reason and found.point is None:
        return [f"{a.arm}: no answer for {goal}: {found.reason}."]
    if found.side == "below":
        return [
            f"{a.arm}: {goal} is reached with fewer than {low:,} labels, the smallest budget measured."
        ]
    if found.side == "above":
        return [_above(a, goal, level)]
    if found.point is None:
        return [f"{a.arm}: no answer for {goal}: {a.reason}."]
    if found.reason:
        return [
            f"{a.arm}: about {found.point:,.0f} labels for {goal}; no interval: {found.reason}."
        ]
    out = [
        f"{a.arm}: {words.labels(asdict(found))} labels for {goal} ({kind}, measured from {low:,} to {high:,})."
    ]
    if found.high is None:
        out.append(
            f"The upper end is open: at {high:,} labels, the largest budget, the target is not certain."
        )
    return out


def _above(a: Answer, goal: str, level: float) -> str:
    low, high = a.labels.measured
    least = a.at_least if a.at_least is not None else (a.labels.low or low)
    sided = f"{words.level(level)}, one-sided" if a.at_least is not None else words.level(level)
    return (
        f"{a.arm}: at least {least:,.0f} labels for {goal} ({sided}); the measured curve stays below"
        f" it up to {high:,}, the largest budget; {a.reason or 'the upper end is open'}."
    )


def gain(g: dict[str, Any]) -> str:
    """What the next labels buy at one budget."""
    start = f"from {g['have']:,} labels, {g['more']:,} more"
    if g["estimate"] is None:
        return f"{start}: no answer: {g['reason']}."
    if g["low"] is None:
        return f"{start}: about {words.signed(g['estimate'])} points; no interval: {g['reason']}."
    if g["high"] is None:
        return (
            f"{start}: at least {words.signed(g['low'])} points, {words.signed(g['estimate'])} by the fitted"
            " curve (one-sided, beyond the measured budgets)."
        )
    return f"{start}: {words.points(g)} points."


def money(costs: list[dict[str, Any]], best: str | None, near: list[str]) -> list[str]:
    """The cost of the target per arm, cheapest first, and which is cheapest."""
    known = sorted((c for c in costs if c["point"]), key=lambda c: float(c["point"]["total"]))
    if best is None:
        return ["No arm is known to reach the target, so nothing can be priced."]
    lines = ["labels and computing to the target, cheapest first:"]
    for c in known:
        p = c["point"]
        if c["at_most"]:
            lines.append(
                f"  {c['arm']:24} {'≤ ' + format(p['total'], ',.2f'):>10}  reached at its smallest budget,"
                f" {p['labels']:,.0f} labels, already"
            )
            continue
        low = f"{c['low']['total']:,.2f}" if c["low"] else "below the smallest budget's"
        high = f"{c['high']['total']:,.2f}" if c["high"] else "open"
        lines.append(
            f"  {c['arm']:24} {p['total']:>10,.2f} [{low}, {high}]  = {p['labels']:,.0f} labels for"
            f" {p['label_cost']:,.2f} + {p['hours']:.2g} h for {p['compute_cost']:,.2f}"
        )
    tail = f"; not clearly dearer: {words.listed(near)}" if near else "; every other arm is dearer"
    if len(known) == 1:
        tail = ""
    return [*lines, f"cheapest by its estimate: {best}{tail}."]


def lines(p: Planned) -> list[str]:
    """Everything that was asked, in the order of asking."""
    metric = {"accuracy": "accuracy", "macro_f1": "macro-F1"}[p.metric]
    out = [f"{p.corpus}, {metric}"]
    for answer in p.targets:
        out += target(answer, metric, p.level)
    if p.costs is not None:
        out += money(list(p.costs), p.cheapest, list(p.near))
    if p.gains:
        out.append(
            f"what the next labels buy {p.gains[0]['arm']} ({words.level(p.level)} intervals):"
        )
        out += [f"  {gain(g)}" for g in p.gains]
    return out
