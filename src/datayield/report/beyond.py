"""What the next labels buy, and what can be said beyond the measured budgets."""

from typing import Any

from datayield.report import words
from datayield.report.section import Section, Table

Stats = dict[str, Any]
FAMILY = {
    "power": "power law",
    "exponential": "exponential",
    "mmf4": "MMF",
    "last": "flat (as the largest budget)",
}


def next_labels(c: Stats) -> Section:
    """What 500 more labels buy at the budgets that most arms share."""
    shown = words.main_budgets(c["scores"])
    ends = {a: max(x["n"] for x in c["scores"] if x["arm"] == a) for a in c["arms"]}
    kept = [g for g in c["next"] if g["have"] in shown or g["have"] == ends[g["arm"]]]
    if not kept:
        return Section("What the next labels buy")
    rows = tuple((g["arm"], f"{g['have']:,}", _gain(g)) for g in kept)
    more = f"{kept[0]['more']:,}"
    note = (
        f"The gain of {more} more labels, read off the measured curve between its budgets. datayield need"
        " answers the same for other numbers, and how many labels a target needs."
    )
    table = Table(f"What {more} more labels buy, points", ("arm", "labels so far", "gain"), rows)
    return Section("What the next labels buy", (note,), (table,))


def _gain(g: Stats) -> str:
    if g["estimate"] is None:
        return f"no answer: {g['reason']}"
    if g["high"] is None and g["low"] is not None:
        return f"≥ {words.signed(g['low'])} (beyond what was measured, one-sided)"
    return words.points(g)


def extrapolation(c: Stats, s: Stats) -> Section:
    """Curves as formulas: their back-tests first, then the little that follows beyond."""
    fitted = [o for o in c["outlooks"] if o["fit"]]
    tables = []
    if fitted:
        tables.append(_backtests(fitted))
        told = [o for o in fitted if o["beyond"]]
        if told:
            rows = tuple(
                (
                    o["arm"],
                    _formula(o["fit"]),
                    f"{o['beyond']['n']:,}",
                    f"≥ {words.percent(o['beyond']['low'])}",
                )
                for o in told
            )
            head = ("arm", "fitted error at n labels", "labels", f"{words.metric(c)}, one-sided")
            tables.append(Table("Beyond the largest budget", head, rows))
    note = (
        "Each curve is fitted without its largest budget, which it then predicts; the family was chosen on the"
        " smaller ones. The rival says: as good as the largest budget seen. Beyond the measured budgets, up to"
        f" twice the largest, only lower bounds are given ({words.level(s['level'])}, with the back-test's"
        " misses added); further out there is no answer."
    )
    refused: dict[str, list[str]] = {}
    for o in c["outlooks"]:
        if o["reason"] and not o["drops"]:
            refused.setdefault(o["reason"], []).append(o["arm"])
    ill = [
        f"{o['arm']} is ill-behaved: {words.listed([_drop(d) for d in o['drops']])} (two-way test, Holm); no"
        " curve is fitted to it."
        for o in c["outlooks"]
        if o["drops"]
    ]
    said = [f"Nothing beyond for {words.listed(arms)}: {why}." for why, arms in refused.items()]
    if not (fitted or ill):
        return Section("Back-test and extrapolation", tuple(said))
    return Section("Back-test and extrapolation", (note, *ill, *said), tuple(tables))


def _drop(d: Any) -> str:
    low, high, change = d
    return f"{words.signed(change)} points from {low:,} to {high:,} labels"


def _backtests(fitted: list[Stats]) -> Table:
    rows = tuple(
        (
            o["arm"], f"{t['seen']:,} ({t['budgets']} budgets)", f"{t['predicted']:,}", FAMILY[t["family"]],
            words.missed(t["miss"], t["margin"]), _held(t["covered"]),
            words.missed(t["last_miss"], t["last_margin"]), _held(t["last_covered"]),
        )
        for o in fitted
        for t in (o["next"], o["double"])
        if t
    )  # fmt: skip
    head = (
        "arm", "fitted up to", "predicted at", "curve", "miss, points", "inside its interval",
        "miss of the rival, points", "inside its interval",
    )  # fmt: skip
    return Table("Back-test: predicted minus measured", head, rows)


def _held(covered: bool | None) -> str:
    return {True: "yes", False: "no", None: "no interval"}[covered]


def _formula(fit: Stats) -> str:
    e, b, (c, d) = fit["floor"], fit["gain"], fit["shape"]
    return {
        "power": f"{e:.3f} + {b:.3g} · (n + {d:.0f})^−{c:.3f}",
        "exponential": f"{e:.3f} + {b:.3g} · exp(−n / {1 / c if c else 0:.0f})",
        "mmf4": f"{e:.3f} + {b:.3g} / (1 + (n / {d:.0f})^{c:.3f})",
        "last": f"{e:.3f}",
    }[fit["family"]]
