"""Gives a network its first weights: word vectors, or a language model of the pool's texts."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datayield.core.errors import UserError
from datayield.core.types import Floats
from datayield.models.hooks import FineTuning, Start
from datayield.models.settings import ENCODER_TOKENS, STATIC_WORDS
from datayield.strategies.base import (
    READ_ONCE,
    Strategy,
    StrategyContext,
    TunableArgument,
    check_count,
    check_number,
    check_one_of,
)
from datayield.text import tokens
from datayield.text.vector_file import open_vectors

SCALE = 0.1  # root mean square of the first embeddings
LAYER = 2.6  # factor by which each layer learns slower than the one above (Howard & Ruder 2018)
MOST_STATES = 20_000  # token states that the directions of `encoder` are computed from
UNFREEZE = 0.1  # share of training after which the next lower layer starts to learn


def vectors(file: str = "", sha256: str = "") -> Strategy:
    """Start from word vectors as embeddings: those of the corpus, or those of a file.

    The vectors of the corpus (PPMI-SVD) are made from every text of the pool, validation texts
    included, without labels; a word needs three occurrences. Words without a vector are unknown.

    Args:
        file: file with word vectors in GloVe's or fastText's text format (a word and its numbers per line); "":
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
        words = tuple(sorted({w for t in texts for w in tokens.tokens(t)}))
        stored = _of_file(file, sha256, words) if file else context.precomputed.vectors(words)
        return _start_from(words, stored, shape["embedding"])

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


def _of_file(file: str, sha256: str, words: Sequence[str]) -> NDArray[np.float32]:
    """Read the vectors of words from a file that has this checksum; see `VectorFile.vectors`."""
    opened = open_vectors(Path(file))
    if opened.digest != sha256:
        raise UserError(
            f"{file} has the sha256 {opened.digest}, not {sha256} as in params.yaml."
            " Restore the file, or write its sha256 into params.yaml."
        )
    return opened.vectors(words)


def static(frozen: bool = True) -> Strategy:
    """Start from static embeddings of words that have read other text (strategies.outside-static.model).

    A word's vector is the mean of the vectors of its pieces. Vectors with more dimensions than the network's
    embeddings are projected on their principal directions, over the words of the pool.

    Args:
        frozen: whether the embeddings stay as they are, in place of learning on.
    """
    check_one_of("frozen", frozen, (False, True))

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], context: StrategyContext) -> Start:
        words = tuple(sorted({w for t in texts for w in tokens.tokens(t)}))
        stored = context.precomputed.embeddings(STATIC_WORDS, words)
        start = _start_from(words, principal(stored, shape["embedding"]), shape["embedding"])
        return replace(start, frozen=("embedding",) if frozen else ())

    return Strategy(
        "static",
        "starts from static word embeddings that have read other text",
        "word vectors from outside",
        precomputed=(STATIC_WORDS,),
        pretrain=pretrain,
        compute="embeddings of words, looked up once for all cells of a corpus",
        source="Pennington et al. 2014 (GloVe); Tulkens & van Dongen 2024 (model2vec)",
    )


def encoder(frozen: bool = False) -> Strategy:
    """Read the states of a frozen sentence encoder at every token, in place of words.

    The encoder (strategies.outside-encoder.model) has read other text and learns nothing. Its states are
    projected on the network's embedding dimensions, at first on the principal directions of the pool's
    tokens; the projection learns with the network.

    Args:
        frozen: whether the projection stays as it is.
    """
    check_one_of("frozen", frozen, (False, True))

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], context: StrategyContext) -> Start:
        from datayield.models.encoding import SPECIAL  # here, because it loads torch

        states = context.precomputed.token_states()
        pool = (
            states.starts[len(texts) - 1] + states.lengths[len(texts) - 1]
        )  # test texts come later
        chosen = np.linspace(0, pool - 1, MOST_STATES).astype(np.int64)
        sample = states.states[np.unique(chosen)].astype(np.float64)
        rows = principal_directions(sample, shape["embedding"])
        rows = rows * (SCALE / max(float(np.sqrt(((sample @ rows.T) ** 2).mean())), 1e-9))
        kept = ("embedding",) if frozen else ()
        return Start({"embedding.weight": rows.astype(np.float32)}, SPECIAL, None, states, kept)

    return Strategy(
        "encoder",
        "reads the states of a frozen sentence encoder that has read other text, in place of words",
        "states of a sentence encoder",
        precomputed=(ENCODER_TOKENS,),
        pretrain=pretrain,
        pins=lambda labels: {"normalised": False},  # there is no table of words to normalise
        stored_texts=True,
        compute="states of every token, made once for all cells of a corpus",
        source="Peters et al. 2018, arXiv 1802.05365 (states in place of word vectors)",
    )


def _start_from(words: Sequence[str], stored: NDArray[np.float32], dimensions: int) -> Start:
    """Return a start from word vectors, (words, dimensions); words whose row is NaN are unknown."""
    from datayield.models.encoding import SPECIAL  # here, because it loads torch

    known: NDArray[np.bool_] = ~np.isnan(stored[:, 0])
    table = np.zeros((int(known.sum()), dimensions), np.float32)
    shared = min(stored.shape[1], dimensions)  # leading dimensions; the rest start at 0
    table[:, :shared] = stored[known][:, :shared]
    table = table * (SCALE / max(float(np.sqrt((table**2).mean())), 1e-9))
    special = np.zeros((len(SPECIAL), table.shape[1]), np.float32)
    vocabulary = (*SPECIAL, *(w for w, k in zip(words, known, strict=True) if k))
    rows = np.concatenate([special, table]).astype(np.float32)
    return Start({"embedding.weight": rows}, vocabulary)


def principal(stored: NDArray[np.float32], dimensions: int) -> NDArray[np.float32]:
    """Reduce vectors to the directions in which they are longest, if they have more dimensions.

    Args:
        stored: (words, any number); rows of NaN stay NaN.
        dimensions: number of directions.
    """
    if stored.shape[1] <= dimensions:
        return stored
    known = stored[~np.isnan(stored[:, 0])].astype(np.float64)
    out: NDArray[np.float32] = (stored @ principal_directions(known, dimensions).T).astype(
        np.float32
    )
    return out


def principal_directions(x: Floats, count: int) -> Floats:
    """Return the orthogonal directions in which rows are longest, the longest first.

    Args:
        x: (rows, dimensions).
        count: number of directions; those beyond the dimensions are zero.

    Returns:
        (count, dimensions), each with a positive largest number.
    """
    _, directions = np.linalg.eigh(x.T @ x)  # ascending
    directions = directions[:, ::-1][:, :count].T
    largest = directions[np.arange(len(directions)), np.abs(directions).argmax(1)]
    out = np.zeros((count, x.shape[1]))
    out[: len(directions)] = directions * np.sign(largest)[:, None]
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

    The embedding and the first layer learn to predict the next word in every text of the pool, held-out
    texts included, without labels; test texts are never read. In fine-tuning each layer learns 2.6 times
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
