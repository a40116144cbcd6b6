"""An exported model: chosen by validation score, the same predictions again, no pickle, clear errors."""

import io
import json
import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from mlflow import MlflowClient
from safetensors.numpy import load_file

from datayield import config, corpora
from datayield.config import Params
from datayield.core import files
from datayield.core.errors import UserError
from datayield.core.rows import read_rows, write_rows
from datayield.core.types import Corpus, Row, Settings, TrainingSet
from datayield.integrations import mlflow_client, mlflow_registry
from datayield.models import device, linear
from datayield.models.saved import format
from datayield.models.trainer import TrainingHooks, train
from datayield.study import export
from tests.conftest import datayield, read_params, write_params

NETWORKS = ("lstm:plain", "gru:plain", "lstm:eda_nn", "lstm:mixup_word")
ARMS = (*NETWORKS, "tfidf", "nbsvm", "majority")


@pytest.fixture
def study(studied: Path, tmp_path: Path) -> Path:
    folder = tmp_path / "project"
    shutil.copytree(studied, folder)
    return folder


def _params(folder: Path) -> Params:
    return config.load(folder / "params.yaml")


def _rows(folder: Path) -> list[Row]:
    results = folder / "results" / "written"
    return read_rows(results / "cells.parquet", results / "history.parquet")


def _write(folder: Path, rows: list[Row]) -> None:
    results = folder / "results" / "written"
    write_rows(rows, results / "cells.parquet", results / "history.parquet")


def _exported(folder: Path, arm: str | None, out: Path) -> export.ExportChoice:
    params = _params(folder)
    choice = export.choose(params, folder, None, arm, None)
    trained = export.trained_rows(choice.row, params, folder)
    parts = [export.retrain(r, params, folder) for r in trained]
    export.write(out, parts, export.configuration(choice, trained, parts, params, folder))
    return choice


def test_validation_chooses_and_test_scores_do_not(study: Path) -> None:
    rows = _rows(study)
    best = export.choose(_params(study), study, None, None, None)
    judged = [r for r in rows if r.cell.n == 60 and not np.isnan(r.validation_accuracy)]
    roles = json.loads((study / "results/written/study.json").read_text())["arms"]
    able = [r for r in judged if roles[str(r.cell.arm)]["role"] not in ("control", "check")]
    assert {str(r.cell.arm) for r in judged} > {str(r.cell.arm) for r in able}
    assert best.validation == max(r.validation_accuracy for r in able)
    assert best.cells == len(able) and best.row.cell.n == 60
    _write(study, [replace(r, accuracy=1 - r.accuracy, macro_f1=1 - r.macro_f1) for r in rows])
    again = export.choose(_params(study), study, None, None, None)
    assert again.row.key == best.row.key
    _write(study, [replace(r, validation_accuracy=0.5) for r in reversed(rows)])
    assert export.choose(_params(study), study, None, None, 30).row.cell.n == 30
    tied = export.choose(_params(study), study, None, None, None).row.cell
    assert (str(tied.arm), tied.draw) == ("gru:plain", 0), "the first by arm and draw"


def test_a_control_is_exported_only_by_name(study: Path) -> None:
    named = export.choose(_params(study), study, "written", "lstm:permuted_labels", None)
    assert str(named.row.cell.arm) == "lstm:permuted_labels"


@pytest.mark.parametrize("arm", ARMS)
def test_the_model_predicts_what_its_cell_predicted(
    studied: Path, tmp_path: Path, arm: str
) -> None:
    choice = _exported(studied, arm, tmp_path / "model")
    assert sorted(p.name for p in (tmp_path / "model").iterdir()) == [
        "README.md", "config.json", "model.safetensors",
    ]  # fmt: skip
    model = format.load(tmp_path / "model")
    corpus = corpora.load(studied / "data" / "written")
    scores = model.scores(corpus.test_texts)
    assert np.array_equal(scores.argmax(1), choice.row.predicted)
    assert model.notice == "" and np.isfinite(scores).all()
    assert model.output == ("margin" if arm == "nbsvm" else "probability")
    if model.output == "probability":
        assert scores.sum(1) == pytest.approx(1, abs=1e-5)
    assert model.config["scores"]["accuracy"] == choice.row.accuracy
    assert load_file(tmp_path / "model" / "model.safetensors")
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"**{choice.row.cell.n} labels**" in card and f"{choice.row.accuracy:.4f}" in card
    assert "not stated" in card, "the licence of the data"


