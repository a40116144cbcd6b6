"""Which texts to label: active learning, in rounds, where a helper is least certain."""

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from datayield.strategies.base import Desk, Fitted, Need, Strategy, check_count
from datayield.types import Floats, Ints, Pool, TrainingSet

LOOKED_AT = 5000  # texts of the pool that a round considers, drawn at random
PASSES = 20  # bald: predictions under dropout


# Uncertainty: probabilities of the current helper (texts, classes) -> larger is asked first.
def _entropy(helper: Fitted, texts: Sequence[str]) -> Floats:
    return entropy_of(helper.predict(texts))


def entropy_of(p: NDArray[np.float32]) -> Floats:
    """Entropy of the last axis, in nats."""
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
    ask_first: Callable[[Fitted, Sequence[str]], Floats],
    rounds: int,
    source: str,
    needs: tuple[Need, ...] = (),
) -> Strategy:
    check_count("rounds", rounds, 1, 100)

    def acquire(pool: Pool, labels: int, desk: Desk) -> Ints:
        ids = desk.labelled
        steps = np.linspace(len(ids), labels, rounds + 1).round().astype(int)[1:]
        for step in steps:
            rows = TrainingSet(
                tuple(pool.texts[i] for i in ids),
                np.eye(desk.classes, dtype=np.float32)[desk.ask(ids)],
                np.ones(len(ids), np.float32),
                ids,
            )
            open_ids = np.setdiff1d(desk.candidates, ids)
            batch = int(step - len(ids))
            looked = np.sort(desk.rng.permutation(open_ids)[: max(LOOKED_AT, batch)])
            values = ask_first(desk.fit(rows), [pool.texts[i] for i in looked])
            ids = np.concatenate([ids, looked[np.argsort(-values, kind="stable")[:batch]]])
        return ids

    told = "a helper training for each round"
    # A helper costs about as much as the cell's own training, predictions under dropout once more.
    effort = 1.0 + rounds * (2.4 if "dropout" in needs else 1.1)
    return Strategy(
        name, summary, acquire=acquire, needs=needs, compute=told, effort=effort, source=source
    )


def entropy(rounds: int = 3) -> Strategy:
    """Active learning: asks where the current network's prediction has the largest entropy.

    Args:
        rounds: how often labels are asked for. Each round trains a helper from scratch on all
            labels so far and asks for an equal part of those still to be paid.
    """
    return _active(
        "entropy",
        "asks for the labels of the texts with the most uncertain prediction, in rounds",
        _entropy,
        rounds,
        "Settles 2009, active learning literature survey",
    )


def margin(rounds: int = 3) -> Strategy:
    """As `entropy`, by the smallest gap between the two likeliest classes."""
    return _active(
        "margin",
        "asks where the two likeliest classes are closest, in rounds",
        _margin,
        rounds,
        "Scheffer et al. 2001; Settles 2009",
    )


def least_confidence(rounds: int = 3) -> Strategy:
    """As `entropy`, by the smallest probability of the likeliest class."""
    return _active(
        "least_confidence",
        "asks where the likeliest class is least likely, in rounds",
        _least_confidence,
        rounds,
        "Lewis & Gale 1994; Settles 2009",
    )


def bald(rounds: int = 3) -> Strategy:
    """As `entropy`, by H[mean p] - mean H[p] over 20 predictions with dropout on (some is needed)."""
    return _active(
        "bald",
        "asks where predictions under dropout disagree most, in rounds",
        _bald,
        rounds,
        "Houlsby et al. 2011, arXiv 1112.5745; Gal et al. 2017",
        needs=("dropout",),
    )
