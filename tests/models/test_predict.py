"""`datayield predict` and MLflow's own server: raw texts in, the cell's predictions out."""

import csv
import io
import json
import subprocess
import sys
import urllib.request
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datayield import config, corpora
from datayield.core.types import Corpus
from datayield.integrations import mlflow_client, mlflow_registry
from datayield.models.saved import predict
from datayield.study import export
from tests.conftest import datayield, tool_environment
from tests.integrations.test_servers import end, free_port, start, wait_for


@pytest.fixture(scope="module")
def model(studied: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An exported network beside the texts of the test set in every form."""
    folder = tmp_path_factory.mktemp("predict")
    _export(studied, "gru:plain", folder / "model")
    texts = list(_corpus(studied).test_texts)
    (folder / "t.txt").write_text("\n".join(texts) + "\n")
    pq.write_table(pa.table({"body": texts, "id": range(len(texts))}), folder / "t.parquet")
    (folder / "t.jsonl").write_text("".join(json.dumps({"text": t, "id": 1}) + "\n" for t in texts))
    for name, separator in (("t.csv", ","), ("t.tsv", "\t")):
        with (folder / name).open("w", newline="") as out:
            csv.writer(out, delimiter=separator).writerows([["body"], *([t] for t in texts)])
    return folder


def _export(folder: Path, arm: str, out: Path) -> export.ExportChoice:
    params = config.load(folder / "params.yaml")
    choice = export.choose(params, folder, None, arm, None)
    trained = export.trained_rows(choice.row, params, folder)
    parts = [export.retrain(r, params, folder) for r in trained]
    export.write(out, parts, export.configuration(choice, trained, parts, params, folder))
    return choice


def _corpus(folder: Path) -> Corpus:
    return corpora.load(folder / "data" / "written")


def _wanted(folder: Path) -> list[str]:
    params = config.load(folder / "params.yaml")
    row = export.choose(params, folder, None, "gru:plain", None).row
    return [_corpus(folder).classes[i] for i in row.predicted]


@pytest.mark.parametrize(
    "arguments",
    [["t.txt"], ["t.csv"], ["t.tsv"], ["t.jsonl"], ["t.parquet", "--text", "body"]],
)
def test_every_form_gives_the_cells_predictions(
    model: Path, studied: Path, arguments: list[str]
) -> None:
    done = datayield(model, "predict", "model", *arguments)
    assert done.returncode == 0, done.stderr
    lines = list(csv.DictReader(io.StringIO(done.stdout)))
    assert [line["label"] for line in lines] == _wanted(studied)
    assert [line["text"] for line in lines] == list(_corpus(studied).test_texts)
    assert all(1 / 3 < float(line["probability"]) <= 1 for line in lines)


def test_standard_input_and_json(model: Path, studied: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "datayield", "predict", "model", "--json"],
        cwd=model, env=tool_environment(), input=(model / "t.txt").read_bytes(),
        capture_output=True, timeout=120, check=True,
    )  # fmt: skip
    found = [json.loads(line) for line in done.stdout.decode().splitlines()]
    assert [f["label"] for f in found] == _wanted(studied)
    assert all(max(f["scores"].values()) == f["probability"] for f in found)


@pytest.mark.parametrize("name", ["o.csv", "o.tsv", "o.jsonl", "o.parquet"])
def test_a_file_of_predictions(model: Path, studied: Path, name: str, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    from datayield.cli import main

    monkeypatch.chdir(model)
    monkeypatch.setattr(predict, "BATCH", 7)  # several batches
    assert main.main(["predict", "model", "t.txt", "--out", name]) == 0
    if name.endswith("parquet"):
        labels = pq.read_table(model / name)["label"].to_pylist()
    elif name.endswith("jsonl"):
        labels = [json.loads(x)["label"] for x in (model / name).read_text().splitlines()]
    else:
        separator = "\t" if name.endswith("tsv") else ","
        with (model / name).open(newline="") as file:
            labels = [r["label"] for r in csv.DictReader(file, delimiter=separator)]
    assert labels == _wanted(studied)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nowhere", "t.txt"], "nowhere is not an exported model"),
        (["model", "nosuch.txt"], "nosuch.txt does not exist"),
        (["model", "t.parquet"], "has the columns body, id; name that of the texts: --text COLUMN"),
        (["model", "t.csv", "--text", "bdy"], 'no column "bdy": did you mean "body"?'),
        (["model", "t.txt", "--text", "body"], "a text per line, without columns"),
        (["model", "t.txt", "--out", "o.xlsx"], "wanted a file ending in .csv"),
        (["model", "t.txt", "--out", "o.csv", "--json"], "Name a file ending in .jsonl"),
        (["model", "t.parquet", "--format", "lines"], "is not text but a parquet file"),
        (["model", "t.txt", "--format", "parquet"], "is not a readable parquet file"),
        (["model", "t.txt", "--format", "jsonl"], "t.txt, line 1: not JSON"),
        (["model", "t.txt", "--encoding", "utf-9"], "unknown encoding 'utf-9'"),
        (["model", "model/model.safetensors"], "wanted a file ending in"),
    ],
)
def test_what_cannot_be_read_is_said(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch, arguments: list[str], said: str
) -> None:  # type: ignore[no-untyped-def]
    from datayield.cli import main

    monkeypatch.chdir(model)
    before = sorted(p.name for p in model.iterdir())
    assert main.main(["predict", *arguments]) == 2
    told = capsys.readouterr()
    assert said in told.err and told.out == "" and len(told.err.splitlines()) == 1
    assert sorted(p.name for p in model.iterdir()) == before, "nothing is half-written"


@pytest.mark.parametrize(
    ("name", "row"), [("m.jsonl", "line 2"), ("m.parquet", "line 3"), ("numbers.parquet", "line 1")]
)
def test_a_missing_text_is_refused_by_its_row(
    model: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch,
    name: str,
    row: str,
) -> None:  # type: ignore[no-untyped-def]
    from datayield.cli import main

    monkeypatch.chdir(tmp_path)
    Path("m.jsonl").write_text('{"text": "the boat"}\n{"text": null}\n')
    pq.write_table(pa.table({"text": ["a boat", "", None]}), "m.parquet")
    pq.write_table(pa.table({"text": [float("nan"), 2.0]}), "numbers.parquet")
    assert main.main(["predict", str(model / "model"), name, "--out", "labels.csv"]) == 2
    told = capsys.readouterr()
    assert f'{name}, {row}: column "text" has no text' in told.err and told.out == ""
    assert not Path("labels.csv").exists()


def test_no_texts_are_no_error(
    model: Path, capsys: pytest.CaptureFixture[str], monkeypatch
) -> None:  # type: ignore[no-untyped-def]
    from datayield.cli import main

    monkeypatch.chdir(model)
    (model / "none.txt").write_text("")
    assert main.main(["predict", "model", "none.txt"]) == 0
    assert capsys.readouterr().out == "text,label,probability\n"
    (model / "none.txt").unlink()


@pytest.mark.slow
@pytest.mark.parametrize("arm", ["lstm:plain", "tfidf"])
def test_mlflow_serves_a_registered_model(studied: Path, tmp_path: Path, arm: str) -> None:
    """`mlflow models serve` on loopback; datayield comes from the model's own code."""
    import shutil

    folder = tmp_path / "project"
    shutil.copytree(studied, folder)
    choice = _export(folder, arm, folder / "model")
    name, number, _ = mlflow_registry.register(folder / "model", choice.row, "written", folder)
    port = free_port()
    command = ["models", "serve", "-m", f"models:/{name}/{number}", "--env-manager", "local"]
    process = start(
        tmp_path, sys.executable, "-m", "mlflow", *command, "--host", "127.0.0.1",
        "--port", str(port), "--workers", "1",
        MLFLOW_TRACKING_URI=mlflow_client.uri(folder),
    )  # fmt: skip
    corpus = _corpus(folder)
    texts = list(corpus.test_texts)
    try:
        wait_for(f"http://127.0.0.1:{port}/ping", 180)
        body = {"dataframe_split": {"columns": ["text"], "data": [[t] for t in texts]}}
        request = urllib.request.Request(
            f"http://127.0.0.1:{port}/invocations",
            data=json.dumps(body).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=60) as answer:
            found = json.loads(answer.read())["predictions"]
    finally:
        end(process)
    assert [f["label"] for f in found] == [corpus.classes[i] for i in choice.row.predicted]
    assert set(found[0]) == {"label", *(f"probability({c})" for c in corpus.classes)}
