"""Averages the stored probabilities of other cells: the row of a blend, without any training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from datayield.core.metrics import accuracy, macro_f1
from datayield.core.types import Cell, Corpus, Cost, Floats, Ints, Probabilities, Row

SUMMED = (
    "updates",
    "tokens",
    "helper_fits",
    "prepare_seconds",
    "train_seconds",
    "inference_seconds",
    "cell_seconds",
    "validation_seconds",
    "parameters",
)  # costs of members that add up; of texts and memory the largest counts


def blend(cell: Cell, members: Sequence[Row], corpus: Corpus) -> Row:
    """Return the row of a cell that averages the probabilities of its members, all with equal weight.

    Args:
        cell: the blend.
        members: one row for each training, seeds included; all of one sample and test set.
        corpus: theirs.

    Raises:
        LookupError: a member has no probabilities.
    """
    stored = [row.probabilities for row in members if row.probabilities is not None]
    if len(stored) < len(members):
        without = next(row.cell for row in members if row.probabilities is None)
        raise LookupError(
            f"{without.arm} has no stored probabilities; it was computed by an older version"
        )
    on_test = _mean([p.test for p in stored])
    ids, held_out = _held_out(stored)
    predicted, validated = on_test.argmax(1), held_out.argmax(1)
    labels, classes = corpus.labels[ids], len(corpus.classes)
    return Row(
        cell=cell,
        key=cell.key,
        n_train=max(row.n_train for row in members),
        n_validation=len(ids),
        validation_accuracy=accuracy(validated, labels),
        validation_macro_f1=macro_f1(validated, labels, classes),
        accuracy=accuracy(predicted, corpus.test_labels),
        macro_f1=macro_f1(predicted, corpus.test_labels, classes),
        predicted=predicted,
        hits=predicted == corpus.test_labels,
        test_digest=members[0].test_digest,
        cost=_cost([row.cost for row in members]),
        probabilities=Probabilities(on_test.astype(np.float16), ids, held_out.astype(np.float16)),
    )


def _mean(probabilities: Sequence[np.ndarray]) -> Floats:
    mean: Floats = np.mean([p.astype(np.float64) for p in probabilities], axis=0)
    return mean


def _held_out(stored: Sequence[Probabilities]) -> tuple[Ints, Floats]:
    """Return the texts that every member held out, with the mean of what was predicted for them."""
    ids = stored[0].held_out_ids
    if all(np.array_equal(p.held_out_ids, ids) for p in stored):
        return ids, _mean([p.held_out for p in stored])
    return np.empty(0, np.int64), np.empty((0, stored[0].test.shape[1]))


def _cost(members: Sequence[Cost]) -> Cost:
    """Return the cost of a blend: a language model that members share counts once."""
    models = {c.language_models: c for c in members if c.language_models}
    largest = max(members, key=lambda c: c.unlabelled)
    return replace(
        largest,
        examples=max(c.examples for c in members),
        peak_memory_mib=max(c.peak_memory_mib for c in members),
        pretrain_seconds=sum(c.pretrain_seconds for c in models.values()),
        language_models="+".join(dict.fromkeys(n for names in models for n in names.split("+"))),
        **{name: sum(getattr(c, name) for c in members) for name in SUMMED},
    )
