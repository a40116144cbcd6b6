"""Fits multinomial logistic regression with an L2 penalty until it has converged."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import sparse
from sklearn.linear_model import LogisticRegression

from datayield.core.types import Floats, Ints

Expand: TypeAlias = Callable[[NDArray[np.float64]], NDArray[np.float64]]

TOLERANCE = 1e-6  # largest gradient of the mean loss at which a fit ends; see docs/adr/0005
MOST_STEPS = 500


def path(
    x: sparse.csr_matrix, labels: Ints, strengths: Sequence[float], weights: Any = None
) -> Iterator[LogisticRegression]:
    """Yield a fitted model for each C, in order; every fit begins where the one before ended.

    Args:
        x: (rows, features) without negative values.
        labels: (rows,) class indices of at least two classes.
        strengths: values of C, in ascending order (the fastest one).
        weights: (rows,) weight of each row's loss; None: 1.
    """
    merged, expand = merge_features_of_one_row(x)
    model = LogisticRegression(
        solver="newton-cg", tol=TOLERANCE, max_iter=MOST_STEPS, warm_start=True
    )
    for strength in strengths:
        model.set_params(C=strength).fit(merged, labels, sample_weight=weights)
        yield _with_coefficients(model, expand(model.coef_))


def _with_coefficients(
    model: LogisticRegression, coefficients: NDArray[np.float64]
) -> LogisticRegression:
    out = LogisticRegression()
    out.coef_, out.intercept_, out.classes_ = coefficients, model.intercept_.copy(), model.classes_
    return out


def merge_features_of_one_row(x: sparse.csr_matrix) -> tuple[sparse.csr_matrix, Expand]:
    """Return a matrix with one column for all features that occur in the same single row.

    An L2-penalised linear model sees no other difference between such features than their values
    v: its coefficients are those of the merged feature |v|, shared out by v / |v|. Of (1,2)-grams
    two thirds occur in one text.

    Args:
        x: (rows, features) without negative values.

    Returns:
        The matrix (rows, merged features), and a function that turns its coefficients (k, merged
        features) into those of x, (k, features); features that never occur get 0.
    """
    columns = x.tocsc()
    occurrences = np.diff(columns.indptr)
    alone, often = np.flatnonzero(occurrences == 1), np.flatnonzero(occurrences > 1)
    first = columns.indptr[alone]
    rows, values = columns.indices[first], columns.data[first]
    own, place = np.unique(rows, return_inverse=True)
    norms: Floats = np.sqrt(np.bincount(place, values**2, len(own)))
    merged = sparse.csc_matrix((norms, (own, np.arange(len(own)))), shape=(x.shape[0], len(own)))

    def expand(coefficients: NDArray[np.float64]) -> NDArray[np.float64]:
        out = np.zeros((len(coefficients), x.shape[1]))
        out[:, often] = coefficients[:, : len(often)]
        out[:, alone] = coefficients[:, len(often) + place] * (values / norms[place])
        return out

    return sparse.hstack([columns[:, often], merged], format="csr"), expand
