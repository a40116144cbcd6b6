"""Opens static embeddings: a vector for every word or piece of a word, of which texts take the mean.

Read are folders as model2vec and sentence-transformers write them (`model.safetensors`, `tokenizer.json`),
the package wordllama, and text files with word vectors (GloVe, fastText). The only door to tokenizers.
"""

import importlib.util
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from datayield.core.errors import UserError
from datayield.core.types import Ints
from datayield.models.outside_model import (
    EXTRA,
    OutsideModel,
    digest_of_files,
    find_folder,
    unit_length,
)
from datayield.models.settings import DEFAULT_STATIC, STATIC
from datayield.text import tokens
from datayield.text.vector_file import VectorFile, open_vectors

if TYPE_CHECKING:
    from tokenizers import Tokenizer

IN_PACKAGES = ("model", "weights")  # folders of packages that may hold a model
HUB_FILES = ("model.safetensors", "tokenizer.json", "config.json", "0_StaticEmbedding/*")
LONGEST = 512  # pieces of a text that are read, as in model2vec
BATCH = 1024  # texts that are embedded together


def open_static(name: str = DEFAULT_STATIC) -> OutsideModel:
    """Open static embeddings: a folder, a text file of word vectors, a package, or a name of the hub.

    A text's embedding is the mean of its words' or pieces' vectors, scaled to unit length, so that C of a
    logistic regression means the same for every model; zero where none is known.

    Raises:
        UserError: the extra is not installed, there is no such model, or its files are damaged.
    """
    found = find_folder(name, STATIC, f"pip install {DEFAULT_STATIC}", IN_PACKAGES)
    if isinstance(found, Path) and found.is_file():
        return _of_words(name, open_vectors(found))
    for needed in ("tokenizers", "huggingface_hub"):
        if importlib.util.find_spec(needed) is None:
            raise UserError(f"{STATIC} needs {needed}, which is not installed: {EXTRA}")
    folder = found if isinstance(found, Path) else _fetched(found)
    try:
        table = _read(folder)
    except (OSError, SafetensorError, ValueError, KeyError, IndexError) as e:
        reason = " ".join(str(e).split())[:200]
        raise UserError(
            f"the static embeddings {folder} cannot be opened ({type(e).__name__}: {reason}). Name a folder of"
            f" model2vec, a file of word vectors, or the package {DEFAULT_STATIC}, at strategies.{STATIC}.model"
        ) from e
    digest = digest_of_files(dict(zip(("vectors", "pieces"), _files(folder), strict=True)))
    return OutsideModel(name, digest, table.embed, table.pieces, table.word_vectors)


