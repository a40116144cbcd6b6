"""Log loss, Brier score and calibration error: against references, by hand, and how often they cover."""

from typing import Any

import numpy as np
import pytest
from sklearn.metrics import log_loss

from datayield.analysis import probability_scores as scores
from datayield.analysis.intervals import Interval, two_way
from datayield.analysis.probability_scores import TopClass, top_class

TEXTS, CLASSES = 500, 3


def softmax(logits: np.ndarray) -> np.ndarray:
    p = np.exp(logits - logits.max(-1, keepdims=True))
    return p / p.sum(-1, keepdims=True)


def drawn(p: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """One class per text, by its probabilities."""
    return (p.cumsum(-1) > rng.random((*p.shape[:-1], 1))).argmax(-1)


def told(
    shape: tuple[int, ...], sharpness: Any, rng: np.random.Generator, noise: float = 0.3
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of texts, and what models say of them: true logits times `sharpness`, plus noise."""
    true = 1.5 * rng.normal(size=(*shape[:-1], TEXTS, CLASSES))
    truth = drawn(softmax(true), rng)
    said = np.asarray(sharpness)[..., None, None] * true[..., None, :, :]
    said = said + noise * rng.normal(size=(*shape, TEXTS, CLASSES))
    return softmax(said).astype(np.float16), truth


def one(seed: int, sharpness: float, noise: float = 0.3) -> tuple[np.ndarray, np.ndarray]:
    p, truth = told((1,), np.array([sharpness]), np.random.default_rng(seed), noise)
    return p[0], truth


# ---- references
def test_log_loss_equals_sklearns() -> None:
    p, truth = one(1, 1.3)
    exact = p.astype(np.float64) / p.sum(1, dtype=np.float64, keepdims=True)
    assert scores.log_losses(exact, truth).mean() == pytest.approx(log_loss(truth, exact))
    assert scores.log_losses(p, truth).mean() == pytest.approx(log_loss(truth, exact), abs=1e-3)


def test_a_stored_zero_costs_what_the_smallest_step_costs() -> None:
    p = np.array([[0, 1], [1, 0], [2**-24, 1]], np.float16)
    assert scores.log_losses(p, np.zeros(3, np.int64)) == pytest.approx(
        [24 * np.log(2), 0, 24 * np.log(2)]
    )


def test_brier_scores_are_squared_errors_over_all_classes() -> None:
    p = np.array([[0.5, 0.25, 0.25], [0, 1, 0], [0, 1, 0]], np.float16)
    assert scores.brier_scores(p, np.array([0, 1, 2])) == pytest.approx([0.375, 0, 2])


def plain_error(p: np.ndarray, truth: np.ndarray) -> float:
    """The expected calibration error, bin by bin."""
    p = p.astype(np.float64)
    total = 0.0
    for b in range(15):
        inside = [i for i in range(len(p)) if b / 15 < p[i].max() <= (b + 1) / 15]
        if inside:
            says = np.mean([p[i].max() for i in inside])
            right = np.mean([p[i].argmax() == truth[i] for i in inside])
            total += len(inside) / len(p) * abs(says - right)
    return total


@pytest.mark.parametrize("sharpness", [0.5, 1.0, 2.0])
def test_the_uncorrected_error_equals_a_plain_loop(sharpness: float) -> None:
    p, truth = one(2, sharpness)
    found = scores.uncorrected_error(top_class(p, truth))
    assert found == pytest.approx(plain_error(p, truth), abs=1e-12)


def corrected_by_sampling(top: TopClass, rng: np.random.Generator) -> float:
    """Twice the plain error minus the mean plain error after a normal deviation of every bin."""
    total = 0.0
    for b in np.unique(top.bins):
        own = top.bins == b
        gap = top.excess[own].sum()
        spread = max(
            (top.confidence * (1 - top.confidence))[own].sum(), (top.excess[own] ** 2).sum()
        )
        total += 2 * abs(gap) - np.abs(rng.normal(gap, spread**0.5, 400_000)).mean()
    return total / len(top.right)


@pytest.mark.parametrize("sharpness", [1.0, 1.6])
def test_the_correction_equals_resampling(sharpness: float) -> None:
    top = top_class(*one(3, sharpness))
    found = scores.calibration_errors(top).mean()
    assert found == pytest.approx(corrected_by_sampling(top, np.random.default_rng(0)), abs=3e-4)
    assert found < scores.uncorrected_error(top)


def test_values_of_the_calibration_error_are_the_jackknifes() -> None:
    top = top_class(*one(4, 1.5))
    values = scores.calibration_errors(top)
    whole, size = values.mean(), TEXTS
    keep = ~np.eye(size, dtype=bool)
    without = [
        scores.calibration_errors(TopClass(top.confidence[k], top.right[k])).mean() for k in keep
    ]
    pseudo = size * whole - (size - 1) * np.array(without)
    assert values - values.mean() == pytest.approx(pseudo - pseudo.mean(), abs=1e-9)


def test_edges_of_the_bins() -> None:
    confidence = np.array([0, 1 / 15, 1 / 15 + 1e-9, 14 / 15 + 1e-9, 1])
    assert TopClass(confidence, np.ones(5)).bins.tolist() == [0, 0, 1, 14, 14]


def test_certain_and_right_has_no_error_at_all() -> None:
    top = TopClass(np.ones(20), np.ones(20))
    assert not scores.calibration_errors(top).any() and scores.error_by_luck(top) == 0
    assert scores.uncorrected_error(top) == 0


# ---- planted truths
def interval(values: np.ndarray) -> Interval:
    return two_way(values, 0.95)


def test_true_probabilities_have_an_error_near_zero_and_overconfident_ones_do_not() -> None:
    rng = np.random.default_rng(5)
    found = {}
    for name, sharpness in (("true", 1.0), ("overconfident", 2.0)):
        p, truth = told((6,), np.full(6, sharpness), rng, noise=0.0)
        tops = [top_class(x, truth) for x in p]
        luck = float(np.mean([scores.error_by_luck(t) for t in tops]))
        error = interval(np.array([scores.calibration_errors(t) for t in tops]))
        error = scores.down_to_zero(error, luck)
        over = interval(np.array([t.excess for t in tops]))
        found[name] = error, over, luck
    error, over, luck = found["true"]
    assert error.low <= 0 < luck < error.high < 0.1 and not over.excludes_zero
    error, over, luck = found["overconfident"]
    assert error.low > 2 * luck and over.low > 0.05


def test_the_interval_of_true_probabilities_holds_zero() -> None:
    """Ten models, each with a signal of its own and probabilities that are exactly true."""
    rng, held, begun = np.random.default_rng(8), 0, 0
    for _ in range(200):
        truth = rng.integers(0, 2, TEXTS)
        shared, errors, luck = rng.normal(size=TEXTS), [], []
        for _ in range(10):
            x = 2 * truth - 1 + 0.7**0.5 * shared + 0.3**0.5 * rng.normal(size=TEXTS)
            p = 1 / (1 + np.exp(-2 * x))
            top = top_class(np.stack([1 - p, p], 1).astype(np.float16), truth)
            errors.append(scores.calibration_errors(top))
            luck.append(scores.error_by_luck(top))
        error = interval(np.array(errors))
        held += error.low <= 0
        begun += scores.down_to_zero(error, float(np.mean(luck))).low <= 0
    assert held < 100  # the correction alone is not enough
    assert begun >= 190


def test_by_luck_is_what_true_probabilities_show() -> None:
    rng = np.random.default_rng(6)
    p, _ = one(6, 1.0)
    p = p.astype(np.float64)
    made = [top_class(p, drawn(p, rng)) for _ in range(600)]
    errors = [scores.calibration_errors(t).mean() for t in made]
    luck = scores.error_by_luck(made[0])
    # The variance seen is not quite the true one.
    assert np.mean(errors) == pytest.approx(luck, rel=0.1)
    assert np.mean([scores.uncorrected_error(t) for t in made]) == pytest.approx(
        luck * 1 / (2 - 2**0.5), rel=0.05
    )


def test_reliability_bins_hold_every_text_once() -> None:
    p, truth = told((4,), np.full(4, 1.8), np.random.default_rng(7))
    tops = [[top_class(x, truth)] for x in p]
    bins = scores.reliability(tops, interval)
    assert sum(b.texts for b in bins) == pytest.approx(1)
    assert all(b.low < b.says <= b.high for b in bins)
    gaps = sum(b.texts * (b.says - b.right.estimate) for b in bins)
    assert gaps == pytest.approx(np.mean([t[0].excess.mean() for t in tops]))
    full = [b for b in bins if b.texts > 0.05]
    assert full and all(b.right.low < b.right.estimate < b.right.high for b in full)
    assert full[-1].right.high < full[-1].says  # overconfident
    few = [b for b in bins if b.texts * TEXTS < 10]
    assert all(b.right.low is None and b.right.reason for b in few)


def test_a_bin_where_all_are_right_has_no_interval() -> None:
    tops = [[TopClass(np.full(50, 0.99), np.ones(50))] for _ in range(3)]
    (only,) = scores.reliability(tops, interval)
    assert only.right.estimate == 1 and only.right.low is None
    assert "nothing varies" in str(only.right.reason)


# ---- coverage
STUDIES, CHUNK = 2000, 100
SHARP = 1.6  # median of the draws' sharpness
WIDTH = 0.12  # standard deviation of its logarithm


def sharpness(shape: tuple[int, ...], sharp: float, rng: np.random.Generator) -> np.ndarray:
    return sharp * np.exp(WIDTH * rng.normal(size=shape))


def true_values(sharp: float) -> dict[str, float]:
    """Expected scores of a model of a random draw on new texts, the error by a grid over sharpness."""
    rng, points, draws = np.random.default_rng(1), np.polynomial.hermite_e.hermegauss(5), 600
    weights = points[1] / points[1].sum()
    found = {"log loss": 0.0, "Brier score": 0.0, "calibration error": 0.0, "overconfidence": 0.0}
    for z, weight in zip(points[0], weights, strict=True):
        p, truth = told((draws, 1), np.full((draws, 1), sharp * np.exp(WIDTH * z)), rng)
        flat, labels = p.reshape(-1, CLASSES), truth.ravel()
        top = top_class(flat, labels)
        found["log loss"] += weight * scores.log_losses(flat, labels).mean()
        found["Brier score"] += weight * scores.brier_scores(flat, labels).mean()
        found["calibration error"] += weight * scores.uncorrected_error(top)
        found["overconfidence"] += weight * top.excess.mean()
    return found


def covered(
    draws: tuple[int, ...], studies: int, sharp: float = SHARP
) -> dict[tuple[str, int], float]:
    """The share of studies whose interval holds the true value, by score and number of draws."""
    rng, true = np.random.default_rng(2), true_values(sharp)
    hits = {(kind, d): 0 for kind in true for d in draws}
    for _ in range(studies // CHUNK):
        p, truth = told((CHUNK, max(draws)), sharpness((CHUNK, max(draws)), sharp, rng), rng)
        for own, labels in zip(p, truth, strict=True):
            tops = [top_class(x, labels) for x in own]
            values = {
                "log loss": np.array([scores.log_losses(x, labels) for x in own]),
                "Brier score": np.array([scores.brier_scores(x, labels) for x in own]),
                "calibration error": np.array([scores.calibration_errors(t) for t in tops]),
                "overconfidence": np.array([t.excess for t in tops]),
            }
            for kind, d in hits:
                found = interval(values[kind][:d])
                if kind == "calibration error":
                    luck = np.mean([scores.error_by_luck(t) for t in tops[:d]])
                    found = scores.down_to_zero(found, float(luck))
                hits[kind, d] += bool(found.low <= true[kind] <= found.high)
    return {k: v / studies for k, v in hits.items()}


@pytest.mark.slow
def test_the_intervals_cover_the_truth() -> None:
    found = covered((3, 5, 10), STUDIES)
    assert all(0.93 <= share <= 0.97 for share in found.values()), found


if __name__ == "__main__":
    for sharp in (0.7, 1.0, 1.2, 1.6):
        print(sharp, true_values(sharp))
        for key, share in covered((3, 5, 10), STUDIES, sharp).items():
            print(*key, f"{share:.1%}")
