"""`datayield audit`: reads as a study does, writes a page and a table, makes no project."""

import csv
import json
from pathlib import Path

import pytest

from datayield.cli import main
from tests.conftest import write_csv, written_texts


@pytest.fixture
def reviews(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    texts, labels = written_texts(200)
    monkeypatch.chdir(tmp_path)
    return write_csv(Path("Reviews.csv"), [*texts, texts[0]], [*labels, labels[1]])


def test_an_audit_needs_no_project(reviews: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main.main(["audit", str(reviews)]) == 0
    out, err = capsys.readouterr()
    assert out.startswith("reviews: 201 labelled texts of 3 classes\n")
    assert "      2 of     201  texts that occur with different labels\n" in out
    assert 'texts: "body", the only column' in err
    assert sorted(p.name for p in Path().iterdir()) == ["Reviews.csv", "reviews-audit"]
    page = Path("reviews-audit/audit.md").read_text()
    assert "| texts that occur with different labels | 2 | 201 | decide on one label" in page
    with Path("reviews-audit/rows.csv").open(newline="") as file:
        rows = [x for x in csv.DictReader(file) if x["finding"].endswith("with different labels")]
    assert [(x["row"], x["like"]) for x in rows] == [("1", "row 201"), ("201", "row 1")]


def test_an_audit_repeats_itself_and_replaces_nothing_unbidden(
    reviews: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("more.csv").write_text('body\n""\nsomething quite new to read\n')
    typed = ["audit", str(reviews), "--unlabelled", "more.csv", "--out", "x", "--json"]
    assert main.main(typed) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["labelled"], found["unlabelled"]) == (201, 1)
    before = {p.name: p.read_bytes() for p in Path("x").iterdir()}
    assert main.main(typed) == 2
    assert "audit.md exists" in capsys.readouterr().err
    assert main.main([*typed, "--force"]) == 0
    assert {p.name: p.read_bytes() for p in Path("x").iterdir()} == before


def test_a_partly_labelled_file_and_its_small_class_are_audited_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    texts, labels = written_texts(200)
    monkeypatch.chdir(tmp_path)
    labels = [*labels[:150], *[""] * 45, *["seldom"] * 5]
    path = write_csv(Path("partly.csv"), [*texts, texts[0]], [*labels, ""])
    assert main.main(["audit", str(path), "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert (found["labelled"], found["unlabelled"]) == (155, 46)
    counts = {x["name"]: x["texts"] for x in found["findings"]}
    assert counts["texts of classes with fewer than 10 texts"] == 5
    assert counts["unlabelled texts that are labelled already"] == 1
