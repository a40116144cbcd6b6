"""Defines what a model from outside gives, finds its files and checks that it fits the texts."""

import hashlib
import importlib.util
import os
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError
from datayield.core.types import Ints
from datayield.text import tokens

EXTRA = "pip install 'datayield[outside]'"
NOT_OF_THE_MODEL = (".md", ".gitattributes")  # files that change no embedding
LOOKED_AT = 1000  # words by which the language of a model is judged
LETTERS = 4  # of the shortest word that is looked at
SPELT = 0.8  # pieces per letter from which a word counts as spelt letter by letter
UNREADABLE = 0.5  # share of unknown or spelt words above which a model is refused
SPACELESS = re.compile("[\u2e80-\u9fff\uac00-\ud7af\u0e00-\u0eff]")  # Han, kana, Hangul, Thai, Lao
PROBED = 16  # texts that are embedded a second time, each alone
CLOSE = 0.02  # difference from rounding, as a share of the largest number of an embedding

Embed: TypeAlias = Callable[[Sequence[str]], NDArray[np.float32]]
"""texts -> embeddings (texts, dimensions)."""


@dataclass(frozen=True, slots=True)
class OutsideModel:
    """A frozen model that has read other text than the corpus."""

    name: str  # package, folder, file or name on the Hugging Face hub
    digest: str  # of its files
    embed: Embed
    pieces: Callable[[Sequence[str]], list[int]]
    """words -> number of pieces that the model reads each as; 0: it does not know the word."""
    word_vectors: Embed | None = None  # words -> (words, dimensions), NaN for unknown words
    token_states: Callable[[Sequence[str]], tuple[NDArray[np.float16], Ints]] | None = None
    """texts -> states at every token, (tokens, dimensions), and tokens of each text, (texts,)."""


def check_language(model: OutsideModel, texts: Sequence[str]) -> None:
    """Raise UserError if a model knows most words of the texts only letter by letter, or not at all.

    A model that was made for another language with the same letters is not recognised.
    """
    found = dict.fromkeys(
        w for line in islice(texts, LOOKED_AT) for w in tokens.tokens(line) if _is_telling(w)
    )
    words = list(islice(found, LOOKED_AT))
    pieces = model.pieces(words)
    strange = [w for w, p in zip(words, pieces, strict=True) if not p or p >= SPELT * len(w)]
    if len(strange) > UNREADABLE * len(words):
        raise UserError(
            f"the model {model.name} does not know {len(strange)} of {len(words)} words of the texts, or reads"
            f" them letter by letter ({', '.join(strange[:3])}): it was made for another language."
            " Name a model for the language of the texts."
        )


def _is_telling(word: str) -> bool:
    return len(word) >= LETTERS and word.isalpha() and not SPACELESS.search(word)


def check_texts_alone(
    name: str,
    texts: Sequence[str],
    among_others: Callable[[int], NDArray[Any]],
    alone: Callable[[str], NDArray[Any]],
) -> None:
    """Raise UserError if what a model makes of a text depends on more than the text, such as its place.

    Labels cannot leak through embeddings that are functions of the text alone: a model gets no label.

    Args:
        name: of the model.
        texts: the texts that were embedded.
        among_others: number of a text -> what was made of it among the others.
        alone: text -> what is made of it by itself.
    """
    for i in np.unique(np.linspace(0, len(texts) - 1, PROBED).astype(np.int64)):
        one, two = among_others(int(i)), alone(texts[i])
        near = CLOSE * float(np.abs(two).max(initial=0))
        if one.shape != two.shape or not np.allclose(one, two, rtol=CLOSE, atol=near):
            raise UserError(
                f"the model {name} embeds a text differently among other texts than alone. Its embeddings"
                " may depend on more than the text, so that labels could leak: it is not used."
            )


def unit_length(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Scale rows to unit length; rows of zeros stay zero. (rows, dimensions) -> same."""
    lengths = np.linalg.norm(x, axis=1, keepdims=True)
    out: NDArray[np.float32] = (x / np.where(lengths > 0, lengths, 1)).astype(np.float32)
    return out


def find_folder(name: str, kind: str, install: str, parts: Sequence[str]) -> Path | str:
    """Return the folder or file of a model, or its name on the hub.

    Args:
        name: a path (with a separator), a name of the hub (owner/model), or a package.
        kind: name of the arm that reads the model, for errors.
        install: command that installs the default package.
        parts: folders of a package, the first of which that exists holds its model.

    Raises:
        UserError: a path is named that does not exist, or a package that is not installed.
    """
    path = Path(name).expanduser()
    if os.sep in name and path.exists():
        return path
    if name.startswith((".", os.sep, "~")):
        raise UserError(f"the folder or file {name} of {kind} does not exist")
    if "/" in name:
        return name  # of the hub: owner/model
    found = importlib.util.find_spec(name) if name.isidentifier() else None
    package = Path(found.origin).parent if found is not None and found.origin is not None else None
    inside = [package / part for part in parts if package is not None]
    if there := [folder for folder in inside if folder.is_dir()]:
        return there[0]  # found without importing the package
    raise UserError(
        f'the package "{name}" of {kind} is not installed, or has no folder {" or ".join(parts)}: {install},'
        f" or name a folder or a model of the hub at strategies.{kind}.model"
    )


def digest_of(folder: Path | str) -> str:
    """Return the digest of a model's files; of the hub's, the name says which model it is."""
    if isinstance(folder, str):
        return folder
    kept = (p for p in folder.rglob("*") if p.is_file() and not p.name.endswith(NOT_OF_THE_MODEL))
    return digest_of_files({str(p.relative_to(folder)): p for p in sorted(kept)})


def digest_of_files(named: Mapping[str, Path]) -> str:
    """Return the digest of files by the names that they go by."""
    found = hashlib.sha256()
    for name, path in named.items():
        found.update(name.encode())
        found.update(hashlib.sha256(path.read_bytes()).digest())
    return found.hexdigest()[:32]
