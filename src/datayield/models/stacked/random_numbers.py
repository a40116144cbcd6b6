"""Makes random numbers on the device from a hash, for dropout in stacks."""

import torch

GOLDEN = 0x9E3779B97F4A7C15


def uniform(seeds: torch.Tensor, turn: torch.Tensor, rows: int, count: int) -> torch.Tensor:
    """Return numbers in [0, 1), shape (networks, rows, count).

    Each depends only on its network's seed, the update and its place: splitmix64 (Steele et al.
    2014) of seed and update, and again of the result and the place.

    Args:
        seeds: (networks,) int64, one per network.
        turn: () int64, number of the update.
        rows: texts of a batch.
        count: numbers per text.
    """
    index = torch.arange(rows)[:, None] * count + torch.arange(count)
    start = mixed(seeds + turn * _signed(GOLDEN))
    z = mixed(start[:, None, None] + index * _signed(GOLDEN))
    return z.bitwise_right_shift(40).bitwise_and(0xFFFFFF).float() * 2.0**-24  # exact in fp32


def mixed(z: torch.Tensor) -> torch.Tensor:
    """Mix the bits of 64-bit numbers as splitmix64 does at its end; products wrap around."""
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


def _shifted(z: torch.Tensor, bits: int) -> torch.Tensor:
    """Shift right and fill with zeros, not with copies of the sign."""
    return z.bitwise_right_shift(bits).bitwise_and((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """Return the signed 64-bit integer with the same bits, as PyTorch has no unsigned one."""
    return number - (number >> 63 << 64)
