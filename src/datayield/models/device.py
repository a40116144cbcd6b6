"""Sets the device and precision of this process and moves arrays to the device and back.

Both are part of every cell's identity; networks and objectives need not know them.
"""

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from numpy.typing import NDArray

from datayield.core.errors import UserError

OutOfMemory = torch.OutOfMemoryError

_half = False  # whether recurrent layers of this process compute in bfloat16


def configure(device: str = "cpu", precision: str = "fp32") -> None:
    """Set one thread, deterministic sums and the device of every new tensor.

    Args:
        device: "cpu" or "cuda".
        precision: "fp32", or "bf16" for matrix products of recurrent layers in bfloat16; weights,
            their gradients, pooling and losses stay in fp32.
    """
    global _half  # noqa: PLW0603 - a setting of the process, as the default device is
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32
    # Masked weights (DropConnect) are new tensors at every update, so that they are never contiguous.
    warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
    # Filling new memory is for debugging: it costs a seventh of a GPU's work and nothing reads it.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if (
        torch.get_default_device().type != device
    ):  # setting it makes every later call slower, so only where it differs from the default
        torch.set_default_device(device)
    _half = precision == "bf16"


def configured() -> tuple[str, str]:
    """Return device and precision of this process."""
    return torch.get_default_device().type, "bf16" if _half else "fp32"


def recurrent_precision() -> AbstractContextManager[object]:
    """Return the context manager in which recurrent layers are run."""
    if not _half:
        return nullcontext()
    # No cache of cast weights: every update changes them.
    return torch.autocast(torch.get_default_device().type, torch.bfloat16, cache_enabled=False)


def check(device: str, precision: str) -> None:
    """Raise UserError if this machine has no such device or precision."""
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "params.yaml: execution.device: wanted cuda, and PyTorch finds no CUDA device"
            f" (torch {torch.__version__}). Install a CUDA build of torch, or choose cpu or auto."
        )
    supported = device == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if precision == "bf16" and not supported:
        raise UserError(
            "params.yaml: execution.precision: this processor has no bf16 instructions. Choose fp32."
        )


def tensor(values: NDArray[Any]) -> torch.Tensor:
    """Return an array as a tensor on this process's device; on the CPU they share memory."""
    return torch.from_numpy(values).to(torch.get_default_device())


def array(values: torch.Tensor) -> NDArray[Any]:
    """Return the values of a tensor as an array, without its gradient."""
    out: NDArray[Any] = values.detach().cpu().numpy()
    return out


def random_state() -> torch.Tensor:
    """Return the state of the generator that dropout draws from; see `restore`."""
    return torch.cuda.get_rng_state() if _cuda() else torch.get_rng_state()


def restore(state: torch.Tensor) -> None:
    """Reset the generator of dropout to a state from `random_state`."""
    if _cuda():
        torch.cuda.set_rng_state(state)
    else:
        torch.set_rng_state(state)


def _cuda() -> bool:
    return torch.get_default_device().type == "cuda"
