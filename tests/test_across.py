"""Statements over corpora, against scipy and published numbers."""

import numpy as np
import pytest
from scipy import stats as scipy_stats

from datayield.stats import across, compare
from datayield.stats.interval import holm, spread
from tests.calibration.measure import frame, study_of
from tests.calibration.simulate import make

# Demšar (2006), Table 6: AUC of C4.5, C4.5+m, C4.5+cf, C4.5+m+cf on 14 data sets of UCI. The paper ranks
# the two .975 of `voting` by digits that it does not print: 2 and 3.
DEMSAR = np.array(
    """0.763 0.768 0.771 0.798  0.599 0.591 0.590 0.569  0.954 0.971 0.968 0.967  0.628 0.661 0.654 0.657
    0.882 0.888 0.886 0.898  0.936 0.931 0.916 0.931  0.661 0.668 0.609 0.685  0.583 0.583 0.563 0.625
    0.775 0.838 0.866 0.875  1.000 1.000 1.000 1.000  0.940 0.962 0.965 0.962  0.619 0.666 0.614 0.669
    0.972 0.981 0.97501 0.975  0.957 0.978 0.946 0.970""".split(),
    float,
).reshape(14, 4)


def test_friedman_and_critical_difference_repeat_demsars_example() -> None:
    found = across.friedman(DEMSAR, 0.95)
    # JMLR 7 (2006), section 3.2.2: mean ranks 3.143, 2.000, 2.893, 1.964; chi2 = 9.28 (no correction
    # for ties; scipy corrects); the critical difference of Nemenyi at 0.05 is 2.569 sqrt(20/84) = 1.25.
    assert found.mean_ranks == pytest.approx((3.143, 2.000, 2.893, 1.964), abs=5e-4)
    uncorrected = 12 * 14 / 20 * (np.sum(np.square(found.mean_ranks)) - 4 * 25 / 4)
    assert uncorrected == pytest.approx(9.28, abs=5e-3)
    assert found.critical == pytest.approx(1.25, abs=5e-3)
    wanted = scipy_stats.friedmanchisquare(*DEMSAR.T)
    assert found.statistic == pytest.approx(wanted.statistic) and found.p == pytest.approx(
        wanted.pvalue
    )


@pytest.mark.parametrize(
    ("arms", "q"),
    # Demšar's Table 5(a): critical values of the two-tailed Nemenyi test at 0.05.
    [(2, 1.960), (3, 2.343), (4, 2.569), (5, 2.728), (6, 2.850), (7, 2.949), (8, 3.031)],
)
def test_critical_values_are_the_published_ones(arms: int, q: float) -> None:
    scores = np.random.default_rng(1).random((10, arms))
    wanted = q * np.sqrt(arms * (arms + 1) / 60)
    assert across.friedman(scores, 0.95).critical == pytest.approx(wanted, abs=2e-3)


def test_all_scores_equal_is_no_evidence() -> None:
    found = across.friedman(np.ones((9, 3)), 0.95)
    assert found.mean_ranks == (2, 2, 2) and found.p == 1
    assert across.mean(np.zeros(5), 0.95).p == 1


@pytest.mark.parametrize("size", [5, 8, 12, 14])
def test_iqm_and_its_interval_equal_scipy(size: int) -> None:
    x = np.random.default_rng(size).normal(0.1, 1, size)
    found = across.iqm(x, 0.95)
    assert found.estimate == pytest.approx(scipy_stats.trim_mean(x, 0.25))  # as rliable computes it
    if size % 4 == 0:  # scipy divides by the nominal cut in its standard error, as Tukey does
        ci = scipy_stats.mstats.trimmed_mean_ci(
            x, limits=(0.25, 0.25), inclusive=(True, True), alpha=0.05
        )
        assert (found.low, found.high) == pytest.approx(tuple(ci))


def test_the_mean_is_the_paired_t_test() -> None:
    x = np.array([0.01, 0.04, -0.01, 0.03, 0.02])
    found, wanted = across.mean(x, 0.9), scipy_stats.ttest_1samp(x, 0)
    assert found.p == pytest.approx(wanted.pvalue)
    assert (found.low, found.high) == pytest.approx(tuple(wanted.confidence_interval(0.9)))


def test_probability_of_improvement_counts_ties_half() -> None:
    gaps = [np.array([0.1, 0.2]), np.array([0.0, 0.0]), np.array([-0.1, 0.3]), np.array([0.1, 0.0])]
    assert across.improvement(gaps, 0.95).estimate == pytest.approx(np.mean([1, 0.5, 0.5, 0.75]))


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


def frames(count: int) -> dict[str, compare.Frame]:
    return {f"c{i}": frame(s, make(s, i)) for i in range(count) for s in [study_of(5, i)]}


def test_families_count_once_and_few_are_not_averaged() -> None:
    some = frames(4)
    families = {"c0": "a", "c1": "a", "c2": "b", "c3": "c"}
    found = across.across(some, families, [])
    assert found["corpora"] == ["c0", "c2", "c3"] and found["rows"] == []
    assert "3 families" in found["reason"] and "3 families" in found["ranks"]["reason"]


def test_four_families_give_t_and_five_the_robust_numbers_and_leave_one_out() -> None:
    some = frames(5)
    four = across.across(dict(list(some.items())[:4]), {f"c{i}": f"c{i}" for i in range(4)}, [])
    assert four["reason"] is None and four["sensitivity"] == []
    assert all(r["iqm"] is None for r in four["rows"])
    five = across.across(some, {n: n for n in some}, [])
    double = next(r for r in five["rows"] if (r["arm"], r["n"]) == ("lstm:double", 200))
    assert double["differs"] and double["difference"]["low"] > 0
    assert double["improvement"]["estimate"] > 0.9 and double["iqm"]["estimate"] > 0
    useless = [r for r in five["rows"] if r["arm"] == "lstm:useless"]
    assert useless and not any(r["differs"] for r in useless)
    assert [x["without"] for x in five["sensitivity"]] == list(some)


def test_a_conclusion_that_hangs_on_one_corpus_is_named() -> None:
    some = frames(6)
    whole = across.rows(list(some.values()))
    found = across.across(some, {n: n for n in some}, [])
    for left in found["sensitivity"]:
        again = across.rows([f for n, f in some.items() if n != left["without"]])
        flips = [
            (a["arm"], a["n"])
            for a, b in zip(again, whole, strict=True)
            if a["differs"] != b["differs"]
        ]
        assert [(c["arm"], c["n"]) for c in left["changed"]] == flips


def test_friedman_wants_eight_families_and_named_arms() -> None:
    some = frames(8)
    one_each = {n: n for n in some}
    assert "named beforehand" in across.across(some, one_each, [])["ranks"]["reason"]
    named = ["lstm:plain", "lstm:double", "lstm:useless"]
    ranks = across.across(some, one_each, named)["ranks"]
    assert ranks["reason"] is None and min(ranks["mean_ranks"]) == ranks["mean_ranks"][1]
    assert ["lstm:plain", "lstm:double"] in ranks["apart"]
