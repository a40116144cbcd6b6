"""Writes the section on class probabilities: how far what a model says can be taken at its word."""

from datayield.analysis.probability_statements import (
    ArmProbabilities,
    ProbabilityStatements,
    ReliabilityBin,
)
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report import wording
from datayield.report.section import Picture, Section, Table

TITLE = "Can the probabilities be believed?"
ROWS = 12  # of the table
SURE = 0.9  # the probability whose bin is put into words
FEW = 0.02  # share of the test texts below which a bin is not quoted


def section(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return the scores of the arms' probabilities, in words, as a table and as a figure."""
    p = c.probabilities
    if p.n is None:
        return Section(
            TITLE,
            (
                "No class probabilities are stored: these cells were computed before they were kept, or by"
                " models that give none.",
            ),
        )
    rows = _rows(c, s.baseline)
    paragraphs = (
        f"At {p.n:,} labels, the largest budget that most arms share:",
        *(_in_words(a) for a in drawn(c, s.baseline)),
        _meaning(p, s, c.test_size),
        "These numbers measure how true the probabilities are. They are reported and never decide which"
        f" arm is better: {wording.metric(c.metric)} alone decides that.",
        *_gaps(p, len(rows)),
    )
    table = Table(
        f"Class probabilities of the test texts at {p.n:,} labels; nearer to 0 is better",
        ("arm", "log loss", "Brier score", "calibration error", "too sure by, points"),
        tuple(_row(a) for a in rows),
    )
    alt = (
        f"Reliability on {c.corpus}: how often"
        f" {wording.listed([a.arm for a in drawn(c, s.baseline)])} are right against the probability of"
        " their answers; on the dotted line both are equal"
    )
    return Section(TITLE, paragraphs, (table,), (Picture("reliability", alt),))


def drawn(c: CorpusStatistics, baseline: str) -> list[ArmProbabilities]:
    """Return the arms that the figure shows: the baseline, the recommended arm, TF-IDF."""
    p = c.probabilities
    picked = [r.arm for r in c.recommended if r.n == p.n]
    by_name = {a.arm: a for a in p.arms}
    names = [name for name in (baseline, *picked, "tfidf") if name in by_name]
    return [by_name[name] for name in dict.fromkeys(names)] or list(p.arms[:1])


def _rows(c: CorpusStatistics, baseline: str) -> list[ArmProbabilities]:
    """Return the arms of the table: those of the figure, then the best by validation score."""
    first = drawn(c, baseline)
    validation = {x.arm: x.validation or 0.0 for x in c.scores if x.n == c.probabilities.n}
    others = [a for a in c.probabilities.arms if a not in first]
    others.sort(key=lambda a: (-validation.get(a.arm, 0.0), a.arm))
    return [*first, *others][:ROWS]


def _row(a: ArmProbabilities) -> tuple[str, ...]:
    error = a.calibration_error
    return (
        a.arm,
        _plain(a.log_loss),
        _plain(a.brier),
        wording.score_of(max(0.0, error.estimate), error.low, error.high),
        wording.points(a.overconfidence),
    )


def _plain(x: wording.Estimate) -> str:
    """Format `0.412 [0.389, 0.435]`, without brackets where there is no interval."""
    if x.low is None or x.high is None:
        return f"{x.estimate:.3f}"
    return f"{x.estimate:.3f} [{max(0.0, x.low):.3f}, {x.high:.3f}]"


def _in_words(a: ArmProbabilities) -> str:
    """Say how sure an arm is and how often it is right, on average and in one bin."""
    over = a.overconfidence
    points = wording.points(over)
    if over.low is None:
        verdict = f"its mean certainty minus its share of right answers is {points} points"
    elif not over.excludes_zero:
        verdict = (
            "its mean certainty and its share of right answers cannot be told apart"
            f" ({points} points)"
        )
    else:
        sure = "too sure" if over.estimate > 0 else "not sure enough"
        verdict = f"on average it is {sure} ({points} points)"
    example = _example(a)
    return (
        f"Where {a.arm} says {wording.share(example.says)}, it is right in"
        f" {wording.score(example.right)} of the cases ({wording.share(example.texts)} of the test texts);"
        f" {verdict}."
    )


def _example(a: ArmProbabilities) -> ReliabilityBin:
    """Return the bin around 90 %, or the fullest one where it holds few texts."""
    near = [b for b in a.bins if b.low < SURE <= b.high and b.texts >= FEW]
    return near[0] if near else max(a.bins, key=lambda b: b.texts)


def _meaning(p: ProbabilityStatements, s: StudyStatistics, texts: int) -> str:
    """Explain the columns, and what luck alone does to the calibration error."""
    luck = wording.percent(max(a.by_luck for a in p.arms))
    return (
        "Log loss and Brier score measure the whole answer, how right and how honest it is; the"
        " calibration error is the mean distance between the probability of the answer and how often"
        " such answers are right (15 bins). It is corrected for the luck of few texts, but not wholly:"
        f" with {texts:,} test texts, probabilities that are true still show up to {luck}; a bracket that"
        f" holds as much begins at 0. Brackets are {wording.level(s.level)} intervals, each for itself."
    )


def _gaps(p: ProbabilityStatements, shown: int) -> list[str]:
    """Say which arms and cells the numbers leave out."""
    sentences = []
    if len(p.arms) > shown:
        sentences.append(
            f"The table shows {shown} of {len(p.arms)} arms; all are in tables/probabilities.csv."
        )
    if p.without:
        sentences.append(
            f"Without probabilities, and therefore not shown: {wording.arms(p.without, p.without[0])}."
        )
    if part := [a for a in p.arms if a.cells < a.of]:
        cells = [f"{a.arm} ({a.cells} of {a.of})" for a in part]
        sentences.append(
            f"Some cells were computed before probabilities were kept: {wording.arms(cells, cells[0])}."
        )
    return sentences
