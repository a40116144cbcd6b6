"""Rewritten texts: one key, one text, in any process and any order; EDA's settings by size."""

import hashlib
import itertools
import json
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datayield import config
from datayield.core import seeds
from datayield.core.types import TrainingSet
from datayield.corpora.build import Labelled, build_corpus
from datayield.strategies import augmentation, augmentation_ops, registry
from datayield.study.stages import augment_texts
from datayield.text import tokens, word_vectors
from tests.conftest import written_texts

REWRITING = [n for n in registry.registered() if registry.make_strategy(n).rewrite]
# What a process of its own prints: digests of every generator's variants, ids in the order given.
CODE = """
import hashlib, json, sys
from pathlib import Path
from tests.strategies.test_augmentation import rewritten
names, ids = json.loads(sys.argv[1])
print(json.dumps(rewritten(names, ids, Path(sys.argv[2]))))
"""


def rewritten(names: list[str], ids: list[int], dictionary: Path) -> dict[str, str]:
    """Per strategy and text the digest of its variants, as the augment stage makes them."""
    from datayield.text.wordnet import WordNet

    os.environ["DATAYIELD_WORDNET"] = str(dictionary)
    texts = written_texts(120)[0]
    near = word_vectors.neighbours(made := word_vectors.vectors(texts, 20, 1))
    words = {
        "neighbours": word_vectors.Neighbours(dict(zip(made.words, map(tuple, near), strict=True))),
        "wordnet": WordNet.load(dictionary),
        None: word_vectors.Neighbours({}),
    }
    out = {}
    for name in names:
        rewrite = registry.make_strategy(name).rewrite
        for i in ids:
            key = (5, "variant", name, "written", i)
            lines = augment_texts.rewritten(texts[i], rewrite, words[rewrite.thesaurus], 20, key)
            out[f"{name} {i}"] = hashlib.sha256("\n".join(lines).encode()).hexdigest()
    return out


