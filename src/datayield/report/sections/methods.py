"""Writes the one table that compares the methods, with twice the labels as its yardstick."""

from datayield.analysis.claim_statements import Claim
from datayield.analysis.decision_statements import MethodRow
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section, Table
from datayield.report.sections.first_screen import names

MANY = 3  # more budgets than that are counted, not named


def methods(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Show a row per strategy and simple baseline, all of whose intervals hold at once."""
    title = "Every method in a row"
    if not c.methods:
        return Section(title)
    called = names(c)
    rows = [_row(c, r, called) for r in c.methods]
    if c.yardstick is not None:
        y = c.yardstick
        rows.append(
            (
                f"twice the labels, {called[y.baseline]}", _budgets(y.budgets),
                wording.points(y.gain), "2× by definition", "–", "–", "the yardstick",
            )
        )  # fmt: skip
    simple = c.methods[0].simple
    head = (
        "method", "labels", "gain, points", f"a label is worth, in {called[s.baseline]}'s",
        f"in {called[simple]}'s" if simple else "in a simple baseline's", "training time", "verdict",
    )  # fmt: skip
    table = Table("Methods compared", head, tuple(rows), csv="methods")
    return Section(title, (_note(c, s),), (table,), short=True)


def _row(c: CorpusStatistics, r: MethodRow, called: dict[str, str]) -> tuple[str, ...]:
    label = f"{called[r.arm]} ({r.arm})" if called[r.arm] != r.arm else r.arm
    if c.arms[r.arm].outside:
        label += ", has read other text"
    return (
        label, _budgets(r.budgets), wording.points(r.claim.interval),
        wording.shared_times(r.multiplier) if r.multiplier else "–",
        wording.shared_times(r.multiplier_simple) if r.multiplier_simple else "–",
        f"{r.time:.2g}×" if r.time is not None else "–", _verdict(r.claim),
    )  # fmt: skip


def _verdict(x: Claim) -> str:
    """Return the conclusion of a row's test in words."""
    if x.verdict == "no gain of a point":
        return f"gains at most {100 * (x.interval.high or 0.0):.1f} points"
    if x.verdict != "undecided":
        return x.verdict
    more = f"; {wording.more_draws(x.more_draws)} would decide" if x.more_draws else ""
    return f"not decided{more}"


def _budgets(budgets: tuple[int, ...]) -> str:
    if len(budgets) > MANY:
        return f"mean of {len(budgets)}, {budgets[0]:,} to {budgets[-1]:,}"
    at = wording.listed([f"{n:,}" for n in budgets])
    return f"mean of {at}" if len(budgets) > 1 else at


def _note(c: CorpusStatistics, s: StudyStatistics) -> str:
    tests = max(r.claim.tests for r in c.methods)
    return (
        f"All brackets of the rows hold at once, with those of single budgets below ({tests} tests in all), in"
        f" {100 * s.level:.0f} of 100 such studies; that of the yardstick holds by itself. Differences are"
        " paired: both sides read the same labels and test texts. Not decided: the study is too small to say."
        " Training time is that of one training, as a multiple of the baseline's. ≤ and ≥ mark ends beyond"
        " the measured labels."
    )
