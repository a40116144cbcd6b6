"""The networks of a stack: PLACES places on one device whose every product is one batched product.

Axes: K places, D directions, G = D * K, B texts, T tokens (a multiple of STEP), E embedding, H hidden
width per direction, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield.encode import PAD, UNKNOWN, Encoded
from datayield.model import NEGATIVE, Swap
from datayield.noise import uniform
from datayield.place import array, tensor
from datayield.recurrent import STEP, Gru, Lstm, total
from datayield.together import PLACES
from datayield.types import Ints, Settings, TrainingSet

SENT = 64  # updates whose texts are sent to the device at once
SCORED = 64  # texts per network that are scored at once
TINY = 2.0**-126
UNIT = 40  # bits of the whole numbers in which words' squared gradients are added up
GATES = {"lstm": 4, "gru": 3}


class Texts:
    """The texts of all networks on the device, and one that is empty, for idle places."""

    def __init__(self, encoded: Sequence[Encoded], sets: Sequence[TrainingSet] = ()) -> None:
        """Take the texts of each network; with what they train on where they are to be trained on."""
        ends = np.cumsum([0, *(len(e.flat) for e in encoded)])
        self.first = np.cumsum([0, *(len(e) for e in encoded)])
        self.own = [e.lengths for e in encoded]
        starts = [e.starts + end for e, end in zip(encoded, ends[:-1], strict=True)]
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
        out = np.full((PLACES, size), self.first[-1])
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


def _padded(longest: int) -> int:
    return -(-longest // STEP) * STEP


class Stack:
    """PLACES networks of one shape on this process's device, and their training."""

    def __init__(self, settings: Settings, classes: int, room: int) -> None:
        """Make them, all zero; `load` gives them weights.

        Args:
            settings: of every network.
            classes: number of classes, C.
            room: words of the largest vocabulary that fits.
        """
        s = self._settings = settings
        self._classes, self.room = classes, room
        self._directions = 2 if s.bidirectional else 1
        gates, pooled = GATES[s.cell] * s.hidden, self._directions * s.hidden
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
        self._own = {k: torch.zeros(PLACES, *v) for k, v in shapes.items()}
        self._own |= {
            k: torch.zeros(self._directions * PLACES, *v) for k, v in self._recurrent.items()
        }
        for p in self._own.values():
            p.requires_grad_()
        on_gpu = torch.get_default_device().type == "cuda"
        self._last = s.learning_rate
        self._rate = torch.tensor(s.learning_rate)
        every, decay = [*self._own.values()], s.weight_decay
        self._optimizer: torch.optim.Optimizer = (
            torch.optim.SGD(every, self._rate, weight_decay=decay, fused=True)
            if s.optimizer == "sgd"
            else torch.optim.AdamW(
                every, self._rate, weight_decay=decay, fused=True, capturable=on_gpu
            )
        )
        self._seeds = torch.zeros(PLACES, dtype=torch.int64)
        self._turn = torch.zeros((), dtype=torch.int64)  # updates made
        self._offsets = (torch.arange(PLACES) * room)[:, None, None]
        longest = _padded(s.max_tokens)
        self._drawn = longest + s.embedding + pooled  # of a text, where something may be dropped
        shape = (PLACES, s.batch)
        self._lengths = torch.ones(shape, dtype=torch.int64)
        self._targets = torch.zeros(*shape, classes)
        self._scale = torch.zeros(shape)
        self._loss, self._p = torch.zeros(PLACES), torch.zeros(*shape, classes)
        self._graphs: dict[int, tuple[torch.Tensor, Callable[[], None]]] = {}
        if on_gpu:
            self._warm(longest)

    def load(self, models: Sequence[nn.Module], dropout: Sequence[int]) -> None:
        """Take over the weights of these networks; whatever was here before is gone.

        Args:
            models: at most PLACES.
            dropout: per network the seed that its masks are drawn from.
        """
        with torch.no_grad():
            for p in self._own.values():
                p.zero_()
            for k, model in enumerate(models):
                for name, weight in model.named_parameters():
                    self._of(name, k)[: len(weight)].copy_(weight)
            for state in self._optimizer.state.values():
                for value in state.values():
                    value.zero_()
            self._last = self._settings.learning_rate
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
        return self._own[kind].detach()[int(direction) * PLACES + k]

    @property
    def rate(self) -> float:
        """The learning rate of the last update."""
        return self._last

    def updates(
        self, texts: Texts, taken: Sequence[Sequence[Ints]], made: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Make one update per list of rows, one array of rows for each network.

        Args:
            texts: of the networks, with weights and targets.
            taken: per update and network the rows of a batch.
            made: updates before these.

        Yields:
            Per update the losses (K,) and what was predicted before it, (K, B, C).
        """
        for at in range(0, len(taken), SENT):
            yield from self._sent(texts, taken[at : at + SENT], made + at)

    def _sent(
        self, texts: Texts, taken: Sequence[Sequence[Ints]], made: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
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
        for i, width in enumerate(widths):
            buffer, compute = self._compute(width)
            self._last = s.learning_rate * (1 - (made + i) / s.updates if s.decay else 1)
            self._rate.fill_(self._last)
            buffer.copy_(ids[i, :, :width])
            self._lengths.copy_(lengths[i])
            self._targets.copy_(targets[i])
            self._scale.copy_(scales[i])
            compute()
            losses.append(self._loss.clone())
            said.append(self._p.clone())
        yield from zip(array(torch.stack(losses)), array(torch.stack(said)), strict=True)

    def _compute(self, width: int) -> tuple[torch.Tensor, Callable[[], None]]:
        """Where the ids of an update of this width belong, and what makes the update."""
        if width not in self._graphs:
            buffer = torch.zeros(PLACES, width, self._settings.batch, dtype=torch.int64)
            update = partial(self._update, buffer)
            self._graphs[width] = buffer, self._captured(update) if buffer.is_cuda else update
        return self._graphs[width]

    def _captured(self, update: Callable[[], None]) -> Callable[[], None]:
        """The update as a CUDA graph, none of which has run yet."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            update()
        return graph.replay

    def _warm(self, longest: int) -> None:
        """Do once what a capture needs to have happened; `load` clears what it leaves."""
        beside = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            self._update(torch.zeros(PLACES, longest, self._settings.batch, dtype=torch.int64))
        torch.cuda.current_stream().wait_stream(beside)
        self._pool = torch.cuda.graph_pool_handle()

    def _update(self, ids: torch.Tensor) -> None:
        """One update of all networks on what lies in the buffers of a batch."""
        self._optimizer.zero_grad(set_to_none=True)
        noise = uniform(self._seeds, self._turn, len(self._lengths[0]), self._drawn)
        logits = self._logits(ids, self._lengths, noise)
        logs = logits.log_softmax(2)
        losses = (-(self._targets * logs).sum(2) * self._scale).sum(1)
        losses.sum().backward()  # type: ignore[no-untyped-call]
        with torch.no_grad():
            self._clip()
            self._loss.copy_(losses.detach())
            self._p.copy_(logs.detach().exp())
            self._turn.add_(1)
        self._optimizer.step()

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
            order = (row * b + torch.arange(b)).flatten()
            ways.append(Swap.apply(x.reshape(-1, e), order).view_as(x))  # type: ignore[no-untyped-call]
        groups = torch.cat(ways)  # (G, T, B, E)
        inward, own = self._own["weight_ih_l0"].transpose(1, 2), self._own["weight_hh_l0"]
        bias, other = self._own["bias_ih_l0"], self._own["bias_hh_l0"]
        lstm = self._settings.cell == "lstm"  # whose hidden bias is no different from the other
        added = (bias + other if lstm else bias)[:, None]
        pieces = [
            torch.baddbmm(added, groups[:, at : at + STEP].flatten(1, 2), inward)
            .view(-1, STEP, b, added.shape[2])
            .transpose(0, 1)
            for at in range(0, width, STEP)
        ]
        inputs = torch.cat(pieces)
        states: torch.Tensor = (
            Lstm.apply(inputs, own) if lstm else Gru.apply(inputs, own, other)  # type: ignore[no-untyped-call]
        )
        return states.view(width, self._directions, k, b, -1)

    def _clip(self) -> None:
        """Every network's gradient scaled to the norm `clip` where it is longer."""
        gradients = {n: p.grad for n, p in self._own.items() if p.grad is not None}
        norms = total([self._squares(n, g) for n, g in gradients.items()]).sqrt()
        clip = self._settings.clip
        scale = torch.where(norms > clip, clip / (norms + 1e-6), 1.0).float()
        for name, gradient in gradients.items():
            each = scale.repeat(self._directions) if name in self._recurrent else scale
            gradient.mul_(each.view(-1, *(1 for _ in gradient.shape[1:])))

    def _squares(self, name: str, gradient: torch.Tensor) -> torch.Tensor:
        """(K,) squared lengths, float64.

        Those of words are added in whole numbers, in units that follow from the largest of them: their
        order follows from the size of the table, and so would the sum of rounded ones.
        """
        if name != "embedding.weight":
            return gradient.square().flatten(1).sum(1).double().view(-1, PLACES).sum(0)
        words = gradient.square().sum(2)
        exponent = words.amax(1).double().clamp(min=TINY).log2().ceil()
        parts = words.double() * (UNIT - exponent).exp2()[:, None]
        return parts.to(torch.int64).sum(1).double() * (exponent - UNIT).exp2()

    def predicted(self, texts: Texts) -> list[NDArray[np.float32]]:
        """Probabilities of each network for its texts, (texts, C), in their order; without dropout."""
        orders = [np.argsort(lengths, kind="stable") for lengths in texts.own]
        out = [np.empty((len(order), self._classes), np.float32) for order in orders]
        with torch.no_grad():
            for at in range(0, max(map(len, orders)), SCORED):
                rows = [order[at : at + SCORED] for order in orders]
                numbers = texts.numbers(rows, SCORED)
                width = _padded(int(texts.lengths[numbers].max()))
                p = array(self._logits(*texts.read(tensor(numbers), width), None).softmax(2))
                for own, which, found in zip(out, rows, p[: len(out)], strict=True):
                    own[which] = found[: len(which)]
        return out


def _dropout(noise: torch.Tensor, share: float) -> torch.Tensor:
    return (noise >= share) / (1 - share)


def _max_mean(states: torch.Tensor, inside: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    highest = torch.where(inside, states, NEGATIVE).amax(0)
    read = states * inside
    pieces = [read[at : at + STEP].sum(0) for at in range(0, len(read), STEP)]
    mean = total(pieces) / lengths[..., None]
    return torch.cat([highest, mean], 3)


def _last(states: torch.Tensor, inside: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
    at = torch.arange(len(states))[:, None, None] == lengths - 1
    return (states * at[:, None, ..., None]).sum(0)  # one of them is not zero
