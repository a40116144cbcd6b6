"""Rewritten texts: one key, one text, in any process and any order; EDA's settings by size."""

import hashlib
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from datayield import config, seeds, stages, strategies, thesaurus
from datayield.corpora.build import Labelled, build
from datayield.strategies import augment
from datayield.types import TrainingSet
from tests.conftest import written_texts

REWRITING = [n for n in strategies.registry() if strategies.make(n).rewrite]
# What a process of its own prints: digests of every generator's variants, ids in the order given.
CODE = """
import hashlib, json, sys
from pathlib import Path
from tests.test_generators import rewritten
names, ids = json.loads(sys.argv[1])
print(json.dumps(rewritten(names, ids, Path(sys.argv[2]))))
"""


def rewritten(names: list[str], ids: list[int], dictionary: Path) -> dict[str, str]:
    """Per strategy and text the digest of its variants, as the augment stage makes them."""
    from datayield.wordnet import WordNet

    os.environ["DATAYIELD_WORDNET"] = str(dictionary)
    texts = written_texts(120)[0]
    near = thesaurus.neighbours(made := thesaurus.vectors(texts, 20, 1))
    words = {
        "neighbours": thesaurus.Neighbours(dict(zip(made.words, map(tuple, near), strict=True))),
        "wordnet": WordNet.load(dictionary),
        None: thesaurus.Neighbours({}),
    }
    out = {}
    for name in names:
        rewrite = strategies.make(name).rewrite
        for i in ids:
            key = (5, "variant", name, "written", i)
            lines = stages.rewritten(texts[i], rewrite, words[rewrite.thesaurus], 20, key)
            out[f"{name} {i}"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return out


WORDS = """
import hashlib
import os
from pathlib import Path
from importlib.util import find_spec
from datayield import thesaurus
from datayield.corpora import pydocs
[folder] = find_spec("sklearn").submodule_search_locations
made = thesaurus.vectors(pydocs.paragraphs(Path(folder)), 100, 0)
near = repr(thesaurus.neighbours(made)).encode()
print(len(made.words), hashlib.sha256(made.vectors.tobytes() + near).hexdigest())
"""


def test_word_vectors_and_neighbours_do_not_depend_on_the_kernels_of_the_processor() -> None:
    # OpenBLAS takes its kernels by processor, and from this variable; they round differently.
    said = {
        subprocess.run(
            [sys.executable, "-c", WORDS], capture_output=True, text=True, check=True,
            env={**os.environ, "OPENBLAS_CORETYPE": kernel, "OPENBLAS_NUM_THREADS": "1"},
        ).stdout
        for kernel in ("Nehalem", "Sandybridge", "Haswell")
    }  # fmt: skip
    assert len(said) == 1 and int(said.pop().split()[0]) > 1000


def test_every_generator_is_equal_across_processes_and_orders(tmp_path: Path) -> None:
    from tests.conftest import write_dictionary

    write_dictionary(tmp_path)
    ids = [3, 40, 7]
    here = rewritten(REWRITING, ids, tmp_path)
    for hash_seed, order, names in (("0", ids, REWRITING), ("7", ids[::-1], REWRITING[::-1])):
        done = subprocess.run(
            [sys.executable, "-c", CODE, json.dumps([names, order]), str(tmp_path)],
            env={"PYTHONHASHSEED": hash_seed, "PYTHONPATH": ":".join(sys.path)},
            capture_output=True, text=True, check=True,
        )  # fmt: skip
        assert json.loads(done.stdout) == here
    assert len(set(here.values())) == len(here), "every strategy and text has variants of its own"


def test_variants_of_a_text_depend_on_no_other_text() -> None:
    corpus = build("written", Labelled(*written_texts(150), None, {}, "written"), 0.1, 7)
    rewrite = strategies.make("swap").rewrite
    near = thesaurus.Neighbours({})
    params = config.parse({**_study(), "corpora": {}})
    some = stages._variants(params, corpus, near, "swap", rewrite, 4, [9, 2])
    every = stages._variants(params, corpus, near, "swap", rewrite, 8, list(range(20)))
    for line in some.to_pylist():
        assert line["texts"] == every.to_pylist()[line["id"]]["texts"][:4]


def _study() -> dict[str, object]:
    from tests.conftest import small_params

    return small_params("0" * 64)


@pytest.mark.parametrize(
    ("rows", "alpha", "n_aug"), [(400, 0.05, 16), (500, 0.05, 16), (501, 0.05, 8), (2000, 0.05, 8), (2001, 0.1, 4),
                                 (5000, 0.1, 4)],
)  # fmt: skip
def test_the_papers_settings_by_size(rows: int, alpha: float, n_aug: int) -> None:
    assert augment.table_3(rows) == (alpha, n_aug)
    made = strategies.make("eda_nn")
    words = [f"w{i}" for i in range(60)]
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(),))})
    variants = [
        tuple(made.rewrite.write(words, near, k, seeds.rng("k", k)))
        for k in range(made.rewrite.variants(rows))
    ]

    class Desk:
        class facts:
            @staticmethod
            def variants(ids: np.ndarray) -> list[tuple[str, ...]]:
                return [tuple(" ".join(v) for v in variants) for _ in ids]

    texts = tuple(" ".join(words) for _ in range(rows))
    given = TrainingSet(
        texts, np.ones((rows, 1), np.float32), np.ones(rows, np.float32), np.arange(rows)
    )
    out = made.prepare(given, Desk)
    assert len(out) == rows * (n_aug + 1)
    first = out.texts[1].split()  # synonym replacement: floor(alpha L) words
    assert sum(a != b for a, b in zip(first, words, strict=True)) == int(alpha * 60)
    inserted = out.texts[2].split()
    assert len(inserted) == 60 + int(alpha * 60)


