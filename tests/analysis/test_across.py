"""Statements over corpora, against scipy and published numbers."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from datayield.analysis import across_corpora
from datayield.analysis.frame import Frame
from datayield.analysis.intervals import holm, spread
from tests.calibration.measure import frame, study_of
from tests.calibration.simulate import make


def test_all_scores_equal_is_no_evidence() -> None:
    assert across_corpora.mean(np.zeros(5), 0.95).p == 1


def test_the_mean_is_the_paired_t_test() -> None:
    x = np.array([0.01, 0.04, -0.01, 0.03, 0.02])
    found, wanted = across_corpora.mean(x, 0.9), scipy_stats.ttest_1samp(x, 0)
    assert found.p == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval(0.9)))


def test_two_way_variance_repeats_shrout_and_fleiss() -> None:
    """Shrout & Fleiss (1979), Table 2: six targets, four judges; mean squares of Table 3."""
    ratings = np.array(
        [[9, 2, 5, 8], [6, 1, 3, 2], [8, 4, 6, 8], [7, 1, 2, 6], [10, 5, 6, 9], [6, 2, 4, 7]], float
    ).T
    judges, targets, rest = 32.49, 11.24, 1.02
    assert spread(ratings).variance == pytest.approx((judges + targets - rest) / 24, abs=1e-3)


def test_holm_equals_r() -> None:
    # R 4: p.adjust(c(0.01, 0.02, 0.03, 0.04, 0.05), "holm") is .05 .08 .09 .09 .09
    assert holm([0.01, 0.02, 0.03, 0.04, 0.05]) == pytest.approx([0.05, 0.08, 0.09, 0.09, 0.09])


def frames(count: int) -> dict[str, Frame]:
    return {f"c{i}": frame(s, make(s, i)) for i in range(count) for s in [study_of(5, i)]}


def test_families_count_once_and_few_are_not_averaged() -> None:
    families = {"c0": "a", "c1": "a", "c2": "b", "c3": "c"}
    found = across_corpora.across(frames(4), families)
    assert found.corpora == ("c0", "c2", "c3") and found.rows == ()
    assert found.reason is not None and "3 families" in found.reason


def test_four_families_give_t_and_five_leave_one_out() -> None:
    some = frames(5)
    four = across_corpora.across(dict(list(some.items())[:4]), {f"c{i}": f"c{i}" for i in range(4)})
    assert four.reason is None and four.sensitivity == ()
    five = across_corpora.across(some, {n: n for n in some})
    double = next(r for r in five.rows if (r.arm, r.n) == ("lstm:double", 200))
    assert double.differs and double.difference.low > 0 and double.verdict == "helps"
    useless = [r for r in five.rows if r.arm == "lstm:useless"]
    assert useless and not any(r.differs for r in useless)
    assert [x.without for x in five.sensitivity] == list(some)


def test_a_conclusion_that_hangs_on_one_corpus_is_named() -> None:
    some = frames(6)
    whole = across_corpora.rows(list(some.values()))
    found = across_corpora.across(some, {n: n for n in some})
    for left in found.sensitivity:
        again = across_corpora.rows([f for n, f in some.items() if n != left.without])
        flips = [(a.arm, a.n) for a, b in zip(again, whole, strict=True) if a.verdict != b.verdict]
        assert [(c.arm, c.n) for c in left.changed] == flips
