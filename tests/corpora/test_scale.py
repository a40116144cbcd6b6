"""Corpora that are read in pieces or from a mapped file give what reading them whole gives."""

import hashlib
import json
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from datayield import corpora
from datayield.cells import context
from datayield.cells.context import CorpusTables
from datayield.cells.draws import DRAWS, Draws, permutation, tabulate
from datayield.cells.run import run_cell
from datayield.core import files, tables
from datayield.core.errors import UserError
from datayield.core.types import Cell, Corpus, Row, Settings
from datayield.corpora.build import duplicate_groups_of
from datayield.corpora.loaders import file
from datayield.models.encoding import Vocabulary, encode
from datayield.strategies import coverage
from datayield.study import arms
from datayield.text import near_duplicates, sequences, tokens, word_vectors
from datayield.text.sequences import ROWS
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
    column = sequences.TextColumn.spooled(iter(lines))
    cases: list[tuple[Sequence[str], list[str]]] = [
        (column, lines),
        (sequences.SelectedTexts(lines, ids), [lines[i] for i in ids]),
        (sequences.SelectedTexts(column, ids), [lines[i] for i in ids]),
        (sequences.TextKeys(column, ids), [tokens.key(lines[i]) for i in ids]),
        (sequences.JoinedTexts(column, lines[:3]), lines + lines[:3]),
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
        file.describe(path, "body", "stars", "utf-8", None)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.sampled_from(["a b", "A  b", "c", " C ", "d", "\u00e9", "e\u0301", ""])))
def test_units_are_the_groups_of_equal_keys(lines: list[str]) -> None:
    numbers: dict[str, int] = {}
    assert duplicate_groups_of(lines).tolist() == [
        numbers.setdefault(tokens.key(t), len(numbers)) for t in lines
    ]


def test_the_digest_is_that_of_the_whole_content(corpus: Corpus) -> None:
    whole = [
        corpus.classes, list(corpus.texts), corpus.labels.tolist(), corpus.duplicate_groups.tolist(),
        list(corpus.test_texts), corpus.test_labels.tolist(),
    ]  # fmt: skip
    assert corpus.digest == hashlib.sha256(files.canonical(whole).encode()).hexdigest()
    many = replace(corpus, texts=["a", 'b"'] * ROWS, labels=np.zeros(2 * ROWS, int))
    whole[1:3] = list(many.texts), many.labels.tolist()
    found = hashlib.sha256(files.canonical(whole).encode()).hexdigest()
    assert corpora.digest(many) == found


@pytest.fixture(scope="module")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the data stages made of the written corpus."""
    project = make_project(tmp_path_factory.mktemp("scale"))
    data_stages(project)
    return project / "data" / "written"


def plain(data: CorpusTables, arm: str = "lstm:plain") -> Row:
    parsed = arms.parse_arm(arm)
    small = {"hidden": 8, "embedding": 8, "updates": 12, "rounds": 3}
    chosen = {"model": asdict(Settings.from_dict(small))} if parsed.strategies else {}
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
    data = CorpusTables.load(stored)
    texts = Watched(data.corpus.texts)
    plain(replace(data, corpus=replace(data.corpus, texts=texts)), arm)
    sample = data.draws.sample(0, N)
    assert texts.read == {*sample.train.tolist(), *sample.validation.tolist()}


def test_a_cell_does_not_touch_the_rest_of_the_file(stored: Path, tmp_path: Path) -> None:
    folder = shutil.copytree(stored, tmp_path / "written")
    data = CorpusTables.load(folder)
    before, other = plain(data), data.corpus.texts[int(data.draws.sample(0, N).rest[0])]
    content = (folder / "corpus.arrow").read_bytes()
    assert content.count(other.encode()) == 1
    spoilt = content.replace(other.encode(), b"\xff" * len(other.encode()))
    (folder / "corpus.arrow").write_bytes(spoilt)
    assert np.array_equal(plain(CorpusTables.load(folder)).predicted, before.predicted)
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
        with pytest.raises(UserError, match="is not a readable Arrow file"):
            corpora.load(folder)
    tables.write_mapped([], DRAWS, path)
    with pytest.raises(UserError, match="other columns"):
        corpora.load(folder)


def test_unlabelled_texts_are_bounded(stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    data = CorpusTables.load(stored)
    monkeypatch.setattr(context, "MOST_UNLABELLED", 100)
    texts = Watched(data.corpus.texts)
    row = plain(replace(data, corpus=replace(data.corpus, texts=texts)), "lstm:vat")
    sample = data.draws.sample(0, N)
    own = {*sample.train.tolist(), *sample.validation.tolist()}
    assert texts.read - own == set(sample.rest[:100].tolist()) and row.cost.unlabelled == 100


def test_draws_come_back_from_their_file(corpus: Corpus, tmp_path: Path) -> None:
    tables.write_mapped(tabulate(corpus, [-1, 0], 3, "stratified"), DRAWS, tmp_path / "draws.arrow")
    found = Draws.load(tmp_path / "draws.arrow")
    for draw in (-1, 0):
        ids, folds, _ = permutation(corpus, draw, 3, "stratified")
        sample = found.sample(draw, 240)
        assert np.array_equal(found.first(draw, 240), ids[:240])
        assert np.array_equal(sample.rest, ids[240:])
        assert np.array_equal(sample.folds[ids], folds)
    with pytest.raises(
        UserError, match=r"draw 7 is not in the table of draws \(known: \[-1, 0\]\)"
    ):
        found.sample(7, 10)


def test_the_bands_are_those_of_datasketch() -> None:
    """`datasketch.MinHashLSH(threshold, num_perm=128)` chooses these (b, r)."""
    known = {
        0.05: (32, 1),
        0.1: (64, 2),
        0.2: (28, 2),
        0.4: (32, 4),
        0.5: (25, 5),
        0.7: (14, 9),
        0.8: (9, 13),
    }
    assert {t: near_duplicates.bands_and_rows(t) for t in known} == known


@pytest.mark.parametrize(
    ("similarity", "wanted"),
    [(0.3, "c0cc027ae6ceb8ba"), (0.5, "7fce78d390afa3df"), (0.8, "e0b9c057d341163b")],
)
def test_near_pairs_are_as_they_were(similarity: float, wanted: str) -> None:
    """The pairs are a stored result, equal to that of datasketch's index; all are true, few are missed."""
    texts, _ = written_texts(400)
    texts += [t.replace("rain", "wind") for t in texts[:150]] + ["", "a", "abcd", "ab\0\0\0", "ab"]
    texts += ["日本語の文", "日本語の文章", *(f"{t} it" for t in texts[:60])]
    keys = list(dict.fromkeys(tokens.key(t) for t in texts))
    found = list(near_duplicates.pairs(keys, similarity))
    assert files.digest(found)[:16] == wanted
    sets = [near_duplicates.shingled(k) for k in keys]
    near = [
        (i, j)
        for j in range(len(keys))
        for i in range(j)
        if len(sets[i] & sets[j]) >= similarity * len(sets[i] | sets[j])
    ]
    assert set(found) <= set(near) and len(found) >= 0.95 * len(near) > 10


