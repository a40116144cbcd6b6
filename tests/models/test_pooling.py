"""Pooling: the mean and the fitted product of probabilities, against values worked out by other means."""

import numpy as np
import pytest
from scipy.optimize import brute

from datayield.models import pooling

RNG = np.random.default_rng(5)


def _probabilities(sharpness: float, labels: np.ndarray, classes: int = 3) -> np.ndarray:
    """Noisy logits of the labels, made as sure of themselves as `sharpness` says."""
    logits = RNG.normal(0, 1, (len(labels), classes))
    logits[np.arange(len(labels)), labels] += 1.0
    raised = np.exp(sharpness * logits)
    return raised / raised.sum(1, keepdims=True)


def test_the_mean_and_a_product_by_hand() -> None:
    a, b = np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([[0.2, 0.8], [0.9, 0.1]])
    assert pooling.mean([a, b]) == pytest.approx(np.array([[0.35, 0.65], [0.9, 0.1]]))
    expected = np.array([[0.2, 0.8], [0.81 / 0.82, 0.01 / 0.82]])
    assert pooling.product([a, b], (1.0, 1.0)) == pytest.approx(expected)
    assert pooling.product([a, b], (0.0, 1.0)) == pytest.approx(b)


def test_one_class_that_is_ruled_out_can_still_win() -> None:
    a, b = np.array([[0.0, 1.0]]), np.array([[0.999, 0.001]])
    assert pooling.product([a, b], (0.2, 1.0)).argmax() == 0


def test_exponents_have_the_smallest_loss() -> None:
    labels = RNG.integers(0, 3, 80)
    members = [_probabilities(4.0, labels), _probabilities(1.0, labels)]
    found = pooling.fitted_exponents(members, labels)

    def loss(exponents: np.ndarray) -> float:
        p = pooling.product(members, exponents)[np.arange(80), labels]
        return float(-np.log(p).sum() + pooling.RIDGE * ((exponents - 0.5) ** 2).sum())

    at = brute(loss, ((0, 1.5), (0, 1.5)), Ns=31, finish=None)
    assert loss(np.array(found)) <= loss(at) + 1e-6
    assert found == pytest.approx(at, abs=0.06)


def test_a_member_that_is_too_sure_of_itself_is_made_less_sure() -> None:
    labels = RNG.integers(0, 3, 2000)
    sure, fair = _probabilities(8.0, labels), _probabilities(1.0, labels)
    first, second = pooling.fitted_exponents([sure, fair], labels)
    assert first < 0.25 < 0.75 < second
    right = pooling.product([sure, fair], (first, second)).argmax(1) == labels
    assert right.mean() > (pooling.mean([sure, fair]).argmax(1) == labels).mean() + 0.02


def test_without_texts_every_exponent_is_an_equal_share() -> None:
    nothing = [np.empty((0, 3)), np.empty((0, 3))]
    assert pooling.fitted_exponents(nothing, np.empty(0, np.int64)) == pytest.approx((0.5, 0.5))
