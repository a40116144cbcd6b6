"""Many trainings as one on a GPU: the products of K networks are one batched product (docs/adr/0019).

A GPU trains one small network badly, because hundreds of small kernels are started one after the other.
Here every kernel serves all networks of a stack, and an update is one CUDA graph per padded length.

A network learns the same numbers whatever is stacked beside it: a stack always has WIDTH places (idle
ones compute nothing), and every sum over texts or tokens is taken in pieces of one shape, so that longer
texts elsewhere add zeros. Dropout comes from a hash of (network, update, place).

Axes: K places of a stack, D directions, G = D * K, B texts, T tokens (a multiple of STEP), E embedding,
H hidden width per direction, C classes.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield import seeds
from datayield.encode import PAD, UNKNOWN, WINDOW, Encoded
from datayield.feed import Feed
from datayield.model import NEGATIVE, Swap
from datayield.place import array, tensor
from datayield.together import WIDTH
from datayield.train import Begun, Job, Trained, begin, evaluates, judged
from datayield.types import Floats, Ints, Round, Settings, TrainingSet

STEP = 8  # tokens that are multiplied at once
ROOM = 1024  # the tables of a stack have a multiple of so many words
ROOMY = 3  # times the room needed, up to which an earlier stack serves with its graphs
SCORED = 64  # texts per network that are scored at once
UNIT = 2.0**32  # of the whole numbers in which squared gradients are added up
LARGEST = 2.0**18  # squared length of a word's gradient that is told apart from larger ones
GOLDEN = 0x9E3779B97F4A7C15


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
    texts = _Texts([b.encoded for b in begun], [j.training_set for j in jobs])
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


_kept: dict[tuple[Any, ...], "_Stack"] = {}  # the last stack, whose graphs may serve the next


def _fitting(begun: Sequence[Begun], job: Job) -> "_Stack":
    """A stack with room for the vocabularies: the last one where it serves, for its graphs."""
    words = max(len(b.vocabulary) for b in begun)
    room = -(-words // ROOM) * ROOM
    wanted = (job.settings, job.training_set.targets.shape[1], torch.get_default_device().type)
    kept = _kept.get(wanted)
    if kept is None or not words <= kept.room <= ROOMY * room:
        _kept.clear()
        kept = _kept[wanted] = _Stack(job.settings, wanted[1], room)
    return kept


class _Texts:
    """The texts of all networks on the device, and one that is empty, for idle places."""

    def __init__(self, encoded: Sequence[Encoded], sets: Sequence[TrainingSet] = ()) -> None:
        ends = np.cumsum([0, *(len(e.flat) for e in encoded)])
        self.first = np.cumsum([0, *(len(e) for e in encoded)])
        self.own = [e.lengths for e in encoded]
        starts = [e.starts + end for e, end in zip(encoded, ends, strict=False)]
        self.lengths = np.concatenate([*self.own, [1]])
        self._flat = tensor(np.concatenate([*(e.flat for e in encoded), [PAD]]))
        self._starts = tensor(np.concatenate([*starts, [ends[-1]]]))
        self._on_device = tensor(self.lengths)
        if sets:
            self.weights = np.concatenate([*(s.weights for s in sets), [0]]).astype(np.float32)
            idle = np.zeros((1, sets[0].targets.shape[1]), np.float32)
            self.targets = tensor(np.concatenate([*(s.targets for s in sets), idle]))

    def numbers(self, rows: Sequence[Ints], size: int) -> Ints:
        """(K, size): each network's rows among all texts; what is missing is the empty text."""
        out = np.full((WIDTH, size), self.first[-1])
        for k, own in enumerate(rows):
            out[k, : len(own)] = own + self.first[k]
        return out

    def read(self, rows: torch.Tensor, width: int) -> tuple[torch.Tensor, torch.Tensor]:
        """(..., B) rows -> ids (..., width, B), lengths (..., B)."""
        lengths = self._on_device[rows]
        t = torch.arange(width)[:, None]
        inside = t < lengths[..., None, :]
        where = torch.where(inside, self._starts[rows][..., None, :] + t, 0)
        return torch.where(inside, self._flat[where], PAD), lengths


