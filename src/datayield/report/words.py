"""Numbers → words. Accuracies are shown in percent, differences in percentage points."""

from typing import Any


def percent(value: float | None) -> str:
    """0.5421 → `54.2 %`."""
    return "–" if value is None else f"{100 * value:.1f} %"


def level(value: float) -> str:
    """0.95 → `95 %`."""
    return f"{100 * value:g} %"


def number(value: float | None, digits: int = 1) -> str:
    """1234.5 → `1,234.5`; whole for large values."""
    if value is None:
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.{digits}f}"


def metric(c: dict[str, Any], start: bool = False) -> str:
    """The metric that leads on a corpus; `start`: of a sentence."""
    name = {"accuracy": "accuracy", "macro_f1": "macro-F1"}[c["metric"]]
    return name[0].upper() + name[1:] if start else name


def score(interval: dict[str, Any]) -> str:
    """`54.2 % [52.0, 56.4]`, without brackets where there is no interval."""
    text = percent(interval["estimate"])
    if interval["low"] is None:
        return text
    # A test of proportions may reach outside [0, 1]; what is shown stays inside.
    low, high = max(0.0, interval["low"]), min(1.0, interval["high"])
    return f"{text} [{100 * low:.1f}, {100 * high:.1f}]"


def points(interval: dict[str, Any]) -> str:
    """`+2.1 [−0.3, +4.5]` percentage points."""
    text = signed(interval["estimate"])
    if interval["low"] is None:
        return text
    return f"{text} [{signed(interval['low'])}, {signed(interval['high'])}]"


def signed(value: float) -> str:
    """0.021 → `+2.1`, with a true minus sign."""
    text = f"{100 * value:+.1f}"
    return "0.0" if text in ("+0.0", "-0.0") else text.replace("-", "−")


def missed(value: float, margin: float | None) -> str:
    """`+0.5 ± 1.2` percentage points, or without its margin."""
    return signed(value) if margin is None else f"{signed(value)} ± {100 * margin:.1f}"


def p(value: float | None) -> str:
    """A p-value with sensible digits."""
    if value is None:
        return "–"
    return "< 0.001" if value < 0.001 else f"{value:.3f}" if value < 0.1 else f"{value:.2f}"


def times(m: dict[str, Any]) -> str:
    """A multiplier: `1.4× [1.1, 1.9]`, `1.4× [≤ 0.5, 1.9]`, `> 4.0×` beyond what was measured."""
    low, high = (labels / m["n"] for labels in m["measured"])
    if m["point"] is None:
        text = f"> {high:.2g}×" if m["side"] == "above" else f"< {low:.2g}×" if m["side"] else "–"
    else:
        text = f"{m['point']:.2f}×"
    if m["reason"]:
        return text
    left = f"≤ {low:.2g}" if m["low"] is None else f"{m['low']:.2f}"
    right = f"≥ {high:.2g}" if m["high"] is None else f"{m['high']:.2f}"
    return f"{text} [{left}, {right}]"


def share(value: float | None) -> str:
    """A label saving in percent, without decimals."""
    if value is None:
        return "–"
    text = f"{100 * value:.0f} %"
    return "0 %" if text == "-0 %" else text.replace("-", "−")


def labels(m: dict[str, Any]) -> str:
    """A number of labels with its range; open ends name the measured range."""
    low, high = m["measured"]
    if m["point"] is None:
        text = f"> {high:,}" if m["side"] == "above" else f"< {low:,}" if m["side"] else "–"
    else:
        text = f"{m['point']:,.0f}"
    if m["reason"] or (m["side"] == "above" and m["low"] == high):
        return text
    left = f"≤ {low:,}" if m["low"] is None else f"{m['low']:,.0f}"
    right = f"≥ {high:,}" if m["high"] is None else f"{m['high']:,.0f}"
    return f"{text} [{left}, {right}]"


def listed(items: list[str]) -> str:
    """`a`, `a and b`, `a, b and c`."""
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


MANY = 8  # arms from which on a sentence counts them


def arms(names: list[str], among: str) -> str:
    """The names, or how many they are and whether one of them is `among`."""
    if len(names) <= MANY:
        return ", ".join(names)
    where = "among them" if among in names else "not among them"
    return f"{len(names)} arms, {among} {where}"


def main_budgets(entries: list[dict[str, Any]]) -> list[int]:
    """Budgets with at least half as many entries as the busiest: few enough for ticks and columns."""
    counts: dict[int, int] = {}
    for entry in entries:
        counts[entry["n"]] = counts.get(entry["n"], 0) + 1
    most = max(counts.values(), default=0)
    return sorted(n for n, k in counts.items() if 2 * k >= most)


def isolated(text: str) -> str:
    """A user's text between marks that keep its direction from the sentence around it; "" stays."""
    return f"\u2068{text}\u2069" if text else ""
