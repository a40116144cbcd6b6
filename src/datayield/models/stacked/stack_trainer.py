"""Trains many networks as one on a GPU: K products become one batched product (docs/adr/0019).

A GPU is slow at training one small network, because it starts hundreds of small kernels one after the
other. Here every kernel serves all networks of a stack, and an update is one CUDA graph per padded
length.

A network learns the same numbers whatever other networks are in its stack: a stack always has
STACK_SIZE places (idle ones hold zeros), and every sum over texts or tokens is taken in pieces of one
shape, so that longer texts of another network add zeros. Dropout is a hash of (network, update, place).
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from datayield.core import seeds
from datayield.core.types import Floats, Round
from datayield.models.batch_sampler import BatchSampler
from datayield.models.encoding import WINDOW, Encoded
from datayield.models.stacked import STACK_SIZE
from datayield.models.stacked.networks import Stack
from datayield.models.stacked.stacked_texts import StackedTexts
from datayield.models.trainer import (
    Begun,
    Trained,
    TrainingJob,
    begin,
    evaluates,
    loss_and_accuracy,
)

ROOM = 1024  # the embedding tables of a stack have a multiple of this many words
ROOMY = 3  # an earlier stack is used again if it has at most this many times the room needed


def train_together(jobs: Sequence[TrainingJob], turns: tuple[seeds.Key, ...]) -> list[Trained]:
    """Train networks of equal settings and classes side by side.

    Args:
        jobs: 1 to STACK_SIZE jobs without objectives, pretrained starts and unlabelled batches.
        turns: random key for the order of long and short batches. All networks share it, so it
            must not depend on which jobs are stacked together.

    Returns:
        The result of `train` for each job, except for rounding, the order of batches and the masks
        of dropout. The seconds of a network are an equal share of the stack's.

    Raises:
        ValueError: if there are more jobs than a stack has places.
        torch.OutOfMemoryError: if the stack does not fit into the memory of the GPU.
    """
    if len(jobs) > STACK_SIZE:
        raise ValueError(f"wanted at most {STACK_SIZE} jobs for a stack, got {len(jobs)}")
    try:
        return _trained(jobs, turns)
    except BaseException as e:
        _kept.clear()  # a stack that failed cannot be used again and would keep its memory
        if isinstance(e, torch.OutOfMemoryError):
            raise torch.OutOfMemoryError(
                f"{e} A stack of {STACK_SIZE} networks needs more of the GPU's memory: with"
                " execution.workers: 1 in params.yaml one worker has all of it."
            ) from e
        raise


def _trained(jobs: Sequence[TrainingJob], turns: tuple[seeds.Key, ...]) -> list[Trained]:
    begun = [begin(*job) for job in jobs]
    stack = _fitting(begun, jobs[0])
    stack.load([b.model for b in begun], [seeds.integer(*j.key, "dropout") for j in jobs])
    s = jobs[0].settings
    order = seeds.rng(*turns).random(s.updates + WINDOW)
    samplers = [
        BatchSampler(
            j.training_set, b.encoded.lengths, s, j.hooks.schedule, j.key, partial(_turns, order)
        )
        for j, b in zip(jobs, begun, strict=True)
    ]
    texts = StackedTexts([b.encoded for b in begun], [j.training_set for j in jobs])
    held_out = _held_out(begun)
    histories: list[list[Round]] = [[] for _ in jobs]
    tokens, seconds, update = [0] * len(jobs), 0.0, 0
    for number in range(s.rounds):
        began = time.perf_counter()
        for sampler in samplers:
            sampler.start_round(number, update)
        count = s.updates * (number + 1) // s.rounds - update
        taken = [[sampler.next_batch() for sampler in samplers] for _ in range(count)]
        losses = np.zeros(STACK_SIZE)
        for rows, (loss, p) in zip(taken, stack.updates(texts, taken, update), strict=True):
            losses += loss
            for k, sampler in enumerate(samplers):
                sampler.record_predictions(rows[k], p[k, : len(rows[k])])
                tokens[k] += int(begun[k].encoded.lengths[rows[k]].sum())
        update += count
        seconds += time.perf_counter() - began
        predicted = stack.predicted(held_out) if held_out and evaluates(number, s) else None
        for k, (sampler, job) in enumerate(zip(samplers, jobs, strict=True)):
            p_held_out = predicted[k] if predicted and begun[k].held_out else None
            in_training = float(losses[k]) / max(1, count), sampler.accuracy
            on_validation = loss_and_accuracy(p_held_out, job.validation[1])
            histories[k].append(Round(number, update, stack.rate, *in_training, *on_validation))
    stack.unload([b.model for b in begun])
    return [
        Trained(
            b.model.eval(), b.vocabulary, tuple(histories[k]), samplers[k].presentations(), tokens[k],
            seconds / len(jobs), jobs[k].training_set.parents,
        )
        for k, b in enumerate(begun)
    ]  # fmt: skip


def _turns(order: Floats, update: int, count: int) -> Floats:
    return order[update : update + count]


_kept: dict[tuple[Any, ...], Stack] = {}  # the last stack: its CUDA graphs may serve the next one


def _fitting(begun: Sequence[Begun], job: TrainingJob) -> Stack:
    """Return a stack with room for the vocabularies: the last one if it fits, else a new one."""
    words = max(len(b.vocabulary) for b in begun)
    room = -(-words // ROOM) * ROOM
    shape = (job.settings, job.training_set.targets.shape[1], torch.get_default_device().type)
    if shape not in _kept or not words <= _kept[shape].room <= ROOMY * room:
        _kept.clear()  # frees the memory before the new stack takes its own
        _kept[shape] = Stack(job.settings, shape[1], room)
    return _kept[shape]


def _held_out(begun: Sequence[Begun]) -> StackedTexts | None:
    """Return the validation texts of all networks; None if no network has any."""
    nothing = np.empty(0, np.int64)
    texts = [b.held_out or Encoded(nothing, nothing, nothing) for b in begun]
    return StackedTexts(texts) if any(len(t) for t in texts) else None
