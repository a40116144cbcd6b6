"""Pools the stored probabilities of other cells: the row of a blend, without any training."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from datayield.core.arm import WEIGHTED, Arm
from datayield.core.metrics import accuracy, macro_f1
from datayield.core.types import Cell, Corpus, Cost, Floats, Ints, Probabilities, Row
from datayield.models import pooling

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
    """Return the row of a cell that pools the probabilities of its members.

    The trainings of one member, which differ in their seeds, are averaged first. The members then count
    alike, or by exponents that are fitted on the texts that all of them held out.

    Args:
        cell: the blend.
        members: one row for each training, seeds included; all of one sample and test set.
        corpus: theirs.

    Raises:
        LookupError: a member has no probabilities.
    """
    stored = stored_probabilities(members)
    on_test = by_member(cell.arm, [p.test for p in stored])
    ids, labels, validating = held_out_of(cell.arm, stored, corpus)
    if cell.arm.architecture == WEIGHTED:
        pooled = pooling.product(on_test, pooling.fitted_exponents(validating, labels))
        held_out = _cross_fitted(validating, labels)
    else:
        pooled, held_out = pooling.mean(on_test), pooling.mean(validating)
    predicted, validated, classes = pooled.argmax(1), held_out.argmax(1), len(corpus.classes)
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
        probabilities=Probabilities(pooled.astype(np.float16), ids, held_out.astype(np.float16)),
    )


def stored_probabilities(members: Sequence[Row]) -> list[Probabilities]:
    """Return the probabilities of every row.

    Raises:
        LookupError: a row has none.
    """
    without = next((row.cell for row in members if row.probabilities is None), None)
    if without is not None:
        raise LookupError(
            f"{without.arm} has no stored probabilities; it was computed by an older version"
        )
    return [row.probabilities for row in members if row.probabilities is not None]


def by_member(arm: Arm, each: Sequence[NDArray[np.float16]]) -> list[Floats]:
    """Return the mean over the seeds of every member, (texts, classes) each."""
    ends = np.cumsum([m.count for m in arm.members])[:-1]
    groups = np.split(np.asarray(each, np.float64), ends)
    return [group.mean(0) for group in groups]


def held_out_of(
    arm: Arm, stored: Sequence[Probabilities], corpus: Corpus
) -> tuple[Ints, Ints, list[Floats]]:
    """Return the ids of the texts that every member held out, their labels, and each member's probabilities."""
    ids = stored[0].held_out_ids
    if not all(np.array_equal(p.held_out_ids, ids) for p in stored):
        ids = ids[:0]
    probabilities = by_member(arm, [p.held_out[: len(ids)] for p in stored])
    return ids, corpus.labels[ids], probabilities


def _cross_fitted(probabilities: Sequence[Floats], labels: Ints) -> Floats:
    """Return the pooled probabilities of held-out texts, with exponents fitted on the other half of them."""
    even = np.arange(len(labels)) % 2 == 0
    out = np.empty_like(probabilities[0])
    for half in (even, ~even):
        exponents = pooling.fitted_exponents([p[~half] for p in probabilities], labels[~half])
        out[half] = pooling.product([p[half] for p in probabilities], exponents)
    return out


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
