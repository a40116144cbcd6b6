"""The data stages of dvc.yaml: corpus, subsample, vectors, augment, curriculum, tune's defaults."""

import hashlib
from collections import Counter
from pathlib import Path

import numpy as np
import pyarrow as pa

from datayield import corpora, draws, grid, seeds, table, text, thesaurus
from datayield.config import Params
from datayield.errors import UserError, nearest
from datayield.strategies import make as make_strategy
from datayield.types import Corpus

VARIANTS = pa.schema(
    [("strategy", pa.string()), ("id", pa.int64()), ("texts", pa.list_(pa.string()))]
)
VECTOR_DIMENSIONS = 100


def known_corpus(params: Params, name: str) -> str:
    """The name, if params.yaml describes it.

    Raises:
        UserError: naming the nearest and the known.
    """
    if name not in params.corpora:
        raise UserError(f'unknown corpus "{name}": {nearest(name, list(params.corpora))}')
    return name


def corpus(params: Params, name: str, root: Path) -> None:
    """`data/<name>/corpus.parquet` and `card.json`."""
    source = params.corpora[known_corpus(params, name)]
    built, card = corpora.build(name, source, params.study.seed, root)
    corpora.save(built, card, folder(root, name))


def subsample(params: Params, name: str, root: Path) -> None:
    """`draws.parquet`: every draw of the study as one nested permutation."""
    loaded = corpora.load(folder(root, name))
    numbers = [draws.TUNING_DRAW, *range(params.study.draws)]
    drawn = draws.tabulate(loaded, numbers, params.study.seed, params.study.sampling)
    table.write(drawn, folder(root, name) / "draws.parquet")


def vectors(params: Params, name: str, root: Path) -> None:
    """`vectors.parquet`: label-free word vectors and neighbours of the pool's texts."""
    loaded = corpora.load(folder(root, name))
    seed = seeds.integer(params.study.seed, "vectors", name) % 2**32
    made = thesaurus.vectors(loaded.texts, dimensions=VECTOR_DIMENSIONS, seed=seed)
    thesaurus.save_vectors(made, folder(root, name) / "vectors.parquet")


def augment(params: Params, name: str, root: Path) -> None:
    """`variants.parquet`: the rewritten training texts that some cell may ask for."""
    loaded = corpora.load(folder(root, name))
    drawn = draws.Draws.load(folder(root, name) / "draws.parquet")
    near = thesaurus.Neighbours.load(folder(root, name) / "vectors.parquet")
    tables = [VARIANTS.empty_table()]
    for strategy, largest in grid.arms_with_rewrites(params, len(loaded.texts)):
        ids = np.unique(
            np.concatenate(
                [
                    drawn.sample(d, largest).train
                    for d in (draws.TUNING_DRAW, *range(params.study.draws))
                ]
            )
        )
        tables.append(_variants(params, loaded, near, strategy, ids.tolist()))
    table.write(
        pa.concat_tables(tables), folder(root, name) / "variants.parquet", ("strategy", "id")
    )


def _variants(
    params: Params, loaded: Corpus, near: thesaurus.Thesaurus, strategy: str, ids: list[int]
) -> pa.Table:
    rewrite = make_strategy(strategy, params.strategies.get(strategy, {})).rewrite
    assert rewrite is not None
    lines = []
    for i in ids:
        words = text.tokens(loaded.texts[i])
        key = (params.study.seed, "variant", strategy, loaded.name, i)
        lines.append(
            [
                " ".join(rewrite.write(words, near, k, seeds.rng(*key, k)))
                for k in range(rewrite.variants)
            ]
        )
    return pa.table({"strategy": [strategy] * len(ids), "id": ids, "texts": lines}, VARIANTS)


def curriculum(params: Params, name: str, root: Path) -> None:
    """`difficulties.parquet`: label-free difficulties of every pool text; larger is harder.

    length: tokens; rarity: sum over tokens of -log p(token), p from the pool.
    """
    loaded = corpora.load(folder(root, name))
    words = [text.tokens(t) for t in loaded.texts]
    counts = Counter(w for line in words for w in line)
    total = counts.total()
    surprise = {w: -np.log(c / total) for w, c in counts.items()}
    table.write(
        pa.table(
            {
                "id": np.arange(len(words)),
                "length": np.array([float(len(line)) for line in words]),
                "rarity": np.array([float(sum(surprise[w] for w in line)) for line in words]),
            }
        ),
        folder(root, name) / "difficulties.parquet",
    )


def folder(root: Path, name: str) -> Path:
    """Where a corpus's data stages write."""
    return root / "data" / name


def scope(params: Params, name: str, root: Path) -> grid.Scope:
    """Pool size and digests of one corpus, as the grid needs them."""
    loaded = corpora.load(folder(root, name))
    thesaurus_digest = _file_digest(folder(root, name) / "vectors.parquet")
    return grid.Scope(
        name,
        len(loaded.texts),
        loaded.digest,
        {
            # A variant depends on its text, the thesaurus, the strategy and its arguments (which
            # the settings hold), not on which other texts the table holds: one more draw changes
            # the table and no cell.
            "variants": thesaurus_digest,
            "vectors": thesaurus_digest,
            "difficulties": _file_digest(folder(root, name) / "difficulties.parquet"),
        },
    )


def _file_digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()[:32]
    except FileNotFoundError as e:
        raise UserError(f"{path} is missing. Run `dvc repro` to make it.") from e