def test_a_given_alpha_serves_every_size() -> None:
    made = strategies.make("eda", {"alpha": 0.2, "n_aug": 8})
    assert made.rewrite.variants(100) == made.rewrite.variants(50_000) == 8
    per_operation = strategies.make("eda", {"alpha": [0.5, 0.1, 0.1, 0.1]}).rewrite
    words = [f"w{i}" for i in range(20)]
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(),))})
    replaced, inserted = (per_operation.write(words, near, k, seeds.rng("k")) for k in (0, 1))
    assert sum(a != b for a, b in zip(replaced, words, strict=True)) == 10 and len(inserted) == 22


@pytest.mark.parametrize("name", REWRITING)
def test_no_knob_changes_what_was_made_beforehand(name: str) -> None:
    """The augment stage runs before a search: a knob that its variants depend on would do nothing."""
    made = strategies.make(name)
    words = "the rain fell on the old boat near some rocks at noon".split()
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(), word + "s"))})

    def written(arguments: dict[str, float]) -> list[list[str]]:
        write = strategies.make(name, arguments).rewrite.write
        return [write(words, near, k, seeds.rng("k", k)) for k in range(4)]

    for knob in made.space:
        for value in (knob.low, knob.high):
            given = int(value) if knob.integer else value
            assert written({knob.name: given}) == written({}), knob.name


def test_a_search_asks_for_no_variant_that_was_not_made() -> None:
    made = {n: strategies.make("eda_nn", {"n_aug": n}).rewrite for n in (None, 4)}
    assert [made[None].variants(n) for n in (100, 2000, 2001, 9000)] == [16, 16, 32, 32]
    assert [made[4].variants(n) for n in (100, 9000)] == [4, 20]
    assert strategies.make("eda_nn", {"n_aug": 4}).space[0].high == 4
    tried = strategies.make("eda_nn", {"n_aug": 3}).rewrite  # as a trial would compose it
    words = [f"w{i}" for i in range(40)]
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(),))})
    for k in (0, 5, 16, 19):
        one, two = (r.write(words, near, k, seeds.rng("k")) for r in (made[None], tried))
        assert one == two