def _fetched(name: str) -> Path:
    """Return the folder into which the files of a model of the hub were fetched, now or earlier.

    Raises:
        UserError: there is no such model, or no network to fetch it.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=list(HUB_FILES)))
    except Exception as e:  # what the hub and the network raise
        reason = " ".join(str(e).split())[:200]
        raise UserError(
            f"the static embeddings {name} cannot be fetched from the Hugging Face hub"
            f" ({type(e).__name__}: {reason}). Check the name and the network, or name a folder that holds"
            f" them at strategies.{STATIC}.model"
        ) from e


@dataclass(frozen=True, slots=True)
class PieceVectors:
    """The vectors of a tokeniser's pieces."""

    tokenizer: "Tokenizer"
    vectors: NDArray[np.float32]  # (pieces, dimensions), times the weights of the pieces
    unknown: int | None  # number of the piece that stands for unknown ones

    def embed(self, texts: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean vectors of texts, of unit length or zero: (texts, dimensions)."""
        return unit_length(self._means(texts, 0.0))

    def word_vectors(self, words: Sequence[str]) -> NDArray[np.float32]:
        """Return the mean vectors of words, (words, dimensions); NaN where no piece is known."""
        return self._means(words, np.nan)

    def pieces(self, words: Sequence[str]) -> list[int]:
        """Return the number of pieces of each word; 0 if one of them is unknown."""
        encoded = self.tokenizer.encode_batch(list(words), add_special_tokens=False)
        return [0 if self.unknown in e.ids else len(e.ids) for e in encoded]

    def _means(self, texts: Sequence[str], missing: float) -> NDArray[np.float32]:
        out = np.full((len(texts), self.vectors.shape[1]), np.float32(missing))
        for start in range(0, len(texts), BATCH):
            batch = list(texts[start : start + BATCH])
            for row, e in enumerate(
                self.tokenizer.encode_batch(batch, add_special_tokens=False), start
            ):
                known = [i for i in e.ids if i != self.unknown]
                if known:
                    out[row] = self.vectors[known].mean(0)
        return out


def _read(folder: Path) -> PieceVectors:
    """Read the vectors and the tokeniser of a folder.

    Raises:
        OSError, SafetensorError, ValueError, KeyError: files are missing, damaged or do not fit.
    """
    from tokenizers import Tokenizer

    weights, words = _files(folder)
    try:
        tokenizer = Tokenizer.from_file(str(words))
    except Exception as e:  # tokenizers raises nothing more precise
        raise ValueError(f"{words}: {e}") from e
    tokenizer.no_padding()
    tokenizer.enable_truncation(LONGEST)
    arrays = load_file(weights)
    vectors = arrays["embeddings" if "embeddings" in arrays else "embedding.weight"]
    count = tokenizer.get_vocab_size()
    rows = arrays.get("mapping", np.arange(len(vectors))).astype(np.int64)
    scale = arrays.get("weights", np.ones(count)).astype(np.float32)
    if vectors.ndim != 2 or len(rows) != count or len(scale) != count:
        raise ValueError(f"{weights} does not hold a vector for each of {count} pieces")
    table = vectors.astype(np.float32)[rows] * scale[:, None]
    if not np.isfinite(table).all():
        raise ValueError(f"{weights} holds numbers that are not finite")
    return PieceVectors(tokenizer, table, _unknown(tokenizer))


def _files(folder: Path) -> tuple[Path, Path]:
    """Return the files of the vectors and of the tokeniser, in the layouts of the known writers."""
    if folder.name == "weights":  # of the package wordllama
        pairs = zip(
            sorted(folder.glob("*.safetensors")),
            sorted(folder.with_name("tokenizers").glob("*.json")),
            strict=False,
        )
        return next(pairs, (folder / "*.safetensors", folder.with_name("tokenizers")))
    nested = folder / "0_StaticEmbedding"
    place = nested if nested.is_dir() else folder
    return place / "model.safetensors", place / "tokenizer.json"


def _unknown(tokenizer: "Tokenizer") -> int | None:
    described: dict[str, Any] = json.loads(tokenizer.to_str())["model"]
    if described.get("unk_token") is not None:
        number: int | None = tokenizer.token_to_id(described["unk_token"])
        return number
    return described.get("unk_id")


def _of_words(name: str, file: VectorFile) -> OutsideModel:
    return OutsideModel(
        name,
        file.digest[:32],
        partial(_mean_of_words, file),
        lambda words: [int(w in file.places) for w in words],
        file.vectors,
    )


def _mean_of_words(file: VectorFile, texts: Sequence[str]) -> NDArray[np.float32]:
    """Return the mean vectors of the known words of texts, of unit length or zero."""
    lines = [[w for w in tokens.tokens(text) if w in file.places] for text in texts]
    words = sorted({w for line in lines for w in line})
    vectors = file.vectors(words)
    known = {w: i for i, w in enumerate(words) if not np.isnan(vectors[i, 0])}
    out = np.zeros((len(texts), file.dimensions), np.float32)
    for row, line in enumerate(lines):
        rows: Ints = np.array([known[w] for w in line if w in known], np.int64)
        if len(rows):
            out[row] = vectors[rows].mean(0)
    return unit_length(out)
