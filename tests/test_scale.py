"""Corpora that are read in pieces or from a mapped file give what reading them whole gives."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from datasketch import MinHash, MinHashLSH
from hypothesis import given, settings
from hypothesis import strategies as st

from datayield import corpora, desk, grid, near, table, text, thesaurus
from datayield.corpora import files
from datayield.corpora.build import units_of
from datayield.desk import Data
from datayield.draws import DRAWS, Draws, permutation, tabulate
from datayield.encode import Vocabulary, encode
from datayield.errors import UserError
from datayield.run import run_cell
from datayield.strategies import coverage
from datayield.types import Cell, Corpus, Row, Settings
from tests.conftest import REPO, data_stages, make_project, tool_environment, written_texts

N = 60
UNICODE = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@settings(max_examples=60, deadline=None)
@given(st.lists(UNICODE, max_size=30), st.data())
def test_texts_behave_as_a_sequence(lines: list[str], data: st.DataObject) -> None:
    ids = np.array(
        data.draw(st.lists(st.integers(0, max(0, len(lines) - 1)), max_size=9)), np.int64
    )
    ids = ids if lines else ids[:0]
    column = text.Column.spooled(iter(lines))
    cases: list[tuple[Sequence[str], list[str]]] = [
        (column, lines),
        (text.Chosen(lines, ids), [lines[i] for i in ids]),
        (text.Chosen(column, ids), [lines[i] for i in ids]),
        (text.Keys(column, ids), [text.key(lines[i]) for i in ids]),
        (text.Joined(column, lines[:3]), lines + lines[:3]),
    ]
    cut = data.draw(st.slices(len(lines) + 3))
    for found, wanted in cases:
        assert list(found) == wanted and len(found) == len(wanted)
        assert found == wanted and found == tuple(wanted) and found != [*wanted, "more"]
        assert [found[i] for i in range(-len(wanted), len(wanted))] == wanted * 2
        assert all(found[np.int64(i)] == w for i, w in enumerate(wanted))
        assert list(found[cut]) == wanted[cut]
        with pytest.raises(IndexError):
            found[len(wanted)]


def test_half_a_character_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_text('{"body": "rain \\ud800", "stars": "weather"}\n')
    with pytest.raises(UserError, match="half a character"):
        files.describe(path, "body", "stars", "utf-8", None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a b", "A  b", "c", " C ", "d", "\u00e9", "e\u0301", ""])))
def test_units_are_the_groups_of_equal_keys(lines: list[str]) -> None:
    numbers: dict[str, int] = {}
    assert units_of(lines).tolist() == [
        numbers.setdefault(text.key(t), len(numbers)) for t in lines
    ]


def test_the_digest_is_that_of_the_whole_content(corpus: Corpus) -> None:
    whole = [
        corpus.classes, list(corpus.texts), corpus.labels.tolist(), corpus.units.tolist(),
        list(corpus.test_texts), corpus.test_labels.tolist(),
    ]  # fmt: skip
    assert corpus.digest == hashlib.sha256(table.canonical(whole).encode()).hexdigest()
    many = replace(corpus, texts=["a", 'b"'] * text.ROWS, labels=np.zeros(2 * text.ROWS, int))
    whole[1:3] = list(many.texts), many.labels.tolist()
    found = hashlib.sha256(table.canonical(whole).encode()).hexdigest()
    assert corpora.digest(many) == found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the data stages made of the written corpus."""
    project = make_project(tmp_path_factory.mktemp("scale"))
    data_stages(project)
    return project / "data" / "written"


def plain(data: Data, arm: str = "lstm:plain") -> Row:
    parsed = grid.parse_arm(arm)
    small = {"hidden": 8, "embedding": 8, "updates": 12, "rounds": 3}
    chosen = {"model": asdict(Settings.of(small))} if parsed.strategies else {}
    return run_cell(Cell("written", N, parsed, 0, 0, chosen, {"study_seed": 5}), data)


