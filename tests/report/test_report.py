"""The report: every sentence computed, text escaped, one self-contained file."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from datayield.analysis.claim_statements import ArmDifference, Claim
from datayield.analysis.collapses import CollapsedTraining
from datayield.analysis.intervals import Interval
from datayield.analysis.looks import LooksTaken
from datayield.analysis.multipliers import LabelRange
from datayield.analysis.statements import (
    ChangedVerdict,
    ControlCheck,
    Leads,
    RisingArm,
    StillRising,
)
from datayield.analysis.statistics import StudyStatistics
from datayield.analysis.text_statements import SharedTexts
from datayield.analysis.tuning_statements import TuningGain, TuningStatistics
from datayield.report import metrics_file, wording
from datayield.report.metrics_file import curves
from datayield.report.render import render
from datayield.report.sections import answer
from tests.report_data import page_text, sections, statistics, with_corpus


def text_of(s: StudyStatistics) -> str:
    return " ".join(answer.sentences(s.corpora[0], s))


def test_a_strong_arm_is_named_with_its_worth() -> None:
    said = text_of(statistics(effects={"strong": 3.0, "useless": 1.0}))
    assert re.search(r"lstm:strong is better than lstm:plain: \+\d", said)
    assert "worth" in said and "× [" in said
    assert "At no budget could lstm:useless be told apart" in said


def test_where_nothing_differs_it_says_so() -> None:
    said = text_of(statistics(effects={"useless": 1.0}))
    assert "At no budget could lstm:useless be told apart from the baseline" in said
    assert "is better than" not in said and "not excluded" in said


def test_a_harmful_arm_is_called_worse() -> None:
    assert "lstm:harmful is worse than lstm:plain" in text_of(statistics(effects={"harmful": 0.3}))


def test_one_draw_gives_no_interval_and_no_claim() -> None:
    s = statistics(effects={"strong": 3.0}, draws=1)
    said = text_of(s)
    assert "No statement about strategies: one draw gives no interval" in said
    assert "better" not in said and "[" not in said
    assert "not done" not in page_text(s)


def test_an_incomplete_study_says_so() -> None:
    s = statistics(effects={"useless": 1.0})
    missing = {"arm": "lstm:x", "n": 200, "draw": 0, "seed": 0, "error": "ValueError: <b>no</b>"}
    s = with_corpus(s, missing=[missing])
    assert "The study is incomplete: 1 of" in text_of(s)
    html = render(s)["index.html"]
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in html and "<b>no</b>" not in html


def test_macro_f1_leads_where_a_class_dominates() -> None:
    s = statistics(effects={"useless": 1.0})
    assert "macro-F1 of" not in text_of(s)
    s = statistics(effects={"useless": 1.0}, majority=0.87)
    told = text_of(s)
    assert "reaches a macro-F1 of" in told and "holds 87.0 % of the test texts" in told
    assert "Picked by validation macro-F1" in told
    assert "Macro-F1 minus the baseline's" in page_text(s)


def test_checks_that_fail_are_named() -> None:
    assert "agree with what they must equal" in text_of(statistics(effects={}, twin=1.0))
    broken = text_of(statistics(effects={}, twin=4.0))
    assert "exclude what they must equal" in broken and "lstm:twin at" in broken


def test_users_text_is_escaped_everywhere() -> None:
    s = statistics(effects={"useless": 1.0})
    evil = "<script>alert(1)</script> | [x](y)"
    s = with_corpus(s, card=[[f"classes: {evil}: pool", 1]], notices=[evil])
    files = render(s)
    assert "<script>alert" not in files["index.html"] and "&lt;script&gt;" in files["index.html"]
    s = with_corpus(s, description=evil)
    markdown = render(s)["report.md"]
    assert "\\<script\\>" in markdown and "\\[x\\]" in markdown


def test_the_page_is_whole_and_alone() -> None:
    files = render(statistics(effects={"useless": 1.0}))
    html = files["index.html"]
    assert "src=" not in html and "@import" not in html and "<script" not in html
    assert not re.search(r'href="(?!#)', re.sub(r'xlink:href="#[^"]*"', "", html))
    assert html.count("<figure") == len([f for f in files if f.endswith(".svg")]) >= 3
    for table in re.findall(r"<table>.*?</table>", html, re.S):
        assert "<caption>" in table and 'scope="col"' in table and 'scope="row"' in table
    assert files == render(statistics(effects={"useless": 1.0})), "same input, same bytes"


def test_sections_follow_the_readers_order() -> None:
    files = render(statistics(effects={"useless": 1.0}))
    asked = re.findall(r"<summary><h2>(.*?)</h2></summary>", str(files["index.html"]))
    assert asked == [
        "How the methods compare",
        "Which classes need labels",
        "How many labels a target needs",
        "What it costs",
        "How far the probabilities can be trusted",
        "The texts",
        "Beyond the measured labels",
        "What speaks against it",
    ]
    markdown = str(files["report.md"])
    titles = re.findall(r"^### (.*)$", markdown, re.M)
    assert titles == ["Every method in a row", "Class by class", "Labels to the target", "Doubts"]
    widths = [line.count(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    assert min(widths) >= 1


def test_metrics_and_curves_repeat_the_table() -> None:
    s = statistics(effects={"strong": 3.0})
    found = metrics_file.metrics(s)["corpora"]["written"]
    score = next(x for x in s.corpora[0].scores if (x.arm, x.n) == ("lstm:strong", 200))
    at = found["arms"]["lstm:strong"]["200"]
    assert at["accuracy"] == round(score.accuracy.estimate, 5)
    assert at["multiplier"]["low"] < 3 < at["multiplier"]["high"]
    lines = curves(s).splitlines()
    assert lines[0] == "corpus,arm,n,accuracy,low,high,draws"
    assert len(lines) == 1 + len(s.corpora[0].scores)


@pytest.mark.parametrize(
    ("m", "shown"),
    [
        ({"point": 1.5, "low": 1.1, "high": 2.0, "side": None}, "1.50× [1.10, 2.00]"),
        ({"point": 1.5, "low": None, "high": None, "side": None}, "1.50× [≤ 0.5, ≥ 4]"),
        ({"point": None, "low": 4.0, "high": None, "side": "above"}, "> 4× [4.00, ≥ 4]"),
        ({"point": None, "low": None, "high": 0.5, "side": "below"}, "< 0.5× [≤ 0.5, 0.50]"),
    ],
)
def test_multipliers_in_words(m: dict, shown: str) -> None:
    assert wording.times(LabelRange(**m, measured=(50, 400), level=0.95), 100) == shown


def test_numbers_in_words() -> None:
    assert wording.percent(0.5421) == "54.2 %" and wording.percent(None) == "–"
    assert wording.signed(-0.0312) == "−3.1" and wording.p(0.0004) == "< 0.001"
    assert wording.listed(["a", "b", "c"]) == "a, b and c" and wording.listed([]) == ""


def test_no_difference_is_shown_beyond_a_hundred_points() -> None:
    gap = Interval(-0.011, -1.563, 1.542, 0.95, "pool", 2)
    assert wording.points(gap) == "−1.1 [−100.0, +100.0]"
    s = statistics(effects={"useless": 1.0}, draws=2)
    claim = Claim("undecided", 1.0, gap, 3, None, None)
    row = ArmDifference("lstm:useless", 400, "lstm:plain", gap, claim)
    c = replace(s.corpora[0], differences=(row,), mean_differences=())
    (said,) = answer._strategies(c, s)
    assert "effects up to 100.0 points either way" in said


def test_several_corpora_start_with_a_line_each_and_published_scores() -> None:
    from datayield.analysis import across_corpora
    from datayield.report.sections.across import overview

    s = statistics(effects={"useless": 1.0})
    (one,) = s.corpora
    corpora = tuple(replace(one, corpus=name) for name in across_corpora.EDA_CORPORA)
    assert across_corpora.next_to_published(corpora[:4]) == ()
    s = replace(s, corpora=corpora, published=across_corpora.next_to_published(corpora))
    ours = next(r for r in s.published if r.who == "lstm:plain")
    alone = {str(x.n): x.accuracy.estimate for x in one.scores if x.arm == "lstm:plain"}
    assert ours.scores == pytest.approx(alone)
    screen = overview(s)
    families, published = screen.sections
    assert "1 families: fewer than 4" in families.paragraphs[0]
    assert [row[0] for row in screen.matrix.rows] == list(across_corpora.EDA_CORPORA)
    assert screen.answer[0] == "On 0 of 5 corpora the method to use is shown to beat lstm:plain."
    assert all(cell.endswith("; no pick") for row in screen.matrix.rows for cell in row[2:])
    unpicked = overview(replace(s, corpora=tuple(replace(c, recommended=()) for c in corpora)))
    (_, *cells) = unpicked.matrix.rows[0]
    assert 2 < len(unpicked.matrix.head) <= 8 and all("%" in cell for cell in cells[1:])
    assert "no pick" not in " ".join(cells) and unpicked.matrix.caption == "lstm:plain"
    assert "the same + EDA" in [row[0] for row in published.tables[0].rows]
    assert overview(replace(s, corpora=corpora[:1])) is None
    html = render(s)["index.html"]
    assert html.index(screen.matrix.caption) < html.index("How the methods compare")
    assert "figures/all-curves.svg" in render(s)


def test_shared_texts_and_overlap_are_told() -> None:
    s = statistics(effects={"useless": 1.0})
    pair = SharedTexts(("written", "other"), 40, (7, 3), 2, same_family=False, share=0.2)
    s = replace(s, shared_texts=(pair,))
    said = page_text(s)
    assert (
        "occur in other, compared by their letters: 40" in said
        and "7 test texts of written" in said
    )
    assert "hardly independent" in said and "Accuracy without the 2 of 800 test texts" in said


def test_seconds_of_a_shared_language_model_are_shared() -> None:
    from datayield.analysis.arm_costs import amortised

    cells = [("a", "x", 12.0), ("b", "x+y", 20.0), ("c", "z", 12.0), ("d", "", 0.0)]
    lines = [
        {"cell": c, "arm": "lstm:lm", "language_models": m, "pretrain_seconds": s}
        for c, m, s in cells
    ]
    shared = {"a": 6.0, "b": 15.0, "c": 12.0, "d": 0.0}  # b shares x and has y alone
    assert amortised(lines) == shared
    blended = {**lines[2], "cell": "e", "arm": "blend(lstm:lm, tfidf)"}
    assert amortised([*lines, blended]) == {**shared, "e": 12.0}, "a blend trains no model again"


def test_every_number_in_the_prose_stands_in_a_table() -> None:
    """Scores, differences and multipliers of the sentences, digit for digit, are cells of the tables."""
    s = statistics(effects={"strong": 3.0, "useless": 1.0}, twin=1.0)
    (c,) = s.corpora
    shown = sections(s)
    cells = " | ".join(cell for x in shown for t in x.tables for row in t.rows for cell in row)
    prose = " ".join(p for x in shown[:3] for p in x.paragraphs)
    numbers = set(re.findall(r"[+−]?\d[\d,]*\.\d+(?= ?[%×]| \[|[\],])", prose))
    curve_ends = {
        f"{100 * v:.1f}" for x in c.scores for v in (x.score.estimate, x.score.low, x.score.high)
    }
    missing = {n for n in numbers if n not in cells} - curve_ends
    # What no table repeats: chance, the level, and the widest effect that is not excluded.
    told = {"50.0", "95"} | set(re.findall(r"effects up to (\S+) points", prose))
    assert len(numbers) > 15 and missing <= told


@pytest.mark.parametrize(
    ("low", "high", "verdict", "stands"),
    [
        (0.01, 0.03, "helps", "sure"), (0.01, 0.03, None, "sure"), (-0.01, 0.03, None, "unsure"),
        (-0.01, 0.03, "undecided", "unsure"), (-0.03, 0.005, "no gain of a point", "none"),
        (-0.03, -0.01, "harms", "worse"), (-0.03, -0.01, None, "worse"), (None, None, None, "unknown"),
    ],
)  # fmt: skip
def test_a_pick_beats_the_baseline_where_its_one_test_says_so(
    low: float | None, high: float | None, verdict: str | None, stands: str
) -> None:
    from datayield.report.sections import recommendation

    s = statistics(effects={"strong": 3.0, "useless": 1.0})
    (c,) = s.corpora
    gap = Interval(0.02 if (high or 0) > 0 else -0.02, low, high, 0.95, "pool", 6)
    claim = Claim(verdict, 0.01, gap, 4, 0.02, None) if verdict else None
    row = ArmDifference("lstm:a", 200, "lstm:plain", gap, claim)
    other = replace(row, n=400, claim=Claim("helps", 0.01, gap, 4, 0.02, None))
    pick = replace(c.recommended[0], arm="lstm:a", n=200, difference=gap)
    c = replace(c, differences=(other, row))
    assert recommendation.side(c, pick, "lstm:plain") == stands


def test_what_could_be_seen_stands_beside_what_cannot_be_told_apart() -> None:
    s = statistics(effects={"useless": 1.0, "idle": 1.0, "same": 1.01}, twin=1.0)
    (c,) = s.corpora
    said = text_of(s)
    sizes = {
        f"{100 * d.claim.visible:.1f} points" for d in c.differences if d.claim and d.claim.visible
    }
    assert "four times out of five, a difference of" in said and "equal at all budgets" in said
    assert any(size in said for size in sizes) and "more draws decide" in said
    page = page_text(s)
    assert "this study finds it 4 times out of 5" in page.split("How the methods compare")[0]
    assert "smallest visible" in page


def test_verdicts_in_words() -> None:
    s = statistics(effects={"strong": 3.0, "useless": 1.0})
    (c,) = s.corpora
    narrow = Interval(0.001, -0.004, 0.006, 0.95, "pool", 10)
    claim = Claim("no gain of a point", 1.0, narrow, 4, 0.008, None)
    c = replace(
        c,
        differences=tuple(
            replace(d, claim=claim) if d.arm == "lstm:useless" else d for d in c.differences
        ),
        mean_differences=tuple(
            replace(d, claim=claim) if d.arm == "lstm:useless" else d for d in c.mean_differences
        ),
    )
    said = " ".join(answer._strategies(c, s))
    assert "lstm:useless brings no gain of a point at any budget." in said
    assert "lstm:strong is better than lstm:plain: +" in said
    assert "on the mean over its budgets" in said and "for all its budgets together" in said


def test_doubts_are_raised_by_what_raises_them() -> None:
    from datayield.report.sections import doubts

    s = statistics(effects={"strong": 3.0, "useless": 1.0}, twin=4.0)
    (c,) = s.corpora
    said = " ".join(doubts.doubts(c, s))
    assert "checks of the machinery do not agree: lstm:twin" in said and "one corpus" in said
    first, *others = c.recommended
    changed = (
        ChangedVerdict(1, "lstm:strong", 200, "lost"),
        ChangedVerdict(2, "lstm:useless", 400, "reversed"),
    )
    worse = Interval(-0.03, -0.05, -0.01, 0.95, "pool", 6)
    gain = TuningGain("lstm:plain", "lstm:untuned", 200, True, worse, None)
    c = replace(
        c,
        recommended=(replace(first, leads=Leads(1, 6), ahead=("tfidf",)), *others),
        sensitivity=replace(c.sensitivity, changed=changed),
        rising=StillRising(8, (RisingArm("lstm:strong", 200, 0.06, 0.02, 0.1),)),
        collapsed=(CollapsedTraining("lstm:strong", 200, 3, 0.31, 0.7),),
        costs=tuple(replace(x, updates=400.0 if x.n < 800 else 600.0) for x in c.costs),
        tuning=TuningStatistics(4, "draw", "own", True, "fANOVA", (), (), (), (), (gain,), ()),
    )
    said = " ".join(doubts.doubts(c, s))
    assert (
        "networks train 400 updates from 100 labels on and 600 updates from 800 labels on" in said
    )
    assert "tuning made lstm:plain worse at 200 labels (−3.0 [−5.0, −1.0] points" in said
    assert (
        "still rising when training ended, in points: lstm:strong at 200 (+6.0 [+2.0, +10.0])"
        in said
    )
    assert "(1 of 8; about 0.2 would look so by chance)" in said
    assert "in only 1 of the 6 draws with held-out texts" in said and "puts tfidf ahead" in said
    assert (
        "predicted far worse than by lstm:plain: lstm:strong at 200 labels in draw 3 (31.0 % against"
        in said
    )
    assert "without one of the 6 draws lstm:strong at 200 would no longer be told apart" in said
    assert "the verdict on lstm:useless at 400 would turn round" in said


def test_missing_arms_and_draws_are_analysed_with_what_is_there(tmp_path: Path) -> None:
    import numpy as np

    from datayield.analysis import analyse
    from tests.calibration.simulate import Study, simulate
    from tests.report_data import tables

    made = simulate(Study(draws=4, effects={"strong": 3.0, "useless": 1.0, "tfidf": 0.9}), 2)
    made["strong"][200][1] = np.nan
    made["useless"][400][:3] = np.nan
    del made["useless"][200]
    made["plain"][566][2] = np.nan
    s = analyse.analyse(tables(tmp_path, made), tmp_path)
    (c,) = s.corpora
    assert [(u.arm, u.n, u.draws) for u in c.unbalanced] == [
        ("lstm:plain", 566, 3),
        ("lstm:strong", 200, 3),
        ("lstm:useless", 400, 1),
    ]
    d = {(d.arm, d.n): d.difference for d in c.differences}
    assert d["lstm:strong", 200].draws == 3 and d["lstm:useless", 400].low is None
    said = page_text(s)
    assert "3 of 14 combinations of arm and budget have fewer draws than the study" in said


def test_arms_without_a_common_draw_have_no_difference(tmp_path: Path) -> None:
    """The cells of some draws failed: at 400 labels the strongest arm shares none with the baseline."""
    import json
    import warnings

    import numpy as np

    from datayield.analysis import analyse
    from datayield.analysis.typed_json import to_json
    from tests.calibration.simulate import Study, simulate
    from tests.report_data import tables

    made = simulate(Study(draws=6, effects={"strong": 3.0, "tfidf": 0.9}), 2)
    made["plain"][400][:3] = np.nan
    made["strong"][400][3:] = np.nan
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        s = analyse.analyse(tables(tmp_path, made), tmp_path)
    json.dumps(to_json(s), allow_nan=False)
    (best,) = [r for r in s.corpora[0].recommended if r.n == 400]
    assert best.arm == "lstm:strong" and best.difference is None
    assert "lstm:strong at 400 (of 3)" in text_of(s)


def test_all_scores_equal_claims_nothing(tmp_path: Path) -> None:
    import numpy as np

    from datayield.analysis import analyse
    from tests.calibration.simulate import Study, simulate
    from tests.report_data import tables

    made = simulate(Study(draws=3, effects={"strong": 3.0, "tfidf": 0.9}), 2)
    same = np.tile(np.arange(800) % 2, (3, 1)).astype(float)
    flat = {arm: dict.fromkeys(curve, same) for arm, curve in made.items()}
    s = analyse.analyse(tables(tmp_path, flat), tmp_path)
    said = page_text(s)
    assert "lstm:strong is better" not in said
    assert "No method was compared with lstm:plain" in said, "networks that answer alike"
    assert not s.corpora[0].recommended and not any(d.claim for d in s.corpora[0].differences[:2])
    (goal,) = [t for t in s.corpora[0].target if t.arm == "lstm:plain"]
    assert goal.target == 0.5


def test_one_draw_invents_no_interval_anywhere() -> None:
    said = page_text(statistics(effects={"strong": 3.0, "useless": 1.0}, draws=1))
    assert not re.search(r"\d \[|\(\d+ to|×\s\[", said) and "one draw gives no interval" in said


def test_the_report_is_made_without_torch(tmp_path: Path) -> None:
    """Tables → statistics → report in a process where torch cannot be imported."""
    import subprocess
    import sys

    code = (
        "import sys\nclass NoTorch:\n"
        " def find_spec(self, name, *_):\n"
        "  if name.split('.')[0] == 'torch': raise ImportError('no torch here')\n"
        "sys.meta_path.insert(0, NoTorch())\n"
        "from datayield.report.render import render\nfrom datayield.report.metrics_file import metrics\n"
        "from tests.report_data import statistics\n"
        "s = statistics({'strong': 3.0})\nfiles = render(s)\nmetrics(s)\n"
        "assert len(files['index.html'].encode()) <= 3_000_000\nprint(len(files))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_tables_and_pictures_come_as_files() -> None:
    import csv
    import io

    s = statistics(effects={"strong": 3.0, "useless": 1.0})
    files = render(s)
    assert files["figures/written-curves.png"].startswith(b"\x89PNG")
    rows = list(csv.DictReader(io.StringIO(str(files["tables/differences.csv"]))))
    first = s.corpora[0].differences[0]
    assert float(rows[0]["difference.low"]) == first.difference.low
    assert {r["corpus"] for r in rows} == {"written"} and len(rows) == len(s.corpora[0].differences)
    assert {"scores", "target", "recommended", "next", "extrapolations", "hardest"} <= {
        Path(name).stem for name in files if name.startswith("tables/")
    }


def test_many_arms_are_counted() -> None:
    few, many = ["a", "b"], [f"arm{k}" for k in range(8)]
    assert wording.arms(few, "a") == "a, b" and wording.arms([], "a") == ""
    assert wording.arms([*many, "a"], "a") == "9 arms, a among them"
    assert wording.arms([*many, "b"], "a") == "9 arms, a not among them"


def test_many_arms_that_cannot_be_told_apart_are_no_list_of_names() -> None:
    s = statistics(effects={"useless": 1.0}, draws=3)
    gap = Interval(0.01, -0.02, 0.04, 0.95, "pool", 3)
    claims = [
        Claim("helps" if k == 0 else "undecided", 0.5, gap, 12, None, None) for k in range(12)
    ]
    differences = tuple(
        ArmDifference(f"lstm:x{k}", 100, "lstm:plain", gap, claim) for k, claim in enumerate(claims)
    )
    arms = {d.arm: s.corpora[0].arms["lstm:useless"] for d in differences}
    c = replace(
        s.corpora[0], differences=differences, mean_differences=(), multipliers=(), arms=arms
    )
    said = answer._strategies(c, s)
    assert said[-1].startswith("At no budget could any of the other 11 arms be told apart")
    said = answer._strategies(replace(c, differences=differences[1:]), s)
    assert said == [said[0]] and said[0].startswith("At no budget could any of 11 arms be told")
    check = ControlCheck("lstm:repeat", 100, "lstm:plain", None, gap, True, True)
    assert answer._controls(replace(c, checks=(check,)), s) == [
        "The one comparison of a control or check (lstm:repeat) agrees."
    ]


def test_draws_added_at_looks_are_told() -> None:
    taken = LooksTaken((3, 6, 10), 1, "settled", {"lstm:useless": 0}, 0, 0.95, 0.01)
    page = page_text(with_corpus(statistics({"useless": 1.0}), looks=taken))
    assert "The study ended at 6 draws, because every strategy was settled" in page
    assert "the look at 3 draws settled lstm:useless" in page
    assert "99.6, 98.6 and 96.8 % intervals" in page
