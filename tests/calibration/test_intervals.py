"""The calibration in small, on every run; `make calibrate` runs 2,000 studies per number of draws."""

from dataclasses import replace

import numpy as np
import pytest

from datayield.stats import curves, interval
from datayield.stats.interval import Components
from tests.calibration.measure import DRAWS, NAMES, broken, run, table
from tests.calibration.simulate import FAMILIES, Made, Study, make, true_multiplier, truth

STUDIES = 160
SLACK = 3.0  # standard errors of a share counted over so few studies

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("draws", DRAWS)
def test_statements_are_as_often_true_as_they_claim(draws: int) -> None:
    counts = run(draws, STUDIES)
    assert broken(draws, counts, SLACK) == [], table({draws: counts})
    assert set(NAMES) <= set(counts)


def test_leaving_out_the_test_texts_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The planted fault: variance components without the test set's."""
    whole = interval.components

    def over_draws(z: np.ndarray) -> Components:
        c = whole(z)
        return replace(c, text=0 * c.text, rest=0 * c.rest)

    monkeypatch.setattr(interval, "components", over_draws)
    monkeypatch.setattr(curves, "components", over_draws)
    found = broken(10, run(10, STUDIES), SLACK)
    assert any("target" in line for line in found), found


@pytest.mark.parametrize("family", FAMILIES)
def test_the_simulated_accuracy_is_the_true_one(family: str) -> None:
    """The mean over many studies of one pool's law equals what coverage is counted against."""
    study = Study(draws=4, texts=400, effects={"arm": 2.0}, family=family, failed=0.01)
    gaps, worth = [], []
    for seed in range(150):
        made = make(study, seed)
        gaps.append(np.nanmean(made.cells["arm"][400]) - truth(study, made, "arm", 400))
        worth.append(true_multiplier(study, made, "arm", 400, "new_texts"))
    error = np.std(gaps) / np.sqrt(len(gaps))
    assert abs(np.mean(gaps)) < 4 * error
    assert worth == pytest.approx([2.0] * 150, rel=0.02)  # but for the draws' own spread


def test_a_draw_of_the_whole_pool_is_no_sample() -> None:
    study = Study(draws=3, pool=1600, noise_sd=0.0)
    made = make(study, 1)
    shift = Made({}, made.tuning, made.pool_shift)
    far = truth(study, shift, "plain", 1600) - truth(study, shift, "plain", 1600, "new_texts")
    assert far != 0  # this pool differs from all texts
    means = made.cells["plain"][1600].mean(1)
    few = made.cells["plain"][100].mean(1)
    assert means.std(ddof=1) < few.std(ddof=1)
