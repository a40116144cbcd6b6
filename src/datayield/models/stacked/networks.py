"""Trains the networks of a stack: STACK_SIZE places on one device, with batched products.

Axes: K places, D directions, G = D * K, B texts, T tokens (a multiple of STEP), E embedding, H hidden
width per direction, C classes.
"""

from collections.abc import Callable, Iterator, Sequence
from functools import partial

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from datayield.core.types import Ints, Settings
from datayield.models.classifier import NEGATIVE, Swap
from datayield.models.device import array, tensor
from datayield.models.encoding import PAD, UNKNOWN
from datayield.models.stacked import STACK_SIZE
from datayield.models.stacked.random_numbers import uniform
from datayield.models.stacked.recurrent import STEP, Gru, Lstm, total
from datayield.models.stacked.stacked_texts import StackedTexts

SENT = 64  # updates whose texts are copied to the device at once
SCORED = 64  # texts per network that are scored at once
TINY = 2.0**-126  # the smallest normal number of fp32
UNIT = 40  # bits of the integers in which squared gradients of words are added up
GATES = {"lstm": 4, "gru": 3}


def _padded(longest: int) -> int:
    return -(-longest // STEP) * STEP


class Stack:
    """STACK_SIZE networks of one shape on this process's device, and their training."""

    def __init__(self, settings: Settings, classes: int, room: int) -> None:
        """Make the networks with all weights zero; `load` sets the weights.

        Args:
            settings: settings of every network.
            classes: number of classes, C.
            room: size of the largest vocabulary that fits.
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
        self._weights = {k: torch.zeros(STACK_SIZE, *v) for k, v in shapes.items()}
        self._weights |= {
            k: torch.zeros(self._directions * STACK_SIZE, *v) for k, v in self._recurrent.items()
        }
        for p in self._weights.values():
            p.requires_grad_()
        on_gpu = torch.get_default_device().type == "cuda"
        self._last = s.learning_rate
        self._rate = torch.tensor(s.learning_rate)
        self._optimizer = self._new_optimizer(capturable=on_gpu)
        self._seeds = torch.zeros(STACK_SIZE, dtype=torch.int64)
        self._turn = torch.zeros((), dtype=torch.int64)  # updates made
        self._offsets = (torch.arange(STACK_SIZE) * room)[:, None, None]
        longest = _padded(s.max_tokens)
        self._drawn = longest + s.embedding + pooled  # random numbers per text, for its dropouts
        shape = (STACK_SIZE, s.batch)
        self._lengths = torch.ones(shape, dtype=torch.int64)
        self._targets = torch.zeros(*shape, classes)
        self._scale = torch.zeros(shape)
        self._loss, self._p = torch.zeros(STACK_SIZE), torch.zeros(*shape, classes)
        self._graphs: dict[int, tuple[torch.Tensor, Callable[[], None]]] = {}
        if on_gpu:
            self._warm(longest)

    def _new_optimizer(self, capturable: bool) -> torch.optim.Optimizer:
        """Return the optimiser of all weights; `capturable`: a CUDA graph may hold its update."""
        parameters, decay = [*self._weights.values()], self._settings.weight_decay
        if self._settings.optimizer == "sgd":
            return torch.optim.SGD(parameters, self._rate, weight_decay=decay, fused=True)
        return torch.optim.AdamW(
            parameters, self._rate, weight_decay=decay, fused=True, capturable=capturable
        )

    def load(self, models: Sequence[nn.Module], dropout: Sequence[int]) -> None:
        """Copy the weights of these networks into the stack and reset the optimiser.

        Args:
            models: at most STACK_SIZE networks.
            dropout: per network the seed of its dropout masks.
        """
        with torch.no_grad():
            for p in self._weights.values():
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
        """Copy the weights of the stack into these networks."""
        with torch.no_grad():
            for k, model in enumerate(models):
                for name, weight in model.named_parameters():
                    weight.copy_(self._of(name, k)[: len(weight)])

    def _of(self, name: str, k: int) -> torch.Tensor:
        """Return a parameter of network k, by its name in `Classifier`."""
        if not name.startswith("recurrent."):
            return self._weights[name].detach()[k]
        _, _, direction, kind = name.split(".")
        return self._weights[kind].detach()[int(direction) * STACK_SIZE + k]

    @property
    def rate(self) -> float:
        """The learning rate of the last update."""
        return self._last

    def updates(
        self, texts: StackedTexts, taken: Sequence[Sequence[Ints]], made: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        """Make one update per list of rows, one array of rows for each network.

        Args:
            texts: texts of the networks, with weights and targets.
            taken: per update and network the rows of a batch.
            made: number of updates before these.

        Yields:
            Per update the losses (K,) and the predictions before it, (K, B, C).
        """
        for at in range(0, len(taken), SENT):
            yield from self._sent(texts, taken[at : at + SENT], made + at)

    def _sent(
        self, texts: StackedTexts, taken: Sequence[Sequence[Ints]], made: int
    ) -> Iterator[tuple[NDArray[np.float32], NDArray[np.float32]]]:
        s = self._settings
        rows = np.stack([texts.numbers(update, s.batch) for update in taken])  # (updates, K, B)
        counts = np.array([[len(batch) for batch in update] for update in taken], np.float32)
        scale = texts.weights[rows]
        scale[:, : counts.shape[1]] /= counts[:, :, None]
        widths = [_padded(int(w)) for w in texts.lengths[rows].max((1, 2))]
        chosen, scales = tensor(rows), tensor(scale)
        ids, lengths = texts.read(chosen, max(widths))
        targets = texts.targets[chosen]
        losses, predictions = [], []
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
            predictions.append(self._p.clone())
        yield from zip(array(torch.stack(losses)), array(torch.stack(predictions)), strict=True)

    def _compute(self, width: int) -> tuple[torch.Tensor, Callable[[], None]]:
        """Return the buffer for the ids of an update of this width, and the function that updates."""
        if width not in self._graphs:
            buffer = torch.zeros(STACK_SIZE, width, self._settings.batch, dtype=torch.int64)
            update = partial(self._update, buffer)
            self._graphs[width] = buffer, self._captured(update) if buffer.is_cuda else update
        return self._graphs[width]

    def _captured(self, update: Callable[[], None]) -> Callable[[], None]:
        """Capture an update as a CUDA graph, without running it; return the function that runs it."""
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, pool=self._pool, capture_error_mode="thread_local"):
            update()
        return graph.replay

    def _warm(self, longest: int) -> None:
        """Run one update before CUDA graphs are captured, as PyTorch requires; `load` clears it."""
        stream = torch.cuda.Stream()  # type: ignore[no-untyped-call]
        stream.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(stream):
            self._update(torch.zeros(STACK_SIZE, longest, self._settings.batch, dtype=torch.int64))
        torch.cuda.current_stream().wait_stream(stream)
        self._pool = torch.cuda.graph_pool_handle()

    def _update(self, ids: torch.Tensor) -> None:
        """Update all networks with the batch in the buffers."""
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
        """Classify texts: (K, T, B), (K, B) -> (K, B, C); with dropout if `noise` is given."""
        s, weights = self._settings, self._weights
        width = ids.shape[1]
        longest = _padded(s.max_tokens)
        real = ids != PAD
        if noise is not None:
            dropped = (noise[:, :, :width] < s.word_dropout).transpose(1, 2) & real
            ids = torch.where(dropped, UNKNOWN, ids)
        x = nn.functional.embedding(ids + self._offsets, weights["embedding.weight"].flatten(0, 1))
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
            weights["linear.bias"][:, None], joined, weights["linear.weight"].transpose(1, 2)
        )

    def _read(self, x: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """Run the layer: (K, T, B, E) -> (T, D, K, B, H), each direction in its reading order."""
        k, width, b, e = x.shape
        ways = [x]
        if self._directions == 2:
            t = torch.arange(width)[:, None]
            source = torch.where(t < lengths[:, None], lengths[:, None] - 1 - t, t)  # (K, T, B)
            row = torch.arange(k)[:, None, None] * width + source
            order = (row * b + torch.arange(b)).flatten()
            ways.append(Swap.apply(x.reshape(-1, e), order).view_as(x))  # type: ignore[no-untyped-call]
        groups = torch.cat(ways)  # (G, T, B, E)
        inward, hidden = (
            self._weights["weight_ih_l0"].transpose(1, 2),
            self._weights["weight_hh_l0"],
        )
        bias, other = self._weights["bias_ih_l0"], self._weights["bias_hh_l0"]
        lstm = self._settings.cell == "lstm"  # whose hidden bias works as its input bias
        added = (bias + other if lstm else bias)[:, None]
        pieces = [
            torch.baddbmm(added, groups[:, at : at + STEP].flatten(1, 2), inward)
            .view(-1, STEP, b, added.shape[2])
            .transpose(0, 1)
            for at in range(0, width, STEP)
        ]
        inputs = torch.cat(pieces)
        states: torch.Tensor = (
            Lstm.apply(inputs, hidden) if lstm else Gru.apply(inputs, hidden, other)  # type: ignore[no-untyped-call]
        )
        return states.view(width, self._directions, k, b, -1)

    def _clip(self) -> None:
        """Scale each network's gradient to the norm `clip` if it is longer."""
        gradients = {n: p.grad for n, p in self._weights.items() if p.grad is not None}
        norms = total([self._squares(n, g) for n, g in gradients.items()]).sqrt()
        clip = self._settings.clip
        scale = torch.where(norms > clip, clip / (norms + 1e-6), 1.0).float()
        for name, gradient in gradients.items():
            factor = scale.repeat(self._directions) if name in self._recurrent else scale
            gradient.mul_(factor.view(-1, *(1 for _ in gradient.shape[1:])))

    def _squares(self, name: str, gradient: torch.Tensor) -> torch.Tensor:
        """Return squared lengths of the networks' gradients, (K,) float64.

        Those of words are added as integers, in units of the largest of them: a sum of rounded
        numbers depends on their order, and that depends on the size of the table.
        """
        if name != "embedding.weight":
            return gradient.square().flatten(1).sum(1).double().view(-1, STACK_SIZE).sum(0)
        words = gradient.square().sum(2)
        exponent = words.amax(1).double().clamp(min=TINY).log2().ceil()
        parts = words.double() * (UNIT - exponent).exp2()[:, None]
        return parts.to(torch.int64).sum(1).double() * (exponent - UNIT).exp2()

    def predicted(self, texts: StackedTexts) -> list[NDArray[np.float32]]:
        """Return each network's probabilities for its texts, (texts, C), without dropout."""
        orders = [np.argsort(lengths, kind="stable") for lengths in texts.lengths_of]
        out = [np.empty((len(order), self._classes), np.float32) for order in orders]
        with torch.no_grad():
            for at in range(0, max(map(len, orders)), SCORED):
                rows = [order[at : at + SCORED] for order in orders]
                numbers = texts.numbers(rows, SCORED)
                width = _padded(int(texts.lengths[numbers].max()))
                p = array(self._logits(*texts.read(tensor(numbers), width), None).softmax(2))
                for scores, which, of_network in zip(out, rows, p[: len(out)], strict=True):
                    scores[which] = of_network[: len(which)]
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
    return (states * at[:, None, ..., None]).sum(0)  # only the last token's state is not zero here
