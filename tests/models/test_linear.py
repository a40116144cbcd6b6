"""Simple baselines against references that were written from the papers, on real texts."""

import os
from collections import Counter
from collections.abc import Sequence
from functools import cache
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from datayield import config, corpora
from datayield.core.types import Corpus, TrainingSet
from datayield.models import linear, logistic
from datayield.models.settings import BASELINES
from datayield.text import tokens
from tests.conftest import need, written_texts

BETA, ALPHA = 0.25, 1.0


@cache
def built(name: str) -> Corpus:
    mirror = os.environ.get("DATAYIELD_MIRROR")
    need(bool(mirror) and Path(str(mirror)).is_dir(), "the files of the catalog (DATAYIELD_MIRROR)")
    return corpora.build(name, config.CatalogSource(loader="catalog"), 1, Path("unused"))[0]


def sampled(corpus: Corpus, count: int, seed: int = 0) -> TrainingSet:
    ids = np.random.default_rng(seed).permutation(len(corpus.texts))[:count]
    return rows_of([corpus.texts[i] for i in ids], corpus.labels[ids], len(corpus.classes))


def rows_of(texts: Sequence[str], labels: np.ndarray, classes: int) -> TrainingSet:
    targets = np.eye(classes, dtype=np.float32)[labels]
    return TrainingSet(
        tuple(texts), targets, np.ones(len(texts), np.float32), np.arange(len(texts))
    )


# --- NB-SVM, from Wang & Manning 2012, sections 2.1 to 2.3


def grams(text: str) -> set[str]:
    words = tokens.tokens(text)
    return {*words, *(f"{a} {b}" for a, b in pairwise(words))}


class Reference:
    """Dense; the vocabulary is made anew of the texts that it is fitted on."""

    def __init__(self, texts: Sequence[str], labels: np.ndarray, strength: float) -> None:
        self.words = sorted(set().union(*map(grams, texts)))
        self.present = sorted(set(labels.tolist()))
        f = self.indicators(texts)
        if len(self.present) == 2:  # one model, y = 1 for the second class
            self.models = [self.fitted(f, labels == self.present[1], strength)]
        else:  # one-vs-rest
            self.models = [self.fitted(f, labels == c, strength) for c in self.present]

    def indicators(self, texts: Sequence[str]) -> np.ndarray:
        number = {w: i for i, w in enumerate(self.words)}
        f = np.zeros((len(texts), len(number)))
        for row, text in enumerate(texts):
            f[row, [number[g] for g in grams(text) if g in number]] = 1
        return f

    @staticmethod
    def fitted(f: np.ndarray, y: np.ndarray, strength: float) -> tuple[np.ndarray, np.ndarray]:
        p, q = ALPHA + f[y].sum(0), ALPHA + f[~y].sum(0)
        r = np.log(p / np.abs(p).sum()) - np.log(q / np.abs(q).sum())
        svm = LinearSVC(C=strength, fit_intercept=False, tol=1e-6, max_iter=100_000)
        w = svm.fit(f * r, np.where(y, 1, -1)).coef_.ravel()
        return r, (1 - BETA) * np.abs(w).sum() / len(w) + BETA * w

    def predict(self, texts: Sequence[str]) -> np.ndarray:
        f = self.indicators(texts)
        margins = np.stack([(f * r) @ w for r, w in self.models], axis=1)
        if len(self.models) == 1:
            return np.array(self.present)[(margins[:, 0] > 0).astype(int)]
        return np.array(self.present)[margins.argmax(1)]


def chosen_strength(texts: Sequence[str], labels: np.ndarray, seed: int) -> float:
    """C of 0.1, 1 and 10 by three folds; the smallest among equals."""
    right: dict[float, list[float]] = {0.1: [], 1.0: [], 10.0: []}
    for fitted, held_out in StratifiedKFold(3, shuffle=True, random_state=seed).split(
        labels, labels
    ):
        for strength, scores in right.items():
            model = Reference([texts[i] for i in fitted], labels[fitted], strength)
            predicted = model.predict([texts[i] for i in held_out])
            scores.append(float(np.mean(predicted == labels[held_out])))
    return max(right, key=lambda c: (np.mean(right[c]), -c))


