"""Writes the section on single classes: which ones an arm knows, and what it takes them for."""

from datayield.analysis.probability_statements import ClassScores
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Section, Table

ROWS = 12  # of the table


def section(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return precision, recall and F1 of every class by the recommended arm, the hardest class first."""
    shown = _shown(c, s.baseline)
    if len(shown) < 2:
        return Section("Class by class")
    worst, best = shown[0], shown[-1]
    sentences = [
        f"At {worst.n:,} labels {worst.arm} knows {wording.isolated(worst.name)} least: F1"
        f" {wording.score(worst.f1)}{_instead(worst)}; it knows {wording.isolated(best.name)} best:"
        f" {wording.score(best.f1)}. Precision is the share of the texts given the class that have it,"
        " recall the share of the class's texts that are found, F1 their harmonic mean."
        f" Brackets are {wording.level(s.level)} intervals, each for itself; there are none for fewer than"
        " 10 texts, or where every answer is alike."
    ]
    if len(shown) > ROWS or len({x.arm for x in c.class_scores}) > 1:
        sentences.append("All classes, also of other arms, are in tables/class_scores.csv.")
    table = Table(
        f"The classes by F1 of {worst.arm} at {worst.n:,} labels"
        + (f": the {ROWS} lowest of {len(shown)}" if len(shown) > ROWS else ""),
        ("class", "test texts", "precision", "recall", "F1", "most often taken for"),
        tuple(_row(x) for x in shown[:ROWS]),
        csv="class_scores",
    )
    return Section("Class by class", tuple(sentences), (table,), short=True)


def _shown(c: CorpusStatistics, baseline: str) -> list[ClassScores]:
    """Return the classes as scored by the recommended arm, or by the baseline where none is recommended."""
    budgets = {x.n for x in c.class_scores}
    picked = [r.arm for r in c.recommended if r.n in budgets]
    return [x for x in c.class_scores if x.arm == (picked[0] if picked else baseline)]


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
