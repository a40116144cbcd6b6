"""Gives a network its first weights: word vectors, or a language model of the pool's texts."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError
from datayield.models.hooks import FineTuning, Start
from datayield.strategies.base import (
    READ_ONCE,
    Strategy,
    StrategyContext,
    TunableArgument,
    check_count,
    check_number,
)
from datayield.text import tokens

SCALE = 0.1  # root mean square of the first embeddings
LAYER = 2.6  # factor by which each layer learns slower than the one above (Howard & Ruder 2018)
UNFREEZE = 0.1  # share of training after which the next lower layer starts to learn


def vectors(file: str = "", sha256: str = "") -> Strategy:
    """Start from word vectors as embeddings: those of the corpus, or those of a file.

    The vectors of the corpus (PPMI-SVD) are made from every text of the pool, validation texts
    included, without labels; a word needs three occurrences. Words without a vector are unknown.

    Args:
        file: file with word vectors in GloVe's text format (a word and its numbers per line); "":
            the vectors of the corpus.
        sha256: checksum of the file, required with it, because it is part of every cell's identity.
    """
    if not isinstance(file, str) or (file and not Path(file).is_file()):
        raise UserError(f"file: wanted a file of word vectors, got {file!r}, which does not exist")
    if not isinstance(sha256, str) or (file and len(sha256) != 64):
        raise UserError(
            f"sha256: wanted the checksum of {file} (64 hexadecimal digits), got {sha256!r}."
            f" `sha256sum {file}` prints it."
        )

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], context: StrategyContext) -> Start:
        from datayield.models.encoding import SPECIAL  # here, because it loads torch

        words = tuple(sorted({w for t in texts for w in tokens.tokens(t)}))
        stored = read_vectors(file, sha256, words) if file else context.precomputed.vectors(words)
        known: NDArray[np.bool_] = ~np.isnan(stored[:, 0])
        table = np.zeros((int(known.sum()), shape["embedding"]), np.float32)
        shared = min(stored.shape[1], shape["embedding"])  # leading dimensions; the rest start at 0
        table[:, :shared] = stored[known][:, :shared]
        table = table * (SCALE / max(float(np.sqrt((table**2).mean())), 1e-9))
        special = np.zeros((len(SPECIAL), table.shape[1]), np.float32)
        vocabulary = (*SPECIAL, *(w for w, k in zip(words, known, strict=True) if k))
        rows = np.concatenate([special, table]).astype(np.float32)
        return Start({"embedding.weight": rows}, vocabulary)

    return Strategy(
        "vectors",
        "starts from word vectors, made from the corpus's texts without labels or read from a file",
        "word vectors",
        version=2,
        precomputed=() if file else ("vectors",),
        pretrain=pretrain,
        compute="" if file else "word vectors, made once for all cells of a corpus",
        source="Levy, Goldberg & Dagan 2015 (PPMI-SVD); Pennington et al. 2014 (GloVe's format)",
    )


@lru_cache(maxsize=4)
def read_vectors(file: str, sha256: str, words: tuple[str, ...]) -> NDArray[np.float32]:
    """Read the vectors of some words, (words, dimensions); the rows of missing words are NaN.

    Raises:
        UserError: for another checksum, a line of another width, or numbers that cannot be read.
    """
    place = {w: i for i, w in enumerate(words)}
    digest, width = hashlib.sha256(), 0
    rows: dict[int, NDArray[np.float32]] = {}
    with Path(file).open("rb") as lines:
        for number, line in enumerate(lines, 1):
            digest.update(line)
            word, _, rest = line.decode("utf-8", "replace").rstrip().partition(" ")
            if word not in place:
                continue
            try:
                rows[place[word]] = np.array(rest.split(" "), np.float32)
            except ValueError as e:
                raise UserError(f"{file}, line {number}: wanted a word and numbers ({e})") from e
            width = width or len(rows[place[word]])
            if len(rows[place[word]]) != width:
                raise UserError(
                    f"{file}, line {number}: wanted {width} numbers as in the lines before,"
                    f" got {len(rows[place[word]])}"
                )
    if digest.hexdigest() != sha256:
        raise UserError(
            f"{file} has the sha256 {digest.hexdigest()}, not {sha256} as in params.yaml."
            " Restore the file, or write its sha256 into params.yaml."
        )
    out = np.full((len(words), max(width, 1)), np.nan, np.float32)
    for i, row in rows.items():
        out[i] = row
    return out


def _from_language_model(
    name: str, summary: str, title: str, task: str, passes: int, rate: float, source: str
) -> Strategy:
    check_count("passes", passes, 1, 1000)
    check_number("rate", rate, 0.01, 100)

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], context: StrategyContext) -> Start:
        model = context.language_model(task, passes)
        layers = [f"recurrent.{k}" for k in reversed(range(shape["layers"]))]
        parts = ("linear", *layers, "embedding")  # part k has k layers above it
        rates = {part: rate / LAYER**k for k, part in enumerate(parts)}
        begins = {part: UNFREEZE * k for k, part in enumerate(parts)}
        return Start(model.weights, model.words, FineTuning(rates, begins))

    return Strategy(
        name,
        summary,
        title,
        version=2,
        pretrain=pretrain,
        needs=("language_model",),
        space=(TunableArgument("rate", 1.0, 8.0, log=True),),
        compute=READ_ONCE,
        effort=3.0,  # 8 for the cell that trains the language model, 1 for those that load it
        source=source,
    )


def lm(passes: int = 8, rate: float = 3.0) -> Strategy:
    """Start from forward and backward language models of the pool's texts, and fine-tune them.

    The embedding and the first layer learn to predict the next word in every pool text but the
    draw's validation texts; test texts are never read. In fine-tuning each layer learns 2.6 times
    slower than the one above, the rate is a slanted triangle, and layers are unfrozen from above.
    ULMFiT, its source, also has a general-domain stage.

    Args:
        passes: passes over the texts.
        rate: learning rate of the top layer, as a factor of the settings' learning rate.
    """
    return _from_language_model(
        "lm",
        "starts from language models of the pool's texts, fine-tuned layer by layer",
        "language model of your texts",
        "next",
        passes,
        rate,
        "Howard & Ruder 2018, arXiv 1801.06146",
    )


def autoencoder(passes: int = 8, rate: float = 3.0) -> Strategy:
    """Start as `lm` does, from a network that learnt to repeat each text after reading it.

    Args:
        passes: passes over the texts.
        rate: learning rate of the top layer, as a factor of the settings' learning rate.
    """
    return _from_language_model(
        "autoencoder",
        "starts from a sequence autoencoder of the pool's texts, fine-tuned layer by layer",
        "autoencoder of your texts",
        "again",
        passes,
        rate,
        "Dai & Le 2015, arXiv 1511.01432",
    )