def test_normalised_embeddings_windows_and_two_classes_come_back(
    corpus: Corpus, tmp_path: Path
) -> None:
    device.configure()
    ids = np.flatnonzero(corpus.labels < 2)[:60]
    rows = TrainingSet(
        tuple(corpus.texts[i] for i in ids), np.eye(2, dtype=np.float32)[corpus.labels[ids]],
        np.ones(60, np.float32), ids,
    )  # fmt: skip
    shape = {"hidden": 8, "embedding": 8, "max_tokens": 4, "windows": 3}
    settings = Settings(**shape, updates=20, rounds=2, normalised=True)
    network = train(rows, ([], ids[:0]), settings, TrainingHooks(), (1,))
    assert network.model.frequency is not None
    base = {"classes": ["a", "b"], "identity": {"device": "cpu", "precision": "fp32"}}
    for number, fit in enumerate((network, linear.tfidf(rows, 1), linear.nbsvm(rows, 1))):
        parts = export.parts_of(fit)
        own = {
            "kind": parts.kind,
            "output": "probability",
            "settings": {"model": settings.to_dict()},
        }
        folder = tmp_path / str(number)
        for name, content in format.written([parts], {**base, **own}, "").items():
            files.write_bytes(content, folder / name)
        texts = [*corpus.test_texts, "", "words unseen", "Ünïcode \u200b 🙂"]
        assert np.array_equal(format.load(folder).scores(texts), fit.predict(texts))


def test_another_result_is_one_error_with_both_numbers(study: Path, tmp_path: Path) -> None:
    choice = export.choose(_params(study), study, None, "tfidf", None)
    moved = choice.row.predicted.copy()
    moved[:3] = (moved[:3] + 1) % 3
    told = replace(choice, row=replace(choice.row, predicted=moved, accuracy=0.987654))
    with pytest.raises(UserError) as e:
        export.retrain(told.row, _params(study), study)
    assert "in the table 0.987654" in str(e.value) and f"{choice.row.accuracy:.6f}" in str(e.value)
    assert "3 of 60 test predictions" in str(e.value) and "another processor" in str(e.value)


def test_an_other_engine_is_named_where_results_differ(studied: Path) -> None:
    row = export.choose(_params(studied), studied, None, "tfidf", None).row
    differing = {"engine": ("scikit-learn 1.0", "scikit-learn 1.9.1")}
    with pytest.raises(UserError, match=r"engine: scikit-learn 1.0 then, scikit-learn 1.9.1 now"):
        export.check_same(row, replace(row, accuracy=0.1), differing)
    export.check_same(row, row, differing)


def test_changed_data_are_refused_before_training(study: Path) -> None:
    params = read_params(study)
    params["study"]["seed"] = 6
    write_params(study, params)
    done = datayield(study, "export", "--arm", "tfidf")
    assert done.returncode == 2 and "study_seed: 5 then, 6 now" in done.stderr
    assert not (study / "models").exists() and "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--n", "77"], "--n 77: no finished cell has that budget; known: 30, 60"),
        (
            ["--arm", "lstm:eda"],
            'no finished cell of an arm "lstm:eda": did you mean "lstm:eda_nn"?',
        ),
        (["--corpus", "writen"], 'no corpus "writen": did you mean "written"?'),
        (["--out", "data"], "holds files that are not an exported model"),
    ],
)
def test_what_cannot_be_exported_is_said(studied: Path, arguments: list[str], said: str) -> None:
    done = datayield(studied, "export", "--no-register", *arguments)
    assert done.returncode == 2 and said in done.stderr and "Traceback" not in done.stderr


