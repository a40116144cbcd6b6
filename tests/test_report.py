"""The report: every sentence computed, text escaped, one self-contained file."""

import copy
import re
from pathlib import Path

import pytest

from datayield.report import answer, curves, metrics, render, words
from tests.report_data import statistics


def text_of(s: dict) -> str:
    return " ".join(answer.sentences(s["corpora"][0], s))


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
    assert "not done" not in render(s, Path())["report.md"]


def test_an_incomplete_study_says_so() -> None:
    s = statistics(effects={"useless": 1.0})
    missing = {"arm": "lstm:x", "n": 200, "draw": 0, "seed": 0, "error": "ValueError: <b>no</b>"}
    s["corpora"][0]["missing"] = [missing]
    assert "The study is incomplete: 1 of" in text_of(s)
    html = render(s, Path())["index.html"]
    assert "ValueError: &lt;b&gt;no&lt;/b&gt;" in html and "<b>no</b>" not in html


def test_macro_f1_leads_where_a_class_dominates() -> None:
    s = statistics(effects={"useless": 1.0})
    assert "macro-F1 of" not in text_of(s)
    s = statistics(effects={"useless": 1.0}, majority=0.87)
    told = text_of(s)
    assert "reaches a macro-F1 of" in told and "holds 87.0 % of the test texts" in told
    assert "Picked by validation macro-F1" in told
    assert "Macro-F1 minus the baseline's" in render(s, Path())["report.md"].replace("\\", "")


def test_checks_that_fail_are_named() -> None:
    assert "agree with what they must equal" in text_of(statistics(effects={}, twin=1.0))
    broken = text_of(statistics(effects={}, twin=4.0))
    assert "exclude what they must equal" in broken and "lstm:twin at" in broken


def test_users_text_is_escaped_everywhere() -> None:
    s = statistics(effects={"useless": 1.0})
    evil = "<script>alert(1)</script> | [x](y)"
    s["corpora"][0]["card"]["classes"] = {evil: {"pool": 1}}
    s["corpora"][0]["notices"] = [evil]
    files = render(s, Path())
    assert evil.split()[0] not in files["index.html"] and "&lt;script&gt;" in files["index.html"]
    assert "\\<script\\>" in files["report.md"] and "\\[x\\]" in files["report.md"]


def test_the_page_is_whole_and_alone() -> None:
    files = render(statistics(effects={"useless": 1.0}), Path())
    html = files["index.html"]
    assert "src=" not in html and "@import" not in html
    assert not re.search(r'href="(?!#)', re.sub(r'xlink:href="#[^"]*"', "", html))
    assert html.count("<figure") == len([f for f in files if f.endswith(".svg")]) >= 3
    for table in re.findall(r"<table>.*?</table>", html, re.S):
        assert "<caption>" in table and 'scope="col"' in table and 'scope="row"' in table
    assert files == render(statistics(effects={"useless": 1.0}), Path()), "same input, same bytes"


def test_sections_follow_the_readers_order() -> None:
    markdown = render(statistics(effects={"useless": 1.0}), Path())["report.md"]
    titles = re.findall(r"^### (.*)$", markdown, re.M)
    order = [
        "The answer",
        "Recommendation",
        "Learning curves",
        "What the labels are worth",
        "What the next labels buy",
        "Differences to the baseline",
    ]
    assert markdown.index("## In short") < markdown.index("## written")
    assert (
        titles[:6] == order
        and titles[-3] == "Back-test and extrapolation"
        and titles[-1] == "Corpus card"
    )
    widths = [line.count(" | ") for line in markdown.splitlines() if line.startswith("| ")]
    assert min(widths) >= 1


def test_metrics_and_curves_repeat_the_table() -> None:
    s = statistics(effects={"strong": 3.0})
    found = metrics(s)["corpora"]["written"]
    score = next(x for x in s["corpora"][0]["scores"] if (x["arm"], x["n"]) == ("lstm:strong", 200))
    at = found["arms"]["lstm:strong"]["200"]
    assert at["accuracy"] == round(score["accuracy"]["estimate"], 5)
    assert at["multiplier"]["low"] < 3 < at["multiplier"]["high"]
    lines = curves(s).splitlines()
    assert lines[0] == "corpus,arm,n,accuracy,low,high,draws"
    assert len(lines) == 1 + len(s["corpora"][0]["scores"])


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
    measured = {"measured_low": 0.5, "measured_high": 4.0, "reason": None}
    assert words.times({**copy.deepcopy(m), **measured}) == shown


def test_numbers_in_words() -> None:
    assert words.percent(0.5421) == "54.2 %" and words.percent(None) == "–"
    assert words.signed(-0.0312) == "−3.1" and words.p(0.0004) == "< 0.001"
    assert words.listed(["a", "b", "c"]) == "a, b and c" and words.listed([]) == ""


def test_several_corpora_start_with_a_line_each_and_published_scores() -> None:
    from datayield.report import view
    from datayield.stats import published

    one = statistics(effects={"useless": 1.0})["corpora"][0]
    corpora = [{**one, "corpus": name} for name in published.EDA_CORPORA]
    s = {**statistics(effects={"useless": 1.0}), "corpora": corpora}
    assert published.beside(corpora[:4]) == []
    s["published"] = published.beside(corpora)
    ours = next(r for r in s["published"] if r["who"] == "lstm:plain")
    alone = {
        str(x["n"]): x["accuracy"]["estimate"] for x in one["scores"] if x["arm"] == "lstm:plain"
    }
    assert ours["scores"] == pytest.approx(alone)
    lines, families, beside = view.overview(s)
    assert "1 families: fewer than 4" in families.paragraphs[0]
    assert [row[0] for row in lines.tables[0].rows] == list(published.EDA_CORPORA)
    assert "5 corpora of 1 families" in lines.paragraphs[0]
    assert "the same + EDA" in [row[0] for row in beside.tables[0].rows]
    assert view.overview({**s, "corpora": corpora[:1]}) == []
    html = render(s, Path())["index.html"]
    assert html.index("Every corpus in a line") < html.index("The answer")


def test_shared_texts_and_overlap_are_told() -> None:
    s = statistics(effects={"useless": 1.0})
    s["shared_texts"] = [
        {"corpora": ["written", "other"], "texts": 40, "share": 0.2, "test_in_other": [7, 3],
         "other_class": 2, "same_family": False}
    ]  # fmt: skip
    said = render(s, Path())["report.md"]
    assert (
        "occur in other, compared by their letters: 40" in said
        and "7 test texts of written" in said
    )
    assert "hardly independent" in said and "Accuracy without the 2 of 800 test texts" in said


def test_seconds_of_a_shared_language_model_are_shared() -> None:
    from datayield.stats.analyse import amortised

    cells = [("a", 0, 12.5), ("b", 0, 12.5), ("c", 1, 12.5), ("d", 0, 0.0), ("e", 0, 7.25)]
    lines = [{"cell": c, "draw": d, "pretrain_seconds": s} for c, d, s in cells]
    assert amortised(lines) == {"a": 6.25, "b": 6.25, "c": 12.5, "d": 0.0, "e": 7.25}