class Watched(Sequence[str]):
    """Texts that remember which of them were read."""

    def __init__(self, texts: Sequence[str]) -> None:
        self.texts, self.read = texts, set()

    def __len__(self) -> int:
        return len(self.texts)

    def __getitem__(self, place: int) -> str:
        self.read.add(int(place))
        return self.texts[place]


@pytest.mark.parametrize("arm", ["lstm:plain", "lstm:eda_nn", "lstm:competence", "tfidf"])
def test_a_cell_reads_its_own_texts_alone(stored: Path, arm: str) -> None:
    data = Data.load(stored)
    texts = Watched(data.corpus.texts)
    plain(replace(data, corpus=replace(data.corpus, texts=texts)), arm)
    sample = data.draws.sample(0, N)
    assert texts.read == {*sample.train.tolist(), *sample.validation.tolist()}


def test_a_cell_does_not_touch_the_rest_of_the_file(stored: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stored, tmp_path / "written")
    data = Data.load(folder)
    before, other = plain(data), data.corpus.texts[int(data.draws.sample(0, N).rest[0])]
    content = (folder / "corpus.arrow").read_bytes()
    assert content.count(other.encode()) == 1
    spoilt = content.replace(other.encode(), b"\xff" * len(other.encode()))
    (folder / "corpus.arrow").write_bytes(spoilt)
    assert np.array_equal(plain(Data.load(folder)).predicted, before.predicted)
    with pytest.raises(UserError, match="does not fit its digest"):
        corpora.checked(folder)


