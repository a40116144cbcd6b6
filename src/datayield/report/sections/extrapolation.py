"""Writes the sections on the next labels and on statements beyond the measured budgets."""

from datayield.analysis.curve_fits import Fit
from datayield.analysis.extrapolate import Extrapolation
from datayield.analysis.statements import NextLabels
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section, Table

FAMILY = {
    "power": "power law",
    "exponential": "exponential",
    "mmf4": "MMF",
    "last": "flat (as the largest budget)",
}


def next_labels(c: CorpusStatistics) -> Section:
    """Show the gain of 500 more labels at the budgets that most arms share."""
    shown = wording.main_budgets(c.scores)
    ends = {a: max(x.n for x in c.scores if x.arm == a) for a in c.arms}
    kept = [g for g in c.next if g.have in shown or g.have == ends[g.arm]]
    if not kept:
        return Section("What the next labels buy")
    rows = tuple((g.arm, f"{g.have:,}", _gain(g)) for g in kept)
    more = f"{kept[0].more:,}"
    note = (
        f"The gain of {more} more labels, read off the measured curve between its budgets. datayield need"
        " answers the same for other numbers, and how many labels a target needs."
    )
    table = Table(
        f"What {more} more labels buy, points", ("arm", "labels so far", "gain"), rows, csv="next"
    )
    return Section("What the next labels buy", (note,), (table,))


def _gain(g: NextLabels) -> str:
    if g.estimate is None:
        return f"no answer: {g.reason}"
    if g.high is None and g.low is not None and g.low <= 0:
        return "not known: beyond what was measured"
    if g.high is None and g.low is not None:
        return f"≥ {wording.signed(g.low)} (beyond what was measured, one-sided)"
    return wording.points_of(g.estimate, g.low, g.high)


def extrapolation(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show curves as formulas: their back-tests first, then the bounds beyond the largest budget."""
    fitted = [(o.arm, o.curve) for o in c.extrapolations if o.curve.fit]
    tables = []
    if fitted:
        tables.append(_backtests(fitted))
        rows = tuple(
            (o.arm, _formula(o.curve.fit), f"{o.beyond.n:,}", f"≥ {wording.percent(o.beyond.low)}")
            for o in c.extrapolations
            if o.curve.fit and o.beyond
        )
        if rows:
            head = (
                "arm",
                "fitted error at n labels",
                "labels",
                f"{wording.metric(c.metric)}, one-sided",
            )
            tables.append(Table("Beyond the largest budget", head, rows))
    note = (
        "Each curve is fitted without its largest budget, which it then predicts; the family was chosen on the"
        " smaller ones. The rival says: as good as the largest budget seen. Beyond the measured budgets, up to"
        f" twice the largest, only lower bounds are given ({wording.level(s.level)}, with the back-test's"
        " misses added); further out there is no answer."
    )
    refused: dict[str, list[str]] = {}
    for o in c.extrapolations:
        if o.curve.reason and not o.curve.drops:
            refused.setdefault(o.curve.reason, []).append(o.arm)
    ill = [
        f"{o.arm} is ill-behaved, more labels made it worse:"
        f" {wording.listed([_drop(d) for d in o.curve.drops])} (two-way test, Holm); no curve is fitted to it."
        for o in c.extrapolations
        if o.curve.drops
    ]
    silent = [f"Nothing beyond for {wording.listed(arms)}: {why}." for why, arms in refused.items()]
    if not (fitted or ill):
        return Section("Back-test and extrapolation", tuple(silent))
    return Section("Back-test and extrapolation", (note, *ill, *silent), tuple(tables))


def _drop(d: tuple[int, int, float]) -> str:
    low, high, change = d
    return f"{wording.signed(change)} points from {low:,} to {high:,} labels"


def _backtests(fitted: list[tuple[str, Extrapolation]]) -> Table:
    rows = tuple(
        (
            arm, f"{t.seen:,} ({t.budgets} budgets)", f"{t.predicted:,}", FAMILY[t.family],
            wording.missed(t.miss, t.margin), _held(t.covered),
            wording.missed(t.last_miss, t.last_margin), _held(t.last_covered),
        )
        for arm, curve in fitted
        for t in (curve.next, curve.double)
        if t
    )  # fmt: skip
    head = (
        "arm", "fitted up to", "predicted at", "curve", "miss, points", "inside its interval",
        "miss of the rival, points", "inside its interval",
    )  # fmt: skip
    return Table("Back-test: predicted minus measured", head, rows)


def _held(covered: bool | None) -> str:
    return {True: "yes", False: "no", None: "no interval"}[covered]


def _formula(fit: Fit) -> str:
    e, b, (c, d) = fit.floor, fit.gain, fit.shape
    return {
        "power": f"{e:.3f} + {b:.3g} · (n + {d:.0f})^−{c:.3f}",
        "exponential": f"{e:.3f} + {b:.3g} · exp(−n / {1 / c if c else 0:.0f})",
        "mmf4": f"{e:.3f} + {b:.3g} / (1 + (n / {d:.0f})^{c:.3f})",
        "last": f"{e:.3f}",
    }[fit.family]
