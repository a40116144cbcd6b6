"""Pools the class probabilities of several models: their mean, or a product with fitted exponents."""

from collections.abc import Sequence

import numpy as np
from scipy.optimize import minimize

from datayield.core.types import Floats, Ints

FLOOR = 1e-4  # of a probability in the product: a class that one model rules out can still win
RIDGE = 1.0  # what an exponent's squared distance from an equal share costs, in units of log loss


def mean(probabilities: Sequence[Floats]) -> Floats:
    """Return the mean of probabilities (texts, classes), one array for each model."""
    pooled: Floats = np.mean(probabilities, axis=0)
    return pooled


def product(probabilities: Sequence[Floats], exponents: Sequence[float]) -> Floats:
    """Return the product of probabilities to the power of their exponents, rows normalised to 1.

    Source: logarithmic opinion pool (Genest & Zidek 1986). An exponent below 1 makes a model less
    sure of itself, and all of them together say how sure the pool is.
    """
    return _normalised(_logits(probabilities, np.asarray(exponents)))


def fitted_exponents(probabilities: Sequence[Floats], labels: Ints) -> tuple[float, ...]:
    """Return the exponents, at least 0, with the smallest log loss on texts that trained none of the models.

    Args:
        probabilities: of the texts, (texts, classes) for each model.
        labels: (texts,) class indices; without texts every exponent is an equal share.
    """
    start = np.full(len(probabilities), 1 / len(probabilities))
    rows = np.arange(len(labels))

    def loss(exponents: Floats) -> float:
        p = _normalised(_logits(probabilities, exponents))[rows, labels]
        return float(-np.log(p).sum() + RIDGE * ((exponents - start) ** 2).sum())

    found = minimize(loss, start, method="L-BFGS-B", bounds=[(0, None)] * len(start))
    return tuple(float(x) for x in found.x)


def _logits(probabilities: Sequence[Floats], exponents: Floats) -> Floats:
    parts = [
        a * np.log(np.maximum(p, FLOOR)) for p, a in zip(probabilities, exponents, strict=True)
    ]
    total: Floats = np.sum(parts, axis=0)
    return total


def _normalised(logits: Floats) -> Floats:
    raised: Floats = np.exp(logits - logits.max(1, keepdims=True))
    raised /= raised.sum(1, keepdims=True)
    return raised