def _held_out(begun: Sequence[Begun]) -> _Texts | None:
    """Validation texts; a network without any has none to score."""
    nothing = np.empty(0, np.int64)
    texts = [b.held_out or Encoded(nothing, nothing, nothing) for b in begun]
    return _Texts(texts) if any(len(t) for t in texts) else None


def _padded(longest: int) -> int:
    return -(-longest // STEP) * STEP


class _Stack:
    """WIDTH networks of one shape on this process's device, and their training."""

    def __init__(self, settings: Settings, classes: int, room: int) -> None:
        s = self._settings = settings
        self._classes, self.room = classes, room
        self._directions = 2 if s.bidirectional else 1
        gates, pooled = 4 * s.hidden, self._directions * s.hidden
        pooled *= 2 if s.pooling == "max_mean" else 1
        shapes: dict[str, tuple[int, ...]] = {
            "embedding.weight": (room, s.embedding),
            "linear.weight": (classes, pooled),
            "linear.bias": (classes,),
        }
        self._recurrent = {
            "weight_ih_l0": (gates, s.embedding),
            "weight_hh_l0": (gates, s.hidden),
            "bias_ih_l0": (gates,),
            "bias_hh_l0": (gates,),
        }
        self._own = {k: torch.zeros(WIDTH, *v) for k, v in shapes.items()}
        self._own |= {
            k: torch.zeros(self._directions * WIDTH, *v) for k, v in self._recurrent.items()
        }
        for p in self._own.values():
            p.requires_grad_()
        on_gpu = torch.get_default_device().type == "cuda"
        self._rate = torch.tensor(s.learning_rate)
        self._optimizer = torch.optim.AdamW(
            list(self._own.values()), self._rate, weight_decay=s.weight_decay, fused=True,
            capturable=on_gpu,
        )  # fmt: skip
        self._seeds = torch.zeros(WIDTH, dtype=torch.int64)
        self._turn = torch.zeros((), dtype=torch.int64)  # updates made
        self._offsets = (torch.arange(WIDTH) * room)[:, None, None]
        longest = _padded(s.max_tokens)
        self._places = torch.arange(longest + s.embedding + pooled)
        shape = (WIDTH, s.batch)
        self._lengths = torch.ones(shape, dtype=torch.int64)
        self._targets = torch.zeros(*shape, classes)
        self._scale = torch.zeros(shape)
        self._loss, self._p = torch.zeros(WIDTH), torch.zeros(*shape, classes)
        self.said: list[NDArray[np.float32]] = []  # of the last round, per update (K, B, C)
        self._graphs: dict[int, tuple[torch.Tensor, Callable[[], None]]] = {}
        self._ready = False

    def load(self, models: Sequence[nn.Module], dropout: Sequence[int]) -> None:
        """Take over the weights of these networks; whatever was here before is gone."""
        with torch.no_grad():
            for p in self._own.values():
                p.zero_()
            for k, model in enumerate(models):
                for name, weight in model.named_parameters():
                    self._of(name, k)[: len(weight)].copy_(weight)
            for state in self._optimizer.state.values():
                for value in state.values():
                    value.zero_()
            self._turn.zero_()
            self._seeds.zero_()
            self._seeds[: len(dropout)] = torch.tensor(dropout, dtype=torch.int64)

    def unload(self, models: Sequence[nn.Module]) -> None:
        """Give the weights to these networks."""
        with torch.no_grad():
            for k, model in enumerate(models):
                for name, weight in model.named_parameters():
                    weight.copy_(self._of(name, k)[: len(weight)])

    def _of(self, name: str, k: int) -> torch.Tensor:
        """A network's parameter, by the name that `Classifier` has for it."""
        if not name.startswith("recurrent."):
            return self._own[name].detach()[k]
        _, _, direction, kind = name.split(".")
        return self._own[kind].detach()[int(direction) * WIDTH + k]

    def round(
        self, texts: _Texts, taken: Sequence[Sequence[Ints]], update: int
    ) -> tuple[Floats, float]:
        """Make one update per list of rows; returns (mean losses (K,), the last rate).

        What was predicted before each update is in `said` afterwards.
        """
        s = self._settings
        rows = np.stack([texts.numbers(each, s.batch) for each in taken])  # (U, K, B)
        counts = np.array([[len(own) for own in each] for each in taken], np.float32)
        scale = texts.weights[rows]
        scale[:, : counts.shape[1]] /= counts[:, :, None]
        widths = [_padded(int(w)) for w in texts.lengths[rows].max((1, 2))]
        chosen, scales = tensor(rows), tensor(scale)
        ids, lengths = texts.read(chosen, max(widths))
        targets = texts.targets[chosen]
        losses, said = [], []
        rate = s.learning_rate
        for i, width in enumerate(widths):
            place, compute = self._compute(width)
            rate = s.learning_rate * (1 - (update + i) / s.updates if s.decay else 1)
            self._rate.fill_(rate)
            place.copy_(ids[i, :, :width])
            self._lengths.copy_(lengths[i])
            self._targets.copy_(targets[i])
            self._scale.copy_(scales[i])
            compute()
            losses.append(self._loss.clone())
            said.append(self._p.clone())
        self.said = list(array(torch.stack(said))) if said else []
        mean = array(torch.stack(losses)).astype(np.float64).mean(0) if said else np.zeros(WIDTH)
        return mean, rate

    def _compute(self, width: int) -> tuple[torch.Tensor, Callable[[], None]]:
        """Where the ids of an update of this width belong, and what makes the update."""
        if width not in self._graphs:
            place = torch.zeros(WIDTH, width, self._settings.batch, dtype=torch.int64)
            update = partial(self._update, place)
            self._graphs[width] = place, self._captured(update) if place.is_cuda else update
        return self._graphs[width]

    def _captured(self, update: Callable[[], None]) -> Callable[[], None]:
        """The update as a CUDA graph, none of which has run yet."""
        if not self._ready:
            self._warm(update)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            update()
        return graph.replay

    def _warm(self, update: Callable[[], None]) -> None:
        """What a capture needs to have happened once; nothing of it stays."""
        kept = [p.detach().clone() for p in (*self._own.values(), self._turn)]
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            update()
        torch.cuda.current_stream().wait_stream(beside)
        with torch.no_grad():
            for p, old in zip((*self._own.values(), self._turn), kept, strict=True):
                p.copy_(old)
            for state in self._optimizer.state.values():
                for value in state.values():
                    value.zero_()
        self._pool = torch.cuda.graph_pool_handle()
        self._ready = True

    def _update(self, ids: torch.Tensor) -> None:
        """One update of all networks on what lies in the places of a batch."""
        self._optimizer.zero_grad(set_to_none=True)
        logits = self._logits(ids, self._lengths, self._noise())
        logs = logits.log_softmax(2)
        losses = (-(self._targets * logs).sum(2) * self._scale).sum(1)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self._clip()
            self._loss.copy_(losses.detach())
            self._p.copy_(logs.detach().exp())
            self._turn.add_(1)
        self._optimizer.step()

    def _noise(self) -> torch.Tensor:
        """Numbers in [0, 1), (K, B, places): splitmix64 of (network, update, text and place)."""
        b = self._settings.batch
        index = torch.arange(b)[:, None] * len(self._places) + self._places
        start = self._seeds + self._turn * _signed(GOLDEN)
        z = _mixed(start)[:, None, None] + index * _signed(GOLDEN)
        return _mixed(z).bitwise_right_shift(40).bitwise_and(0xFFFFFF).float() * 2.0**-24

    def _logits(
        self, ids: torch.Tensor, lengths: torch.Tensor, noise: torch.Tensor | None
    ) -> torch.Tensor:
        """(K, T, B), (K, B) -> (K, B, C); with dropout where there is noise."""
        s, own = self._settings, self._own
        width = ids.shape[1]
        longest = _padded(s.max_tokens)
        real = ids != PAD
        if noise is not None:
            dropped = (noise[:, :, :width] < s.word_dropout).transpose(1, 2) & real
            ids = torch.where(dropped, UNKNOWN, ids)
        x = nn.functional.embedding(ids + self._offsets, own["embedding.weight"].flatten(0, 1))
        x = x * real[..., None]
        if noise is not None:
            kept = noise[:, :, longest : longest + s.embedding]
            x = x * _dropout(kept, s.embedding_dropout)[:, None]
        states = self._read(x, lengths)  # (T, D, K, B, H)
        inside = (torch.arange(width)[:, None, None] < lengths)[:, None, ..., None]
        pooled = _max_mean if s.pooling == "max_mean" else _last
        by_direction = pooled(states, inside, lengths)
        joined = by_direction.permute(1, 2, 0, 3).flatten(2)
        if noise is not None:
            joined = joined * _dropout(noise[:, :, longest + s.embedding :], s.dropout)
        return torch.baddbmm(
            own["linear.bias"][:, None], joined, own["linear.weight"].transpose(1, 2)
        )

    def _read(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(K, T, B, E) -> (T, D, K, B, H), each direction in its reading order."""
        k, width, b, e = x.shape
        ways = [x]
        if self._directions == 2:
            t = torch.arange(width)[:, None]
            source = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)  # (K, T, B)
            row = torch.arange(k)[:, None, None] * width + source
            places = (row * b + torch.arange(b)).flatten()
            ways.append(Swap.apply(x.reshape(-1, e), places).view_as(x))  # type: ignore[no-untyped-call]
        groups = torch.cat(ways)  # (G, T, B, E)
        inward = self._own["weight_ih_l0"].transpose(1, 2)
        bias = (self._own["bias_ih_l0"] + self._own["bias_hh_l0"])[:, None]
        pieces = [
            torch.baddbmm(bias, groups[:, at : at + STEP].flatten(1, 2), inward)
            .view(-1, STEP, b, bias.shape[2])
            .transpose(0, 1)
            for at in range(0, width, STEP)
        ]
        states: torch.Tensor = _Recurrence.apply(torch.cat(pieces), self._own["weight_hh_l0"])  # type: ignore[no-untyped-call]
        return states.view(width, self._directions, k, b, -1)

    def _clip(self) -> None:
        """Every network's gradient scaled to the norm `clip` where it is longer."""
        squares = sum(self._squares(n, p.grad) for n, p in self._own.items() if p.grad is not None)
        norms = torch.as_tensor(squares).sqrt()
        clip = self._settings.clip
        scale = torch.where(norms > clip, clip / (norms + 1e-6), 1.0)
        for name, p in self._own.items():
            if p.grad is not None:
                each = scale.repeat(self._directions) if name in self._recurrent else scale
                p.grad.mul_(each.view(-1, *(1 for _ in p.shape[1:])))

    def _squares(self, name: str, gradient: torch.Tensor) -> torch.Tensor:
        """(K,) squared lengths.

        Those of words are added in whole numbers: their order follows from the size of the table,
        and so would the sum of rounded ones.
        """
        if name == "embedding.weight":
            words = gradient.square().sum(2).clamp(max=LARGEST)
            return (words.double() * UNIT).to(torch.int64).sum(1).double().div(UNIT).float()
        own = gradient.square().flatten(1).sum(1)
        return own.view(-1, WIDTH).sum(0)

    def predicted(self, texts: _Texts) -> list[NDArray[np.float32]]:
        """Probabilities of each network for its texts, (texts, C), in their order."""
        orders = [np.argsort(lengths, kind="stable") for lengths in texts.own]
        out = [np.empty((len(order), self._classes), np.float32) for order in orders]
        with torch.no_grad():
            for at in range(0, max(map(len, orders)), SCORED):
                rows = [order[at : at + SCORED] for order in orders]
                numbers = texts.numbers(rows, SCORED)
                width = _padded(int(texts.lengths[numbers].max()))
                p = array(self._logits(*texts.read(tensor(numbers), width), None).softmax(2))
                for own, which, found in zip(out, rows, p, strict=False):
                    own[which] = found[: len(which)]
        return out


def _signed(number: int) -> int:
    """The 64 bits of a number as PyTorch's whole numbers have them."""
    return number - (number >> 63 << 64)


def _mixed(z: torch.Tensor) -> torch.Tensor:
    """splitmix64's finish (Steele et al. 2014) on 64-bit numbers that wrap round."""
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


def _shifted(z: torch.Tensor, bits: int) -> torch.Tensor:
    """Shifted right without the sign's copies."""
    return z.bitwise_right_shift(bits).bitwise_and((1 << (64 - bits)) - 1)


def _dropout(noise: torch.Tensor, share: float) -> torch.Tensor:
    return (noise >= share) / (1 - share)


def _max_mean(states: torch.Tensor, inside: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    highest = torch.where(inside, states, NEGATIVE).amax(0)
    read = states * inside
    pieces = [read[at : at + STEP].sum(0) for at in range(0, len(read), STEP)]
    mean = torch.as_tensor(sum(pieces[1:], pieces[0])) / lengths[..., None]
    return torch.cat([highest, mean], 3)


def _last(states: torch.Tensor, inside: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    at = torch.arange(len(states))[:, None, None] == lengths - 1
    return (states * at[:, None, ..., None]).sum(0)  # one of them is not zero


class _Recurrence(torch.autograd.Function):
    """The steps of G LSTMs: (T, G, B, 4H) input products and (G, 4H, H) weights -> (T, G, B, H)."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        steps, groups, batch, gates = inputs.shape
        hidden = gates // 4
        over = weights.transpose(1, 2)
        states = inputs.new_zeros(steps + 1, groups, batch, hidden)  # the first is before the text
        cells = [inputs.new_zeros(groups * batch, hidden)]
        kept = []
        for t in range(steps):
            own = torch.bmm(states[t], over)
            h, c, work = _cell(inputs[t].view(-1, gates), own.view(-1, gates), cells[-1])
            states[t + 1] = h.view(groups, batch, hidden)
            cells.append(c)
            kept.append(work)
        ctx.save_for_backward(weights, states, torch.stack(cells), torch.stack(kept))
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        weights, states, cells, kept = ctx.saved_tensors
        (gradient,) = gradients
        steps, groups, batch, hidden = gradient.shape
        dh = gradient[-1]
        dc = torch.zeros_like(cells[0])
        of_gates = states.new_empty(steps, groups, batch, 4 * hidden)
        for t in reversed(range(steps)):
            dg, dc = _cell_backward(dh.reshape(-1, hidden), dc, cells[t], cells[t + 1], kept[t])
            of_gates[t] = dg.view(groups, batch, -1)
            if t:
                dh = torch.baddbmm(gradient[t - 1], of_gates[t], weights)
        pieces = [
            torch.bmm(
                of_gates[at : at + STEP].permute(1, 3, 0, 2).flatten(2),
                states[at : at + STEP].transpose(0, 1).flatten(1, 2),
            )
            for at in range(0, steps, STEP)
        ]
        return of_gates, torch.as_tensor(sum(pieces[1:], pieces[0]))


def _cell(
    x: torch.Tensor, own: torch.Tensor, c: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """One step: products of input and state (N, 4H), cells (N, H) -> state, cells, gates (N, 4H)."""
    if x.is_cuda:
        found: Mapping[int, Any] = torch.ops.aten._thnn_fused_lstm_cell(x, own, c, None, None)
        return found[0], found[1], found[2]
    i, f, g, o = (x + own).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    new = f * c + i * g
    return o * new.tanh(), new, torch.cat([i, f, g, o], 1)


def _cell_backward(
    dh: torch.Tensor, dc: torch.Tensor, old: torch.Tensor, new: torch.Tensor, gates: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Gradients of the gates' sums (N, 4H) and of the cells before (N, H)."""
    if dh.is_cuda:
        found = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(dh, dc, old, new, gates, False)
        return found[0], found[1]
    i, f, g, o = gates.chunk(4, 1)
    tanh = new.tanh()
    dc = dc + dh * o * (1 - tanh * tanh)
    sums = [
        dc * g * i * (1 - i),
        dc * old * f * (1 - f),
        dc * i * (1 - g * g),
        dh * tanh * o * (1 - o),
    ]
    return torch.cat(sums, 1), dc * f
