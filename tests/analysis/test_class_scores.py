"""Precision, recall and F1 of single classes: against sklearn, by hand, and how often they cover."""

import numpy as np
import pytest
from sklearn.metrics import precision_recall_fscore_support

from datayield.analysis.class_scores import Kind, class_values
from datayield.analysis.intervals import two_way
from datayield.analysis.shares import counted_share
from datayield.core.metrics import macro_f1

KINDS: tuple[Kind, ...] = ("precision", "recall", "f1")


def predictions(
    rng: np.random.Generator, draws: int, texts: int, shares: tuple[float, ...] = (0.8, 0.15, 0.05)
) -> tuple[np.ndarray, np.ndarray]:
    """Labels of texts, and what models predict that differ by draw and find some texts hard."""
    truth = rng.choice(len(shares), texts, p=shares)
    hard = rng.normal(size=texts)
    skill = 1.0 + 0.2 * rng.normal(size=(draws, 1))
    right = hard + 0.7 * rng.normal(size=(draws, texts)) < skill
    return truth, np.where(right, truth, rng.choice(len(shares), (draws, texts), p=shares))


def test_means_are_sklearns_scores() -> None:
    truth, (predicted,) = predictions(np.random.default_rng(0), 1, 300)
    wanted = precision_recall_fscore_support(truth, predicted, zero_division=0)
    for kind, by_class in zip(KINDS, wanted, strict=False):
        found = [class_values(predicted, truth, c, kind).mean() for c in range(3)]
        assert found == pytest.approx(by_class)
    f1 = np.mean([class_values(predicted, truth, c, "f1").mean() for c in range(3)])
    assert f1 == pytest.approx(macro_f1(predicted, truth, 3))


@pytest.mark.parametrize("kind", KINDS)
def test_values_are_the_jackknifes(kind: Kind) -> None:
    truth, (predicted,) = predictions(np.random.default_rng(1), 1, 60)
    keep = ~np.eye(60, dtype=bool)
    for c in range(3):
        values = class_values(predicted, truth, c, kind)
        without = [class_values(predicted[k], truth[k], c, kind).mean() for k in keep]
        pseudo = 60 * values.mean() - 59 * np.array(without)
        assert values - values.mean() == pytest.approx(pseudo - pseudo.mean(), abs=1e-9)


def test_a_class_that_is_never_predicted_scores_zero() -> None:
    truth, predicted = np.array([0, 1, 1]), np.array([0, 0, 0])
    assert [class_values(predicted, truth, 1, k).mean() for k in KINDS] == [0, 0, 0]
    assert class_values(predicted, truth, 2, "recall").mean() == 0


def test_few_texts_and_equal_answers_have_no_interval() -> None:
    values = np.random.default_rng(2).random((3, 40))
    assert counted_share(two_way(values, 0.95), 9).reason == "fewer than 10 texts"
    assert counted_share(two_way(values, 0.95), 10).low is not None
    same = counted_share(two_way(np.ones((3, 40)), 0.95), 40)
    assert same.low is None and same.reason == "nothing varies"


def covered(draws: int, studies: int) -> dict[tuple[Kind, int], float]:
    """The share of studies whose interval holds the true score, by score and class."""
    rng = np.random.default_rng(draws)
    truth, predicted = predictions(rng, 200, 60_000)
    true = {
        (k, c): np.mean([class_values(p, truth, c, k).mean() for p in predicted])
        for k in KINDS
        for c in range(3)
    }
    hits = dict.fromkeys(true, 0)
    for _ in range(studies):
        truth, predicted = predictions(rng, draws, 600)
        for kind, c in hits:
            x = two_way(np.array([class_values(p, truth, c, kind) for p in predicted]), 0.95)
            hits[kind, c] += bool(x.low <= true[kind, c] <= x.high)
    return {key: count / studies for key, count in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize("draws", [3, 5, 10])
def test_the_intervals_cover_the_truth(draws: int) -> None:
    """Classes of 480, 90 and 30 of 600 texts; 93 to 97 % but for three standard errors of the count."""
    slack = 3 * (0.95 * 0.05 / 400) ** 0.5
    found = covered(draws, 400)
    assert all(0.93 - slack <= share <= 0.97 + slack for share in found.values()), found


if __name__ == "__main__":
    for draws in (3, 5, 10):
        print(draws, {f"{k} {c}": f"{v:.1%}" for (k, c), v in covered(draws, 2000).items()})
