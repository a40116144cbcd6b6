"""Writes the data map and the hardest texts: probably wrong labels, texts that the arms are unsure about."""

from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.analysis.text_statements import (
    DataMap,
    HardTestText,
    HardTrainingText,
    WrongTestTexts,
)
from datayield.report import wording
from datayield.report.section import Picture, Section, Table


def section(c: CorpusStatistics, s: StudyStatistics) -> Section:
    """Return the map in words and as a figure, and three lists of texts in a fold."""
    m, training, test = c.map, c.hard_training_texts, c.hard_test_texts
    paragraphs = [*_map(m), *_tested(c.tested)]
    if s.texts == "hidden" and (training or test):
        paragraphs.append(
            "The texts themselves are hidden (analysis.texts); the numbers name their places in the"
            " corpus."
        )
    found = (
        _training(
            "not learnt", "Training texts that it did not learn: check their labels first", training
        ),
        _training("ambiguous", "Training texts that it was least settled about", training),
        _test(test, len(c.classes)),
    )
    tables = [table for table in found if table.rows]
    alt = (
        f"Data map of {c.corpus}: texts by variability and confidence of {m.arm}, colour and"
        " mark by how often the given label led"
    )
    pictures = (Picture("map", alt),) if m.draws else ()
    title = "The texts" if s.texts == "shown" else "The lists"
    return Section(
        "Data map and hardest texts", tuple(paragraphs), tuple(tables), pictures, fold=title
    )


def _map(m: DataMap) -> list[str]:
    if not m.draws:
        return [
            f"No data map: the {m.of} draws of {m.arm} at {m.n:,} labels were computed before"
            " training dynamics were kept. They are kept of every cell computed from now on."
        ]
    part = "" if m.draws == m.of else f" (of {m.of}; the others were computed before)"
    return [
        f"The map shows {m.texts:,} training texts of {m.arm} at {m.n:,} labels, as"
        f" {m.draws} draw{'' if m.draws == 1 else 's'}{part} met them: a text was presented"
        f" {m.presentations:.0f} times (median). Confidence is the mean probability of its given"
        " label, variability the standard deviation, both measured when it was presented, before"
        " the update, with dropout.",
        f"The given label led every time for {wording.percent(m.always)} of the texts and never for"
        f" {wording.percent(m.never)}. Low confidence with low variability points to wrong labels;"
        " high variability to texts between classes.",
    ]


def _tested(t: WrongTestTexts) -> list[str]:
    if not t.arms:
        return []
    who = f"of every one of the {t.arms} arms" if t.arms > 1 else "of the one arm"
    return [
        f"{t.all:,} of {t.of:,} test texts are wrong in most cells {who} compared at"
        f" {t.n:,} labels (those better than the largest class, without controls and checks). Where"
        " several arms agree on another class, the test label may be wrong."
    ]


def _training(kind: str, caption: str, lists: tuple[HardTrainingText, ...]) -> Table:
    rows = tuple(
        (
            _text(x), wording.isolated(x.label), wording.isolated(x.confused_with) or "–",
            f"{x.confidence:.2f}", f"{x.variability:.2f}",
            f"{wording.share(x.correctness)} of {x.presentations:,}",
        )
        for x in lists
        if x.list == kind
    )  # fmt: skip
    head = (
        "text", "given label", "the model says instead", "confidence", "variability",
        "given label led",
    )  # fmt: skip
    return Table(caption, head, rows, stacks=True)


def _test(lists: tuple[HardTestText, ...], classes: int) -> Table:
    rows = tuple(
        (
            _text(x), wording.isolated(x.label),
            wording.isolated(x.confused_with)
            + (f" ({wording.share(x.agree)} of the wrong answers)" if classes > 2 else ""),
            f"{x.arms_wrong} of {x.arms}", wording.share(x.cells_wrong),
        )
        for x in lists
    )  # fmt: skip
    head = (
        "text",
        "given label",
        "the arms say instead",
        "arms wrong in most cells",
        "wrong cells",
    )
    return Table("Test texts that most arms get wrong", head, rows, stacks=True)


def _text(x: HardTrainingText | HardTestText) -> str:
    return wording.isolated(x.text) if x.text is not None else f"{x.split} text {x.id:,}"
