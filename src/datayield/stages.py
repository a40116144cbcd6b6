"""The data stages of dvc.yaml: corpus, audit, subsample, vectors, augment, curriculum, tune's defaults."""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np
import pyarrow as pa

from datayield import (
    corpora,
    draws,
    environment,
    grid,
    seeds,
    table,
    text,
    thesaurus,
    wordnet,
)
from datayield.config import Params
from datayield.corpora.download import DOWNLOADS
from datayield.cost import Shape
from datayield.errors import UserError, nearest
from datayield.score import leading
from datayield.strategies import make as make_strategy
from datayield.strategies.base import Rewrite, Synonyms
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
    """`data/<name>/corpus.arrow` and `card.json`."""
    source = params.corpora[known_corpus(params, name)]
    built, card = corpora.build(name, source, params.study.seed, root)
    corpora.save(built, card, folder(root, name))


def audit(params: Params, name: str, root: Path) -> None:
    """`audit.json` (what is wrong with the corpus) and `audit.parquet` (per text)."""
    from datayield.corpora import audit as audits

    loaded = corpora.checked(folder(root, name))
    card = table.read_json(folder(root, name) / "card.json")
    found, texts = audits.audit(loaded, card["removed"])
    table.write(texts, folder(root, name) / "audit.parquet")
    table.write_json(found, folder(root, name) / "audit.json", ordered=False)


def subsample(params: Params, name: str, root: Path) -> None:
    """`draws.arrow`: every draw of the study as one nested permutation."""
    loaded = corpora.checked(folder(root, name))
    numbers = [draws.TUNING_DRAW, *params.study.numbers]
    drawn = draws.tabulate(loaded, numbers, params.study.seed, params.study.sampling)
    table.write_mapped(drawn, draws.DRAWS, folder(root, name) / "draws.arrow")


def vectors(params: Params, name: str, root: Path) -> None:
    """`vectors.parquet`: label-free word vectors and neighbours of the pool's texts."""
    loaded = corpora.checked(folder(root, name))
    seed = seeds.integer(params.study.seed, "vectors", name) % 2**32
    made = thesaurus.vectors(corpora.everything(loaded), dimensions=VECTOR_DIMENSIONS, seed=seed)
    thesaurus.save_vectors(made, folder(root, name) / "vectors.parquet")


def augment(params: Params, name: str, root: Path) -> None:
    """`variants.parquet`: the rewritten training texts that some cell may ask for."""
    loaded = corpora.checked(folder(root, name))
    drawn = _drawn(params, name, root, loaded)
    thesauri: dict[str, Synonyms] = {}
    digests: dict[str, str] = {}
    tables = [VARIANTS.empty_table()]
    for strategy, largest in grid.arms_with_rewrites(params, len(loaded.texts)):
        drawn_ids = [drawn.first(d, largest) for d in (draws.TUNING_DRAW, *params.study.numbers)]
        ids = np.unique(np.concatenate(drawn_ids))
        rewrite = make_strategy(strategy, params.strategies.get(strategy, {})).rewrite
        assert rewrite is not None
        words: Synonyms = thesaurus.Neighbours({})
        if rewrite.thesaurus is not None:
            if rewrite.thesaurus not in thesauri:
                opened, digest = THESAURI[rewrite.thesaurus](folder(root, name))
                thesauri[rewrite.thesaurus], digests[rewrite.thesaurus] = opened, digest
            words = thesauri[rewrite.thesaurus]
        count = rewrite.variants(largest)
        tables.append(_variants(params, loaded, words, strategy, rewrite, count, ids.tolist()))
    made = pa.concat_tables(tables).replace_schema_metadata(digests)
    table.write(made, folder(root, name) / "variants.parquet", ("strategy", "id"))


def _neighbours(folder: Path) -> tuple[Synonyms, str]:
    path = folder / "vectors.parquet"
    return thesaurus.Neighbours.load(path), _digest(path)


def _wordnet(folder: Path) -> tuple[Synonyms, str]:
    loaded = wordnet.WordNet.load(folder.parents[1] / DOWNLOADS)
    return loaded, loaded.digest


# What rewrites may name as their thesaurus -> the words and the digest of what they come from.
THESAURI: dict[str, Callable[[Path], tuple[Synonyms, str]]] = {
    "neighbours": _neighbours,
    "wordnet": _wordnet,
}


