"""Opens models that have read other text than the corpus, and turns texts into their embeddings.

The only door to sentence-transformers, an extra (`pip install 'datayield[outside]'`).
"""

import importlib.util
import os
from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError
from datayield.core.types import Ints
from datayield.models.outside_model import EXTRA, OutsideModel, digest_of, find_folder
from datayield.models.settings import DEFAULT_ENCODER, ENCODER, STATIC
from datayield.models.static_embeddings import open_static

if TYPE_CHECKING:
    from sentence_transformers import SentenceTransformer

BATCH = 64  # texts that are encoded together
LOT = 4096  # texts whose states are computed before they are rounded
LONGEST_STATES = 128  # pieces of a text whose states are kept


def at_hand() -> bool:
    """Return whether the extra is installed, with the encoder that it brings."""
    needed = ("sentence_transformers", DEFAULT_ENCODER)
    return all(importlib.util.find_spec(name) is not None for name in needed)


def open_model(kind: str, name: str) -> OutsideModel:
    """Open the model of an arm's architecture (a key of settings.OUTSIDE).

    Raises:
        UserError: as `open_encoder` and `open_static`.
    """
    return OPENERS[kind](name)


def open_encoder(name: str = DEFAULT_ENCODER) -> OutsideModel:
    """Open a sentence encoder: a package that carries its model, a local folder, or a name of the hub.

    Raises:
        UserError: the extra is not installed, or there is no such model or no network to fetch it.
    """
    if importlib.util.find_spec("sentence_transformers") is None:
        raise UserError(f"{ENCODER} needs sentence-transformers, which is not installed: {EXTRA}")
    folder = find_folder(name, ENCODER, EXTRA, ("model",))
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

    def pieces(words: Sequence[str]) -> list[int]:
        read = (model.tokenizer.tokenize(w) for w in words)
        return [0 if model.tokenizer.unk_token in p else len(p) for p in read]

    return OutsideModel(
        name, digest_of(folder), embed, pieces, token_states=partial(_token_states, model)
    )


def _token_states(
    model: "SentenceTransformer", texts: Sequence[str]
) -> tuple[NDArray[np.float16], Ints]:
    """Return the states at the first LONGEST_STATES pieces of every text; see `OutsideModel`."""
    halves: list[NDArray[np.float16]] = []
    for start in range(0, len(texts), LOT):  # so that few states are in memory as float32
        found = model.encode(
            list(texts[start : start + LOT]),
            batch_size=BATCH,
            output_value="token_embeddings",
            show_progress_bar=False,
        )
        halves += [s[:LONGEST_STATES].numpy().astype(np.float16) for s in found]
    return np.concatenate(halves), np.array([len(h) for h in halves], np.int64)


OPENERS = {ENCODER: open_encoder, STATIC: open_static}
