"""Lets a network and a linear model label texts for each other (co-training)."""

import numpy as np
from numpy.typing import NDArray

from datayield.core.types import Ints, TrainingSet
from datayield.strategies.base import (
    Fitted,
    Strategy,
    StrategyContext,
    TunableArgument,
    check_count,
    check_number,
)
from datayield.strategies.self_training import accuracy_on, rows_to_choose_by

POOLED = 10  # texts that a round chooses from, for each text that it labels (75 for 8 in the paper)


def co_training(rounds: int = 4, added: float = 0.5) -> Strategy:
    """Add unlabelled texts that a network and a TF-IDF model label for each other, in rounds.

    In every round both learn from the same rows. Then each labels those texts of a small random pool
    that it is surest of, as many of a class as the class has among the paid labels, and the rows of
    both join the training set. The paper's two models read two views of an example; here both read
    the whole text, one as a sequence and one as a bag of words and pairs, as in Goldman & Zhou 2000.
    The paper has 30 rounds of few texts; here they are fewer and larger, because each trains a
    network. Their number is chosen inside the labels: networks are scored on a fold that they did not see.

    Args:
        rounds: largest number of rounds, 1 to 30.
        added: texts that each model labels in a round, as a share of the labels, up to 10.
    """
    check_count("rounds", rounds, 1, 30)
    check_number("added", added, 0.01, 10)

    def transform(training_set: TrainingSet, context: StrategyContext) -> TrainingSet:
        order = context.rng.permutation(len(context.unlabelled_ids))
        held_out = rows_to_choose_by(training_set, context)
        seen, unseen = (training_set.take(np.flatnonzero(rows)) for rows in (~held_out, held_out))
        network, waiting = context.fit(seen), order
        scores = [accuracy_on(network, unseen)]
        for _ in range(rounds):
            seen, waiting = _labelled(seen, waiting, network, added, context)
            network = context.fit(seen)
            scores.append(accuracy_on(network, unseen))
        rows, waiting = training_set, order
        for _ in range(int(np.argmax(scores))):  # the first among equals
            rows, waiting = _labelled(rows, waiting, context.fit(rows), added, context)
        return rows

    return Strategy(
        "co_training",
        "adds unlabelled texts that a network and a TF-IDF model label for each other, in rounds",
        "co-training with TF-IDF",
        transform=transform,
        unlabelled=True,
        space=(TunableArgument("added", 0.1, 2.0, log=True),),
        compute="up to two helper trainings and two linear fits per round, and one more training",
        effort=1.5 + 1.5 * (2 * rounds + 1),
        source="Blum & Mitchell 1998, COLT; Goldman & Zhou 2000, ICML (two learners of one view)",
    )


def _labelled(
    rows: TrainingSet, waiting: Ints, network: Fitted, added: float, context: StrategyContext
) -> tuple[TrainingSet, Ints]:
    """Return the rows with the texts that both models label, and the places of the texts that remain.

    Args:
        rows: what both models learn from.
        waiting: places in the context's unlabelled texts, in random order.
        network: trained on the rows; the linear model is fitted here.
        added: texts that each labels, as a share of the paid labels.
        context: of the cell.
    """
    texts, ids = context.unlabelled, context.unlabelled_ids
    paid = np.isin(rows.parents, context.labelled)
    counts = class_counts(rows.targets[paid].sum(0), added)
    for model in (network, context.fit(rows, "linear")):
        looked_at = waiting[: 2 * POOLED * int(counts.sum())]
        if not len(looked_at):
            break
        p = model.predict([texts[i] for i in looked_at])
        chosen, classes = surest(p, counts)
        places = looked_at[chosen]
        rows = TrainingSet(
            (*rows.texts, *(texts[i] for i in places)),
            np.concatenate([rows.targets, np.eye(p.shape[1], dtype=np.float32)[classes]]),
            np.concatenate([rows.weights, np.ones(len(places), np.float32)]),
            np.concatenate([rows.parents, ids[places]]),
        )
        waiting = waiting[~np.isin(waiting, places)]
    return rows, waiting


def class_counts(labels: NDArray[np.float32], added: float) -> Ints:
    """Return how many texts of each class a model labels, at least 1 of a class with labels; (classes,)."""
    return np.where(labels > 0, np.maximum(1, np.round(added * labels)), 0).astype(np.int64)


def surest(p: NDArray[np.float32], counts: Ints) -> tuple[Ints, Ints]:
    """Return the rows with the largest probability of each class that is predicted, and their classes.

    A row is chosen for the class that it is predicted as; a class has fewer rows where fewer are.

    Args:
        p: probabilities, (rows, classes).
        counts: (classes,) rows wanted.
    """
    guess = p.argmax(1)
    groups = []
    for c, count in enumerate(counts.tolist()):
        members = np.flatnonzero(guess == c)
        groups.append(members[np.argsort(-p[members, c], kind="stable")[:count]])
    chosen = np.concatenate(groups)
    return chosen, guess[chosen]
