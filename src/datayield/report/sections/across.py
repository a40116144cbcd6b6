"""Writes the first screen of several corpora: a sentence, a matrix, families, published scores."""

from datayield.analysis.statistics import FamilyVerdict, StudyStatistics
from datayield.report import sentences, wording
from datayield.report.section import Overview, Picture, Section, Table

FEW = 5  # names in a sentence
MOST_COLUMNS = 6  # numbers of labels in the matrix, where nothing was picked


def overview(s: StudyStatistics) -> Overview | None:
    """Return the first screen of a study of several corpora: sentences, a matrix, small pictures."""
    if len(s.corpora) < 2:
        return None
    return Overview(
        tuple(_answer(s)), _matrix(s), Picture("all-curves", "Learning curves of every corpus"),
        tuple(x for x in (_families(s), *_published(s)) if x.paragraphs or x.tables),
    )  # fmt: skip


def _answer(s: StudyStatistics) -> list[str]:
    """Say on how many corpora a method is shown to help, and what helps over all of them."""
    helped = [c for c in s.corpora if c.decision is not None and c.decision.shown]
    base = _called(s, s.baseline)
    start = (
        f"On {len(helped)} of {len(s.corpora)} corpora the method to use is shown to beat {base}"
    )
    named = [f"{_called(s, c.decision.arm)} on {c.corpus}" for c in helped if c.decision]
    out = [f"{start}: {wording.listed(named)}." if 0 < len(named) <= FEW else f"{start}."]
    means = [r for r in s.across.rows if r.n is None and r.differs]
    for r in sorted(means, key=lambda r: -r.difference.estimate)[:FEW]:
        does = "gains" if r.difference.estimate > 0 else "loses"
        out.append(
            f"Over {s.across.families} independent corpora {_called(s, r.arm)} {does}"
            f" {sentences.in_points(r.difference)} on average."
        )
    if s.across.reason is None and not means:
        out.append(
            f"Over {s.across.families} independent corpora no method is shown to help on average."
        )
    return out


def _called(s: StudyStatistics, arm: str) -> str:
    return next((c.arms[arm].title for c in s.corpora if arm in c.arms and c.arms[arm].title), arm)


def _shared_budgets(s: StudyStatistics) -> list[int]:
    """Return budgets that the baseline has on every corpus: all of a few, else every second or so."""
    each = [{x.n for x in c.scores if x.arm == s.baseline} for c in s.corpora]
    shared = sorted(set.intersection(*each))
    return shared[:: -(-len(shared) // MOST_COLUMNS) or 1]


def _matrix(s: StudyStatistics) -> Table:
    """Return corpora by budgets: the baseline's score, and the pick's gain where it is shown.

    Where no budget has arms to pick from, the columns are budgets of the baseline on all corpora.
    """
    budgets = sorted({r.n for c in s.corpora for r in c.recommended}) or _shared_budgets(s)
    rows = []
    for c in s.corpora:
        base = {x.n: x.score.estimate for x in c.scores if x.arm == s.baseline}
        picks = {r.n: r for r in c.recommended}
        shown = {(d.arm, d.n): d for d in c.differences if d.claim and d.claim.verdict == "helps"}
        cells = []
        for n in budgets:
            score = wording.percent(base.get(n))
            pick = picks.get(n)
            gain = shown.get((pick.arm, n)) if pick and pick.arm != s.baseline else None
            if n not in base:
                cells.append("–")
            elif not picks:
                cells.append(score)
            elif gain is None:
                cells.append(f"{score}; no pick")
            else:
                better = wording.signed(gain.difference.estimate)
                cells.append(f"{score}; {_called(s, gain.arm)} {better}")
        rows.append((c.corpus, wording.metric(c.metric), *cells))
    caption = _called(s, s.baseline)
    if any(c.recommended for c in s.corpora):
        caption += ", and the points that the picked method gains where that is shown"
    return Table(
        caption, ("corpus", "score", *(f"{n:,} labels" for n in budgets)), tuple(rows), stacks=True
    )


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
