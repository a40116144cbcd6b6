"""The sections on class probabilities and single classes: what they say, with and without numbers."""

import re
from dataclasses import replace

import pytest

from datayield.analysis.probability_statements import ProbabilityStatements
from datayield.analysis.statistics import CorpusStatistics, StudyStatistics
from datayield.report.render import render
from datayield.report.section import Section
from datayield.report.sections import classes, probabilities
from tests.report_data import statistics


@pytest.fixture(scope="module")
def s() -> StudyStatistics:
    return statistics({"strong": 3.0, "useless": 1.0}, twin=1.0)


def section(s: StudyStatistics, **fields: object) -> Section:
    (c,) = s.corpora
    changed: CorpusStatistics = replace(c, probabilities=replace(c.probabilities, **fields))
    return probabilities.section(changed, s)


def test_it_says_in_words_what_the_table_holds(s: StudyStatistics) -> None:
    said = " ".join(section(s).paragraphs)
    assert re.search(r"Where lstm:plain says 90 %, it is right in \d\d\.\d % \[", said)
    assert "lstm:plain" in said and "on average it is too sure (+" in said
    assert "never decide which arm is better" in said
    assert "Without probabilities, and therefore not shown: lstm:useless." in said
    (table,) = section(s).tables
    assert table.rows[0][0] == "lstm:plain"
    assert all(len(row) == len(table.head) for row in table.rows)


def test_the_report_has_its_figure_and_tables(s: StudyStatistics) -> None:
    files = render(s)
    assert files["figures/written-reliability.png"].startswith(b"\x89PNG")
    assert 'data-arm="lstm:plain"><title>' in str(files["figures/written-reliability.svg"])
    for name in ("probabilities", "reliability"):
        lines = str(files[f"tables/{name}.csv"]).splitlines()
        assert lines[0].startswith("corpus,arm,n,") and len(lines) > 3


def test_an_older_study_says_so_in_one_sentence(s: StudyStatistics) -> None:
    old = section(s, n=None, arms=(), without=())
    assert len(old.paragraphs) == 1 and old.paragraphs[0].startswith("No class probabilities")
    assert not old.tables and not old.pictures
    without = replace(s.corpora[0], probabilities=ProbabilityStatements(None, ()))
    files = render(replace(s, corpora=(without,)))
    assert "figures/written-reliability.svg" not in files and "tables/reliability.csv" not in files


def test_at_most_twelve_arms_and_where_the_others_are(s: StudyStatistics) -> None:
    first = s.corpora[0].probabilities.arms[0]
    many = tuple(replace(first, arm=f"lstm:a{k:02}") for k in range(30))
    shown = section(s, arms=many)
    assert len(shown.tables[0].rows) == 12 and "shows 12 of 30 arms" in " ".join(shown.paragraphs)


def test_cells_from_before_are_counted(s: StudyStatistics) -> None:
    first = s.corpora[0].probabilities.arms[0]
    said = " ".join(section(s, arms=(replace(first, cells=2),)).paragraphs)
    assert f"kept: {first.arm} (2 of {first.of})" in said


def test_one_draw_has_no_bracket() -> None:
    one = section(statistics({"strong": 3.0}, draws=1))
    assert "[" not in " ".join([*one.paragraphs, *(c for row in one.tables[0].rows for c in row)])


def test_an_arm_that_cannot_be_told_apart_is_not_called_too_sure(s: StudyStatistics) -> None:
    a = s.corpora[0].probabilities.arms[0]
    level = replace(
        a, overconfidence=replace(a.overconfidence, estimate=0.01, low=-0.01, high=0.03)
    )
    said = " ".join(section(s, arms=(level,)).paragraphs)
    assert "cannot be told apart (+1.0 [−1.0, +3.0] points)" in said and "too sure (" not in said


def test_classes_are_shown_hardest_first(s: StudyStatistics) -> None:
    (c,) = s.corpora
    shown = classes.section(c, s)
    words = shown.tables[0].caption.replace(",", "").split()
    own = [x for x in c.class_scores if x.arm == words[5] and x.n == int(words[7])]
    assert [row[0].strip("\u2068\u2069") for row in shown.tables[0].rows] == [x.name for x in own]
    assert own[0].f1.estimate <= own[1].f1.estimate
    assert "knows \u2068" + own[0].name + "\u2069 least" in shown.paragraphs[1]
    many = tuple(replace(own[0], name=f"k{i}") for i in range(77))
    cut = classes.section(replace(c, class_scores=many), s)
    assert len(cut.tables[0].rows) == 12 and "the 12 lowest of 77" in cut.tables[0].caption
    assert "tables/class_scores.csv" in " ".join(cut.paragraphs)
    assert not classes.section(replace(c, class_scores=()), s).paragraphs


def test_it_says_which_classes_still_rise_and_what_that_does_not_show(s: StudyStatistics) -> None:
    (c,) = s.corpora
    arm = classes.section(c, s).tables[0].caption.split()[5]
    [first, *_] = own = [x for x in c.class_gains if x.arm == arm]
    said = classes.section(c, s).paragraphs[0]
    assert f"the F1 of {arm} still rose for \u2068{first.name}\u2069 (+" in said
    assert "what labels of one class alone would buy was not measured" in said
    open_ = tuple(replace(x, verdict="undecided") for x in own)
    said = classes.section(replace(c, class_gains=open_), s).paragraphs[0]
    assert "rose for no class beyond doubt" in said and "still pay" not in said
    mixed = (
        *(replace(first, name=f"k{i}") for i in range(5)),
        replace(open_[0], verdict="falls"),
        open_[0],
    )
    said = classes.section(replace(c, class_gains=mixed), s).paragraphs[0]
    assert (
        "and 2 more: more labels" in said and "It fell for" in said and "For 1 of 7 classes" in said
    )
    assert classes.section(replace(c, class_gains=()), s).paragraphs[0].startswith("At ")


def test_curves_and_confusions_are_tables_and_files(s: StudyStatistics) -> None:
    (c,) = s.corpora
    scores, confusions, curves = classes.section(c, s).tables
    assert confusions.rows[0][0] == "\u2068a\u2069 taken for \u2068b\u2069"
    assert curves.head[1:3] == ("F1 at 200", "F1 at 400") and len(curves.rows) == len(scores.rows)
    for row in curves.rows:
        found = [x for x in c.class_scores if x.arm == scores.caption.split()[5]]
        f1 = {x.n: x.f1.estimate for x in found if x.name == row[0].strip("\u2068\u2069")}
        assert row[1:3] == tuple(f"{100 * f1[n]:.1f} %" for n in (200, 400))
    files = render(s)
    for name in ("class_scores", "class_confusions", "class_gains"):
        assert str(files[f"tables/{name}.csv"]).startswith("corpus,arm,n,")
    with_none = classes.section(replace(c, class_confusions=(), class_gains=()), s)
    assert len(with_none.tables) == 1
