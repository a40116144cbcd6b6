"""Opens models that have read other text than the corpus, and turns texts into their embeddings.

The only door to sentence-transformers, an extra (`pip install 'datayield[outside]'`).
"""

import hashlib
import importlib.util
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError
from datayield.models.settings import DEFAULT_ENCODER, ENCODER

EXTRA = "pip install 'datayield[outside]'"
BATCH = 64  # texts that are encoded together
NOT_OF_THE_MODEL = (".md", ".gitattributes")  # files that change no embedding

Embed = Callable[[Sequence[str]], NDArray[np.float32]]
"""texts -> embeddings (texts, dimensions)."""


@dataclass(frozen=True, slots=True)
class Encoder:
    """A frozen sentence encoder."""

    name: str  # package, folder or name on the Hugging Face hub
    digest: str  # of its files
    embed: Embed


def at_hand() -> bool:
    """Return whether the extra is installed, with the encoder that it brings."""
    needed = ("sentence_transformers", DEFAULT_ENCODER)
    return all(importlib.util.find_spec(name) is not None for name in needed)


def open_encoder(name: str = DEFAULT_ENCODER) -> Encoder:
    """Open a sentence encoder: a package that carries its model, a local folder, or a name of the hub.

    Raises:
        UserError: the extra is not installed, or there is no such model or no network to fetch it.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise UserError(f"{ENCODER} needs sentence-transformers, which is not installed: {EXTRA}")
    folder = _folder(name)
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from sentence_transformers import SentenceTransformer
    from transformers.utils import logging

    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        # no code of the model is run, and nothing is unpickled
        model = SentenceTransformer(
            str(folder),
            device="cpu",
            trust_remote_code=False,
            model_kwargs={"use_safetensors": True},
        )
    except Exception as e:  # what damaged files, the hub and the network raise
        reason = " ".join(str(e).split())[:200]
        raise UserError(
            f"the sentence encoder {folder} cannot be opened ({type(e).__name__}: {reason}). Name a folder of"
            f" sentence-transformers, or the package {DEFAULT_ENCODER}, at strategies.{ENCODER}.model"
        ) from e

    def embed(texts: Sequence[str]) -> NDArray[np.float32]:
        made: NDArray[np.float32] = model.encode(
            list(texts), batch_size=BATCH, convert_to_numpy=True, show_progress_bar=False
        )
        return made.astype(np.float32)

    return Encoder(name, _digest(folder), embed)


def _folder(name: str) -> Path | str:
    """Return the folder of a model, or its name on the hub. A package has its model in a folder `model`.

    Raises:
        UserError: a folder is named that does not exist, or a package that is not installed.
    """
    if os.sep in name and Path(name).expanduser().is_dir():
        return Path(name).expanduser()
    if name.startswith((".", os.sep, "~")):
        raise UserError(f"the folder {name} of the sentence encoder does not exist")
    if "/" in name:
        return name  # of the hub: owner/model
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    if found is None or found.origin is None or not Path(found.origin).with_name("model").is_dir():
        raise UserError(
            f'the package "{name}" of the sentence encoder is not installed, or has no folder "model":'
            f" {EXTRA}, or name a folder or a model of the hub at strategies.{ENCODER}.model"
        )
    return Path(found.origin).with_name("model")  # found without importing the package


def _digest(folder: Path | str) -> str:
    """Return the digest of a model's files; of the hub's, the name says which model it is."""
    if isinstance(folder, str):
        return folder
    found = hashlib.sha256()
    for path in sorted(p for p in folder.rglob("*") if p.is_file()):
        if not path.name.endswith(NOT_OF_THE_MODEL):
            found.update(str(path.relative_to(folder)).encode())
            found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:32]
