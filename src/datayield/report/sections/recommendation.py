"""Writes the recommendation: which arm leads by validation, how sure, what speaks against it."""

from datayield.analysis.claim_statements import Claim
from datayield.analysis.statements import Doubling, Recommendation, TargetLabels
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section, Table


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


def targets(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show the labels that the baselines and the methods shown to help need for the target."""
    helped = {r.arm for r in c.methods if r.claim.verdict == "helps"}
    shown = [t for t in c.target if t.arm in {s.baseline, c.best_simple, *helped}]
    if not shown:
        return Section("Labels to the target")
    table = Table(
        "Labels to the target",
        ("target", "arm", "labels needed"),
        tuple(_goal(c, t) for t in shown),
        csv="target",
    )
    return Section("Labels to the target", (), (table,), short=True)


def _goal(c: CorpusStatistics, t: TargetLabels) -> tuple[str, ...]:
    return (
        f"{wording.percent(t.target)} {wording.metric(c.metric)}",
        t.arm,
        wording.labels(t.labels),
    )


def recommendation(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return the evidence behind the picks, and whether more labels do more."""
    if not c.recommended:
        return Section("Picked by validation")
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
        "labels", "pick", "of arms", f"validation {wording.metric(c.metric)}", "leads in draws",
        f"minus {s.baseline}, points", "picked inside each draw, minus it",
        "worse on the test set", "better on the test set",
    )  # fmt: skip
    tables = [Table("Evidence for the pick at each budget", head, evidence)]
    doubling = [(r.n, d) for r in c.recommended if (d := r.doubling)]
    if doubling:
        tables.append(_labels_or_arms(doubling))
    return Section(
        "Picked by validation",
        tuple(_more_labels(doubling)),
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
