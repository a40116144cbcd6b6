"""Writes the first screen and the recommendation: which arm, how sure, what speaks against it."""

from datayield.analysis.claim_statements import Claim
from datayield.analysis.statements import Doubling, Recommendation, TargetLabels
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section, Table
from datayield.report.sections import effects, tuning
from datayield.report.sections.doubts import doubts


def first_screen(s: StudyStatistics) -> Section:
    """Return the part for readers who read nothing else: best arms, their worth, the target."""
    paragraphs = [_picks(c, s) for c in s.corpora]
    paragraphs += dict.fromkeys(x for c in s.corpora for x in effects.outside(c))
    rows = tuple(_row(c, s, r) for c in s.corpora for r in c.recommended)
    tables = []
    if rows:
        tables.append(
            Table(
                "Best arm at each budget, picked by validation score",
                ("corpus", "labels", "best arm", _heading(s), f"a label is worth, in {s.baseline}'s",
                 "cannot be told apart from it"),
                rows, stacks=True,
            )
        )  # fmt: skip
    goals = tuple(_goal(c, t) for c in s.corpora for t in c.target if t.arm in _curves(c, s))
    if goals:
        tables.append(
            Table(
                "Labels to the target",
                ("corpus", "target", "arm", "labels needed"),
                goals,
                stacks=True,
            )
        )
    note = (
        f"Brackets are {wording.level(s.level)} intervals. In these lines and the first table they hold for all"
        " arms of a budget at once and are wider than those of one arm by itself further down. A strategy or"
        " simple baseline beats the baseline where its one test in the corpus's family says so (Holm over all"
        " budgets and the mean over budgets). ≤ and ≥ mark ends beyond what was"
        f" measured. Worth 2× says: as good as {s.baseline} with twice the labels."
    )
    words = (
        "An arm is one way to make a classifier: a network, with a strategy such as augmentation or without, or a"
        " simple baseline that is not a network. A budget is a number of paid labels; all of them train the model."
        " A draw is an independent sample of that many texts; every arm is trained on the same draws. An interval"
        f" at {wording.level(s.level)} holds the true value in about {100 * s.level:.0f} of 100 such studies."
    )
    tables += _who(s)
    return Section("In short", (*paragraphs, note, words, *tuning.caveat(s)), tuple(tables))


def _who(s: StudyStatistics) -> list[Table]:
    """Explain the baseline and the picked arms."""
    summaries = {
        arm: c.arms[arm].summary
        for c in s.corpora
        for arm in (s.baseline, *(r.arm for r in c.recommended))
        if arm in c.arms
    }
    return (
        [Table("What these arms do", ("arm", "does"), tuple(summaries.items()))]
        if summaries
        else []
    )


def _curves(c: CorpusStatistics, s: StudyStatistics) -> list[str]:
    """Return the baselines, and the picked arms that beat them."""
    sure = [r.arm for r in c.recommended if side(c, r, s.baseline) == "sure"]
    return [a for a in (s.baseline, c.best_simple, *sure) if a]


def _picks(c: CorpusStatistics, s: StudyStatistics) -> str:
    """Say in one sentence which picks beat the baseline and which cannot be told apart from it."""
    found, base = c.recommended, s.baseline
    if not found:
        return f"{c.corpus}: no budget has three arms with validation scores; nothing is picked."
    sides = [(r, side(c, r, base)) for r in found]
    sure = [r for r, stands in sides if stands == "sure"]
    parts = []
    if sure:
        named = [f"{r.arm} at {r.n:,} labels{_in_labels(r)}" for r in sure]
        parts.append(f"{wording.listed(named)} {'beat' if len(named) > 1 else 'beats'} {base}")
    for wanted, text in (
        ("none", f"validation picks {{}} labels, not a point better than {base}"),
        ("unsure", f"validation picks {{}} labels, not told apart from {base}{_seen(c, base)}"),
        ("worse", f"validation picks {{}} labels, worse than {base} on the test set"),
        ("unknown", "validation picks {} labels, with too few draws for an interval"),
        ("own", f"no arm is picked before {base} at {{}} labels"),
    ):
        named = [
            f"{r.n:,}" if wanted == "own" else f"{r.arm} at {r.n:,}"
            for r, stands in sides
            if stands == wanted
        ]
        if named:
            parts.append(text.format(wording.listed(named)))
    beaten = sure or all(stands == "own" for _, stands in sides)
    helped = any(d.claim and d.claim.verdict == "helps" for d in c.differences)
    who = "pick" if helped else "arm"
    lead = "" if beaten else f"no {who} is shown to beat {base}; "
    return f"{c.corpus}: {lead}{'; '.join(parts)}."


def _seen(c: CorpusStatistics, base: str) -> str:
    """Return in brackets the differences that the study could see at the budgets of unsure picks."""
    parts = [
        f"{wording.size(claim.visible)} at {r.n:,}"
        for r in c.recommended
        if side(c, r, base) == "unsure"
        and (claim := _claim(c, r, base))
        and claim.visible is not None
    ]
    return f" (visible: {wording.listed(parts)})" if parts else ""


