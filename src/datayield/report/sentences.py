"""Writes the sentences that people say about labels; each says when it may be said.

Numbers are rounded for reading aloud: whole percent and points where an interval is wider than that,
one decimal otherwise. The exact numbers stand in the tables below the first screen.
"""

from collections.abc import Sequence

from datayield.analysis.decision_statements import Decision, MethodRow, Yardstick
from datayield.analysis.intervals import Interval
from datayield.analysis.multipliers import LabelRange
from datayield.analysis.statements import NextLabels
from datayield.analysis.visible_difference import RESOLUTION
from datayield.report import wording
from datayield.report.wording import Estimate

FEW = 3  # names in a sentence
MUCH = 1.2  # times as large: from there on a second number is worth its words
FINE = 0.015  # width of an interval from which on whole percent are exact enough


def in_percent(x: Estimate, measure: str) -> str:
    """Write a score for reading aloud: `71 % accuracy (70 to 72)`; no bracket where nothing is known."""
    if x.low is None or x.high is None:
        return _score(f"{100 * x.estimate:.0f} %", measure)
    low, high = max(0.0, x.low), min(1.0, x.high)
    digits = 0 if high - low >= FINE else 1
    score = _score(f"{100 * x.estimate:.{digits}f} %", measure)
    return f"{score} ({100 * low:.{digits}f} to {100 * high:.{digits}f})"


def _score(percent: str, measure: str) -> str:
    return f"{percent} accuracy" if measure == "accuracy" else f"a {measure} of {percent}"


def in_points(x: Estimate) -> str:
    """Write a difference for reading aloud: `2.1 points (1.2 to 3.0)`."""
    return in_points_of(x.estimate, x.low, x.high)


def in_points_of(estimate: float, low: float | None = None, high: float | None = None) -> str:
    """Write a difference as `in_points` does."""
    text = f"{_points(estimate)} {'point' if _points(estimate) == '1.0' else 'points'}"
    if low is None or high is None:
        return text
    return f"{text} ({_points(max(-1.0, low))} to {_points(min(1.0, high))})"


def _points(value: float) -> str:
    text = f"{100 * value:.1f}"
    return "0.0" if text == "-0.0" else text.replace("-", "−")


def times(m: LabelRange, n: int) -> str | None:
    """Write a multiplier for reading aloud: `1.31 times the labels (1.20 to 1.50)`; None without an estimate."""
    if m.reason:
        return None
    low, high = (labels / n for labels in m.measured)
    if m.point is None:
        return f"more than {high:.1f} times the labels" if m.side == "above" and m.low else None
    left = _ratio(m.low) if m.low is not None else f"{low:.2g} or fewer"
    right = _ratio(m.high) if m.high is not None else f"{high:.2g} or more"
    return f"{_ratio(m.point)} times the labels ({left} to {right})"


def _ratio(value: float) -> str:
    return f"{value:.2f}" if value < 2 else f"{value:.1f}"


def expect(d: Decision, name: str, metric: str) -> str:
    """Say the score that n labels give with one method; without an interval only what was seen."""
    score = in_percent(d.score, metric)
    if d.score.low is None:
        return f"With {d.n:,} labels, {name} had {score}; how far that varies was not measured."
    return f"With {d.n:,} labels, expect {score} from {name}."


def better(d: Decision, base: str) -> str:
    """Say what a method gains that is shown to help: only with a claim, and the worth where it is clear."""
    if d.gain is None:
        return ""
    budgets = wording.listed([f"{n:,}" for n in d.budgets])
    where = f" on average over {budgets} labels" if len(d.budgets) > 1 else ""
    text = f"It beats {base} by {in_points(d.gain)}{where}"
    worth = times(d.worth, d.n) if d.worth else None
    clear = d.worth is not None and (d.worth.low or 0) > 1
    need = f"{base[0].upper()}{base[1:]} would need"
    return f"{text}. {need} {worth} for that." if worth and clear else f"{text}."


def tied(others: Sequence[str], fastest: str | None, ours: float, theirs: float) -> str:
    """Say which methods do as well as far as the study can see, and which of them is much faster.

    Args:
        others: their names and scores, the fastest first.
        fastest: the name of the first; None: it is not much faster.
        ours: seconds of one training of the recommended method.
        theirs: seconds of the fastest.
    """
    some = others if len(others) <= FEW else [*others[:FEW], f"{len(others) - FEW} more"]
    text = f"As far as this study can see, as good: {'; '.join(some)}."
    if fastest is None:
        return text
    return f"{text} {fastest} trains in {theirs:.2g} seconds instead of {ours:.2g}."