def test_a_damaged_folder_is_refused(studied: Path, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    _exported(studied, "lstm:plain", whole)

    def after(change) -> str:  # type: ignore[no-untyped-def]
        folder = tmp_path / "copy"
        shutil.rmtree(folder, ignore_errors=True)
        shutil.copytree(whole, folder)
        change(folder)
        with pytest.raises(UserError) as e:
            format.load(folder)
        return str(e.value)

    def flip(folder: Path) -> None:
        content = bytearray((folder / format.WEIGHTS).read_bytes())
        content[-1] ^= 1
        (folder / format.WEIGHTS).write_bytes(bytes(content))

    def edit(**changed: object):  # type: ignore[no-untyped-def]
        def run(folder: Path) -> None:
            told = json.loads((folder / format.CONFIG).read_text())
            (folder / format.CONFIG).write_text(json.dumps({**told, **changed}))

        return run

    assert "its sha256 is not the one" in after(flip)
    assert "its checksum does not fit" in after(edit(classes=["x", "y", "z"]))
    assert "has format 4; datayield" in after(edit(format=4))
    assert "was not written by" in after(edit(made_by="somebody"))
    assert "is not JSON" in after(lambda f: (f / format.CONFIG).write_text("{"))
    assert "No such file" in after(lambda f: (f / format.WEIGHTS).unlink())
    assert "is not an exported model" in after(lambda f: (f / format.CONFIG).unlink())


def test_older_formats_are_read_where_their_arrays_mean_the_same(
    studied: Path, tmp_path: Path
) -> None:
    for arm in ("tfidf", "nbsvm"):
        _exported(studied, arm, tmp_path / arm)
        told = json.loads((tmp_path / arm / format.CONFIG).read_text())
        (tmp_path / arm / format.CONFIG).write_text(json.dumps({**told, "format": 1}))
    assert format.load(tmp_path / "tfidf").config["arm"] == "tfidf"
    with pytest.raises(UserError, match=r"has format 1; datayield .* reads nbsvm from format 2 on"):
        format.load(tmp_path / "nbsvm")  # its weights went with an intercept


def test_an_export_replaces_its_own_folder_alone(studied: Path, tmp_path: Path) -> None:
    out = tmp_path / "model"
    _exported(studied, "majority", out)
    _exported(studied, "tfidf", out)
    assert format.load(out).config["arm"] == "tfidf"
    (out / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not an exported model"):
        _exported(studied, "majority", out)
    assert format.load(out).config["arm"] == "tfidf" and (out / "notes.txt").exists()


@pytest.mark.parametrize("arm", ["lstm:plain", "tfidf"])
def test_a_model_is_registered_once_and_loads_for_raw_texts(
    study: Path, arm: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    import mlflow
    import pandas as pd
    from mlflow.pyfunc.scoring_server import predictions_to_json

    out = study / "model"
    choice = _exported(study, arm, out)
    name, number, new = mlflow_registry.register(out, choice.row, "written", study)
    assert (name, number, new) == ("datayield-small-written", "1", True)
    assert mlflow_registry.register(out, choice.row, "written", study) == (name, "1", False)
    client = MlflowClient(tracking_uri=mlflow_client.uri(study))
    version = client.get_model_version(name, "1")
    run = client.get_run(version.run_id)
    assert run.data.tags["cell"] == choice.row.key and run.info.status == "FINISHED"
    assert version.tags["validation_accuracy"] == f"{choice.validation:.4f}"
    assert "## Limits" in version.description
    monkeypatch.setenv("MLFLOW_TRACKING_URI", mlflow_client.uri(study))
    loaded = mlflow.pyfunc.load_model(f"models:/{name}/1")
    corpus = corpora.load(study / "data" / "written")
    said = loaded.predict(pd.DataFrame({"text": list(corpus.test_texts)}))
    assert list(said["label"]) == [corpus.classes[i] for i in choice.row.predicted]
    assert [c.name for c in loaded.metadata.get_output_schema().inputs] == list(said.columns)
    texts = pd.DataFrame({"text": [corpus.test_texts[0], None, corpus.test_texts[1], float("nan")]})
    answer = loaded.predict(texts)
    assert [*answer["label"]] == [said["label"][0], None, said["label"][1], None]
    assert [v is None for v in answer.iloc[:, 1]] == [False, True, False, True]
    told = io.StringIO()
    predictions_to_json(answer, told)  # what `mlflow models serve` answers with
    assert (
        "NaN" not in told.getvalue()
        and json.loads(told.getvalue())["predictions"][1]["label"] is None
    )
    stored = Path(mlflow.artifacts.download_artifacts(f"models:/{name}/1"))
    assert not [p for p in stored.rglob("*") if p.suffix in (".pkl", ".pickle", ".pt", ".pth")]
    pinned = (stored / "requirements.txt").read_text().split()
    assert all("==" in line for line in pinned)
    assert any(p.startswith("torch==") for p in pinned) == (arm == "lstm:plain")


def test_an_equal_model_is_the_same_version_whatever_it_was_chosen_among(study: Path) -> None:
    params = _params(study)

    def registered(draw_of: str, chosen_among: int, change: bool = False) -> tuple[str, bool]:
        choice = export.choose(params, study, None, draw_of, None)
        parts = [export.retrain(choice.row, params, study)]
        config_ = export.configuration(choice, [choice.row], parts, params, study)
        config_["choice"]["arms"] = chosen_among  # `datayield export` alone, and with --arm
        if change:
            parts[0].arrays["intercept"][0] += 1e-3
        export.write(study / "model", parts, config_)
        _, number, new = mlflow_registry.register(study / "model", choice.row, "written", study)
        return number, new

    assert registered("tfidf", 5) == ("1", True)
    assert registered("tfidf", 1) == ("1", False)
    assert registered("majority", 5) == ("2", True)
    assert registered("tfidf", 1, change=True) == ("3", True)
    assert registered("tfidf", 7) == ("1", False)
    client = MlflowClient(tracking_uri=mlflow_client.uri(study))
    found = client.search_model_versions("name = 'datayield-small-written'")
    assert len(found) == 3 and len({v.tags["content"] for v in found}) == 3