def test_cooccurrences_by_hand() -> None:
    texts = ["a b c a", "c", "b a", "d a d"]
    numbers = {"a": 0, "b": 1, "c": 2}
    wanted: Counter[tuple[int, int]] = Counter()
    for words in (t.split() for t in texts):
        for i, one in enumerate(words):
            for other in words[i + 1 : i + 1 + word_vectors.WINDOW]:
                if one in numbers and other in numbers:
                    wanted[numbers[one], numbers[other]] += 1
                    wanted[numbers[other], numbers[one]] += 1
    found = word_vectors._cooccurrences(texts, numbers)
    assert {(i, j): found[i, j] for i, j in zip(*found.nonzero(), strict=True)} == wanted
    many = word_vectors._cooccurrences(texts * ROWS, numbers)  # in several pieces
    assert (many != found * ROWS).nnz == 0
    dense = found.toarray()
    p, context = dense / dense.sum(), dense.sum(0) ** word_vectors.CONTEXT_POWER
    with np.errstate(divide="ignore"):
        by_hand = np.log(p / np.outer(dense.sum(1) / dense.sum(), context / context.sum()))
    assert np.allclose(word_vectors._ppmi(found).toarray(), np.maximum(by_hand, 0))


def test_encoding_reads_any_sequence(corpus: Corpus) -> None:
    vocabulary = Vocabulary.of(iter(corpus.texts), 2)
    whole = encode(list(corpus.texts), vocabulary, 6)
    mapped = encode(sequences.TextColumn.spooled(corpus.texts), vocabulary, 6)
    assert np.array_equal(whole.flat, mapped.flat) and np.array_equal(whole.starts, mapped.starts)
    assert vocabulary.words == Vocabulary.of(list(corpus.texts), 2).words
    assert len(encode([], vocabulary, 6)) == 0


def test_large_pools_have_the_same_neighbours(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((3000, 16))
    points = (points / np.linalg.norm(points, axis=1, keepdims=True)).astype(np.float32)
    points[[5, 2000]] = 0.0  # texts without a known word
    blocked = coverage.nearest(points)
    monkeypatch.setattr(coverage, "BLOCKED", 1000)
    searched = coverage.nearest(points)
    assert np.allclose(searched.diagonal(), 1.0) and searched[5].nnz == searched[2000].nnz == 1
    known = np.flatnonzero(points.any(1))
    apart = abs(searched[known][:, known] - blocked[known][:, known])
    assert apart.max() < 1e-5, "every neighbour, with its cosine"
    assert (coverage.nearest(points) != searched).nnz == 0, "one key, one result"


@pytest.mark.slow
def test_the_benchmark_measures_every_step(tmp_path: Path) -> None:
    told = tmp_path / "scale.json"
    done = subprocess.run(
        [sys.executable, REPO / "benchmarks" / "scale.py", "--sizes", "1500", "3000",
         "--strategies", "dedup", "k_center", "--strategy-sizes", "1500", "--updates", "5", "--json", told],
        env=tool_environment(PYTHONPATH=str(REPO / "src")), capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    found = json.loads(told.read_text())
    assert list(found["cell"]) == ["1500", "3000"] and list(found["dedup"]) == ["1500"]
    assert all(v["mib"] > 0 for own in found.values() for v in own.values())
    assert "| ingest |" in done.stdout and "| k_center |" in done.stdout
