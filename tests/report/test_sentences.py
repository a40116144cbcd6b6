"""The first screen's sentences: each is said when it is true, in the right number, or not at all."""

import re
from dataclasses import replace
from pathlib import Path

import pytest

from datayield.analysis import analyse, claims, decision
from datayield.analysis.arm_costs import costs
from datayield.analysis.claim_statements import Claim, Verdict
from datayield.analysis.decision_statements import Decision, MethodRow, Yardstick
from datayield.analysis.intervals import Interval
from datayield.analysis.multipliers import LabelRange
from datayield.analysis.recommend import recommend
from datayield.analysis.statements import NextLabels
from datayield.report import sentences
from datayield.report.sections.first_screen import first_screen
from tests.calibration.simulate import Study, simulate
from tests.report_data import statistics, tables


def interval(estimate: float, low: float | None, high: float | None) -> Interval:
    return Interval(estimate, low, high, 0.95, "pool", 6)


def row(
    verdict: Verdict, estimate: float, low: float, high: float, arm: str = "lstm:x", **more: object
) -> MethodRow:
    claim = Claim(verdict, 0.01, interval(estimate, low, high), 9, 0.02, None)
    made = MethodRow(arm, "lstm:plain", (300, 1000), claim, None, None, None, 1.0)
    return replace(made, **more)


def worth(
    point: float | None, low: float | None, high: float | None, side: str | None = None
) -> LabelRange:
    return LabelRange(point, low, high, side, (300, 4800), 0.95)


def decided(score: Interval, **more: object) -> Decision:
    made = Decision(1200, "nbsvm", True, score, 0.01, None, (), None, None, (), None, None)
    return replace(made, **more)


@pytest.mark.parametrize(
    ("low", "high", "said"),
    [
        (0.70, 0.73, "71 % accuracy (70 to 73)"),
        (0.708, 0.716, "71.2 % accuracy (70.8 to 71.6)"),
        (None, None, "71 % accuracy"),
        (0.66, 1.02, "71 % accuracy (66 to 100)"),
    ],
)
def test_scores_for_reading_aloud(low: float | None, high: float | None, said: str) -> None:
    assert sentences.in_percent(interval(0.712, low, high), "accuracy") == said


def test_what_to_expect() -> None:
    d = decided(interval(0.712, 0.70, 0.73))
    assert sentences.expect(d, "NB-SVM", "accuracy") == (
        "With 1,200 labels, expect 71 % accuracy (70 to 73) from NB-SVM."
    )
    assert "a macro-F1 of 71 % (70 to 73) from" in sentences.expect(d, "NB-SVM", "macro-F1")
    alone = replace(d, score=interval(0.712, None, None))
    said = sentences.expect(alone, "NB-SVM", "accuracy")
    assert "expect" not in said and "was not measured" in said


def test_a_gain_is_worth_labels_only_where_that_is_clear() -> None:
    d = decided(interval(0.7, 0.69, 0.71), gain=interval(0.021, 0.012, 0.03), budgets=(1200,))
    clear = replace(d, worth=worth(1.31, 1.2, 1.5))
    assert sentences.better(clear, "plain LSTM") == (
        "It beats plain LSTM by 2.1 points (1.2 to 3.0). Plain LSTM would need 1.31 times the labels (1.20 to"
        " 1.50) for that."
    )
    for unclear in (worth(1.31, 0.9, 1.5), worth(1.31, None, 1.5), None):
        assert "times" not in sentences.better(replace(d, worth=unclear), "b")
    mean = sentences.better(replace(d, budgets=(300, 1200)), "b")
    assert "on average over 300 and 1,200 labels" in mean
    beyond = replace(d, worth=worth(None, 4.0, None, "above"))
    assert "more than 4.0 times the labels" in sentences.better(beyond, "b")
    assert sentences.better(replace(d, gain=None), "b") == ""


def test_no_method_is_named_without_a_claim() -> None:
    names = {"lstm:x": "X", "lstm:y": "Y"}
    some = [row("undecided", 0.005, -0.01, 0.02), row("harms", -0.03, -0.05, -0.01, "lstm:y")]
    said = sentences.no_pick(some, names, "plain LSTM")
    assert said == (
        "No method is shown to beat plain LSTM. The largest gain, of X, is 0.5 points (−1.0 to 2.0): too"
        " little for this study to be sure."
    )
    assert "each gains less than a point" in sentences.no_pick(
        [row("no gain of a point", 0.001, -0.002, 0.004), some[1]], names, "plain LSTM"
    )
    worse = sentences.no_pick([row("undecided", -0.001, -0.02, 0.02)], names, "plain LSTM")
    assert worse == "No method is shown to beat plain LSTM."
    assert sentences.no_pick([], names, "b") == "No method was compared with b."


