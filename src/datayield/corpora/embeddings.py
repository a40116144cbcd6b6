"""Writes and reads `embeddings.safetensors`: what models from outside make of every text of a corpus."""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from datayield.core import files

FILE = "embeddings.safetensors"


def write_embeddings(
    made: Mapping[str, NDArray[Any]], digests: Mapping[str, str], folder: Path
) -> None:
    """Write embeddings by kind, each (texts, dimensions), floats as float16.

    Args:
        made: by kind; nothing where no arm reads any.
        digests: by kind, of model and corpus; part of the identity of the cells that read them.
        folder: `data/<corpus>/`.
    """
    halves = {kind: e.astype(np.float16) if e.dtype.kind == "f" else e for kind, e in made.items()}
    files.write_bytes(save(halves, {"digests": json.dumps(dict(digests))}), folder / FILE)


def embedding_digests(folder: Path) -> dict[str, str]:
    """Return the digest of every kind of embeddings that a corpus has.

    Raises:
        UserError: the file is damaged.
    """
    if not (folder / FILE).exists():
        return {}
    try:
        with safe_open(folder / FILE, "np") as opened:
            found: dict[str, str] = json.loads((opened.metadata() or {})["digests"])
            return found
    except (SafetensorError, KeyError, ValueError) as e:
        raise files.damaged_error(folder / FILE, str(e)) from e


def read_embeddings(folder: Path, kind: str) -> NDArray[Any]:
    """Return the array of one kind, floats as float32, in the order of `write_embeddings`.

    Raises:
        UserError: the file has none of this kind, or is damaged.
    """
    try:
        with safe_open(folder / FILE, "np") as opened:
            found: NDArray[Any] = opened.get_tensor(kind)
            return found.astype(np.float32) if found.dtype.kind == "f" else found
    except (OSError, SafetensorError) as e:
        raise files.damaged_error(folder / FILE, str(e)) from e


def map_embeddings(folder: Path, kind: str) -> NDArray[np.float16]:
    """Return the embeddings of one kind, mapped from the file: only rows that are read take memory.

    Raises:
        UserError: as `read_embeddings`.
    """
    path = folder / FILE
    try:
        with safe_open(path, "np") as opened:  # checks the header
            shape = tuple(opened.get_slice(kind).get_shape())
        with path.open("rb") as file:
            size = int.from_bytes(file.read(8), "little")
            entry = json.loads(file.read(size))[kind]
        return np.memmap(path, np.float16, "r", 8 + size + entry["data_offsets"][0], shape)
    except (OSError, SafetensorError, ValueError, KeyError) as e:
        raise files.damaged_error(path, str(e)) from e