# beside each corpus what this project's earlier nbsvm reached there: the intercept is what cost it
@pytest.mark.parametrize(
    ("name", "count", "before"),
    [("eda_cr", 400, 0.68), ("eda_trec", 400, 0.69), ("sms_spam", 800, 0.88)],
)
def test_nbsvm_is_that_of_the_paper(name: str, count: int, before: float) -> None:
    corpus = built(name)
    rows = sampled(corpus, count)
    labels = rows.targets.argmax(1)
    wanted = Reference(rows.texts, labels, chosen_strength(rows.texts, labels, 1)).predict(
        corpus.test_texts
    )
    found = linear.nbsvm(rows, 1).predict(corpus.test_texts).argmax(1)
    score = float(np.mean(found == corpus.test_labels))
    print(f"{name} at {count}: {score:.3f}")
    assert np.array_equal(found, wanted)
    assert score > before + 0.04


@pytest.mark.parametrize("classes", [2, 3])
def test_nbsvm_by_the_paper_without_downloads(classes: int) -> None:
    texts, named = written_texts(400)
    labels = np.array([sorted(set(named)).index(x) for x in named])
    noisy = np.random.default_rng(3).random(len(labels)) < 0.3
    labels = np.where(noisy, (labels + 1) % 3, labels)
    ids = np.flatnonzero(labels < classes)
    train, test = ids[:120], [texts[i] for i in ids[120:]]
    rows = rows_of([texts[i] for i in train], labels[train], 4)  # a class that never occurs
    strength = chosen_strength(rows.texts, labels[train], 5)
    fitted = linear.nbsvm(rows, 5)
    found = fitted.predict([*test, "", "unseen"])
    assert np.array_equal(
        found.argmax(1)[:-2], Reference(rows.texts, labels[train], strength).predict(test)
    )
    assert (found[:-2, labels[train].max() + 1 :] == -np.inf).all()
    assert (found[-2:, :classes] == 0).all(), "no bias: a text without known words has margin 0"
    assert fitted.fits == 9


def test_two_classes_share_one_svm() -> None:
    rows = rows_of(["good boat", "bad boat", "good rain", "bad soup"], np.array([0, 1, 0, 1]), 2)
    found = linear.nbsvm(rows, 1).predict(["good soup", "bad rain", "boat"])
    assert np.array_equal(found[:, 0], -found[:, 1])
    assert found.argmax(1).tolist()[:2] == [0, 1]


# --- TF-IDF with logistic regression


@pytest.mark.parametrize(("name", "count"), [("eda_trec", 1500), ("ag_news", 1000)])
def test_the_logistic_regression_has_converged(name: str, count: int) -> None:
    corpus = built(name)
    rows = sampled(corpus, count)
    fitted = linear.tfidf(rows, 1)
    x, labels, strength = features(rows)
    far = LogisticRegression(C=strength, tol=1e-10, max_iter=20_000, solver="newton-cg")
    far.fit(x[0], labels)
    p = fitted.predict(corpus.test_texts)
    optimum = far.predict_proba(x[1](corpus.test_texts))
    assert np.array_equal(p.argmax(1), optimum.argmax(1))
    assert np.abs(p - optimum).max() < 1e-3


