"""Writes the section on single classes: which need labels, which ones an arm knows, what it takes them for."""

from collections.abc import Sequence

from datayield.analysis.probability_statements import ClassGain, ClassScores
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section, Table

ROWS = 12  # of a table
NAMED = 3  # classes in a sentence


def section(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return the classes of the recommended arm: their last gains, scores, confusions and curves."""
    curves = _shown(c, s.baseline)
    largest = max((x.n for x in curves), default=0)
    shown = [x for x in curves if x.n == largest]
    if len(shown) < 2:
        return Section("Class by class")
    gains = [x for x in c.class_gains if x.arm == shown[0].arm]
    sentences = (
        *_needs(gains),
        _known(shown[0], shown[-1], s.level),
        "All classes, also of other arms and budgets, are in tables/class_scores.csv, class_gains.csv and"
        " class_confusions.csv.",
    )
    tables = (_scores(shown), *_confusions(c, shown[0].arm), *_curves(curves, gains))
    return Section("Class by class", sentences, tables, short=True)


def _shown(c: CorpusStatistics, baseline: str) -> list[ClassScores]:
    """Return the classes as scored by the recommended arm, or by the baseline where none is recommended."""
    largest = max((x.n for x in c.class_scores), default=0)
    picked = [r.arm for r in c.recommended if r.n == largest]
    return [x for x in c.class_scores if x.arm == (picked[0] if picked else baseline)]


def _needs(gains: Sequence[ClassGain]) -> list[str]:
    """Say for which classes the last step of labels paid, and what that does not show."""
    if not gains:
        return []
    first = gains[0]
    rise, fall = ([x for x in gains if x.verdict == v] for v in ("rises", "falls"))
    step = f"From {first.before:,} to {first.n:,} labels the F1 of {first.arm}"
    out = [
        f"{step} still rose for {_listed(rise)}: more labels still pay there."
        if rise
        else f"{step} rose for no class beyond doubt, so this study does not say which class needs labels."
    ]
    if fall:
        out.append(f"It fell for {_listed(fall[::-1])}.")
    rest = len(gains) - len(rise) - len(fall)
    if rise and rest:
        out.append(f"For {rest:,} of {len(gains):,} classes the step decides nothing.")
    out.append(
        "All classes got more labels in this step; what labels of one class alone would buy was not"
        f" measured. The {len(gains):,} classes share the level of these statements (Holm)."
    )
    return [" ".join(out)]


def _listed(gains: Sequence[ClassGain]) -> str:
    named = [f"{wording.isolated(x.name)} ({wording.points(x.f1)} points)" for x in gains[:NAMED]]
    more = len(gains) - len(named)
    return wording.listed([*named, f"{more:,} more"] if more else named)


def _known(worst: ClassScores, best: ClassScores, level: float) -> str:
    return (
        f"At {worst.n:,} labels {worst.arm} knows {wording.isolated(worst.name)} least: F1"
        f" {wording.score(worst.f1)}{_instead(worst)}; it knows {wording.isolated(best.name)} best:"
        f" {wording.score(best.f1)}. Precision is the share of the texts given the class that have it,"
        " recall the share of the class's texts that are found, F1 their harmonic mean."
        f" Brackets are {wording.level(level)} intervals, each for itself; there are none for fewer than"
        " 10 texts, or where every answer is alike."
    )


def _scores(shown: Sequence[ClassScores]) -> Table:
    return Table(
        f"The classes by F1 of {shown[0].arm} at {shown[0].n:,} labels{_cut('lowest', len(shown))}",
        ("class", "test texts", "precision", "recall", "F1", "most often taken for"),
        tuple(_row(x) for x in shown[:ROWS]),
        csv="class_scores",
    )


def _confusions(c: CorpusStatistics, arm: str) -> list[Table]:
    """Return the table of the classes that are confused most often; none where nothing is confused."""
    found = [x for x in c.class_confusions if x.arm == arm]
    rows = tuple(
        (
            f"{wording.isolated(x.name)} taken for {wording.isolated(x.predicted)}",
            wording.number(x.texts),
            wording.score(x.share),
        )
        for x in found[:ROWS]
    )
    title = f"Confused classes of {arm} at {found[0].n:,} labels" if found else ""
    head = ("confusion", "test texts per training", "share of the class's texts")
    return [
        Table(f"{title}{_cut('most frequent', len(found))}", head, rows, csv="class_confusions")
    ][: len(found)]


def _curves(curves: Sequence[ClassScores], gains: Sequence[ClassGain]) -> list[Table]:
    """Return the learning curves of the classes, the largest last gain first; none for one budget."""
    f1 = {(x.name, x.n): wording.percent(x.f1.estimate) for x in curves}
    budgets = wording.main_budgets(curves)
    if not gains:
        return []
    rows = tuple(
        (wording.isolated(x.name), *(f1.get((x.name, n), "–") for n in budgets), wording.points(x.f1),
         {"rises": "rises", "falls": "falls", "undecided": "not decided"}[x.verdict])
        for x in gains[:ROWS]
    )  # fmt: skip
    head = ("class", *(f"F1 at {n:,}" for n in budgets), "last step, points", "verdict")
    title = f"Learning curves of the classes, {gains[0].arm}{_cut('steepest', len(gains))}"
    return [Table(title, head, rows, csv="class_gains")]


def _cut(which: str, count: int) -> str:
    return f": the {ROWS} {which} of {count:,}" if count > ROWS else ""


def _row(x: ClassScores) -> tuple[str, ...]:
    other = (
        f"{wording.isolated(x.confused_with)} ({wording.share(x.confused)})"
        if x.confused_with
        else "–"
    )
    return (
        wording.isolated(x.name), f"{x.texts:,}", wording.score(x.precision), wording.score(x.recall),
        wording.score(x.f1), other,
    )  # fmt: skip


def _instead(x: ClassScores) -> str:
    """Say what the texts of a class are most often taken for."""
    if x.confused_with is None:
        return ""
    return f" (it takes {wording.share(x.confused)} of its texts for {wording.isolated(x.confused_with)})"
