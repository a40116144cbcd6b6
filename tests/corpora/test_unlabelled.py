"""Texts without labels in a file beside: read by what reads such texts, never drawn, never test texts."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from datayield import config, corpora
from datayield.cells.context import CellContext, CorpusTables
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.core.types import Corpus, Cost, Settings
from datayield.corpora import tabular, unlabelled
from datayield.corpora.loaders import file
from datayield.strategies.registry import make_strategy
from datayield.study.stages import (
    audit_corpus,
    build_corpus,
    rate_difficulties,
    subsample_pool,
    train_vectors,
)
from tests.conftest import make_project, read_params, write_params, written_texts

EXTRA = [f"{t} beside" for t in written_texts(40, seed=9)[0]]


@pytest.fixture
def source(tmp_path: Path, corpus: Corpus) -> config.UnlabelledFile:
    """40 new texts, one twice; two of the test set, three of the pool, one empty."""
    lines = [*EXTRA, EXTRA[0].upper(), *corpus.test_texts[:2], *corpus.texts[:3], " "]
    path = tmp_path / "more.csv"
    path.write_text("body\n" + "".join(f'"{line}"\n' for line in lines))
    return config.UnlabelledFile(path="more.csv", sha256=tabular.digest(path), text="body")


def test_overlap_is_removed_and_counted(
    source: config.UnlabelledFile, corpus: Corpus, tmp_path: Path
) -> None:
    joined, removed = unlabelled.attach(corpus, source, tmp_path)
    assert list(joined.unlabelled) == EXTRA
    assert removed == {
        unlabelled.TEST: 2,
        unlabelled.POOL: 3,
        unlabelled.TWICE: 1,
        unlabelled.EMPTY: 1,
    }
    assert joined.digest != corpus.digest and joined.texts is corpus.texts
    (tmp_path / "more.csv").write_text("body\nother\n")
    with pytest.raises(UserError, match=r"more\.csv changed since it was added"):
        unlabelled.attach(corpus, source, tmp_path)


def test_nothing_left_or_no_column_is_an_error(corpus: Corpus, tmp_path: Path) -> None:
    path = tmp_path / "more.csv"
    path.write_text(f'body\n"{corpus.texts[0]}"\n')
    entry = config.UnlabelledFile(path="more.csv", sha256=tabular.digest(path), text="body")
    with pytest.raises(UserError, match="nothing is left to read"):
        unlabelled.attach(corpus, entry, tmp_path)
    with pytest.raises(UserError, match='has no column "text": known: body'):
        unlabelled.attach(corpus, entry.model_copy(update={"text": "text"}), tmp_path)


def test_a_corpus_without_such_texts_is_what_it_was(corpus: Corpus) -> None:
    from datayield.corpora.build import digest

    assert digest(replace(corpus, unlabelled=())) == corpus.digest


@pytest.fixture
def data(source: config.UnlabelledFile, corpus: Corpus, tmp_path: Path) -> CorpusTables:
    folder = make_project(tmp_path)
    params = read_params(folder)
    params["corpora"]["written"]["unlabelled"] = source.model_dump()
    write_params(folder, params)
    loaded = config.load(folder / "params.yaml")
    for stage in (build_corpus, audit_corpus, subsample_pool, train_vectors, rate_difficulties):
        stage.run(loaded, "written", folder)
    return CorpusTables.load(folder / "data" / "written")


def test_a_stored_corpus_keeps_them_and_desks_hand_them_out(data: CorpusTables) -> None:
    corpus = corpora.checked(data.folder)
    pool = len(corpus.texts)
    assert len(corpus.unlabelled) == len(EXTRA) and len(corpus.test_labels) == len(
        corpus.test_texts
    )
    assert not {*corpus.unlabelled} & {*corpus.test_texts}
    sample = data.draws.sample(0, 60)
    assert max(sample.train.max(), sample.rest.max()) < pool
    context = CellContext(
        data, sample, Settings(), cost := Cost(), (1,), make_strategy("self_training"), sample.train
    )
    ids = context.unlabelled_ids
    assert list(context.unlabelled)[-len(EXTRA) :] == EXTRA and cost.unlabelled == len(ids)
    assert (ids[-len(EXTRA) :] >= pool).all() and len(np.unique(ids)) == len(ids)
    assert context.candidates.max() < pool  # their labels cannot be asked for
    assert list(corpora.everything(corpus))[-len(EXTRA) :] == EXTRA
    assert len(data.difficulty("length")) == pool + len(EXTRA)
    assert "beside" in data.word_vectors().words


def test_the_audit_counts_what_was_left_out(data: CorpusTables) -> None:
    import json

    found = json.loads((data.folder / "audit.json").read_text())["findings"]
    counts = {f["what"]: f["count"] for f in found}
    assert counts[f"left out: {unlabelled.TEST}"] >= 0 and f"left out: {unlabelled.POOL}" in counts


@pytest.mark.slow
@pytest.mark.parametrize("name", ["distil", "vat", "self_training+competence", "lm", "vectors"])
def test_arms_that_read_texts_without_labels_train_with_them(name: str, data: CorpusTables) -> None:
    from datayield.cells.run import run_cell
    from datayield.core.types import Cell
    from datayield.study import arms

    params = config.load(data.folder.parents[1] / "params.yaml")
    arm = arms.parse_arm(f"lstm:{name}")
    chosen = arms.default_settings(params, arm, 60)
    row = run_cell(Cell("written", 60, arm, 0, 0, chosen, {"study_seed": 5}), data)
    pool = len(data.corpus.texts)
    assert row.cost.unlabelled > 0.7 * pool and row.cost.examples == 60


def test_the_command_names_the_file_in_params(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from datayield.cli import main
    from tests.conftest import write_csv

    monkeypatch.chdir(tmp_path)
    write_csv(tmp_path / "mine.csv", *written_texts(120))
    assert main.main(["study", "mine.csv", "--unlabelled", "more.csv"]) == 2
    assert "more.csv does not exist" in capsys.readouterr().err
    assert [p.name for p in tmp_path.iterdir()] == ["mine.csv"]


def test_more_than_memory_holds_is_refused_while_it_is_read(
    source: config.UnlabelledFile, corpus: Corpus, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(file, "MEMORY_CHECK", 16)
    monkeypatch.setattr(machine, "available", lambda: 2**20)
    with pytest.raises(UserError, match=r"more\.csv \(16 texts\) needs more memory"):
        unlabelled.attach(corpus, source, tmp_path)
