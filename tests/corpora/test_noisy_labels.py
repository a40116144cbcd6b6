"""Labels bought otherwise: those of pool texts alone, trusted as far as paid labels confirm them."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from datayield import config, corpora
from datayield.cells.context import CellContext
from datayield.cells.corpus_tables import CorpusTables
from datayield.core.errors import UserError
from datayield.core.types import Corpus, Cost, Settings, TrainingSet
from datayield.corpora import noisy_labels, tabular
from datayield.strategies import cheap_labels
from datayield.strategies.registry import make_strategy
from datayield.study import data_stages
from datayield.study.stages import build_corpus, subsample_pool
from tests.conftest import call, make_project, read_params, small_params, write_params

Written = Callable[[list[tuple[str, str]]], config.NoisyFile]


@pytest.fixture
def written(tmp_path: Path) -> Written:
    """Write texts with labels to a file; return its entry."""

    def write(rows: list[tuple[str, str]]) -> config.NoisyFile:
        path = tmp_path / "noisy.csv"
        path.write_text("body,guess\n" + "".join(f'"{t}",{label}\n' for t, label in rows))
        entry = {"path": "noisy.csv", "sha256": tabular.digest(path), "text": "body"}
        return config.NoisyFile(**entry, label="guess", price=0.01, clean_price=0.5)

    return write


def test_the_most_frequent_label_of_a_pool_text_counts(
    written: Written, corpus: Corpus, tmp_path: Path
) -> None:
    one, two, three = corpus.texts[3], corpus.texts[5], corpus.texts[9]
    a, b, c = corpus.classes
    rows = [
        (one, a),
        (one.upper(), b),
        (f" {one} ", b),
        (two, c),
        (three, b),
        (three, a),
        ("new", a),
    ]
    count, removed = noisy_labels.write_noisy_labels(corpus, written(rows), tmp_path, tmp_path)
    found = noisy_labels.read_noisy_labels(tmp_path, len(corpus.texts))
    alike = [3, 5, 9]
    assert found[alike].tolist() == [1, 2, 1] and removed == {
        "noisy labels of texts outside the pool": 1
    }
    same = np.isin(corpus.duplicate_groups, corpus.duplicate_groups[alike])
    assert (found[~same] == -1).all() and count == (found >= 0).sum()


def test_without_a_file_there_is_none(corpus: Corpus, tmp_path: Path) -> None:
    assert noisy_labels.noisy_digest(tmp_path) == "none"
    assert noisy_labels.write_noisy_labels(corpus, None, tmp_path, tmp_path) == (0, {})
    assert (noisy_labels.read_noisy_labels(tmp_path, 7) == -1).all()
    before = noisy_labels.noisy_digest(tmp_path)
    assert before != "none"


def test_wrong_files_are_one_error_and_nothing_is_written(
    written: Written, corpus: Corpus, tmp_path: Path
) -> None:
    label = corpus.classes[0]
    wrong = {
        r"line 3: the text is one of the test set of written": [
            (corpus.texts[0], label),
            (f"  {corpus.test_texts[1].upper()} ", label),
        ],
        r'line 2: column "guess" has .other., which is not a class': [(corpus.texts[0], "other")],
        "no text of it is in the pool": [("a text of nowhere", label)],
    }
    for said, rows in wrong.items():
        with pytest.raises(UserError, match=said):
            noisy_labels.write_noisy_labels(corpus, written(rows), tmp_path, tmp_path)
    entry = written([(corpus.texts[0], label)])
    with pytest.raises(UserError, match="changed since it was added"):
        changed = entry.model_copy(update={"sha256": "0" * 64})
        noisy_labels.write_noisy_labels(corpus, changed, tmp_path, tmp_path)
    with pytest.raises(UserError, match='has no column "stars"'):
        missing = entry.model_copy(update={"label": "stars"})
        noisy_labels.write_noisy_labels(corpus, missing, tmp_path, tmp_path)
    assert not (tmp_path / noisy_labels.FILE).exists()


def test_class_shares_by_hand() -> None:
    targets = np.eye(2, dtype=np.float32)[[0, 0, 1, 1, 1]]
    shares = cheap_labels.class_shares(targets, np.array([0, 0, 0, 1, -1]))
    assert np.allclose(shares, [[3 / 4, 1 / 4], [0, 1]])
    assert np.array_equal(cheap_labels.class_shares(targets, np.full(5, -1)), np.eye(2))


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A project whose corpus has noisy labels of 200 pool texts, a third of them wrong."""
    folder = make_project(tmp_path)
    params = config.load(folder / "params.yaml")
    build_corpus.run(params, "written", folder)
    corpus = corpora.load(folder / "data" / "written")
    path = folder / "noisy.jsonl"
    names = [corpus.classes[(y + (i % 3 == 0)) % 3] for i, y in enumerate(corpus.labels[:200])]
    lines = [{"t": t, "y": y} for t, y in zip(corpus.texts[:200], names, strict=True)]
    path.write_text("".join(json.dumps(line) + "\n" for line in lines))
    raw = read_params(folder)
    raw["corpora"]["written"]["noisy"] = {
        "path": "noisy.jsonl", "sha256": tabular.digest(path), "text": "t", "label": "y", "price": 0.01,
    }  # fmt: skip
    write_params(folder, raw)
    return folder


