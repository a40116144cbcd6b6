"""Computes many recurrent layers side by side, for stacks: each product serves all of them.

Axes: G layers, B texts, T tokens (a multiple of STEP), H hidden width; an LSTM has 4 gates, a GRU 3.
Sums over texts and tokens are taken in pieces of STEP tokens, so that padding only adds zeros.
"""

from typing import Any

import torch

STEP = 8  # tokens whose products are computed at once


class Lstm(torch.autograd.Function):
    """(T, G, B, 4H) input products with all biases, (G, 4H, H) weights -> states (T, G, B, H)."""

    @staticmethod
    def forward(ctx: Any, inputs: torch.Tensor, weights: torch.Tensor) -> torch.Tensor:
        """Read from the first token to the last."""
        steps, groups, batch, gates = inputs.shape
        over = weights.transpose(1, 2)
        states = inputs.new_zeros(steps + 1, groups, batch, gates // 4)  # first: before the text
        cells, kept = [inputs.new_zeros(groups * batch, gates // 4)], []
        for t in range(steps):
            of_state = torch.bmm(states[t], over)
            h, c, work = _lstm(inputs[t].view(-1, gates), of_state.view(-1, gates), cells[-1])
            states[t + 1] = h.view(groups, batch, -1)
            cells.append(c)
            kept.append(work)
        ctx.save_for_backward(weights, states, torch.stack(cells), torch.stack(kept))
        return states[1:]

    @staticmethod
    def backward(ctx: Any, *gradients: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Return the gradients of the input products and of the weights."""
        weights, states, cells, kept = ctx.saved_tensors
        (gradient,) = gradients
        steps, groups, batch, hidden = gradient.shape
        dh, dc = gradient[-1], torch.zeros_like(cells[0])
        of_gates = states.new_empty(steps, groups, batch, 4 * hidden)
        for t in reversed(range(steps)):
            dg, dc = _lstm_backward(dh.reshape(-1, hidden), dc, cells[t], cells[t + 1], kept[t])
            of_gates[t] = dg.view(groups, batch, -1)
            if t:
                dh = torch.baddbmm(gradient[t - 1], of_gates[t], weights)
        return of_gates, _of_weights(of_gates, states)


class Gru(torch.autograd.Function):
    """(T, G, B, 3H) input products, (G, 3H, H) weights, (G, 3H) hidden biases -> states (T, G, B, H)."""

    @staticmethod
    def forward(
        ctx: Any, inputs: torch.Tensor, weights: torch.Tensor, bias: torch.Tensor
    ) -> torch.Tensor:
        """Read from the first token to the last."""
        steps, groups, batch, gates = inputs.shape
        over, biases = weights.transpose(1, 2), bias[:, None].expand(-1, batch, -1)
        states = inputs.new_zeros(steps + 1, groups, batch, gates // 3)  # first: before the text
        kept = []
        for t in range(steps):
            of_state = torch.baddbmm(biases, states[t], over)
            before = states[t].view(-1, gates // 3)
            h, work = _gru(inputs[t].view(-1, gates), of_state.view(-1, gates), before)
            states[t + 1] = h.view(groups, batch, -1)
            kept.append(work)
        ctx.save_for_backward(weights, states, torch.stack(kept))
        return states[1:]

    @staticmethod
    def backward(
        ctx: Any, *gradients: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Return the gradients of the input products, of the weights and of the hidden biases."""
        weights, states, kept = ctx.saved_tensors
        (gradient,) = gradients
        steps, groups, batch, hidden = gradient.shape
        dh = gradient[-1]
        of_inputs = states.new_empty(steps, groups, batch, 3 * hidden)
        of_own = torch.empty_like(of_inputs)
        for t in reversed(range(steps)):
            dx, dg, through = _gru_backward(dh.reshape(-1, hidden), kept[t])
            of_inputs[t], of_own[t] = dx.view(groups, batch, -1), dg.view(groups, batch, -1)
            if t:
                further = torch.baddbmm(through.view(groups, batch, -1), of_own[t], weights)
                dh = gradient[t - 1] + further
        pieces = [of_own[at : at + STEP].sum((0, 2)) for at in range(0, steps, STEP)]
        return of_inputs, _of_weights(of_own, states), total(pieces)


def total(pieces: list[torch.Tensor]) -> torch.Tensor:
    """Add tensors of one shape in their order."""
    out = pieces[0]
    for piece in pieces[1:]:
        out = out + piece
    return out


def _of_weights(of_gates: torch.Tensor, states: torch.Tensor) -> torch.Tensor:
    """Return the gradient of hidden-to-hidden weights, (G, gates, H).

    Args:
        of_gates: (T, G, B, gates) gradients of the gates' sums.
        states: (T + 1, G, B, H) states, the first before the text.
    """
    return total(
        [
            torch.bmm(
                of_gates[at : at + STEP].permute(1, 3, 0, 2).flatten(2),
                states[at : at + STEP].transpose(0, 1).flatten(1, 2),
            )
            for at in range(0, len(of_gates), STEP)
        ]
    )


# One step of N texts: the fused kernels on a GPU, the same in plain operations elsewhere.


def _lstm(
    x: torch.Tensor, of_state: torch.Tensor, c: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Compute a step: products of input and state (N, 4H), cells (N, H) -> state, cells, gates (N, 4H)."""
    if x.is_cuda:
        out: tuple[torch.Tensor, ...] = torch.ops.aten._thnn_fused_lstm_cell(
            x, of_state, c, None, None
        )
        return out[0], out[1], out[2]
    i, f, g, o = (x + of_state).chunk(4, 1)
    i, f, g, o = i.sigmoid(), f.sigmoid(), g.tanh(), o.sigmoid()
    new = f * c + i * g
    return o * new.tanh(), new, torch.cat([i, f, g, o], 1)


def _lstm_backward(
    dh: torch.Tensor, dc: torch.Tensor, old: torch.Tensor, new: torch.Tensor, gates: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the gradients of the gates' sums (N, 4H) and of the previous cells (N, H)."""
    if dh.is_cuda:
        out = torch.ops.aten._thnn_fused_lstm_cell_backward_impl(dh, dc, old, new, gates, False)
        return out[0], out[1]
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


def _gru(
    x: torch.Tensor, of_state: torch.Tensor, h: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """Compute a step: products (N, 3H) twice, state (N, H) -> state, workspace of backward (N, 5H)."""
    if x.is_cuda:
        out: tuple[torch.Tensor, ...] = torch.ops.aten._thnn_fused_gru_cell(
            x, of_state, h, None, None
        )
        return out[0], out[1]
    (xr, xz, xn), (hr, hz, hn) = x.chunk(3, 1), of_state.chunk(3, 1)
    r, z = (xr + hr).sigmoid(), (xz + hz).sigmoid()
    n = (xn + r * hn).tanh()
    return n + z * (h - n), torch.cat([r, z, n, h, hn], 1)


def _gru_backward(
    dh: torch.Tensor, kept: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return the gradients of both products (N, 3H) and, by the update gate, of the state (N, H)."""
    if dh.is_cuda:
        out = torch.ops.aten._thnn_fused_gru_cell_backward(dh, kept, False)
        return out[0], out[1], out[2]
    r, z, n, h, hn = kept.chunk(5, 1)
    of_n = dh * (1 - z) * (1 - n * n)
    of_z = dh * (h - n) * z * (1 - z)
    of_r = of_n * hn * r * (1 - r)
    return torch.cat([of_r, of_z, of_n], 1), torch.cat([of_r, of_z, of_n * r], 1), dh * z
