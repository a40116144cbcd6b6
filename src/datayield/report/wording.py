"""Puts numbers into words: scores in percent, differences in percentage points."""

from collections.abc import Iterable, Sequence
from typing import Protocol

from datayield.analysis.multipliers import LabelRange
from datayield.analysis.scores import Metric
from datayield.analysis.shared_multiplier import SharedMultiplier


class Estimate(Protocol):
    """Anything with an estimate and its interval; None where there is none."""

    @property
    def estimate(self) -> float:
        """The estimate, a fraction of 1."""

    @property
    def low(self) -> float | None:
        """The lower end."""

    @property
    def high(self) -> float | None:
        """The upper end."""


class AtBudget(Protocol):
    """Anything that belongs to a budget."""

    @property
    def n(self) -> int:
        """The budget in labels."""


def percent(value: float | None) -> str:
    """Format 0.5421 as `54.2 %`."""
    return "–" if value is None else f"{100 * value:.1f} %"


def level(value: float) -> str:
    """Format 0.95 as `95 %`."""
    return f"{100 * value:g} %"


def number(value: float | None, digits: int = 1) -> str:
    """Format 1234.5 as `1,234`; numbers below 1,000 with decimals."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.{digits}f}"


def figures(value: float | None) -> str:
    """Return a number with two digits that count; "–" if it is unknown, "0" where it is almost nothing."""
    if value is None:
        return "–"
    if value >= 10:
        return f"{value:,.0f}"
    return f"{value:.2g}" if value >= 0.001 else "0"


def metric(key: Metric, start: bool = False) -> str:
    """Return the metric's name; `start`: with a capital, for the start of a sentence."""
    name = {"accuracy": "accuracy", "macro_f1": "macro-F1"}[key]
    return name[0].upper() + name[1:] if start else name


def score(x: Estimate) -> str:
    """Format `54.2 % [52.0, 56.4]`, without brackets where there is no interval."""
    return score_of(x.estimate, x.low, x.high)


def score_of(estimate: float, low: float | None, high: float | None) -> str:
    """Format a score as `score` does."""
    text = percent(estimate)
    if low is None or high is None:
        return text
    # A t interval may reach outside [0, 1], where no score lies.
    return f"{text} [{100 * max(0.0, low):.1f}, {100 * min(1.0, high):.1f}]"


def points(x: Estimate) -> str:
    """Format `+2.1 [−0.3, +4.5]` percentage points, without brackets where there is no interval."""
    return points_of(x.estimate, x.low, x.high)


def points_of(estimate: float, low: float | None, high: float | None) -> str:
    """Format a difference of two scores as `points` does."""
    text = signed(estimate)
    if low is None or high is None:
        return text
    # A t interval may reach outside [-1, 1], where no difference of two scores lies.
    return f"{text} [{signed(max(-1.0, low))}, {signed(min(1.0, high))}]"


def signed(value: float) -> str:
    """Format 0.021 as `+2.1`, with a true minus sign."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def size(value: float | None) -> str:
    """Format a size such as 0.0184 as `1.8 points`; – where it is not known."""
    return "–" if value is None else f"{100 * min(1.0, value):.1f} points"


def missed(value: float, margin: float | None) -> str:
    """Format `+0.5 ± 1.2` percentage points, or without the margin where there is none."""
    return signed(value) if margin is None else f"{signed(value)} ± {100 * margin:.1f}"


def p(value: float | None) -> str:
    """Format a p-value with sensible digits."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def times(m: LabelRange, n: int) -> str:
    """Format a multiplier at n labels: `1.4× [1.1, 1.9]`, `1.4× [≤ 0.5, 1.9]`, `> 4.0×` beyond the curve."""
    low, high = (labels / n for labels in m.measured)
    return _times(m, low, high)


def _times(m: LabelRange, low: float, high: float) -> str:
    if m.point is None:
        text = f"> {high:.2g}×" if m.side == "above" else f"< {low:.2g}×" if m.side else "–"
    else:
        text = f"{m.point:.2f}×"
    if m.reason:
        return text
    left = f"≤ {low:.2g}" if m.low is None else f"{m.low:.2f}"
    right = f"≥ {high:.2g}" if m.high is None else f"{m.high:.2f}"
    return f"{text} [{left}, {right}]"


def shared_times(m: SharedMultiplier) -> str:
    """Format one multiplier for several budgets as `times` does."""
    labels = LabelRange(m.point, m.low, m.high, m.side, (0, 0), m.level, m.reason)
    return _times(labels, *m.measured)


def share(value: float | None) -> str:
    """Format a share in percent, without decimals."""
    if value is None:
        return "–"
    text = f"{100 * value:.0f} %"
    return "0 %" if text == "-0 %" else text.replace("-", "−")


def labels(m: LabelRange) -> str:
    """Format a number of labels with its range; open ends name the measured range."""
    low, high = m.measured
    if m.point is None:
        text = f"> {high:,}" if m.side == "above" else f"< {low:,}" if m.side else "–"
    else:
        text = f"{m.point:,.0f}"
    if m.reason or (m.side == "above" and m.low == high):
        return text
    left = f"≤ {low:,}" if m.low is None else f"{m.low:,.0f}"
    right = f"≥ {high:,}" if m.high is None else f"{m.high:,.0f}"
    return f"{text} [{left}, {right}]"


def listed(items: Sequence[str]) -> str:
    """Join items: `a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


MANY = 8  # more arms than that are counted in a sentence, not named


def more_draws(count: int) -> str:
    """Write a number of further draws: `1 more draw`, `35 more draws`."""
    return f"{count:,} more draw{'s' if count > 1 else ''}"


def arms(names: Sequence[str], among: str) -> str:
    """Join the names, or say how many they are and whether `among` is one of them."""
    if len(names) <= MANY:
        return ", ".join(names)
    where = "among them" if among in names else "not among them"
    return f"{len(names)} arms, {among} {where}"


def main_budgets(entries: Iterable[AtBudget]) -> list[int]:
    """Return the budgets with at least half as many entries as the busiest: few enough for columns."""
    counts: dict[int, int] = {}
    for entry in entries:
        counts[entry.n] = counts.get(entry.n, 0) + 1
    most = max(counts.values(), default=0)
    return sorted(n for n, k in counts.items() if 2 * k >= most)


def isolated(text: str) -> str:
    """Put a user's text between marks that keep its direction from the sentence around it; "" stays."""
    return f"\u2068{text}\u2069" if text else ""
