"""Precision, recall and F1 of single classes: against sklearn, by hand, and how often they cover."""

import numpy as np
import pytest
from sklearn.metrics import confusion_matrix, precision_recall_fscore_support

from datayield.analysis.class_scores import (
    ClassPredictions,
    Kind,
    class_confusions,
    class_gains,
    class_scores,
    class_values,
)
from datayield.analysis.frame import Frame
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


FRAME = Frame({}, {}, "lstm:plain", 0.95, "pool", 10_000)
SHARES = (0.8, 0.15, 0.05)


def study(
    rng: np.random.Generator, draws: int, texts: int, gains: tuple[float, ...]
) -> ClassPredictions:
    """An arm at 100 and 300 labels; a class of gain g is known better at 300, by g on the scale of skill.

    Draws differ in skill, and do so for each class; each text is as hard at both budgets.
    """
    truth = rng.choice(3, texts, p=SHARES)
    hard = rng.normal(size=texts)
    other = (truth + rng.integers(1, 3, texts)) % 3
    found = {}
    for n, gain in ((100, np.zeros(3)), (300, np.array(gains))):
        skill = 0.8 + gain[truth] + 0.2 * rng.normal(size=(draws, 3))[:, truth]
        right = hard + 0.7 * rng.normal(size=(draws, texts)) < skill
        found["lstm:plain", n] = dict(enumerate(np.where(right, truth, other)[:, None]))
    return ClassPredictions(300, found, truth, ("a", "b", "c"))


def test_confusions_are_sklearns_counts() -> None:
    x = study(np.random.default_rng(5), 3, 400, (0.0, 0.0, 0.0))
    rows = class_confusions(x, FRAME)
    wanted = np.mean(
        [confusion_matrix(x.truth, p[0]) for p in x.found["lstm:plain", 300].values()], 0
    )
    found = {(r.name, r.predicted): r.texts for r in rows}
    pairs = [(i, j) for i in range(3) for j in range(3) if i != j and wanted[i, j]]
    assert found == pytest.approx({(x.classes[i], x.classes[j]): wanted[i, j] for i, j in pairs})
    assert [r.texts for r in rows] == sorted((r.texts for r in rows), reverse=True)
    for r in rows:
        size = int((x.truth == x.classes.index(r.name)).sum())
        assert r.share.estimate == pytest.approx(r.texts / size)


def test_gains_are_differences_of_the_scores_on_common_draws() -> None:
    x = study(np.random.default_rng(6), 4, 500, (0.5, 0.5, 0.5))
    del x.found["lstm:plain", 100][0]  # type: ignore[attr-defined]
    f1 = {(r.name, r.n): r.f1.estimate for r in class_scores(x, FRAME)}
    assert len(f1) == 6
    for r in class_gains(x, FRAME):
        now = [p for d, p in x.found["lstm:plain", 300].items() if d]
        c = x.classes.index(r.name)
        last = np.mean([class_values(p[0], x.truth, c, "f1").mean() for p in now])
        assert (r.before, r.n, r.f1.draws) == (100, 300, 3)
        assert r.f1.estimate == pytest.approx(last - f1[r.name, 100])


def test_one_budget_or_one_draw_decides_nothing() -> None:
    x = study(np.random.default_rng(7), 1, 300, (1.0, 1.0, 1.0))
    assert {(r.verdict, r.p_holm, r.f1.low) for r in class_gains(x, FRAME)} == {
        ("undecided", None, None)
    }
    one = ClassPredictions(
        300, {("lstm:plain", 300): x.found["lstm:plain", 300]}, x.truth, x.classes
    )
    assert class_gains(one, FRAME) == () and len(class_confusions(one, FRAME)) > 2


def test_a_class_of_few_texts_has_no_verdict() -> None:
    x = study(np.random.default_rng(8), 5, 120, (2.0, 2.0, 2.0))
    assert (x.truth == 2).sum() < 10
    found = {r.name: r for r in class_gains(x, FRAME)}
    assert found["c"].p_holm is None and found["c"].f1.reason == "fewer than 10 texts"
    assert found["a"].verdict == "rises" and found["a"].p_holm is not None


def gains_covered(draws: int, studies: int, gains: tuple[float, ...]) -> dict[str, float]:
    """The share of studies whose intervals hold the truth, by class and kind, and that claim a false rise."""
    rng = np.random.default_rng(100 + draws)
    large = study(rng, 100, 60_000, gains)
    gain = {r.name: r.f1.estimate for r in class_gains(large, FRAME)}
    taken = {(r.name, r.predicted): r.share.estimate for r in class_confusions(large, FRAME)}
    hits: dict[str, list[bool]] = {"false": []}
    for _ in range(studies):
        x = study(rng, draws, 600, gains)
        own = class_gains(x, FRAME)
        hits["false"].append(any(r.verdict != "undecided" for r in own))
        for r in own:
            hits.setdefault(f"gain {r.name}", []).append(r.f1.low <= gain[r.name] <= r.f1.high)
        for q in class_confusions(x, FRAME):
            if q.share.low is not None:
                kind = f"share {q.name}"
                inside = q.share.low <= taken[q.name, q.predicted] <= q.share.high
                hits.setdefault(kind, []).append(inside)
    return {key: float(np.mean(x)) for key, x in hits.items()}


@pytest.mark.slow
@pytest.mark.parametrize("draws", [3, 6])
@pytest.mark.parametrize("gains", [(0.0, 0.0, 0.0), (0.3, 0.6, 0.0)])
def test_gains_and_confusions_cover_the_truth(draws: int, gains: tuple[float, ...]) -> None:
    """At least 93 % but for three standard errors; without a gain at most 5 % claim one for any class."""
    slack = 3 * (0.95 * 0.05 / 300) ** 0.5
    found = gains_covered(draws, 300, gains)
    false = found.pop("false")
    assert any(gains) or false <= 0.05 + slack, false
    assert all(share >= 0.93 - slack for share in found.values()), found


if __name__ == "__main__":
    for draws in (3, 6):
        for gains in ((0.0, 0.0, 0.0), (0.3, 0.6, 0.0)):
            print(
                draws, gains, {k: f"{v:.1%}" for k, v in gains_covered(draws, 1000, gains).items()}
            )
    for draws in (3, 5, 10):
        print(draws, {f"{k} {c}": f"{v:.1%}" for (k, c), v in covered(draws, 2000).items()})
