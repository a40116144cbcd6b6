"""What comes before: where the network starts."""

import hashlib
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from datayield import text
from datayield.errors import UserError
from datayield.strategies.base import (
    READ_ONCE,
    Desk,
    FineTuning,
    Knob,
    Start,
    Strategy,
    check_count,
    check_number,
)

SCALE = 0.1  # root mean square of the embeddings at the start
LAYER = 2.6  # by how much each layer learns slower than the one above (Howard & Ruder 2018)
UNFREEZE = 0.1  # share of training after which the next layer below starts to learn


def vectors(file: str = "", sha256: str = "") -> Strategy:
    """Word vectors as the first embeddings: the corpus's own (PPMI-SVD, label-free), or a file's.

    The corpus's own are made of every text of the pool, validation texts included, without labels.
    Words without a vector are unknown words; the corpus's own need three occurrences in the pool.

    Args:
        file: word vectors in GloVe's text format (a word and its numbers per line); "": the corpus's own.
        sha256: of the file, which must be given with it: part of every cell's identity.
    """
    if not isinstance(file, str) or (file and not Path(file).is_file()):
        raise UserError(f"file: wanted a file of word vectors, got {file!r}, which is not there")
    if not isinstance(sha256, str) or (file and len(sha256) != 64):
        raise UserError(
            f"sha256: wanted the hash of {file} (64 hexadecimal digits), got {sha256!r}"
        )

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], desk: Desk) -> Start:
        from datayield.encode import SPECIAL  # torch, which is loaded where strategies are used

        words = tuple(sorted({w for t in texts for w in text.tokens(t)}))
        found = read_vectors(file, sha256, words) if file else desk.facts.vectors(words)
        known: NDArray[np.bool_] = ~np.isnan(found[:, 0])
        table = np.zeros((int(known.sum()), shape["embedding"]), np.float32)
        shared = min(found.shape[1], shape["embedding"])  # leading dimensions; the rest start at 0
        table[:, :shared] = found[known][:, :shared]
        table = table * (SCALE / max(float(np.sqrt((table**2).mean())), 1e-9))
        special = np.zeros((len(SPECIAL), table.shape[1]), np.float32)
        vocabulary = (*SPECIAL, *(w for w, k in zip(words, known, strict=True) if k))
        rows = np.concatenate([special, table]).astype(np.float32)
        return Start({"embedding.weight": rows}, vocabulary)

    return Strategy(
        "vectors",
        "starts from word vectors: the corpus's own, made from unlabelled text, or a file's",
        version=2,
        facts=() if file else ("vectors",),
        pretrain=pretrain,
        compute="" if file else "word vectors, made once for all cells of a corpus",
        source="Levy, Goldberg & Dagan 2015 (PPMI-SVD); Pennington et al. 2014 (GloVe's format)",
    )


@lru_cache(maxsize=4)
def read_vectors(file: str, sha256: str, words: tuple[str, ...]) -> NDArray[np.float32]:
    """The vectors of these words, (words, dimensions); NaN rows where the file has none.

    Raises:
        UserError: for another hash, a line of another width, or numbers that cannot be read.
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
                    f"{file}, line {number}: wanted {width} numbers as in the lines before"
                )
    if digest.hexdigest() != sha256:
        raise UserError(
            f"{file} has the sha256 {digest.hexdigest()}, not {sha256} as in params.yaml"
        )
    out = np.full((len(words), max(width, 1)), np.nan, np.float32)
    for i, row in rows.items():
        out[i] = row
    return out


def _read_first(
    name: str, summary: str, task: str, passes: int, rate: float, source: str
) -> Strategy:
    check_count("passes", passes, 1, 1000)
    check_number("rate", rate, 0.01, 100)

    def pretrain(texts: Sequence[str], shape: Mapping[str, int], desk: Desk) -> Start:
        reader = desk.reader(task, passes)
        layers = [f"recurrent.{k}" for k in reversed(range(shape["layers"]))]
        above = enumerate(("linear", *layers, "embedding"))  # how many layers are above each part
        parts = {part: (rate / LAYER**k, UNFREEZE * k) for k, part in above}
        tuning = FineTuning(
            {p: r for p, (r, _) in parts.items()}, {p: b for p, (_, b) in parts.items()}
        )
        return Start(reader.weights, reader.words, tuning)

    return Strategy(
        name,
        summary,
        version=2,
        pretrain=pretrain,
        needs=("reader",),
        space=(Knob("rate", 1.0, 8.0, log=True),),
        compute=READ_ONCE,
        effort=3.0,  # 8 for the cell that trains the model, 1 for those that find it
        source=source,
    )


def lm(passes: int = 8, rate: float = 3.0) -> Strategy:
    """Forward and backward language models of the pool's texts, then careful fine-tuning.

    The embedding and the first layer learn to predict the following word of every pool text but the
    draw's validation texts, never of test texts. Fine-tuning: each layer 2.6 times slower than the
    one above, a slanted triangular rate, layers unfrozen from above. Not called ULMFiT, because
    there is no general-domain stage.

    Args:
        passes: over the texts.
        rate: of the top layer, as a factor of the settings' learning rate.
    """
    return _read_first(
        "lm",
        "starts from language models of the pool's texts, fine-tuned layer by layer",
        "next",
        passes,
        rate,
        "Howard & Ruder 2018, arXiv 1801.06146",
    )


def autoencoder(passes: int = 8, rate: float = 3.0) -> Strategy:
    """As `lm`, but the network learns to say a whole text again after it has read it.

    Args:
        passes: over the texts.
        rate: of the top layer, as a factor of the settings' learning rate.
    """
    return _read_first(
        "autoencoder",
        "starts from a sequence autoencoder of the pool's texts, fine-tuned layer by layer",
        "again",
        passes,
        rate,
        "Dai & Le 2015, arXiv 1511.01432",
    )