def _claim(c: CorpusStatistics, r: Recommendation, base: str) -> Claim | None:
    """Return the corpus's claim about a pick against the study's baseline, if there is one."""
    same = [d.claim for d in c.differences if (d.arm, d.n, d.baseline) == (r.arm, r.n, base)]
    return same[0] if same else None


SIDES = {"helps": "sure", "harms": "worse", "no gain of a point": "none", "undecided": "unsure"}


def side(c: CorpusStatistics, r: Recommendation, base: str) -> str:
    """Return where a pick stands against the study's baseline.

    The corpus's claim decides; picks that carry none (other architectures) are judged by their
    interval, which is simultaneous over the arms considered.
    """
    if r.arm == base:
        return "own"
    claim = _claim(c, r, base)
    if claim is not None:
        return SIDES[claim.verdict]
    d = r.difference
    if d is None or d.low is None or d.high is None:
        return "unknown"
    if not d.excludes_zero:
        return "unsure"
    return "sure" if d.estimate > 0 else "worse"


def _in_labels(r: Recommendation) -> str:
    return f" (worth {_worth(r)})" if r.multiplier else ""


def _worth(r: Recommendation) -> str:
    return wording.times(r.multiplier, r.n) if r.multiplier else "–"


def _row(c: CorpusStatistics, s: StudyStatistics, r: Recommendation) -> tuple[str, ...]:
    worth = "1× (it is the baseline)"
    if r.arm != s.baseline:
        worth = _worth(r)
    return (
        c.corpus, f"{r.n:,}", r.arm, f"{wording.score(r.score)}{_other(c, s)}", worth,
        _ties(r, s.baseline) or ("unknown: no interval" if r.unknown else "none"),
    )  # fmt: skip


def _ties(r: Recommendation, base: str) -> str:
    """Return the arms that cannot be told apart from the pick, and what could have been."""
    arms = wording.arms(r.ties, base)
    return (
        f"{arms} (visible: {wording.size(r.visible)})" if arms and r.visible is not None else arms
    )


def _heading(s: StudyStatistics) -> str:
    """Return `test accuracy`, or `test score` where the corpora are led by different metrics."""
    led = {wording.metric(c.metric) for c in s.corpora}
    return f"test {led.pop()}" if len(led) == 1 else "test score"


def _other(c: CorpusStatistics, s: StudyStatistics) -> str:
    return f" {wording.metric(c.metric)}" if _heading(s) == "test score" else ""


def _goal(c: CorpusStatistics, t: TargetLabels) -> tuple[str, ...]:
    return (
        c.corpus,
        f"{wording.percent(t.target)} {wording.metric(c.metric)}",
        t.arm,
        wording.labels(t.labels),
    )


def recommendation(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return the evidence behind the picks, whether more labels do more, and every doubt."""
    if not c.recommended:
        return Section("Recommendation")
    evidence = tuple(
        (
            f"{r.n:,}", r.arm, str(r.of), wording.percent(r.validation),
            f"{r.leads.draws} of {r.leads.of}",
            wording.points(r.difference) if r.difference else "–", wording.points(r.within),
            ", ".join(r.behind) or "none", ", ".join(r.ahead) or "none",
        )
        for r in c.recommended
    )  # fmt: skip
    head = (
        "labels", "best arm", "of arms", f"validation {wording.metric(c.metric)}", "leads in draws",
        f"minus {s.baseline}, points", "picked inside each draw, minus it",
        "worse on the test set", "better on the test set",
    )  # fmt: skip
    tables = [Table("Evidence for the best arm at each budget", head, evidence)]
    doubling = [(r.n, d) for r in c.recommended if (d := r.doubling)]
    if doubling:
        tables.append(_labels_or_arms(doubling))
    return Section(
        "Recommendation",
        (*_more_labels(doubling), *(f"Doubt: {d}" for d in doubts(c, s))),
        tuple(tables),
    )


VERDICTS = {
    "labels": "twice the labels do more",
    "arm": "the arm does more",
    "open": "not decided",
}


def _labels_or_arms(doubling: list[tuple[int, Doubling]]) -> Table:
    rows = tuple(
        (
            f"{n:,}", d.arm, wording.signed(d.gain_arm), wording.points(d.gain_labels),
            wording.points(d.gap), VERDICTS[d.verdict],
        )
        for n, d in doubling
    )  # fmt: skip
    head = (
        "labels", "best strategy", "its gain, points", "gain of twice the labels, points",
        "strategy minus twice the labels, points", "verdict",
    )  # fmt: skip
    return Table("More labels or a cleverer arm", head, rows)


def _more_labels(doubling: list[tuple[int, Doubling]]) -> list[str]:
    out = []
    for verdict, text in (
        (
            "labels",
            "More labels beat cleverness at {}: twice the labels do more there than the best strategy.",
        ),
        (
            "arm",
            "Cleverness beats more labels at {}: the best strategy does more there than twice the labels.",
        ),
        (
            "open",
            "Whether the best strategy or twice the labels do more is not decided at {} labels.",
        ),
    ):
        at = [f"{n:,}" for n, d in doubling if d.verdict == verdict]
        if at:
            out.append(text.format(wording.listed(at)))
    return out
