"""Chooses texts to label by active learning: in rounds, those a helper is least certain about."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import Floats, Ints, Pool, TrainingSet
from datayield.strategies.base import Fitted, Need, Strategy, StrategyContext, check_count

LOOKED_AT = 5000  # pool texts that a round considers, drawn at random
PASSES = 20  # predictions under dropout for `bald`


# Each returns the helper's uncertainty per text, (texts,); the largest are labelled first.
def _entropy(helper: Fitted, texts: Sequence[str]) -> Floats:
    return entropy_of(helper.predict(texts))


def entropy_of(p: NDArray[np.float32]) -> Floats:
    """Return the entropy of distributions along the last axis, in nats."""
    q = p.astype(np.float64)
    out: Floats = -(q * np.log(np.maximum(q, 1e-12))).sum(-1)
    return out


def _margin(helper: Fitted, texts: Sequence[str]) -> Floats:
    two = np.sort(helper.predict(texts), axis=1)[:, -2:]
    gap: Floats = (two[:, 0] - two[:, 1]).astype(np.float64)
    return gap


def _least_confidence(helper: Fitted, texts: Sequence[str]) -> Floats:
    doubt: Floats = 1.0 - helper.predict(texts).max(1).astype(np.float64)
    return doubt


def _bald(helper: Fitted, texts: Sequence[str]) -> Floats:
    assert helper.sample is not None
    p = helper.sample(texts, PASSES)
    gain: Floats = entropy_of(p.mean(0)) - entropy_of(p).mean(0)
    return gain


def _active(
    name: str,
    summary: str,
    title: str,
    uncertainty: Callable[[Fitted, Sequence[str]], Floats],
    rounds: int,
    source: str,
    needs: tuple[Need, ...] = (),
) -> Strategy:
    check_count("rounds", rounds, 1, 100)

    def query(pool: Pool, labels: int, context: StrategyContext) -> Ints:
        ids = context.labelled
        steps = np.linspace(len(ids), labels, rounds + 1).round().astype(int)[1:]
        for step in steps:
            rows = TrainingSet(
                tuple(pool.texts[i] for i in ids),
                np.eye(context.classes, dtype=np.float32)[context.reveal_labels(ids)],
                np.ones(len(ids), np.float32),
                ids,
            )
            open_ids = np.setdiff1d(context.candidates, ids)
            batch = int(step - len(ids))
            looked_at = np.sort(context.rng.permutation(open_ids)[: max(LOOKED_AT, batch)])
            values = uncertainty(context.fit(rows), [pool.texts[i] for i in looked_at])
            ids = np.concatenate([ids, looked_at[np.argsort(-values, kind="stable")[:batch]]])
        return ids

    # A helper takes about as long as the cell's own training, and PASSES predictions as long again.
    effort = 1.0 + rounds * (2.4 if "dropout" in needs else 1.1)
    return Strategy(
        name,
        summary,
        title,
        query=query,
        needs=needs,
        compute="a helper training for each round",
        effort=effort,
        source=source,
    )


def entropy(rounds: int = 3) -> Strategy:
    """Label the texts whose prediction by a helper has the largest entropy (active learning).

    Args:
        rounds: number of rounds. Each trains a helper from scratch on all labels so far and labels
            an equal part of the remaining budget.
    """
    return _active(
        "entropy",
        "labels the texts with the most uncertain predictions, in rounds",
        "labels of uncertain texts (entropy)",
        _entropy,
        rounds,
        "Settles 2009, active learning literature survey",
    )


def margin(rounds: int = 3) -> Strategy:
    """Label as `entropy` does, by the smallest gap between the two likeliest classes."""
    return _active(
        "margin",
        "labels the texts whose two likeliest classes are closest, in rounds",
        "labels of uncertain texts (margin)",
        _margin,
        rounds,
        "Scheffer et al. 2001; Settles 2009",
    )


def least_confidence(rounds: int = 3) -> Strategy:
    """Label as `entropy` does, by the smallest probability of the likeliest class."""
    return _active(
        "least_confidence",
        "labels the texts whose likeliest class is least likely, in rounds",
        "labels of uncertain texts (least confidence)",
        _least_confidence,
        rounds,
        "Lewis & Gale 1994; Settles 2009",
    )


def bald(rounds: int = 3) -> Strategy:
    """Label as `entropy` does, by H[mean p] - mean H[p] over 20 predictions under dropout."""
    return _active(
        "bald",
        "labels the texts whose predictions under dropout disagree most, in rounds",
        "labels of uncertain texts (BALD)",
        _bald,
        rounds,
        "Houlsby et al. 2011, arXiv 1112.5745; Gal et al. 2017",
        needs=("dropout",),
    )