def features(rows: TrainingSet) -> tuple[tuple, np.ndarray, float]:
    """Sublinear TF-IDF of (1,2)-grams by hand, and the C of the stored model's own choice."""
    docs = [
        Counter([*(w := tokens.tokens(t)), *(f"{a} {b}" for a, b in pairwise(w))])
        for t in rows.texts
    ]
    seen = Counter(g for d in docs for g in d)
    number = {g: i for i, g in enumerate(sorted(seen))}
    idf = {g: np.log((1 + len(docs)) / (1 + c)) + 1 for g, c in seen.items()}

    def transform(texts: Sequence[str]) -> sparse.csr_matrix:
        x = sparse.lil_matrix((len(texts), len(number)))
        for row, text in enumerate(texts):
            w = tokens.tokens(text)
            for g, c in Counter([*w, *(f"{a} {b}" for a, b in pairwise(w))]).items():
                if g in number:
                    x[row, number[g]] = (1 + np.log(c)) * idf[g]
        x = x.tocsr()
        norms = np.sqrt(np.asarray(x.multiply(x).sum(1)).ravel())
        return sparse.diags(1 / np.where(norms, norms, 1)) @ x

    x, labels = transform(rows.texts), rows.targets.argmax(1)
    means = {c: [] for c in (1.0, 4.0, 16.0, 64.0)}
    folds = StratifiedKFold(3, shuffle=True, random_state=1)
    for a, b in folds.split(labels, labels):
        for c, scores in means.items():
            model = LogisticRegression(C=c, tol=1e-8, max_iter=5000, solver="newton-cg")
            scores.append(np.mean(model.fit(x[a], labels[a]).predict(x[b]) == labels[b]))
    return (x, transform), labels, max(means, key=lambda c: (np.mean(means[c]), -c))


def test_merged_features_give_the_same_optimum() -> None:
    rng = np.random.default_rng(0)
    x = sparse.csr_matrix(rng.random((60, 300)) * (rng.random((60, 300)) < 0.03))
    labels = rng.integers(0, 3, 60)
    weights = rng.random(60) + 0.5
    merged, expand = logistic.merge_features_of_one_row(x)
    assert merged.shape[1] < 220
    *_, model = logistic.path(x, labels, [1.0, 30.0], weights)
    whole = LogisticRegression(C=30.0, tol=1e-10, max_iter=5000, solver="newton-cg")
    whole.fit(x, labels, sample_weight=weights)
    assert np.abs(model.coef_ - whole.coef_).max() < 1e-2 * np.abs(whole.coef_).max()
    assert np.allclose(model.predict_proba(x), whole.predict_proba(x), atol=1e-4)
    shared = rng.random((2, merged.shape[1]))
    assert np.allclose(merged @ shared.T, x @ expand(shared).T), "the same scores,"
    assert np.allclose((shared**2).sum(1), (expand(shared) ** 2).sum(1)), "the same penalty"


@pytest.mark.parametrize("seed", range(20))
def test_small_and_odd_training_sets_are_fitted_without_a_warning(seed: int) -> None:
    rng = np.random.default_rng(seed)
    count, classes = int(rng.integers(2, 30)), int(rng.integers(2, 6))
    words = [f"w{i}" for i in range(int(rng.integers(1, 12)))]
    texts = [" ".join(rng.choice(words, int(rng.integers(0, 5)))) for _ in range(count - 1)]
    rows = rows_of([*texts, "w0"], rng.integers(0, classes, count), classes)
    for fit in linear.FITTERS.values():  # filterwarnings = error
        scores = fit(rows, seed).predict(["w0 w1", ""])
        assert scores.shape == (2, classes) and not np.isnan(scores).any()


def test_every_simple_baseline_is_described_and_can_be_fitted_and_read() -> None:
    assert BASELINES.keys() == linear.FITTERS.keys() == linear.READERS.keys()


def test_folds_that_lack_a_class_choose_the_second_strength() -> None:
    def never(fitted: np.ndarray, held_out: np.ndarray) -> list[float]:
        raise AssertionError

    for labels in ([0] * 30, [0] * 30 + [1], [0] * linear.MOST_FOLD_ROWS + [1] * 9):
        assert linear.choose_strength((1.0, 2.0, 3.0), never, np.array(labels), 1) == (2.0, 0)
