"""Random numbers on the device from a hash: what dropout in stacks draws from."""

import torch

GOLDEN = 0x9E3779B97F4A7C15


def uniform(seeds: torch.Tensor, turn: torch.Tensor, rows: int, count: int) -> torch.Tensor:
    """Numbers in [0, 1), shape (networks, rows, count), each from its own place alone.

    splitmix64 (Steele et al. 2014) of network and turn, and of that and the place.

    Args:
        seeds: (networks,) int64, one per network.
        turn: () int64, the number of the update.
        rows: texts of a batch.
        count: numbers per text.
    """
    index = torch.arange(rows)[:, None] * count + torch.arange(count)
    start = mixed(seeds + turn * _signed(GOLDEN))
    z = mixed(start[:, None, None] + index * _signed(GOLDEN))
    return z.bitwise_right_shift(40).bitwise_and(0xFFFFFF).float() * 2.0**-24  # exact in fp32


def mixed(z: torch.Tensor) -> torch.Tensor:
    """splitmix64's finish on 64-bit numbers that wrap round."""
    z = (z ^ _shifted(z, 30)) * _signed(0xBF58476D1CE4E5B9)
    z = (z ^ _shifted(z, 27)) * _signed(0x94D049BB133111EB)
    return z ^ _shifted(z, 31)


def _shifted(z: torch.Tensor, bits: int) -> torch.Tensor:
    """Shifted right without the sign's copies."""
    return z.bitwise_right_shift(bits).bitwise_and((1 << (64 - bits)) - 1)


def _signed(number: int) -> int:
    """The 64 bits of a number as PyTorch's whole numbers have them."""
    return number - (number >> 63 << 64)