def not_leading(helping: Sequence[str], base: str) -> str:
    """Say which methods the test set puts ahead of the baseline, where the held-out texts pick none of them.

    Args:
        helping: names of the methods with a claim, at least one.
        base: the name of the baseline.
    """
    some = helping if len(helping) <= FEW else [*helping[:FEW], f"{len(helping) - FEW} more"]
    verb = "is" if len(helping) == 1 else "are"
    return (
        f"By the held-out texts nothing leads {base}; by the test texts {wording.listed(some)} {verb} shown to"
        " beat it, so a larger study should compare them."
    )


def no_pick(rows: Sequence[MethodRow], names: dict[str, str], base: str) -> str:
    """Say that no method is shown to help, and what the largest estimate was."""
    if not rows:
        return f"No method was compared with {base}."
    start = f"No method is shown to beat {base}"
    if all(r.claim.verdict in ("harms", "no gain of a point") for r in rows):
        return f"{start}: each gains less than a point."
    best = max(rows, key=lambda r: r.claim.interval.estimate)
    if best.claim.interval.estimate <= 0:
        return f"{start}."
    return (
        f"{start}. The largest gain, of {names[best.arm]}, is {in_points(best.claim.interval)}: too"
        " little for this study to be sure."
    )


def more_labels(g: NextLabels, name: str | None) -> str:
    """Say what more labels buy: an interval where it was measured, a bound beyond, or nothing.

    Args:
        g: the gain.
        name: of the method, where it is not the one of the sentence before.
    """
    to = f", measured with {name}" if name else ""
    if g.estimate is None:
        return f"What {g.more:,} more labels would add was not measured."
    gain = in_points_of(g.estimate, g.low, g.high)
    if g.low is None:
        return f"{g.more:,} more labels added {gain} here{to}; one draw gives no interval."
    start = f"{g.more:,} more labels would add"
    if g.high is None:
        fitted = f"about {in_points_of(g.estimate)} by the fitted curve"
        sure = f"at least {in_points_of(g.low)}, {fitted}" if g.low > 0 else ""
        return f"{start} {sure or fitted + ', which is not certain'}{to}."
    if g.high < RESOLUTION:
        return f"{start} less than a point: {gain}{to}."
    return (
        f"{start} {gain}, so perhaps nothing{to}." if g.low <= 0 else f"{start} about {gain}{to}."
    )


def last_labels(g: NextLabels) -> str | None:
    """Say what the last half of the labels bought, where nothing was measured beyond them."""
    if g.estimate is None or g.low is None or g.high is None:
        return None
    gain = in_points_of(g.estimate, g.low, g.high)
    return f"The last {g.more:,} labels added {gain}."


def twice(y: Yardstick, base: str, score: float, gains: Sequence[Interval]) -> str | None:
    """Say what twice the labels would do, and whether that is more than every method, or less than one.

    Args:
        y: twice the labels at one budget.
        base: the name of the baseline, whose curve it is read off.
        score: of the baseline at that budget.
        gains: of the methods at the same budget, holding at once.
    """
    gain = y.gain
    if gain.low is None or gain.high is None:
        return None
    ends = f"from {100 * score:.0f} to {100 * (score + gain.estimate):.0f} %"
    text = f"Twice the {y.budgets[0]:,} labels would bring {base} {ends}, {in_points(gain)}"
    if gains and all(x.high is not None and x.high < gain.low for x in gains):
        return f"{text}: more than any method compared here gains."
    if any(x.low is not None and x.low > gain.high for x in gains):
        return f"{text}: less than the best method here gains."
    return f"{text}."


def visible(size: float, widest: float, budgets: int, base: str) -> str:
    """Say which differences from the baseline a study sees.

    Args:
        size: for a method that varies as most do.
        widest: for the method that varies most.
        budgets: over which the difference is a mean.
        base: the name of the baseline.
    """
    where = ", on average over its numbers of labels," if budgets > 1 else ""
    most = f" ({in_points_of(widest)} for the one that varies most)" if widest > MUCH * size else ""
    return (
        f"If a method truly differs from {base} by {in_points_of(size)}{where} this study finds it 4 times out"
        f" of 5{most}; smaller differences it may miss."
    )


def more_draws(draws: int, size: float, minutes: float) -> str:
    """Say what more draws would show, and what they cost."""
    time = f"{minutes:.0f} minutes" if minutes >= 1.5 else "a minute"
    return f"{draws} more draws, about {time} of computing, would find {in_points_of(size)}."
