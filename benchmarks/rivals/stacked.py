"""Many trainings as one: every product of K networks in one batched product; run by benchmarks/gpu.py.

    python stacked.py TEXTS SEED THREADS K [cuda]

Widths, batches and schedule of ours.py; each network has its own seed, weights and batches. Time steps
are a loop of two kernels for all K networks and both directions; a whole update is one CUDA graph per
padded length. It trains `plain` alone, and a network's sums depend on how many are stacked.
Prints what `data.answer` prints, summed over the networks.
"""

import sys
import time

import numpy as np
import torch
from data import BATCH, EMBEDDING, EVERY, HIDDEN, LIMIT, UPDATES, answer, arguments
from torch import nn

from datayield import encode as texts_of
from datayield.types import Settings

STEP = 8  # padded lengths are multiples of it: one graph each
CUDA = "cuda" in sys.argv
DEVICE = "cuda" if CUDA else "cpu"
RULES = Settings()


class Recurrence(torch.autograd.Function):
    """LSTM steps of G networks: (T, G, B, 4H) input products and (G, H, 4H) weights -> (T, G, B, H)."""

    @staticmethod
    def forward(ctx, inputs, weights):
        steps, groups, batch, gates = inputs.shape
        hidden = gates // 4
        h = inputs.new_zeros(groups, batch, hidden)
        c = inputs.new_zeros(groups * batch, hidden)
        states, cells, kept = [], [c], []
        for t in range(steps):
            h, c, work = cell(inputs[t].view(-1, gates), torch.bmm(h, weights).view(-1, gates), c)
            h = h.view(groups, batch, hidden)
            states.append(h)
            cells.append(c)
            kept.append(work)
        out = torch.stack(states)
        ctx.save_for_backward(weights, out, torch.stack(cells), torch.stack(kept))
        return out

    @staticmethod
    def backward(ctx, grad):
        weights, out, cells, kept = ctx.saved_tensors
        steps, groups, batch, hidden = out.shape
        back = weights.transpose(1, 2)
        dh = grad[steps - 1]
        dc = torch.zeros_like(cells[0])
        of_gates = out.new_empty(steps, groups, batch, 4 * hidden)
        for t in reversed(range(steps)):
            dg, dc = cell_backward(dh.reshape(-1, hidden), dc, cells[t], cells[t + 1], kept[t])
            of_gates[t] = dg.view(groups, batch, -1)
            if t:
                dh = torch.baddbmm(grad[t - 1], of_gates[t], back)
        before = out[:-1].permute(1, 3, 0, 2).reshape(groups, hidden, -1)
        after = of_gates[1:].permute(1, 0, 2, 3).reshape(groups, -1, 4 * hidden)
        return of_gates, torch.bmm(before, after)


def cell(x, h, c):
    """(N, 4H), (N, 4H), (N, H) -> new h, new c and the gates (N, 4H)."""
    if CUDA:
        return torch.ops.aten._thnn_fused_lstm_cell(x, h, c, None, None)
    i, f, g, o = (x + h).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    new = f * c + i * g
    return o * new.tanh(), new, torch.cat([i, f, g, o], 1)


def cell_backward(dh, dc, old, new, work):
    """Gradients of the gates' sums (N, 4H) and of the old c (N, H)."""
    if CUDA:
        found = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(dh, dc, old, new, work, False)
        return found[0], found[1]
    i, f, g, o = work.chunk(4, 1)
    tanh = new.tanh()
    dc = dc + dh * o * (1 - tanh * tanh)
    gates = [
        dc * g * i * (1 - i),
        dc * old * f * (1 - f),
        dc * i * (1 - g * g),
        dh * tanh * o * (1 - o),
    ]
    return torch.cat(gates, 1), dc * f


class Stack(nn.Module):
    """K bidirectional networks of the same widths."""

    def __init__(self, k: int, words: int, classes: int) -> None:
        super().__init__()
        self.k, self.words = k, words
        r = HIDDEN**-0.5
        uniform = lambda *shape: nn.Parameter(torch.empty(*shape, device=DEVICE).uniform_(-r, r))  # noqa: E731
        self.table = nn.Parameter(0.1 * torch.randn(k * words, EMBEDDING, device=DEVICE))
        self.inward = uniform(
            2 * k, EMBEDDING, 4 * HIDDEN
        )  # network by network, two directions each
        self.bias = uniform(2 * k, 1, 4 * HIDDEN)
        self.recurrent = uniform(2 * k, HIDDEN, 4 * HIDDEN)
        self.out, self.out_bias = uniform(k, 4 * HIDDEN, classes), uniform(k, 1, classes)
        self.register_buffer("offsets", (torch.arange(k, device=DEVICE) * words)[:, None, None])

    def forward(self, ids: torch.Tensor, lengths: torch.Tensor) -> torch.Tensor:
        """(K, B, T), (K, B) -> logits (K, B, C)."""
        k, b, t = ids.shape
        inside = ids > 0
        if self.training:
            ids = torch.where(
                (torch.rand(ids.shape, device=DEVICE) < RULES.word_dropout) & inside, 1, ids
            )
        x = (
            nn.functional.embedding(ids + self.offsets, self.table) * inside[..., None]
        )  # (K, B, T, E)
        if self.training:
            x = x * nn.functional.dropout(x.new_ones(k, b, 1, EMBEDDING), RULES.embedding_dropout)
        at = torch.arange(t, device=ids.device)
        order = torch.where(at < lengths[..., None], lengths[..., None] - 1 - at, at)
        flipped = x.gather(2, order[..., None].expand_as(x))
        both = torch.stack([x, flipped], 1).view(2 * k, b, t, EMBEDDING)
        gates = torch.baddbmm(
            self.bias, both.transpose(1, 2).reshape(2 * k, t * b, EMBEDDING), self.inward
        )
        gates = gates.view(2 * k, t, b, -1).transpose(0, 1).contiguous()
        h = Recurrence.apply(gates, self.recurrent).view(t, k, 2, b, HIDDEN)
        real = (at[:, None, None] < lengths)[:, :, None, :, None]  # (T, K, 1, B, 1)
        highest = h.masked_fill(~real, -1e30).amax(0)
        mean = (h * real).sum(0) / lengths[:, None, :, None]
        pooled = torch.cat([highest, mean], -1).transpose(1, 2).reshape(k, b, -1)
        if self.training:
            pooled = nn.functional.dropout(pooled, RULES.dropout)
        return torch.baddbmm(self.out_bias, pooled, self.out)


