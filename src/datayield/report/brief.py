"""The answer in three lines: what one more label buys, the best arm, labels to the target."""

from typing import Any

from datayield.report import advice, answer, words


def lines(c: dict[str, Any], s: dict[str, Any], gain: dict[str, Any] | None) -> list[str]:
    """Three lines about one corpus.

    Args:
        c: one corpus of the statistics.
        s: the whole statistics.
        gain: what the next labels buy from the largest common budget (stats.plan_labels).
    """
    return [
        f"one more label: {_gain(gain)}",
        f"best arm:       {_best(c, s)}",
        f"target:         {' '.join(answer.target(c, s)) or 'no target was reached or named.'}",
    ]


def _gain(g: dict[str, Any] | None) -> str:
    if g is None or g["estimate"] is None:
        return f"no answer{': ' + g['reason'] if g and g['reason'] else ''}."
    each = words.signed(100 * g["estimate"] / g["more"])
    start = f"with {g['have']:,} labels, {g['more']:,} more of them buy {g['arm']}"
    if g["low"] is None:
        return f"{start} about {words.signed(g['estimate'])} points; no interval: {g['reason']}."
    if g["high"] is None:
        fitted = words.signed(g["estimate"])
        return f"{start} at least {words.signed(g['low'])} points ({fitted} by the fitted curve)."
    return f"{start} {words.points(g)} points ({each} for a hundred)."


def _best(c: dict[str, Any], s: dict[str, Any]) -> str:
    if not c["recommended"]:
        return "no budget has three arms with validation scores; nothing is picked."
    r = c["recommended"][-1]
    start = f"with {r['n']:,} labels {r['arm']}, picked by validation: {words.score(r['score'])}"
    d = r["difference"]
    if d is None:
        return f"{start} {words.metric(c)}; it is the baseline itself."
    verdict = {"sure": "", "worse": "", "half": f", ahead of it by {advice.ONE_TEST}"}.get(
        advice.side(c, r, s["baseline"]), ", not told apart from it"
    )
    return f"{start} {words.metric(c)}, {words.points(d)} points against {s['baseline']}{verdict}."
