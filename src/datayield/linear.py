"""The simple baselines: TF-IDF with logistic regression, NB-SVM, majority.

Fitted on the training part alone, as every network is.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from sklearn.svm import LinearSVC

from datayield import text
from datayield.types import Ints, Parts, TrainingSet

Predict: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]  # -> (texts, classes)

STRENGTHS = (1.0, 4.0, 16.0, 64.0)  # candidates for C of the logistic regression
MOST_FOLD_ROWS = 2000  # choosing C looks at the first rows alone: more would cost more than it buys
NB_INTERPOLATION = 0.25  # Wang & Manning 2012
NB_SVM_STRENGTH = 1.0
GRAMS: Mapping[str, Any] = {
    "tokenizer": text.tokens,
    "token_pattern": None,
    "lowercase": False,
    "ngram_range": (1, 2),
}


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted simple baseline."""

    predict: Predict  # argmax decides
    parts: Parts
    parameters: int
    fits: int  # helper fits that choosing C took


def tfidf(training_set: TrainingSet, seed: int) -> Linear:
    """TF-IDF (1,2)-grams, sublinear, logistic regression; C by stratified CV inside the rows."""
    labels, classes = training_set.targets.argmax(1), training_set.targets.shape[1]
    vectorizer = TfidfVectorizer(**GRAMS, sublinear_tf=True)
    x = vectorizer.fit_transform(training_set.texts)
    if len(np.unique(labels)) < 2:
        return majority(training_set, seed)
    strength, fits = _strength(x, labels, seed)
    model = _logistic(strength, seed).fit(x, labels, sample_weight=training_set.weights)
    parts = Parts(
        "tfidf",
        tuple(vectorizer.get_feature_names_out()),
        {
            "idf": vectorizer.idf_,
            "coefficients": model.coef_,
            "intercept": model.intercept_,
            "present": model.classes_,
        },
    )
    return Linear(
        read_tfidf(parts, classes), parts, int(model.coef_.size + model.intercept_.size), fits
    )


def read_tfidf(parts: Parts, classes: int) -> Predict:
    """Probabilities by idf (features,), coefficients, intercept and the present classes' numbers."""
    vectorizer = TfidfVectorizer(**GRAMS, sublinear_tf=True, vocabulary=parts.words)
    vectorizer.idf_ = parts.arrays["idf"]
    model = LogisticRegression()
    model.coef_, model.intercept_ = parts.arrays["coefficients"], parts.arrays["intercept"]
    model.classes_ = parts.arrays["present"]

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        return _spread(model.predict_proba(vectorizer.transform(texts)), model.classes_, classes)

    return predict


def _logistic(strength: float, seed: int) -> LogisticRegression:
    # saga: the same multinomial objective as the default solver, 15 times as fast at 11,000 texts.
    return LogisticRegression(
        C=strength, solver="saga", max_iter=200, tol=1e-2, random_state=seed % 2**32
    )


def _strength(x: Any, labels: Ints, seed: int) -> tuple[float, int]:
    """The C with the best mean accuracy over 3 stratified folds; the smallest C among equals."""
    x, labels = x[:MOST_FOLD_ROWS], labels[:MOST_FOLD_ROWS]
    folds = min(3, int(np.bincount(labels)[np.unique(labels)].min()))
    if folds < 2:
        return STRENGTHS[1], 0
    splits = list(StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(x, labels))
    scores = [
        np.mean(
            [
                (_logistic(c, seed).fit(x[a], labels[a]).predict(x[b]) == labels[b]).mean()
                for a, b in splits
            ]
        )
        for c in STRENGTHS
    ]
    return STRENGTHS[int(np.argmax(scores))], folds * len(STRENGTHS)


def nbsvm(training_set: TrainingSet, seed: int) -> Linear:
    """NB-SVM (Wang & Manning 2012).

    Binarised (1,2)-grams scaled by the log-count ratio, one linear SVM per class, its weights
    interpolated with their mean.
    """
    labels, classes = training_set.targets.argmax(1), training_set.targets.shape[1]
    vectorizer = CountVectorizer(**GRAMS, binary=True)
    x = vectorizer.fit_transform(training_set.texts).astype(np.float64)
    present = np.unique(labels)
    if len(present) < 2:
        return majority(training_set, seed)
    weights = np.zeros((classes, x.shape[1]))
    bias = np.full(classes, -np.inf)
    for c in present:
        ratio = _log_count_ratio(x, labels == c)
        svm = LinearSVC(C=NB_SVM_STRENGTH, random_state=seed % 2**32)
        svm.fit(x.multiply(ratio).tocsr(), labels == c)
        w = svm.coef_[0]
        # Wang & Manning's w' = (1 - b) * mean|w| + b * w, on the ratio-scaled features
        weights[c] = ((1 - NB_INTERPOLATION) * np.abs(w).mean() + NB_INTERPOLATION * w) * ratio
        bias[c] = svm.intercept_[0]
    parts = Parts(
        "nbsvm", tuple(vectorizer.get_feature_names_out()), {"weights": weights, "bias": bias}
    )
    return Linear(read_nbsvm(parts, classes), parts, int(weights[present].size + len(present)), 0)


def read_nbsvm(parts: Parts, classes: int) -> Predict:
    """Margins (no probabilities) by weights (classes, features) and bias (classes,)."""
    vectorizer = CountVectorizer(**GRAMS, binary=True, vocabulary=parts.words)
    weights, bias = parts.arrays["weights"], parts.arrays["bias"]

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        scores = vectorizer.transform(texts).astype(np.float64) @ weights.T + bias
        out: NDArray[np.float32] = scores.astype(np.float32)
        return out

    return predict


def _log_count_ratio(x: sparse.csr_matrix, positive: NDArray[np.bool_]) -> NDArray[np.float64]:
    p = np.asarray(x[positive].sum(0)).ravel() + 1.0
    q = np.asarray(x[~positive].sum(0)).ravel() + 1.0
    ratio: NDArray[np.float64] = np.log((p / p.sum()) / (q / q.sum()))
    return ratio


def majority(training_set: TrainingSet, seed: int) -> Linear:
    """Always the most frequent class of the training rows (the first among equals)."""
    shares = training_set.targets.sum(0)
    winner = (shares == shares.max()) & (np.cumsum(shares == shares.max()) == 1)
    parts = Parts("majority", (), {"winner": winner.astype(np.float32)})
    return Linear(read_majority(parts, len(shares)), parts, 0, 0)


def read_majority(parts: Parts, classes: int) -> Predict:
    """One for the winner, (classes,), whatever the text."""

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(parts.arrays["winner"], (len(texts), 1))

    return predict


def _spread(p: NDArray[np.float64], present: Ints, classes: int) -> NDArray[np.float32]:
    out = np.zeros((len(p), classes), np.float32)
    out[:, present] = p
    return out


BASELINES: dict[str, Callable[[TrainingSet, int], Linear]] = {
    "tfidf": tfidf,
    "nbsvm": nbsvm,
    "majority": majority,
}
READERS: dict[str, Callable[[Parts, int], Predict]] = {
    "tfidf": read_tfidf,
    "nbsvm": read_nbsvm,
    "majority": read_majority,
}
"""What predicts by the parts that a baseline of that kind left: (parts, classes) -> predict.

Their words are (1,2)-grams in the order of columns, two words joined by one space.
"""

SUMMARIES = {
    "tfidf": "TF-IDF (1,2)-grams with logistic regression",
    "nbsvm": "NB-SVM on (1,2)-grams (Wang & Manning 2012)",
    "majority": "always the most frequent class",
}