WORDS = """
import hashlib
import os
from pathlib import Path
from importlib.util import find_spec
from datayield.text import word_vectors
from datayield.corpora.loaders import docstrings
[folder] = find_spec("sklearn").submodule_search_locations
made = word_vectors.vectors(docstrings.paragraphs(Path(folder)), 100, 0)
near = repr(word_vectors.neighbours(made)).encode()
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
    from datayield.testing.small_corpus import write_dictionary

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
    corpus = build_corpus("written", Labelled(*written_texts(150), None, {}, "written"), 0.1, 7)
    rewrite = registry.make_strategy("swap").rewrite
    near = word_vectors.Neighbours({})
    params = config.parse({**_study(), "corpora": {}})
    some = augment_texts.variants(params, corpus, near, "swap", rewrite, 4, [9, 2])
    every = augment_texts.variants(params, corpus, near, "swap", rewrite, 8, list(range(20)))
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
    assert augmentation_ops.table_3(rows) == (alpha, n_aug)
    made = registry.make_strategy("eda_nn")
    words = [f"w{i}" for i in range(60)]
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(),))})
    variants = [
        tuple(made.rewrite.write(words, near, k, seeds.rng("k", k)))
        for k in range(made.rewrite.variants(rows))
    ]

    class StrategyContext:
        class precomputed:
            @staticmethod
            def variants(ids: np.ndarray) -> list[tuple[str, ...]]:
                return [tuple(" ".join(v) for v in variants) for _ in ids]

    texts = tuple(" ".join(words) for _ in range(rows))
    given = TrainingSet(
        texts, np.ones((rows, 1), np.float32), np.ones(rows, np.float32), np.arange(rows)
    )
    out = made.transform(given, StrategyContext)
    assert len(out) == rows * (n_aug + 1)
    first = out.texts[1].split()  # synonym replacement: floor(alpha L) words
    assert sum(a != b for a, b in zip(first, words, strict=True)) == int(alpha * 60)
    inserted = out.texts[2].split()
    assert len(inserted) == 60 + int(alpha * 60)


def test_a_given_alpha_serves_every_size() -> None:
    made = registry.make_strategy("eda", {"alpha": 0.2, "n_aug": 8})
    assert made.rewrite.variants(100) == made.rewrite.variants(50_000) == 8
    per_operation = registry.make_strategy("eda", {"alpha": [0.5, 0.1, 0.1, 0.1]}).rewrite
    words = [f"w{i}" for i in range(20)]
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(),))})
    replaced, inserted = (per_operation.write(words, near, k, seeds.rng("k")) for k in (0, 1))
    assert sum(a != b for a, b in zip(replaced, words, strict=True)) == 10 and len(inserted) == 22


@pytest.mark.parametrize("name", REWRITING)
def test_no_knob_changes_what_was_made_beforehand(name: str) -> None:
    """The augment stage runs before a search: a knob that its variants depend on would do nothing."""
    made = registry.make_strategy(name)
    words = "the rain fell on the old boat near some rocks at noon".split()
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(), word + "s"))})

    def written(arguments: dict[str, float]) -> list[list[str]]:
        write = registry.make_strategy(name, arguments).rewrite.write
        return [write(words, near, k, seeds.rng("k", k)) for k in range(4)]

    for argument in made.space:
        for value in (argument.low, argument.high):
            given = int(value) if argument.integer else value
            assert written({argument.name: given}) == written({}), argument.name


def test_a_search_asks_for_no_variant_that_was_not_made() -> None:
    made = {n: registry.make_strategy("eda_nn", {"n_aug": n}).rewrite for n in (None, 4)}
    assert [made[None].variants(n) for n in (100, 2000, 2001, 9000)] == [16, 16, 32, 32]
    assert [made[4].variants(n) for n in (100, 9000)] == [4, 20]
    assert registry.make_strategy("eda_nn", {"n_aug": 4}).space[0].high == 4
    tried = registry.make_strategy("eda_nn", {"n_aug": 3}).rewrite  # as a trial would compose it
    words = [f"w{i}" for i in range(40)]
    near = type("Near", (), {"synonyms": staticmethod(lambda word: (word.upper(),))})
    for k in (0, 5, 16, 19):
        one, two = (r.write(words, near, k, seeds.rng("k")) for r in (made[None], tried))
        assert one == two


# --- texts without tokens

INVISIBLE = ("\u200b", "\u200b \u200e", "\ufeff", "\u2060\u2064")
ADDING = sorted({*REWRITING, "lm_substitute", "repeat"})


class Unchanged:
    """A language model that puts the word "rain" at every place that it is asked for."""

    def infill(self, lines: list, drawn: list) -> list[list[str]]:
        pairs = zip(lines, drawn, strict=True)
        return [["rain" if i in d else w for i, w in enumerate(line)] for line, d in pairs]


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 2**31), st.sampled_from(INVISIBLE), st.integers(1, 20))
@pytest.mark.parametrize("name", ADDING)
def test_a_text_without_tokens_stays_as_it_is(name: str, seed: int, empty: str, n_aug: int) -> None:
    given_to = "times" if name == "repeat" else "n_aug"
    arguments = {given_to: n_aug} | ({"alpha": 0.3} if name in ("eda", "eda_nn") else {})
    made = registry.make_strategy(name, arguments)
    texts = ("the old boat near rain", empty)

    class StrategyContext:
        rng = np.random.default_rng(seed)

        def language_model(self, task: str, passes: int) -> Unchanged:
            return Unchanged()

        class precomputed:
            @staticmethod
            def variants(ids: np.ndarray) -> list[tuple[str, ...]]:
                count = made.rewrite.variants(2)
                return [
                    tuple(
                        augment_texts.rewritten(
                            texts[i], made.rewrite, Doubled(), count, (seed, int(i))
                        )
                    )
                    for i in ids
                ]

    rows = TrainingSet(texts, np.eye(2, dtype=np.float32), np.ones(2, np.float32), np.arange(2))
    out = made.transform(rows, StrategyContext())
    of_empty = [t for t, parent in zip(out.texts, out.parents, strict=True) if parent == 1]
    assert of_empty == [empty] * (n_aug + (name != "repeat"))
    assert all(
        tokens.tokens(t) for t, parent in zip(out.texts, out.parents, strict=True) if parent == 0
    )


class Doubled:
    def synonyms(self, word: str) -> tuple[str, ...]:
        return (word.upper(), word + "s")


# --- operations where n_aug is no multiple of four


@pytest.mark.parametrize("name", ["eda", "eda_nn"])
@pytest.mark.parametrize("n_aug", [1, 2, 3, 6])
def test_few_variants_spread_the_operations_over_the_texts(name: str, n_aug: int) -> None:
    made = registry.make_strategy(name, {"n_aug": n_aug, "alpha": 0.1})
    count = made.rewrite.variants(100)
    ids = np.random.default_rng(1).permutation(9000)[:2000]

    def operations(chosen: np.ndarray) -> dict[int, list[int]]:
        rows = TrainingSet(
            ("x",) * len(chosen), np.ones((len(chosen), 1), np.float32), np.ones(len(chosen), np.float32),
            chosen,
        )  # fmt: skip

        class StrategyContext:
            class precomputed:
                @staticmethod
                def variants(asked: np.ndarray) -> list[tuple[str, ...]]:
                    return [tuple(str(k % 4) for k in range(count)) for _ in asked]

        out = made.transform(rows, StrategyContext)
        return {
            int(i): [
                int(t) for t, p in zip(out.texts, out.parents, strict=True) if p == i and t != "x"
            ]
            for i in chosen[:50]
        } | {-1: np.bincount([int(t) for t in out.texts if t != "x"], minlength=4).tolist()}

    found = operations(ids)
    used = np.array(found.pop(-1))
    assert used.sum() == n_aug * len(ids)
    assert np.abs(used - n_aug * len(ids) / 4).max() < 4 * np.sqrt(len(ids) * 3 / 16)
    assert all(max(np.bincount(o, minlength=4)) <= -(-n_aug // 4) for o in found.values())
    other = operations(ids[::-1][-50:])
    assert all(other[i] == found[i] for i in found), "whatever other texts there are"


def test_a_text_keeps_its_variants_when_there_are_more() -> None:
    for i in range(40):
        numbers = [augmentation.variant_numbers(i, n, 4) for n in range(1, 17)]
        assert all(sorted(a) == sorted(set(a) & set(b)) for a, b in itertools.pairwise(numbers))
        assert [sorted(a) for a in numbers[3::4]] == [list(range(n)) for n in (4, 8, 12, 16)]
        assert augmentation.variant_numbers(i, 5, 1) == [0, 1, 2, 3, 4]
