"""Stores what was learnt from unlabelled texts in `state/pretrained/`, once for all cells that use it."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from datayield.core import files
from datayield.core.errors import UserError


def kept_file(
    identity: Sequence[Any], root: Path, make: Callable[[Path], None]
) -> tuple[Path, bool]:
    """Return the file of a model in `state/pretrained/`; make it first if it is missing.

    Args:
        identity: JSON values, texts included, on which the model depends.
        root: the project folder.
        make: trains the model and writes the file.

    Returns:
        The file, and whether it was made now.
    """
    name = files.digest(list(identity))[:32]
    path = root / "state" / "pretrained" / f"{name}.safetensors"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path.with_suffix(".lock")):  # another worker may be training the same one
        missing = not path.exists()
        if missing:
            make(path)
    return path, missing


def save_arrays(
    arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any], path: Path
) -> None:
    """Write one safetensors file with arrays and JSON values, and their checksum."""
    described = {**metadata, "sha256": _checksum(arrays, metadata)}
    files.write_bytes(save(dict(arrays), {"reader": json.dumps(described)}), path)


def load_arrays(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read the arrays and the JSON values that `save_arrays` wrote.

    Raises:
        UserError: if the file is damaged.
    """
    try:
        with safe_open(path, "np") as stored:
            metadata = json.loads(stored.metadata()["reader"])
            arrays = {k: stored.get_tensor(k) for k in stored.keys()}  # noqa: SIM118
        if metadata.pop("sha256") != _checksum(arrays, metadata):
            raise ValueError("its checksum does not fit its content")
        return arrays, metadata
    except (SafetensorError, KeyError, TypeError, ValueError) as e:
        raise damaged_error(path, e) from e


def damaged_error(path: Path, why: Exception) -> UserError:
    """Return the error for a file that cannot be used."""
    return UserError(f"{path} is damaged ({why}). Delete it; the next study makes it again.")


def _checksum(arrays: Mapping[str, NDArray[Any]], metadata: Mapping[str, Any]) -> str:
    """Return the sha256 of the metadata and of the arrays with their names, types and shapes."""
    checksum = hashlib.sha256(files.canonical(metadata).encode())
    for name in sorted(arrays):
        checksum.update(f"{name} {arrays[name].dtype} {arrays[name].shape}".encode())
        checksum.update(np.ascontiguousarray(arrays[name]).tobytes())
    return checksum.hexdigest()