def test_an_arm_learns_from_clean_and_noisy_labels(project: Path) -> None:
    params = config.load(project / "params.yaml")
    for stage in (build_corpus, subsample_pool):
        stage.run(params, "written", project)
    data = CorpusTables.load(project / "data" / "written")
    sample = data.draws.sample(0, 60, 1)
    made = make_strategy("noisy", {"labels": 50})
    context = CellContext(data, sample, Settings(), Cost(), (1, "written", 0), made, sample.train)
    ids = sample.train
    rows = TrainingSet(
        tuple(data.corpus.texts[i] for i in ids), np.eye(3, dtype=np.float32)[data.corpus.labels[ids]],
        np.ones(len(ids), np.float32), ids,
    )  # fmt: skip
    out = made.transform(rows, context)
    added = out.take(np.arange(len(rows), len(out)))
    assert len(added) == 50 and (added.parents < 200).all()
    assert not np.isin(added.parents, [*ids, *sample.validation]).any(), (
        "nothing held out, nothing twice"
    )
    assert np.allclose(added.targets.sum(1), 1) and (added.targets.max(1) < 1).any()
    assert [added.texts[0]] == [data.corpus.texts[added.parents[0]]]
    fewer = make_strategy("noisy", {"labels": 20}).transform(rows, context)
    assert fewer.texts == out.texts[: len(rows) + 20], "fewer labels are the first of more"
    every = make_strategy("noisy", {"labels": 5000}).transform(rows, context)
    assert len(every) == len(rows) + int((context.unlabelled_ids < 200).sum())
    data.opened["noisy"] = np.where(np.isin(np.arange(len(data.corpus.texts)), ids), 0, -1)
    with pytest.raises(UserError, match="each text with a noisy label has a paid one"):
        made.transform(rows, context)


def test_a_corpus_without_noisy_labels_is_refused_before_any_training() -> None:
    raw = small_params("0" * 64)
    raw["study"]["grid"] = [{"arms": ["lstm:plain", "lstm:noisy"], "budgets": [30]}]
    with pytest.raises(
        UserError, match='lstm:noisy reads noisy labels, and the corpus "written" has none'
    ):
        data_stages.checked_params(config.parse(raw))


def test_a_file_with_test_texts_ends_the_stage_with_one_sentence(project: Path) -> None:
    data = corpora.load(project / "data" / "written")
    path = project / "noisy.jsonl"
    path.write_text(json.dumps({"t": data.test_texts[0], "y": data.classes[0]}) + "\n")
    raw = read_params(project)
    raw["corpora"]["written"]["noisy"]["sha256"] = tabular.digest(path)
    write_params(project, raw)
    before = (project / "data/written/noisy.parquet").read_bytes()
    done = call(project, "python", "-m", "datayield", "stage", "corpus", "--corpus", "written")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "line 1: the text is one of the test set of written" in done.stderr
    assert (project / "data/written/noisy.parquet").read_bytes() == before
