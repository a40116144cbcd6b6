"""Where a process computes: its device and precision, and the way of arrays there and back.

Both are set once per process and are part of every cell's identity; networks and objectives need not
know them.
"""

import warnings
from contextlib import AbstractContextManager, nullcontext
from typing import Any

import torch
from numpy.typing import NDArray

from datayield.errors import UserError

_half = False  # whether recurrent layers of this process compute in bfloat16


def settle(device: str = "cpu", precision: str = "fp32") -> None:
    """One thread, deterministic sums, and every new tensor on this device.

    Args:
        device: "cpu" or "cuda".
        precision: "fp32", or "bf16" for recurrent layers whose products are taken in bfloat16;
            weights, gradients of weights, pooling and losses stay in fp32.
    """
    global _half  # noqa: PLW0603 - a setting of the process, as the default device is
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    torch.backends.cudnn.allow_tf32 = False  # fp32 means fp32
    # Masked weights (DropConnect) are new tensors at every update and can lie nowhere in advance.
    warnings.filterwarnings("ignore", "RNN module weights are not part of single contiguous chunk")
    # Nothing reads memory before it is written; filling it costs a seventh of a GPU's work.
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if (
        torch.get_default_device().type != device
    ):  # its mode costs time on every call, so never in vain
        torch.set_default_device(device)
    _half = precision == "bf16"


def settled() -> tuple[str, str]:
    """Device and precision of this process."""
    return torch.get_default_device().type, "bf16" if _half else "fp32"


def recurrent_precision() -> AbstractContextManager[object]:
    """The context in which recurrent layers are run."""
    if not _half:
        return nullcontext()
    # No cache of cast weights: every update changes them.
    return torch.autocast(torch.get_default_device().type, torch.bfloat16, cache_enabled=False)


def check(device: str, precision: str) -> None:
    """Whether this machine can compute so.

    Raises:
        UserError: naming the setting and what to choose instead.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise UserError(
            "params.yaml: execution.device: cuda was asked for and PyTorch finds no CUDA device"
            f" (torch {torch.__version__}). Install a CUDA build of torch, or choose cpu or auto."
        )
    supported = device == "cuda" or torch.ops.mkldnn._is_mkldnn_bf16_supported()
    if precision == "bf16" and not supported:
        raise UserError(
            "params.yaml: execution.precision: this processor has no bf16 instructions. Choose fp32."
        )


def tensor(values: NDArray[Any]) -> torch.Tensor:
    """An array on this process's device; on the CPU it shares the array's memory."""
    return torch.from_numpy(values).to(torch.get_default_device())


def array(values: torch.Tensor) -> NDArray[Any]:
    """A tensor's values as an array, without its history."""
    out: NDArray[Any] = values.detach().cpu().numpy()
    return out


def random_state() -> torch.Tensor:
    """What dropout draws from next on this device; see `restore`."""
    return torch.cuda.get_rng_state() if _cuda() else torch.get_rng_state()


def restore(state: torch.Tensor) -> None:
    """Let dropout draw again what it drew from `state` on."""
    if _cuda():
        torch.cuda.set_rng_state(state)
    else:
        torch.set_rng_state(state)


def _cuda() -> bool:
    return torch.get_default_device().type == "cuda"