@pytest.mark.parametrize(
    ("estimate", "low", "high", "said"),
    [
        (0.02, 0.016, 0.024, "500 more labels would add about 2.0 points (1.6 to 2.4)."),
        (0.005, -0.003, 0.013, "500 more labels would add 0.5 points (−0.3 to 1.3), so perhaps nothing."),
        (0.005, 0.003, 0.007, "500 more labels would add less than a point: 0.5 points (0.3 to 0.7)."),
        (0.02, 0.012, None, "500 more labels would add at least 1.2 points, about 2.0 points by the fitted"
            " curve."),
        (0.02, -0.05, None, "500 more labels would add about 2.0 points by the fitted curve, which is not"
            " certain."),
        (0.02, None, None, "500 more labels added 2.0 points here; one draw gives no interval."),
        (None, None, None, "What 500 more labels would add was not measured."),
        (0.01, 0.01, 0.02, "500 more labels would add about 1.0 point (1.0 to 2.0)."),
    ],
)  # fmt: skip
def test_what_more_labels_add(
    estimate: float | None, low: float | None, high: float | None, said: str
) -> None:
    g = NextLabels("lstm:plain", 1000, 500, estimate, low, high)
    assert sentences.more_labels(g, None) == said
    if estimate is not None:
        assert ", measured with NB-SVM" in sentences.more_labels(g, "NB-SVM")


def test_the_last_labels_are_named_where_nothing_lies_beyond() -> None:
    g = NextLabels("lstm:plain", 600, 600, 0.03, 0.024, 0.036)
    assert sentences.last_labels(g) == ("The last 600 labels added 3.0 points (2.4 to 3.6).")
    assert sentences.last_labels(replace(g, low=None)) is None


def test_methods_are_weighed_against_twice_the_labels() -> None:
    y = Yardstick("lstm:plain", (300,), interval(0.07, 0.06, 0.08))
    small, large = interval(0.02, 0.01, 0.03), interval(0.10, 0.09, 0.11)
    text = "Twice the 300 labels would bring plain LSTM from 60 to 67 %, 7.0 points (6.0 to 8.0)"
    assert sentences.twice(y, "plain LSTM", 0.6, [small]) == (
        f"{text}: more than any method compared here gains."
    )
    assert sentences.twice(y, "plain LSTM", 0.6, [small, large]) == (
        f"{text}: less than the best method here gains."
    )
    for open_question in ([small, interval(0.07, 0.05, 0.09)], [], [interval(0.02, None, None)]):
        assert sentences.twice(y, "plain LSTM", 0.6, open_question) == f"{text}."
    unknown = replace(y, gain=interval(0.07, None, None))
    assert sentences.twice(unknown, "plain LSTM", 0.6, [small]) is None


def test_methods_that_do_as_well_are_named() -> None:
    assert sentences.tied(["A (71.0 %)"], "A", 17.0, 2.0) == (
        "As far as this study can see, as good: A (71.0 %). A trains in 2 seconds instead of 17."
    )
    assert sentences.tied(["A", "B", "C", "D"], None, 17.0, 12.0) == (
        "As far as this study can see, as good: A; B; C; 1 more."
    )


def test_the_screen_names_a_method_only_where_its_test_does() -> None:
    strong, quiet = statistics({"strong": 3.0, "useless": 1.0}), statistics({"useless": 1.0})
    screen = first_screen(strong.corpora[0], strong)
    assert "from lstm:strong" in screen.answer[0] and screen.steps[0] == "Use lstm:strong."
    assert [n.label for n in screen.numbers][-1] == "each label does the work of"
    screen = first_screen(quiet.corpora[0], quiet)
    assert "from lstm:plain" in screen.answer[0] and "No method is shown" in screen.answer[1]
    assert screen.steps[0].startswith("Keep lstm:plain")
    assert [n.label for n in screen.numbers][-1] == "twice the 400 labels add"


def test_the_numbers_and_the_sentences_are_those_of_the_statistics() -> None:
    s = statistics({"strong": 3.0, "useless": 1.0})
    (c,) = s.corpora
    assert c.decision is not None
    screen = first_screen(c, s)
    score = next(x.score for x in c.scores if (x.arm, x.n) == (c.decision.arm, c.decision.n))
    assert screen.numbers[0].value == f"{100 * score.estimate:.1f} %"
    at = (c.decision.arm, c.decision.n)
    gain = next(x.claim.interval for x in c.differences if (x.arm, x.n) == at)
    assert c.decision.gain == gain and c.decision.budgets == (400,)
    assert f"by {100 * gain.estimate:.1f} points ({100 * gain.low:.1f} to" in screen.answer[1]
    some = statistics({"strong": 3.0, "useless": 1.0, "idle": 1.0, "same": 1.01})
    for of, more in ((s, False), (some, True)):
        said = " ".join(first_screen(of.corpora[0], of).sure)
        assert "this study finds it 4 times out" in said
        assert bool(re.search(r"\d+ more draws, about .* of computing", said)) == more


