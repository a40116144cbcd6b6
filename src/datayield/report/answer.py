"""The answer in a paragraph. Every sentence is computed; none could stand there being false."""

from typing import Any

from datayield.report import words
from datayield.report.words import listed


def sentences(c: dict[str, Any], s: dict[str, Any]) -> list[str]:
    """The summary of one corpus, in the order in which a reader decides.

    Args:
        c: one corpus of the statistics.
        s: the whole statistics, for level and baseline.
    """
    return [
        *_curve(c, s),
        *_strategies(c, s),
        *_simple(c, s),
        *_best(c),
        *target(c, s),
        *_controls(c, s),
        *_complete(c),
    ]


def _at(c: dict[str, Any], arm: str) -> dict[int, dict[str, Any]]:
    return {x["n"]: x for x in c["scores"] if x["arm"] == arm}


def _curve(c: dict[str, Any], s: dict[str, Any]) -> list[str]:
    own = _at(c, s["baseline"])
    if not own:
        return [f"The baseline {s['baseline']} was not run, so no gain could be measured."]
    first, last = min(own), max(own)
    lead = "a macro-F1 of " if c["metric"] == "macro_f1" else ""
    text = f"{s['baseline']} reaches {lead}{words.score(own[first]['score'])} with {first:,} labels"
    if last > first:
        text += f" and {words.score(own[last]['score'])} with {last:,}"
    if not lead:
        return [f"{text} (chance of the largest class: {words.percent(c['majority_share'])})."]
    return [
        f"{text}. The largest class holds {words.percent(c['majority_share'])} of the test texts, so every"
        " score, difference and label count of this corpus is about macro-F1, which counts each class"
        f" alike; accuracy is {words.percent(own[first]['accuracy']['estimate'])} and"
        f" {words.percent(own[last]['accuracy']['estimate'])}."
    ]


def _strategies(c: dict[str, Any], s: dict[str, Any]) -> list[str]:
    tested = [d for d in c["differences"] if "differs" in d]
    arms = sorted({d["arm"] for d in tested})
    if not arms:
        one = s["draws"] < 2
        why = "one draw gives no interval" if one else "no strategy was run beside its baseline"
        return [f"No statement about strategies: {why}."]
    better = [d for d in tested if d["differs"] and d["difference"]["estimate"] > 0]
    worse = [d for d in tested if d["differs"] and d["difference"]["estimate"] < 0]
    out = [_gain(c, arm, [d for d in better if d["arm"] == arm]) for arm in _names(better)]
    for arm in _names(worse):
        own = [d for d in worse if d["arm"] == arm]
        gaps = listed([f"{words.points(d['difference'])} points at {d['n']:,}" for d in own])
        out.append(f"{arm} is worse than {own[0]['baseline']}: {gaps} labels.")
    silent = [a for a in arms if a not in _names(better) and a not in _names(worse)]
    if silent:
        widest = max(
            max(abs(d["difference"]["low"]), abs(d["difference"]["high"]))
            for d in tested
            if d["arm"] in silent
        )
        more = "the other " if len(silent) < len(arms) else ""
        who = listed(silent) if len(silent) <= words.MANY else f"any of {more}{len(silent)} arms"
        out.append(
            f"At no budget could {who} be told apart from the baseline (Holm,"
            f" {words.level(s['level'])}); effects up to {100 * widest:.1f} points either way are"
            " not excluded everywhere."
        )
    return out


def _names(found: list[dict[str, Any]]) -> list[str]:
    return sorted({d["arm"] for d in found})


def _gain(c: dict[str, Any], arm: str, own: list[dict[str, Any]]) -> str:
    parts = []
    for d in own:
        m = next((x for x in c["multipliers"] if x["arm"] == arm and x["n"] == d["n"]), None)
        value = f" (worth {words.times(m)} its labels)" if m else ""
        parts.append(f"{words.points(d['difference'])} points at {d['n']:,}{value}")
    return f"{arm} is better than {own[0]['baseline']}: {listed(parts)} labels."


def _simple(c: dict[str, Any], s: dict[str, Any]) -> list[str]:
    simple = c["best_simple"]
    found = [d for d in c["differences"] if d["arm"] == simple and d["baseline"] == s["baseline"]]
    known = [d for d in found if d["difference"]["low"] is not None]
    if not known:
        return []
    ahead = [d["n"] for d in known if d["difference"]["low"] > 0]
    behind = [d["n"] for d in known if d["difference"]["high"] < 0]
    text = f"The best simple baseline, {simple}, "
    if len(ahead) == len(known):
        return [f"{text}is ahead of {s['baseline']} at every budget measured for both."]
    if len(behind) == len(known):
        return [f"{text}is behind {s['baseline']} at every budget measured for both."]
    parts = []
    if ahead:
        parts.append(f"is ahead of {s['baseline']} at {listed([f'{n:,}' for n in ahead])} labels")
    if behind:
        parts.append(f"is behind at {listed([f'{n:,}' for n in behind])}")
    rest = [d["n"] for d in known if d["n"] not in ahead and d["n"] not in behind]
    if rest:
        parts.append(f"cannot be told apart from it at {listed([f'{n:,}' for n in rest])}")
    return [f"{text}{listed(parts)} (uncorrected intervals)."]


def _best(c: dict[str, Any]) -> list[str]:
    if not c["best"]:
        return []
    parts = []
    for b in c["best"]:
        d = b.get("difference")
        sure = d is not None and d["low"] is not None
        gap = f", {words.points(d)} points" if sure else ""
        parts.append(f"{b['arm']} at {b['n']:,} (of {b['of']}{gap})")
    return [
        f"Picked by validation {words.metric(c)}, the best arm is "
        f"{listed(parts)}; the gaps are to the baseline on the test set, with intervals simultaneous"
        " over the arms considered."
    ]


def target(c: dict[str, Any], s: dict[str, Any]) -> list[str]:
    """The sentence about labels to the target; none where the baseline has no answer."""
    own = next((t for t in c["target"] if t["arm"] == s["baseline"]), None)
    if own is None:
        return []
    origin = " (the largest step of 5 points that the baseline reached)" if own["derived"] else ""
    others = [
        f"{t['arm']} {words.labels(t)}"
        for t in c["target"]
        if t["arm"] != s["baseline"] and (t["point"] is not None or t["side"] == "below")
    ]
    name = "a macro-F1 of " if c["metric"] == "macro_f1" else ""
    text = (
        f"For {name}{words.percent(own['target'])}{origin} {s['baseline']} needs"
        f" {words.labels(own)} labels"
    )
    return [f"{text}; {listed(others)}." if others else f"{text}."]


def _controls(c: dict[str, Any], s: dict[str, Any]) -> list[str]:
    known = [k for k in c["checks"] if k["holds"] is not None]
    if not known:
        return []
    broken = [f"{k['arm']} at {k['n']:,}" for k in known if not k["holds"]]
    expected = len(known) * (1 - s["level"])
    if not broken:
        if len(known) == 1:
            return [f"The one comparison of a control or check ({known[0]['arm']}) agrees."]
        return [
            f"All {len(known)} comparisons of controls and checks agree with what they must equal."
        ]
    return [
        f"{len(broken)} of {len(known)} comparisons of controls and checks exclude what they must equal"
        f" (about {expected:.1f} would by chance): {listed(broken)}."
    ]


def _complete(c: dict[str, Any]) -> list[str]:
    if not c["missing"]:
        return []
    return [
        f"The study is incomplete: {len(c['missing'])} of {c['planned']} cells failed"
        " (named below); statements rest on the others."
    ]
