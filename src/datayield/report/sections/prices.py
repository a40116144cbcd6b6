"""Writes what every method costs next to how good it is: one table and one picture."""

from datayield.analysis.claims import MAJORITY
from datayield.analysis.statements import ArmCost
from datayield.analysis.statistics import CorpusStatistics
from datayield.report import wording
from datayield.report.section import Picture, Section, Table
from datayield.report.sections.first_screen import names

ROLES = ("plain", "baseline", "strategy")  # of methods that one could take


def priced(c: CorpusStatistics) -> list[ArmCost]:
    """Return the costs of the methods at the largest budget that most share, the best score first."""
    largest = max(wording.main_budgets(c.costs), default=0)
    scores = {x.arm: x.score.estimate for x in c.scores if x.n == largest}
    at = [
        k for k in c.costs if k.n == largest and c.arms[k.arm].role in ROLES and k.arm != MAJORITY
    ]
    return sorted((k for k in at if k.arm in scores), key=lambda k: (-scores[k.arm], k.arm))


def prices(c: CorpusStatistics) -> Section:
    """Show score, learning time, prediction time and exported size of every method, and draw them."""
    title = "Accuracy and cost" if c.metric == "accuracy" else "Macro-F1 and cost"
    found = priced(c)
    if not found:
        return Section(title)
    n, called = found[0].n, names(c)
    scores = {x.arm: x.score for x in c.scores if x.n == n}
    rows = tuple(
        (
            f"{called[k.arm]}{', has read other text' if c.arms[k.arm].outside else ''}",
            wording.score(scores[k.arm]),
            wording.figures(k.learning_seconds),
            wording.figures(k.seconds_per_thousand),
            wording.figures(k.exported_mb),
        )
        for k in found
    )
    head = (
        "method", wording.metric(c.metric), "learning, s", "1,000 predictions, s", "exported model, MB"
    )  # fmt: skip
    table = Table(f"What every method gives and costs at {n:,} labels", head, rows, csv="costs")
    metric = wording.metric(c.metric, start=True)
    alt = f"{metric} on {c.corpus} at {n:,} labels against the seconds of 1,000 predictions and of learning"
    return Section(title, (_note(c, found),), (table,), (Picture("prices", alt),))


def _note(c: CorpusStatistics, found: list[ArmCost]) -> str:
    note = (
        "Means per training, by one thread while other workers ran. Learning is preparation, one training of"
        " the model, and its share of a language model that several trainings use. The size is computed from"
        " the number of parameters, within a tenth for English words. A blend learns, predicts and weighs as"
        " much as its members together. In the picture a line joins the methods that no other one beats in"
        " both score and time; brackets are intervals of single methods."
    )
    if any(c.arms[k.arm].outside for k in found):
        note += (
            " Methods that have read other text are slower and larger than this: neither the time in which"
            " their model from outside reads a text nor its size is counted, and their hollow marks are on no"
            " line."
        )
    return note
