"""Chooses CPU or GPU without importing torch where that is not needed."""

import ctypes

from datayield.core.system.machine import cores

CORES_OF_A_GPU = 8  # so many cores train unstacked networks about as fast as one GPU


def choose_device(device: str) -> str:
    """Return the device that networks are trained on: "cpu" or "cuda".

    "auto" gives cuda if PyTorch finds a GPU and this machine has fewer than CORES_OF_A_GPU cores
    (docs/performance.md).
    """
    if device != "auto":
        return device
    if cores() >= CORES_OF_A_GPU:
        return "cpu"
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:  # no driver; importing torch to find that out would take a second
        return "cpu"
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def gpu_name() -> str | None:
    """Return the name of the GPU that PyTorch finds, or None.

    Raises:
        ImportError: if torch cannot be imported.
    """
    import torch

    return torch.cuda.get_device_name() if torch.cuda.is_available() else None