def test_a_changed_corpus_and_a_cut_file_are_found(stored: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stored, tmp_path / "written")
    path = folder / "corpus.arrow"
    content = path.read_bytes()
    first = corpora.checked(folder).texts[0].encode()
    path.write_bytes(content.replace(first, first[::-1]))
    with pytest.raises(UserError, match="does not fit its digest"):
        corpora.checked(folder)
    for cut in (content[: len(content) // 2], b""):
        path.write_bytes(cut)
        with pytest.raises(UserError, match="is no readable Arrow file"):
            corpora.load(folder)
    table.write_mapped([], DRAWS, path)
    with pytest.raises(UserError, match="other columns"):
        corpora.load(folder)


def test_unlabelled_texts_are_bounded(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = Data.load(stored)
    monkeypatch.setattr(desk, "MOST_UNLABELLED", 100)
    texts = Watched(data.corpus.texts)
    row = plain(replace(data, corpus=replace(data.corpus, texts=texts)), "lstm:vat")
    sample = data.draws.sample(0, N)
    own = {*sample.train.tolist(), *sample.validation.tolist()}
    assert texts.read - own == set(sample.rest[:100].tolist()) and row.account.unlabelled == 100


def test_draws_come_back_from_their_file(corpus: Corpus, tmp_path: Path) -> None:
    table.write_mapped(tabulate(corpus, [-1, 0], 3, "stratified"), DRAWS, tmp_path / "draws.arrow")
    found = Draws.load(tmp_path / "draws.arrow")
    for draw in (-1, 0):
        ids, validates, _ = permutation(corpus, draw, 3, "stratified")
        sample = found.sample(draw, 240)
        assert np.array_equal(found.first(draw, 240), ids[:240])
        assert np.array_equal(sample.rest, ids[240:])
        assert np.array_equal(sample.readable, np.sort(ids[validates == 0]))
        assert not set(sample.readable) & set(sample.validation)
    with pytest.raises(UserError, match=r"draw 7 was not made \(known: \[-1, 0\]\)"):
        found.sample(7, 10)


def by_datasketch(keys: list[str], similarity: float) -> Iterator[tuple[int, int]]:
    """The same candidates, one text at a time."""
    sets = [near.shingled(k) for k in keys]
    hashed = MinHash.bulk([[s.encode() for s in own] for own in sets], num_perm=near.PERMUTATIONS)
    index = MinHashLSH(threshold=similarity - near.SLACK, num_perm=near.PERMUTATIONS)
    for i, own in enumerate(hashed):
        for j in sorted(index.query(own)):
            if len(sets[i] & sets[j]) >= similarity * len(sets[i] | sets[j]):
                yield j, i
        index.insert(i, own)


@pytest.mark.parametrize("similarity", [0.3, 0.5, 0.8])
def test_near_pairs_are_those_of_datasketch(similarity: float) -> None:
    texts, _ = written_texts(400)
    texts += [t.replace("rain", "wind") for t in texts[:150]] + ["", "a", "abcd", "ab\0\0\0", "ab"]
    texts += ["日本語の文", "日本語の文章", *(f"{t} it" for t in texts[:60])]
    keys = list(dict.fromkeys(text.key(t) for t in texts))
    found = list(near.pairs(keys, similarity))
    assert found == list(by_datasketch(keys, similarity)) and len(found) > 10


def test_cooccurrences_by_hand() -> None:
    texts = ["a b c a", "c", "b a", "d a d"]
    numbers = {"a": 0, "b": 1, "c": 2}
    wanted: Counter[tuple[int, int]] = Counter()
    for words in (t.split() for t in texts):
        for i, one in enumerate(words):
            for other in words[i + 1 : i + 1 + thesaurus.WINDOW]:
                if one in numbers and other in numbers:
                    wanted[numbers[one], numbers[other]] += 1
                    wanted[numbers[other], numbers[one]] += 1
    found = thesaurus._cooccurrences(texts, numbers)
    assert {(i, j): found[i, j] for i, j in zip(*found.nonzero(), strict=True)} == wanted
    many = thesaurus._cooccurrences(texts * text.ROWS, numbers)  # in several pieces
    assert (many != found * text.ROWS).nnz == 0
    dense = found.toarray()
    p, context = dense / dense.sum(), dense.sum(0) ** thesaurus.CONTEXT_POWER
    with np.errstate(divide="ignore"):
        by_hand = np.log(p / np.outer(dense.sum(1) / dense.sum(), context / context.sum()))
    assert np.allclose(thesaurus._ppmi(found).toarray(), np.maximum(by_hand, 0))


def test_encoding_reads_any_sequence(corpus: Corpus) -> None:
    vocabulary = Vocabulary.of(iter(corpus.texts), 2)
    whole = encode(list(corpus.texts), vocabulary, 6)
    mapped = encode(text.Column.spooled(corpus.texts), vocabulary, 6)
    assert np.array_equal(whole.flat, mapped.flat) and np.array_equal(whole.starts, mapped.starts)
    assert vocabulary.words == Vocabulary.of(list(corpus.texts), 2).words
    assert len(encode([], vocabulary, 6)) == 0


def test_nearby_cells_hold_most_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((30, 16))
    points = centres[rng.integers(0, 30, 3000)] + 0.6 * rng.standard_normal((3000, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    exact = coverage.nearest(points)
    monkeypatch.setattr(coverage, "EXACT", 1000)
    rows = np.concatenate([own for own, _ in coverage.cells_of(points)])
    assert sorted(rows) == list(range(3000)), "every row once"
    found = coverage.nearest(points)
    assert found.nnz == exact.nnz and np.allclose(found.diagonal(), 1.0)
    i, j = found.nonzero()
    cosines = np.einsum("nd,nd->n", points[i], points[j])
    assert np.allclose(np.asarray(found[i, j]).ravel()[i != j], cosines[i != j], atol=1e-5)
    assert (found.astype(bool).multiply(exact.astype(bool))).nnz > 0.9 * exact.nnz
    assert (coverage.nearest(points) != found).nnz == 0, "one key, one result"


@pytest.mark.slow
def test_the_benchmark_measures_every_step(tmp_path: Path) -> None:
    told = tmp_path / "scale.json"
    done = subprocess.run(
        [sys.executable, REPO / "benchmarks" / "scale.py", "--sizes", "2000", "4000",
         "--strategy-sizes", "2000", "--json", told],
        env=tool_environment(PYTHONPATH=str(REPO / "src")), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(told.read_text())
    assert list(found["cell"]) == ["2000", "4000"] and list(found["dedup"]) == ["2000"]
    assert all(v["mib"] > 0 for own in found.values() for v in own.values())
    assert "| ingest |" in done.stdout and "| k_center |" in done.stdout
