"""Arms with knowledge from outside, from the stage that embeds to an exported model."""

from pathlib import Path

import numpy as np
import pytest
import yaml

from datayield import config
from datayield.cells.context import CorpusTables
from datayield.core.errors import UserError
from datayield.core.rows import read_rows
from datayield.corpora.embeddings import FILE, embedding_digests, read_embeddings, write_embeddings
from datayield.models.saved import format
from datayield.models.settings import ENCODER, ENCODER_TOKENS, STATIC, STATIC_WORDS
from datayield.study import arms
from datayield.study import data_stages as stages
from datayield.text.tokens import tokens
from tests.conftest import (
    data_stages,
    datayield,
    flow,
    make_project,
    read_params,
    small_params,
    write_params,
    written_texts,
)

BLEND = f"blend({ENCODER}, tfidf)"


@pytest.fixture(scope="module")
def computed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study has arms that read embeddings."""
    folder = make_project(tmp_path_factory.mktemp("outside"), draws=2)
    params = read_params(folder)
    arms = ["lstm:plain", "lstm:distil_encoder", BLEND, "lstm:encoder", STATIC, "lstm:static"]
    params["study"]["grid"] = [{"arms": arms, "budgets": [30, 60]}]
    words = sorted({w for line in written_texts(200)[0] for w in tokens(line) if w.isalpha()})
    rng = np.random.default_rng(1)
    lines = (f"{w} {' '.join(f'{x:.3f}' for x in rng.normal(0, 1, 12))}\n" for w in words)
    (folder / "vectors.txt").write_text("".join(lines))
    params["strategies"] = {STATIC: {"model": str(folder / "vectors.txt")}}
    write_params(folder, params)
    data_stages(folder)
    assert flow(folder, "tune").returncode == 0
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_arms_with_an_encoder_are_computed_and_marked(computed: Path) -> None:
    results = computed / "results/written"
    rows = read_rows(results / "cells.parquet", results / "history.parquet")
    tables = {
        "lstm:plain": None, "lstm:distil_encoder": ENCODER, BLEND: None, ENCODER: ENCODER, "tfidf": None,
        "lstm:encoder": ENCODER_TOKENS, STATIC: STATIC, "lstm:static": STATIC_WORDS,
    }  # fmt: skip
    assert {str(r.cell.arm) for r in rows} == set(tables)
    digests = embedding_digests(computed / "data/written")
    for row in rows:
        table = tables[str(row.cell.arm)]
        read = row.cell.identity.get("precomputed") or None
        assert read == ({table: digests[table]} if table else None)
    for name in ("analyse", "report"):
        assert datayield(computed, "stage", name).returncode == 0
    assert "has read other text" in (computed / "reports/small/index.html").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("arm", [ENCODER, BLEND, "lstm:encoder", STATIC, "lstm:static"])
def test_an_exported_model_embeds_raw_texts_itself(
    computed: Path, tmp_path: Path, arm: str
) -> None:
    out = tmp_path / "model"
    done = datayield(computed, "export", "--arm", arm, "--out", str(out), "--no-register")
    assert done.returncode == 0, done.stderr
    model = format.load(out)
    card = (out / "README.md").read_text()
    assert ("which has read other text" in card) == (arm != "lstm:static"), (
        "what it needs elsewhere"
    )
    results = computed / "results/written"
    rows = read_rows(results / "cells.parquet", results / "history.parquet")
    row = next(r for r in rows if r.key == model.config["cell"])
    corpus = CorpusTables.load(computed / "data/written").corpus
    scores = model.scores(list(corpus.test_texts))
    assert (scores.argmax(1) == row.predicted).mean() > 0.98, (
        "embeddings may differ in the last digit"
    )
    assert np.isfinite(model.scores(["", "words that no text has"])).all()


@pytest.mark.slow
def test_embeddings_are_of_every_text_and_need_no_label(computed: Path) -> None:
    tables = CorpusTables.load(computed / "data/written")
    stored = read_embeddings(tables.folder, ENCODER)
    assert len(stored) == len(tables.corpus.texts) + len(tables.corpus.test_texts)
    found = tables.embed(ENCODER)([tables.corpus.texts[3], tables.corpus.test_texts[0]])
    assert np.array_equal(found, stored[[3, len(tables.corpus.texts)]])
    with pytest.raises(LookupError):
        tables.embed(ENCODER)(["a text of no corpus"])


def test_damaged_embeddings_are_one_error(tmp_path: Path) -> None:
    assert embedding_digests(tmp_path) == {}
    write_embeddings({}, {}, tmp_path)
    assert embedding_digests(tmp_path) == {}
    with pytest.raises(UserError, match="is damaged"):
        read_embeddings(tmp_path, ENCODER)
    (tmp_path / FILE).write_bytes(b"\0" * 40)
    with pytest.raises(UserError, match="is damaged"):
        embedding_digests(tmp_path)


@pytest.mark.parametrize("wrong", [{"model": 3}, {"modle": "x"}])
def test_a_wrong_entry_about_the_encoder_is_refused(wrong: dict[str, object]) -> None:
    params = small_params("0" * 64)
    params["strategies"] = {ENCODER: wrong}
    params["study"]["grid"] = [{"arms": ["lstm:plain", ENCODER], "budgets": [30]}]
    with pytest.raises(UserError, match=f"strategies.{ENCODER}: expected"):
        stages.checked_params(config.load_text(yaml.safe_dump(params)))


@pytest.mark.parametrize(
    ("arm", "tables"),
    [
        ("outside-static", {STATIC}),
        ("lstm:static", {STATIC_WORDS}),
        ("blend(lstm:distil_encoder, outside-static)", {ENCODER, STATIC}),
        ("lstm:plain", set()),
    ],
)
def test_an_arm_names_the_tables_that_it_reads_and_is_marked(arm: str, tables: set[str]) -> None:
    parsed = arms.parse_arm(arm)
    assert arms.outside_tables(parsed, {}) == tables
    assert arms.describe(parsed).get("outside", False) == bool(tables)
