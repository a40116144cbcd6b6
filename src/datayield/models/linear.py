"""Fits the simple baselines: TF-IDF with logistic regression, NB-SVM, majority.

All texts that a baseline is given train it; C is chosen among them by cross-validation.
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

from datayield.core.types import Floats, Ints, ModelArrays, TrainingSet
from datayield.models import logistic
from datayield.text import tokens

Predict: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]  # -> (texts, classes)

Scores: TypeAlias = Callable[[Ints, Ints], list[float]]
"""(rows to fit on, held-out rows) -> accuracy on the held-out rows for each C."""

STRENGTHS = (1.0, 4.0, 16.0, 64.0)  # values of the logistic regression's C that are tried
NB_STRENGTHS = (0.1, 1.0, 10.0)  # of NB-SVM's; 1 in the paper
NB_INTERPOLATION = 0.25  # beta of Wang & Manning 2012
NB_SMOOTHING = 1.0  # alpha of Wang & Manning 2012
FOLDS = 3
MOST_FOLD_ROWS = (
    2000  # rows that C is chosen on; more rows take longer and hardly change the choice
)
GRAMS: Mapping[str, Any] = {
    "tokenizer": tokens.tokens,
    "token_pattern": None,
    "lowercase": False,
    "ngram_range": (1, 2),
}


@dataclass(frozen=True, slots=True)
class Linear:
    """A fitted simple baseline."""

    predict: Predict  # the label is the class with the largest score
    parts: ModelArrays
    parameters: int
    fits: int  # fits for the choice of C
    probabilistic: bool = True  # whether scores are probabilities


def logistic_strength(x: sparse.csr_matrix, labels: Ints, seed: int) -> tuple[float, int]:
    """Return the logistic regression's C with the best accuracy by cross-validation, and the fits made.

    Args:
        x: features, (rows, features).
        labels: class indices, (rows,).
        seed: of the folds.
    """

    def scores(fitted: Ints, held_out: Ints) -> list[float]:
        models = logistic.path(x[fitted], labels[fitted], STRENGTHS)
        return [float((m.predict(x[held_out]) == labels[held_out]).mean()) for m in models]

    return choose_strength(STRENGTHS, scores, labels, seed)


def tfidf(training_set: TrainingSet, seed: int) -> Linear:
    """Fit logistic regression on sublinear TF-IDF of (1,2)-grams; choose C by cross-validation."""
    labels, classes = training_set.targets.argmax(1), training_set.targets.shape[1]
    vectorizer = TfidfVectorizer(**GRAMS, sublinear_tf=True)
    x = vectorizer.fit_transform(training_set.texts)
    if len(np.unique(labels)) < 2:
        return majority(training_set, seed)
    strength, fits = logistic_strength(x, labels, seed)
    [model] = logistic.path(x, labels, [strength], training_set.weights)
    parts = ModelArrays(
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


def read_tfidf(parts: ModelArrays, classes: int) -> Predict:
    """Return the prediction function of a stored TF-IDF model; its scores are probabilities.

    Args:
        parts: idf (features,), coefficients, intercept, numbers of the classes in training.
        classes: number of classes.
    """
    vectorizer = TfidfVectorizer(**GRAMS, sublinear_tf=True, vocabulary=parts.words)
    vectorizer.idf_ = parts.arrays["idf"]
    model = LogisticRegression()
    model.coef_, model.intercept_ = parts.arrays["coefficients"], parts.arrays["intercept"]
    model.classes_ = parts.arrays["present"]

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        return spread(model.predict_proba(vectorizer.transform(texts)), model.classes_, classes)

    return predict


def choose_strength(
    strengths: Sequence[float], scores: Scores, labels: Ints, seed: int
) -> tuple[float, int]:
    """Return the C with the best mean accuracy over stratified folds, and the number of fits.

    Among equals the first C is chosen. Where folds cannot share the classes (one has a single row,
    or there is only one), it is the second.

    Args:
        strengths: at least two values of C.
        scores: fits one fold.
        labels: (rows,) class indices; the first MOST_FOLD_ROWS rows are used.
        seed: of the order in which rows are dealt out to folds.
    """
    labels = labels[:MOST_FOLD_ROWS]
    _, sizes = np.unique(labels, return_counts=True)
    folds = min(FOLDS, int(sizes.min()))
    if folds < 2 or len(sizes) < 2:
        return strengths[1], 0
    splits = StratifiedKFold(folds, shuffle=True, random_state=seed % 2**32).split(labels, labels)
    means = np.mean([scores(fitted, held_out) for fitted, held_out in splits], axis=0)
    return strengths[int(np.argmax(means))], folds * len(strengths)


def nbsvm(training_set: TrainingSet, seed: int) -> Linear:
    """Fit NB-SVM (Wang & Manning 2012): linear SVMs on binary (1,2)-grams times log-count ratios.

    Each text's grams are scaled by the log-count ratio r of a class against the others; the SVM
    (squared hinge loss) has no intercept; its weights w become (1 - beta) mean|w| + beta w. Two
    classes have one SVM, more have one each against the rest. C is chosen by cross-validation.
    """
    labels, classes = training_set.targets.argmax(1), training_set.targets.shape[1]
    vectorizer = CountVectorizer(**GRAMS, binary=True)
    x = vectorizer.fit_transform(training_set.texts).astype(np.float64)
    present = np.unique(labels)
    if len(present) < 2:
        return majority(training_set, seed)

    def scores(fitted: Ints, held_out: Ints) -> list[float]:
        known = np.unique(labels[fitted])
        weights = _nbsvm_weights(x[fitted], labels[fitted], NB_STRENGTHS, seed)
        margins = (x[held_out] @ of_strength.T for of_strength in weights)
        return [float((known[m.argmax(1)] == labels[held_out]).mean()) for m in margins]

    strength, fits = choose_strength(NB_STRENGTHS, scores, labels, seed)
    [weights] = _nbsvm_weights(x, labels, [strength], seed)
    parts = ModelArrays(
        "nbsvm",
        tuple(vectorizer.get_feature_names_out()),
        {"weights": weights, "present": present},
    )
    parameters = x.shape[1] * (1 if len(present) == 2 else len(present))
    return Linear(read_nbsvm(parts, classes), parts, parameters, fits, probabilistic=False)


def read_nbsvm(parts: ModelArrays, classes: int) -> Predict:
    """Return the prediction function of a stored NB-SVM; its scores are margins.

    The margin of a class that was not in training is minus infinity.

    Args:
        parts: weights (classes in training, features), numbers of the classes in training.
        classes: number of classes.
    """
    vectorizer = CountVectorizer(**GRAMS, binary=True, vocabulary=parts.words)
    weights, present = parts.arrays["weights"], parts.arrays["present"]

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        margins = vectorizer.transform(texts).astype(np.float64) @ weights.T
        return spread(margins, present, classes, -np.inf)

    return predict


def _nbsvm_weights(
    x: sparse.csr_matrix, labels: Ints, strengths: Sequence[float], seed: int
) -> Floats:
    """Return the weights of binary grams for each C, (strengths, classes among labels, features).

    Grams that occur in no row weigh nothing, as if the vocabulary did not have them.
    """
    present, seen = np.unique(labels), np.flatnonzero(np.diff(x.tocsc().indptr))
    grams = x[:, seen]
    out = np.zeros((len(strengths), len(present), x.shape[1]))
    # Two classes have one ratio up to the sign, so that one SVM serves both.
    for place in range(1 if len(present) == 2 else 0, len(present)):
        positive = labels == present[place]
        ratio = _log_count_ratio(grams, positive)
        scaled = grams.multiply(ratio).tocsr()
        for i, strength in enumerate(strengths):
            w = _svm(scaled, positive, strength, seed)
            interpolated = (1 - NB_INTERPOLATION) * np.abs(w).mean() + NB_INTERPOLATION * w
            out[i, place, seen] = interpolated * ratio
    if len(present) == 2:
        out[:, 0] = -out[:, 1]
    return out


def _svm(x: sparse.csr_matrix, positive: NDArray[np.bool_], strength: float, seed: int) -> Floats:
    """Return the weights of a linear SVM with squared hinge loss and without intercept, (features,)."""
    # The dual solver converges in milliseconds where the primal one takes seconds.
    svm = LinearSVC(
        C=strength, fit_intercept=False, dual=True, max_iter=10_000, random_state=seed % 2**32
    )
    weights: Floats = svm.fit(x, positive).coef_[0]
    return weights


def _log_count_ratio(x: sparse.csr_matrix, positive: NDArray[np.bool_]) -> Floats:
    """Return log((p / |p|) / (q / |q|)), p and q being the smoothed counts with and without the class."""
    p = np.asarray(x[positive].sum(0)).ravel() + NB_SMOOTHING
    q = np.asarray(x[~positive].sum(0)).ravel() + NB_SMOOTHING
    ratio: Floats = np.log((p / p.sum()) / (q / q.sum()))
    return ratio


def majority(training_set: TrainingSet, seed: int) -> Linear:
    """Predict always the most frequent class of the training rows (the first among equals)."""
    counts = training_set.targets.sum(0)
    shares = (counts / counts.sum()).astype(np.float32)
    parts = ModelArrays("majority", (), {"shares": shares})
    return Linear(read_majority(parts, len(shares)), parts, 0, 0)


def read_majority(parts: ModelArrays, classes: int) -> Predict:
    """Return a prediction function that gives every text the shares of the classes in training."""

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        return np.tile(parts.arrays["shares"], (len(texts), 1))

    return predict


def spread(
    scores: NDArray[np.float64], present: Ints, classes: int, absent: float = 0.0
) -> NDArray[np.float32]:
    """Return the scores with a column for every class, (rows, classes)."""
    out = np.full((len(scores), classes), absent, np.float32)
    out[:, present] = scores
    return out


FITTERS: dict[str, Callable[[TrainingSet, int], Linear]] = {
    "tfidf": tfidf,
    "nbsvm": nbsvm,
    "majority": majority,
}
READERS: dict[str, Callable[[ModelArrays, int], Predict]] = {
    "tfidf": read_tfidf,
    "nbsvm": read_nbsvm,
    "majority": read_majority,
}
"""Kind of a stored baseline -> (parts, classes) -> its prediction function.

The vocabulary of the parts holds (1,2)-grams in the order of columns; two words have one space.
"""
