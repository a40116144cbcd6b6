"""Fits logistic regression on the embeddings of a model that has read other text."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression

from datayield.core.types import Floats, Ints, ModelArrays, TrainingSet
from datayield.models import linear, logistic
from datayield.models.linear import Linear, Predict
from datayield.models.outside_model import Embed
from datayield.models.settings import ENCODER


def fit_embedded(training_set: TrainingSet, seed: int, embed: Embed, kind: str = ENCODER) -> Linear:
    """Fit logistic regression on the embeddings of the texts; choose C by cross-validation.

    Rows count by their weight, and a row with soft targets for its most probable class. `kind` is the
    model that embeds, a key of settings.OUTSIDE.
    """
    labels, classes = training_set.targets.argmax(1), training_set.targets.shape[1]
    if len(np.unique(labels)) < 2:
        return linear.majority(training_set, seed)
    x = embed(training_set.texts).astype(np.float64)

    def scores(fitted: Ints, held_out: Ints) -> list[float]:
        models = (_fit(x[fitted], labels[fitted], c, None) for c in linear.STRENGTHS)
        return [float((m.predict(x[held_out]) == labels[held_out]).mean()) for m in models]

    strength, fits = linear.choose_strength(linear.STRENGTHS, scores, labels, seed)
    model = _fit(x, labels, strength, training_set.weights)
    parts = ModelArrays(
        kind,
        (),
        {
            "coefficients": model.coef_,
            "intercept": model.intercept_,
            "present": model.classes_,
        },
    )
    parameters = int(model.coef_.size + model.intercept_.size)
    return Linear(read_embedded(parts, classes, embed), parts, parameters, fits)


def _fit(
    x: Floats, labels: Ints, strength: float, weights: NDArray[np.float32] | None
) -> LogisticRegression:
    model = LogisticRegression(
        C=strength, solver="newton-cg", tol=logistic.TOLERANCE, max_iter=logistic.MOST_STEPS
    )
    return model.fit(x, labels, sample_weight=weights)


def read_embedded(parts: ModelArrays, classes: int, embed: Embed) -> Predict:
    """Return the prediction function of a stored model on embeddings; its scores are probabilities.

    Args:
        parts: coefficients (classes in training, dimensions), intercept, numbers of the classes in training.
        classes: number of classes.
        embed: makes the embeddings of texts.
    """
    model = LogisticRegression()
    model.coef_, model.intercept_ = parts.arrays["coefficients"], parts.arrays["intercept"]
    model.classes_ = parts.arrays["present"]

    def predict(texts: Sequence[str]) -> NDArray[np.float32]:
        x = embed(texts).astype(np.float16).astype(np.float64)  # rounded as a study stores them
        return linear.spread(model.predict_proba(x), model.classes_, classes)

    return predict