def test_a_faster_method_that_does_as_well_is_named() -> None:
    s = statistics({"strong": 3.0, "useless": 1.0})
    (c,) = s.corpora
    times = {"tfidf": 0.5, "lstm:strong": 2.0}
    costs = tuple(replace(x, cell_seconds=times.get(x.arm, 1.5)) for x in c.costs)

    def said(*ties: str) -> str:
        made = replace(c, costs=costs, decision=replace(c.decision, ties=ties))
        return " ".join(first_screen(made, s).answer)

    assert "as good: tfidf (" in said("tfidf")
    assert "tfidf trains in 0.5 seconds instead of 2." in said("tfidf")
    assert "trains in" not in said("lstm:useless") and "as good" not in said()
    assert "as good: lstm:useless (" in said("lstm:useless")


def test_what_a_study_sees_names_the_method_that_varies_most() -> None:
    said = sentences.visible(0.006, 0.015, 3, "plain LSTM")
    assert "by 0.6 points, on average" in said and "1.5 points for the one that varies most" in said
    assert "varies most" not in sentences.visible(0.006, 0.0065, 1, "plain LSTM")


def test_claims_are_named_even_where_the_held_out_texts_pick_no_method() -> None:
    """Otherwise the screen would deny what the table below it says."""
    s = statistics({"strong": 3.0, "useless": 1.0})
    (c,) = s.corpora
    assert c.decision is not None
    kept = replace(c.decision, arm="lstm:plain", shown=False, gain=None, budgets=(), worth=None)
    screen = first_screen(replace(c, decision=kept), s)
    said = " ".join(screen.answer)
    assert "lstm:strong is shown to beat it" in said and "No method" not in said
    assert screen.steps[0] == "Keep lstm:plain: another method is not sure to pay."
    two = sentences.not_leading(["A", "B"], "plain LSTM")
    assert "A and B are shown to beat it" in two


def test_harm_at_these_labels_outweighs_a_gain_on_the_mean(tmp_path: Path) -> None:
    params = tables(tmp_path, simulate(Study(draws=6, effects={"strong": 3.0, "tfidf": 0.9}), 2))
    loaded = analyse.load(params, "written", tmp_path)
    f, simple = loaded.frame, "tfidf"
    differences, means = claims.claims(f)
    rows = decision.method_rows(f, differences, means, costs(loaded.lines, 2))
    picks = recommend(f)

    def decided_with(verdict: Verdict) -> Decision:
        changed = [
            replace(d, claim=replace(d.claim, verdict=verdict))
            if (d.arm, d.n) == ("lstm:strong", 400) and d.claim
            else d
            for d in differences
        ]
        found = decision.decide(f, picks, changed, rows, simple)
        assert found is not None
        return found

    assert decided_with("helps").budgets == (400,) and decided_with("helps").worth is not None
    mean = decided_with("undecided")
    assert mean.arm == "lstm:strong" and mean.budgets == (200, 400) and mean.worth is None
    assert decided_with("harms").arm == "lstm:plain" and not decided_with("harms").shown


def test_no_number_is_beyond_a_hundred_percent() -> None:
    s = statistics({"strong": 3.0, "useless": 1.0})
    (c,) = s.corpora
    assert c.decision is not None
    wide = replace(c.decision, score=interval(0.9, 0.7, 1.1))
    number, *_ = first_screen(replace(c, decision=wide), s).numbers
    assert number.note.startswith("70.0 to 100.0 %")


def test_one_draw_says_nothing_of_methods() -> None:
    s = statistics({"strong": 3.0}, draws=1)
    screen = first_screen(s.corpora[0], s)
    assert "one draw" in screen.sure[0] and "shown to beat" not in " ".join(screen.answer)


def test_rows_hold_at_once_and_the_yardstick_is_twice_the_labels() -> None:
    s = statistics({"strong": 3.0, "useless": 1.0})
    (c,) = s.corpora
    means = {m.arm: m.claim for m in c.mean_differences if m.claim}
    assert {r.arm for r in c.methods} == set(means)
    assert [r.claim.interval.estimate for r in c.methods] == sorted(
        (r.claim.interval.estimate for r in c.methods), reverse=True
    )
    for r in c.methods:
        assert r.multiplier is not None and r.multiplier.level == pytest.approx(
            1 - 0.05 / r.claim.tests
        )
        assert r.claim == means[r.arm]
    assert c.yardstick is not None and c.yardstick.budgets == (200, 400)
    mean = {x.n: x.score.estimate for x in c.scores if x.arm == "lstm:plain"}
    gain = (mean[400] - mean[200] + mean[800] - mean[400]) / 2
    assert c.yardstick.gain.estimate == pytest.approx(gain)
