"""Writes and reads `embeddings.safetensors`: what models from outside make of every text of a corpus."""

import json
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save

from datayield.core import files

FILE = "embeddings.safetensors"


def write_embeddings(
    made: Mapping[str, NDArray[np.float32]], digests: Mapping[str, str], folder: Path
) -> None:
    """Write embeddings by kind, each (texts, dimensions): pool, texts without labels, test texts.

    Args:
        made: by kind; nothing where no arm reads any.
        digests: by kind, of model and corpus; part of the identity of the cells that read them.
        folder: `data/<corpus>/`.
    """
    halves = {kind: e.astype(np.float16) for kind, e in made.items()}
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


def read_embeddings(folder: Path, kind: str) -> NDArray[np.float32]:
    """Return the embeddings of one kind, (texts, dimensions), in the order of `write_embeddings`.

    Raises:
        UserError: the file has none of this kind, or is damaged.
    """
    try:
        with safe_open(folder / FILE, "np") as opened:
            found: NDArray[np.float32] = opened.get_tensor(kind).astype(np.float32)
            return found
    except (OSError, SafetensorError) as e:
        raise files.damaged_error(folder / FILE, str(e)) from e