def _variants(
    params: Params,
    loaded: Corpus,
    near: Synonyms,
    strategy: str,
    rewrite: Rewrite,
    count: int,
    ids: list[int],
) -> pa.Table:
    key = (params.study.seed, "variant", strategy, loaded.name)
    lines = [rewritten(loaded.texts[i], rewrite, near, count, (*key, i)) for i in ids]
    return pa.table({"strategy": [strategy] * len(ids), "id": ids, "texts": lines}, VARIANTS)


def rewritten(
    line: str, rewrite: Rewrite, near: Synonyms, count: int, key: tuple[seeds.Key, ...]
) -> list[str]:
    """The first variants of one text; variant k depends on (key, k) and the text alone."""
    words = text.tokens(line)
    return [" ".join(rewrite.write(words, near, k, seeds.rng(*key, k))) for k in range(count)]


def curriculum(params: Params, name: str, root: Path) -> None:
    """`difficulties.parquet`: label-free difficulties of every pool text; larger is harder.

    length: tokens; rarity: sum over tokens of -log p(token), p from the pool.
    """
    loaded = corpora.checked(folder(root, name))
    texts = corpora.everything(loaded)  # those beside the pool may be rows of a training set
    counts = text.counts(texts)
    total = counts.total()
    surprise = {w: -np.log(c / total) for w, c in counts.items()}
    length, rarity = np.empty(len(texts)), np.empty(len(texts))
    for i, line in enumerate(map(text.tokens, texts)):
        length[i], rarity[i] = len(line), sum(surprise[w] for w in line)
    columns = {"id": np.arange(len(length)), "length": length, "rarity": rarity}
    path = folder(root, name) / "difficulties.parquet"
    table.write(pa.table(columns), path, hashed=True)


def folder(root: Path, name: str) -> Path:
    """Where a corpus's data stages write."""
    return root / "data" / name


def check_draws(params: Params, name: str, root: Path) -> None:
    """Whether the draws are those that the study's seed makes, before anything is computed with them.

    Raises:
        UserError: when they are missing or damaged.
    """
    _drawn(params, name, root, corpora.load(folder(root, name)))


def _drawn(params: Params, name: str, root: Path, loaded: Corpus) -> draws.Draws:
    path, study = folder(root, name) / "draws.arrow", params.study
    numbers = [draws.TUNING_DRAW, *study.numbers]
    return draws.checked(path, loaded, numbers, study.seed, study.sampling)


def shapes(root: Path, names: Iterable[str] | None = None) -> dict[str, Shape]:
    """What the cost of cells depends on, for the named corpora or all that are built."""
    cards = {n: folder(root, n) / "card.json" for n in names} if names is not None else {
        p.parent.name: p for p in (root / "data").glob("*/card.json")
    }  # fmt: skip
    return {n: _shape(p) for n, p in cards.items()}


def _shape(path: Path) -> Shape:
    told = table.read_json(path)
    try:
        return Shape(told["tokens per text"]["mean"], told["texts"]["test"])
    except (KeyError, TypeError) as e:
        raise table.damaged(path, f"it lacks {e}") from e


def scope(params: Params, name: str, root: Path) -> grid.Scope:
    """Pool size and digests of one corpus, as the grid needs them."""
    loaded = corpora.checked(folder(root, name))
    thesaurus_digest = _digest(folder(root, name) / "vectors.parquet")
    return grid.Scope(
        name,
        len(loaded.texts),
        loaded.digest,
        {
            # A variant depends on its text, the thesaurus, the strategy and its arguments (which
            # the settings hold), not on which other texts the table holds: one more draw changes
            # the table and no cell.
            **_thesauri(folder(root, name) / "variants.parquet"),
            "vectors": thesaurus_digest,
            "difficulties": _digest(folder(root, name) / "difficulties.parquet"),
        },
        environment.device(params.execution.device),
    )


def metric(params: Params, name: str, root: Path) -> str:
    """What the searches of a corpus maximise: what leads its report (`analysis.metric`)."""
    labels = corpora.load(folder(root, name)).labels
    return leading(params.analysis.metric, max(np.bincount(labels)) / len(labels))


def _thesauri(path: Path) -> dict[str, str]:
    """Digest of every thesaurus that the augment stage used."""
    found = table.read(path, VARIANTS).schema.metadata or {}
    return {k.decode(): found[k].decode() for k in (n.encode() for n in THESAURI) if k in found}


def _digest(path: Path) -> str:
    return table.hash_of(path)[:32]
