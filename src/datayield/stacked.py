"""Many trainings as one on a GPU: the products of K networks are one batched product (docs/adr/0019).

A GPU trains one small network badly, because hundreds of small kernels are started one after the other.
Here every kernel serves all networks of a stack, and an update is one CUDA graph per padded length.

A network learns the same numbers whatever is stacked beside it: a stack always has PLACES places (idle
ones compute nothing), and every sum over texts or tokens is taken in pieces of one shape, so that longer
texts elsewhere add zeros. Dropout comes from a hash of (network, update, place).
"""

import time
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

from datayield import seeds
from datayield.encode import WINDOW, Encoded
from datayield.feed import Feed
from datayield.stack import Stack, Texts
from datayield.together import PLACES
from datayield.train import Begun, Job, Trained, begin, evaluates, judged
from datayield.types import Floats, Round

ROOM = 1024  # the tables of a stack have a multiple of so many words
ROOMY = 3  # times the room needed, up to which an earlier stack serves with its graphs


def train_together(jobs: Sequence[Job], turns: tuple[seeds.Key, ...]) -> list[Trained]:
    """Train networks of equal settings and classes side by side.

    Args:
        jobs: 1 to PLACES of them, without objectives, pretrained starts and texts beside their batches.
        turns: key of the order in which long and short batches come, which all of them share; must
            follow from each job alone.

    Returns:
        What `train` would return for each, but for rounding, the order of batches and the masks of
        dropout. A network's seconds are those of the stack, shared equally.

    Raises:
        ValueError: for more jobs than a stack has places.
        torch.OutOfMemoryError: saying what leaves a stack more of the GPU.
    """
    if len(jobs) > PLACES:
        raise ValueError(f"wanted at most {PLACES} jobs for a stack, got {len(jobs)}")
    try:
        return _trained(jobs, turns)
    except BaseException as e:
        _kept.clear()  # half a stack is none, and would keep its memory
        if isinstance(e, torch.OutOfMemoryError):
            raise torch.OutOfMemoryError(
                f"{e} A stack of {PLACES} networks wants more of the GPU's memory: execution.workers: 1"
                " leaves it all to one."
            ) from e
        raise


def _trained(jobs: Sequence[Job], turns: tuple[seeds.Key, ...]) -> list[Trained]:
    begun = [begin(*job) for job in jobs]
    stack = _fitting(begun, jobs[0])
    stack.load([b.model for b in begun], [seeds.integer(*j.key, "dropout") for j in jobs])
    s = jobs[0].settings
    order = seeds.rng(*turns).random(s.updates + WINDOW)
    feeds = [
        Feed(j.training_set, b.encoded.lengths, s, j.verbs.present, j.key, partial(_turns, order))
        for j, b in zip(jobs, begun, strict=True)
    ]
    texts = Texts([b.encoded for b in begun], [j.training_set for j in jobs])
    held_out = _held_out(begun)
    histories: list[list[Round]] = [[] for _ in jobs]
    tokens, seconds, update = [0] * len(jobs), 0.0, 0
    for number in range(s.rounds):
        began = time.perf_counter()
        for feed in feeds:
            feed.renew(number, update)
        count = s.updates * (number + 1) // s.rounds - update
        taken = [[feed.take() for feed in feeds] for _ in range(count)]
        losses = np.zeros(PLACES)
        for rows, (loss, p) in zip(taken, stack.updates(texts, taken, update), strict=True):
            losses += loss
            for k, feed in enumerate(feeds):
                feed.hear(rows[k], p[k, : len(rows[k])])
                tokens[k] += int(begun[k].encoded.lengths[rows[k]].sum())
        update += count
        seconds += time.perf_counter() - began
        looked = stack.predicted(held_out) if held_out and evaluates(number, s) else None
        for k, (feed, job) in enumerate(zip(feeds, jobs, strict=True)):
            held = looked[k] if looked and begun[k].held_out else None
            done = float(losses[k]) / max(1, count), feed.accuracy
            scores = judged(held, job.validation[1])
            histories[k].append(Round(number, update, stack.rate, *done, *scores))
    stack.unload([b.model for b in begun])
    return [
        Trained(
            b.model.eval(), b.vocabulary, tuple(histories[k]), feeds[k].shown(), tokens[k],
            seconds / len(jobs), jobs[k].training_set.parents,
        )
        for k, b in enumerate(begun)
    ]  # fmt: skip


def _turns(order: Floats, update: int, count: int) -> Floats:
    return order[update : update + count]


_kept: dict[tuple[Any, ...], Stack] = {}  # the last stack, whose graphs may serve the next


def _fitting(begun: Sequence[Begun], job: Job) -> Stack:
    """A stack with room for the vocabularies: the last one where it serves, for its graphs."""
    words = max(len(b.vocabulary) for b in begun)
    room = -(-words // ROOM) * ROOM
    wanted = (job.settings, job.training_set.targets.shape[1], torch.get_default_device().type)
    if wanted not in _kept or not words <= _kept[wanted].room <= ROOMY * room:
        _kept.clear()  # before another one takes memory
        _kept[wanted] = Stack(job.settings, wanted[1], room)
    return _kept[wanted]


def _held_out(begun: Sequence[Begun]) -> Texts | None:
    """Validation texts; a network without any has none to score."""
    nothing = np.empty(0, np.int64)
    texts = [b.held_out or Encoded(nothing, nothing, nothing) for b in begun]
    return Texts(texts) if any(len(t) for t in texts) else None