class Update:
    """Forward, backward, clipping and AdamW; on a GPU replayed as a graph per padded length."""

    def __init__(self, stack: Stack) -> None:
        self.stack, self.graphs = stack, {}
        self.rate = torch.tensor(0.008, device=DEVICE)
        self.optimizer = torch.optim.AdamW(
            stack.parameters(),
            self.rate,
            weight_decay=RULES.weight_decay,
            fused=True,
            capturable=CUDA,
        )

    def compute(self, ids, lengths, labels) -> None:
        self.optimizer.zero_grad(set_to_none=True)
        logits = self.stack(ids, lengths)
        b, c = logits.shape[1:]
        loss = nn.functional.cross_entropy(logits.view(-1, c), labels.view(-1), reduction="none")
        (loss.sum() / b).backward()
        self.clip()
        self.optimizer.step()

    def clip(self) -> None:
        """Every network's own gradient to the norm 1, where it is longer."""
        gradients = [p.grad.view(self.stack.k, -1) for p in self.stack.parameters()]
        norms = torch.stack([g.square().sum(1) for g in gradients]).sum(0).sqrt()
        scale = (RULES.clip / (norms + 1e-6)).clamp(max=1)
        for g in gradients:
            g.mul_(scale[:, None])

    def __call__(self, ids: np.ndarray, lengths: np.ndarray, labels: np.ndarray) -> None:
        new = [torch.from_numpy(x).to(DEVICE, non_blocking=True) for x in (ids, lengths, labels)]
        if not CUDA:
            return self.compute(*new)
        if ids.shape not in self.graphs:
            self.graphs[ids.shape] = self.captured([x.clone() for x in new])
            return None
        graph, places = self.graphs[ids.shape]
        for place, x in zip(places, new, strict=True):
            place.copy_(x)
        graph.replay()
        return None

    def captured(self, places: list[torch.Tensor]):
        """The update on these places as a graph; running it once to warm up is itself an update."""
        beside = torch.cuda.Stream()
        beside.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(beside):
            self.compute(*places)
        torch.cuda.current_stream().wait_stream(beside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            self.compute(*places)
        return graph, places


def main() -> None:
    texts, seed, threads = arguments()
    k = int(sys.argv[4])
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    rows = texts.fixed("train")
    lengths = np.array([min(LIMIT, len(x)) for x in texts.train])
    streams = [
        texts_of.row_stream(np.arange(len(rows)), lengths, BATCH, np.random.default_rng([seed, i]))
        for i in range(k)
    ]
    stack = Stack(k, texts.words, texts.classes).to(DEVICE).train()
    update = Update(stack)
    held, held_lengths = (
        texts.fixed("validation"),
        np.array([min(LIMIT, len(x)) for x in texts.validation]),
    )
    tokens, seconds, curve = 0, 0.0, []
    began = time.perf_counter()
    for done in range(1, UPDATES + 1):
        chosen = np.stack([next(s) for s in streams])
        width = -int(-lengths[chosen].max() // STEP) * STEP
        update.rate.fill_(0.008 * (1 - (done - 1) / UPDATES))
        update(
            np.ascontiguousarray(rows[chosen][..., : min(width, LIMIT)]),
            lengths[chosen],
            texts.labels[chosen],
        )
        tokens += int(lengths[chosen].sum())
        if done % EVERY == 0:
            if CUDA:
                torch.cuda.synchronize()
            seconds += time.perf_counter() - began
            curve.append((seconds, scored(stack, held, held_lengths, texts.validation_labels)))
            began = time.perf_counter()
    answer(tokens, seconds, curve)


def scored(stack: Stack, ids: np.ndarray, lengths: np.ndarray, labels: np.ndarray) -> float:
    """Mean validation accuracy of the networks."""
    stack.eval()
    right = 0
    with torch.no_grad():
        for at in range(0, len(ids), 64):
            parts = [torch.from_numpy(x[at : at + 64]).to(DEVICE) for x in (ids, lengths, labels)]
            part, length, label = (x.expand(stack.k, *x.shape) for x in parts)
            right += int((stack(part, length).argmax(2) == label).sum())
    stack.train()
    return right / (stack.k * len(ids))


if __name__ == "__main__":
    main()
