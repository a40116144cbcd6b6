"""Writes the sections over several corpora: a line for each, families, published scores."""

from datayield.analysis.statistics import FamilyVerdict, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section, Table
from datayield.report.sections import answer


def overview(s: StudyStatistics) -> list[Section]:
    """Return the sections before those of each corpus, for a study of several corpora."""
    if len(s.corpora) < 2:
        return []
    rows = []
    for c in s.corpora:
        own = {x.n: x for x in c.scores if x.arm == s.baseline}
        shown = [n for n in wording.main_budgets(c.scores) if n in own]
        simple = {x.n: x for x in c.scores if x.arm == c.best_simple}
        tests = [x for x in answer.claimed(c) if c.arms[x.arm].role == "strategy"]
        better, worse = (
            sorted({x.arm for x in tests if x.verdict == verdict}) for verdict in ("helps", "harms")
        )
        rows.append(
            (
                c.corpus,
                wording.metric(c.metric),
                ", ".join(f"{wording.percent(own[n].score.estimate)} at {n:,}" for n in shown),
                ", ".join(
                    f"{wording.percent(simple[n].score.estimate)} at {n:,}"
                    for n in shown
                    if n in simple
                )
                + (f" ({c.best_simple})" if c.best_simple else ""),
                wording.listed(better) or "none",
                wording.listed(worse) or "none",
            )
        )
    head = (
        "corpus", "metric", s.baseline, "best simple baseline", "better than the baseline",
        "worse than the baseline",
    )  # fmt: skip
    families = {c.family for c in s.corpora}
    note = (
        f"{len(rows)} corpora of {len(families)} families. Better and worse are claims about strategies, at some"
        " budget or on the mean over budgets: one family of tests inside each corpus (Holm)."
    )
    return [
        Section("All corpora", (note,), (Table("Every corpus in a line", head, tuple(rows)),)),
        _families(s),
        *_published(s),
    ]


def _families(s: StudyStatistics) -> Section:
    """Show means over families and what depends on one of them, or why there are none."""
    a, title = s.across, "Over all families"
    if a.reason is not None:
        return Section(title, (f"{a.reason[0].upper()}{a.reason[1:]}.",))
    led = {c.corpus: wording.metric(c.metric) for c in s.corpora if c.corpus in a.corpora}
    rows = tuple(
        (r.arm, _where(r.n), wording.points(r.difference), wording.p(r.p_holm)) for r in a.rows
    )
    note = (
        f"One corpus per family counts ({wording.listed(a.corpora)}); intervals are {a.method}: they hold for"
        " another corpus of the same kind. All rows share one level (Holm); where families agree to rounding"
        " there is no interval, and p is that of the sign test."
    )
    if len(set(led.values())) > 1:
        mixed = [f"{metric} on {corpus}" for corpus, metric in led.items()]
        note += f" Points are of each corpus's leading metric: {wording.listed(mixed)}."
    caption = "Arm minus its baseline, percentage points, over families"
    tables = (Table(caption, ("arm", "labels", "difference", "p, Holm"), rows),) if rows else ()
    changed = [
        f"Without {x.without}: {wording.listed([_flip(c) for c in x.changed])}."
        for x in a.sensitivity
        if x.changed
    ]
    if a.sensitivity and not changed:
        changed = ["No verdict changes when any one family is left out."]
    return Section(title, (note, *changed), tables)


def _flip(c: FamilyVerdict) -> str:
    at = "on the mean over budgets" if c.n is None else f"at {c.n:,}"
    return f"{c.arm} {at}: {c.verdict} (with it: {c.before})"


def _where(n: int | None) -> str:
    return "mean" if n is None else f"{n:,}"


def _published(s: StudyStatistics) -> list[Section]:
    if not s.published:
        return []
    budgets = ("500", "2000", "5000", "full")
    rows = tuple(
        (
            row.who,
            "ours" if row.ours else "published",
            *(wording.percent(row.scores.get(n)) for n in budgets),
        )
        for row in s.published
        if any(n in row.scores for n in budgets)
    )
    note = (
        "Mean accuracy over the five corpora of the EDA paper, in its authors' own files. Theirs start"
        " from GloVe vectors made of billions of words; ours start from nothing."
    )
    head = ("who", "source", "500 labels", "2,000", "5,000", "all")
    return [Section("Published next to ours", (note,), (Table("Mean accuracy", head, rows),))]
