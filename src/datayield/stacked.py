"""Many trainings as one on a GPU: the products of K networks are one batched product (docs/adr/0019).

A GPU trains one small network badly, because hundreds of small kernels are started one after the other.
Here every kernel serves all networks of a stack, and an update is one CUDA graph per padded length.

A network learns the same numbers whatever is stacked beside it: a stack always has WIDTH places (idle
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
from datayield.train import Begun, Job, Trained, begin, evaluates, judged
from datayield.types import Floats, Round

ROOM = 1024  # the tables of a stack have a multiple of so many words
ROOMY = 3  # times the room needed, up to which an earlier stack serves with its graphs


def train_together(jobs: Sequence[Job], turns: tuple[seeds.Key, ...]) -> list[Trained]:
    """Train at most WIDTH networks of equal settings and classes side by side.

    Args:
        jobs: without objectives, pretrained starts and texts beside their batches.
        turns: key of the order in which long and short batches come, which all of them share; must
            follow from each job alone.

    Returns:
        What `train` would return for each, but for rounding and other dropout masks. A network's
        seconds are those of the stack, shared equally.
    """
    began = time.perf_counter()
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
    tokens, scoring, update = np.zeros(len(jobs), np.int64), 0.0, 0
    for number in range(s.rounds):
        for feed in feeds:
            feed.renew(number, update)
        count = s.updates * (number + 1) // s.rounds - update
        taken = [[feed.take() for feed in feeds] for _ in range(count)]
        losses, rate = stack.round(texts, taken, update)
        tokens += [
            sum(int(texts.own[k][rows[k]].sum()) for rows in taken) for k in range(len(jobs))
        ]
        update += count
        for k, feed in enumerate(feeds):
            for rows, p in zip(taken, stack.said, strict=False):
                feed.hear(rows[k], p[k, : len(rows[k])])
        paused = time.perf_counter()
        looked = stack.predicted(held_out) if held_out and evaluates(number, s) else None
        scoring += time.perf_counter() - paused
        for k, (feed, job) in enumerate(zip(feeds, jobs, strict=True)):
            held = looked[k] if looked and begun[k].held_out else None
            scores = judged(held, job.validation[1])
            histories[k].append(
                Round(number, update, rate, float(losses[k]), feed.accuracy, *scores)
            )
    stack.unload([b.model for b in begun])
    seconds = (time.perf_counter() - began - scoring) / len(jobs)
    return [
        Trained(
            b.model.eval(), b.vocabulary, tuple(histories[k]), feeds[k].shown(), int(tokens[k]),
            seconds, jobs[k].training_set.parents,
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
    kept = _kept.get(wanted)
    if kept is None or not words <= kept.room <= ROOMY * room:
        _kept.clear()
        kept = _kept[wanted] = Stack(job.settings, wanted[1], room)
    return kept


def _held_out(begun: Sequence[Begun]) -> Texts | None:
    """Validation texts; a network without any has none to score."""
    nothing = np.empty(0, np.int64)
    texts = [b.held_out or Encoded(nothing, nothing, nothing) for b in begun]
    return Texts(texts) if any(len(t) for t in texts) else None
