"""`datayield next`: what is most worth labelling, with reasons, for labelling tools."""

import csv
import io
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from datayield.cells.context import CellContext
from datayield.cli import main
from datayield.core.errors import UserError
from datayield.core.system import machine
from datayield.corpora.loaders import file
from datayield.models.settings import STATIC
from datayield.strategies.registry import make_strategy
from datayield.study import next_texts
from datayield.study.next_texts import COLUMNS, as_csv, as_jsonl, as_label_studio
from datayield.text.vector_file import open_vectors
from tests.conftest import write_csv, written_texts


@pytest.fixture(scope="module")
def texts() -> tuple[list[str], list[str], list[str]]:
    lines, labels = written_texts(200)
    return lines[:40], labels[:40], lines[40:]


@pytest.mark.slow
@pytest.mark.parametrize("by", next_texts.query_strategies())
def test_every_acquiring_strategy_chooses(by: str, texts: tuple[list[str], ...]) -> None:
    known, labels, others = texts
    unlabelled = [*others, known[3].upper(), others[0] + "  ", others[1]]
    chosen = next_texts.choose(known, labels, unlabelled, 12, by, 0)
    assert [a.rank for a in chosen.asked] == list(range(1, 13))
    assert len({a.place for a in chosen.asked}) == 12
    assert all(a.text == unlabelled[a.place] and a.place < len(others) for a in chosen.asked)
    assert (chosen.labelled_already, chosen.repeated, chosen.considered) == (1, 2, 160)
    assert all("model" in a.reason or "nearest labelled" in a.reason for a in chosen.asked)
    assert next_texts.choose(known, labels, unlabelled, 12, by, 0) == chosen
    assert chosen.by == by


@pytest.mark.slow
def test_uncertain_texts_come_first(texts: tuple[list[str], ...]) -> None:
    """A text of two subjects is asked for before texts of one."""
    known, labels, others = texts
    torn = "rain wind cloud pan oven dough"
    first = next_texts.choose(known, labels, [*others[:40], torn], 41, "margin", 0)
    gaps = [float(x) for a in first.asked for x in [_gap(a.reason)]]
    assert all(b > a - 0.011 for a, b in pairwise(gaps))  # as rounded in the reasons
    assert [a.text for a in first.asked].index(torn) < 20  # in the doubtful half


def _gap(reason: str) -> float:
    import re

    a, b = (float(x) for x in re.findall(r"\((\d\.\d\d)\)", reason))
    return round(a - b, 2)


def test_a_label_that_is_not_there_cannot_be_asked_for(texts: tuple[list[str], ...]) -> None:
    known, labels, others = texts
    classes = tuple(sorted(set(labels)))
    numbers = np.array([classes.index(x) for x in labels])
    at = next_texts.NextTextsContext(
        [*known, *others], numbers, classes, make_strategy("margin"), 5, 0
    )
    assert isinstance(at, CellContext) and (at.reveal_labels(np.arange(40)) == numbers).all()
    with pytest.raises(UserError, match="asks for labels while it chooses"):
        make_strategy("margin").query(next_texts.Pool([*known, *others]), 45, at)


def test_reasons_in_words() -> None:
    assert next_texts.doubt(np.array([0.45, 0.07, 0.48]), ("A", "B", "C")) == (
        "the model is unsure between C (0.48) and A (0.45)"
    )
    assert (
        next_texts.doubt(np.array([0.9, 0.1]), ("A", "B"))
        == "the model says A (0.90), then B (0.10)"
    )
    assert next_texts.distance(0.2, "A", "x  y").startswith("unlike anything labelled; the nearest")
    assert "x y" in next_texts.distance(0.9, "A", "x\ny")


@pytest.mark.parametrize("text", ["=1+1", "+cmd", "-2", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_a_formula(text: str) -> None:
    row = next_texts.TextToLabel(1, 0, text, "because")
    (line,) = list(csv.DictReader(io.StringIO(as_csv([row]), newline="")))
    assert line["text"][0] == "'" and line["label"] == ""
    assert json.loads(as_jsonl([row]))["text"] == text
    assert json.loads(as_label_studio([row]))[0]["data"]["text"] == text


def run(folder: Path, monkeypatch: pytest.MonkeyPatch, *arguments: str) -> int:
    monkeypatch.chdir(folder)
    return main.main(["next", "--labelled", "mine.csv", "--unlabelled", "pool.csv", *arguments])


@pytest.fixture
def folder(tmp_path: Path, texts: tuple[list[str], ...]) -> Path:
    known, labels, others = texts
    write_csv(tmp_path / "mine.csv", known, labels)
    with (tmp_path / "pool.csv").open("w", newline="") as out:
        csv.writer(out).writerows(
            [["id", "body"], *([i, t] for i, t in enumerate(others)), [160, ""]]
        )
    return tmp_path


@pytest.mark.slow
def test_the_command_writes_what_a_tool_reads(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], texts: tuple
) -> None:
    assert run(folder, monkeypatch, "--n", "7") == 0
    said = capsys.readouterr()
    assert (
        "next.csv: 7 texts to label next, chosen by facility_location" in said.out
        and "160 unlabelled texts" in said.out
    )
    assert "rows without a text, left out: 1" in said.err
    rows = list(csv.DictReader((folder / "next.csv").read_text().splitlines()))
    assert [list(r) for r in rows] == [list(COLUMNS)] * 7
    assert all(texts[2][int(r["row"]) - 1] == r["text"] for r in rows)
    assert run(folder, monkeypatch, "--n", "7") == 2
    assert "next.csv exists and may hold labels" in capsys.readouterr().err
    assert run(folder, monkeypatch, "--n", "7", "--out", "a.jsonl") == 0
    assert run(folder, monkeypatch, "--n", "7", "--out", "a.json") == 0
    lines = [json.loads(x) for x in (folder / "a.jsonl").read_text().splitlines()]
    tasks = json.loads((folder / "a.json").read_text())
    assert (
        [x["text"] for x in lines]
        == [r["text"] for r in rows]
        == [t["data"]["text"] for t in tasks]
    )


BAD = {
    "unknown strategy": (["--by", "marign"], 'chooses texts to label: did you mean "margin"'),
    "no acquirer": (["--by", "eda"], "--by eda: expected a strategy that chooses"),
    "more than there are": (["--n", "500"], "160 unlabelled texts are left"),
    "none": (["--n", "0"], "expected at least 1 text to label"),
    "wrong ending": (["--out", "next.xlsx"], "expected a file ending in .csv, .json, .jsonl"),
    "missing column": (["--text", "bdy"], 'no column "bdy"'),
    "missing file": (["--unlabelled", "nothing.csv"], "nothing.csv does not exist"),
    "one class": (["--labelled", "same.csv", "--label", "stars"], "the labelled texts have 1 class (x)"),
    "few labels": (["--labelled", "few.csv", "--label", "stars"], "5 labelled texts; expected at least 10"),
}  # fmt: skip


@pytest.mark.parametrize("case", BAD)
def test_bad_input(
    case: str,
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    texts: tuple,
) -> None:
    write_csv(folder / "same.csv", texts[0], ["x"] * 40)
    write_csv(folder / "few.csv", texts[0][:5], texts[1][:5])
    before = sorted(folder.iterdir())
    assert run(folder, monkeypatch, *BAD[case][0]) == 2
    said = capsys.readouterr().err
    assert BAD[case][1] in said and "Traceback" not in said
    assert sorted(folder.iterdir()) == before


def test_more_than_memory_holds_is_refused_while_it_is_read(
    folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(file, "MEMORY_CHECK", 100)
    monkeypatch.setattr(machine, "available", lambda: 2**20)
    assert run(folder, monkeypatch, "--n", "7") == 2
    said = capsys.readouterr().err
    assert "pool.csv (100 texts) needs more memory" in said
    assert not (folder / "next.csv").exists()


@pytest.mark.parametrize("by", ["facility_location", "k_center"])
def test_texts_are_compared_by_static_embeddings(by: str, tmp_path: Path) -> None:
    file = tmp_path / "vectors.txt"
    words = "rain wind boat anchor soup oven".split()
    axes = np.eye(3)[[0, 0, 1, 1, 2, 2]]
    lines = (f"{w} {' '.join(map(str, a))}\n" for w, a in zip(words, axes, strict=True))
    file.write_text("".join(lines))
    open_vectors.cache_clear()
    texts = ["rain", "wind", "boat", "anchor"] * 3
    labels = ["weather", "weather", "harbour", "harbour"] * 3
    pool = [f"wind rain {i}" for i in range(9)] + ["soup"] + [f"anchor boat {i}" for i in range(9)]
    chosen = next_texts.choose(texts, labels, pool, 1, by, 0, STATIC, str(file))
    assert [a.text for a in chosen.asked] == ["soup"], "the only text unlike all labelled ones"
    assert "unlike anything labelled" in chosen.asked[0].reason


def test_an_embedding_needs_a_strategy_that_compares_texts() -> None:
    with pytest.raises(UserError, match="--embedding outside-static: margin compares no vectors"):
        next_texts.one_round("margin", STATIC)
    with pytest.raises(UserError, match="embedding: wanted vectors or outside-encoder"):
        next_texts.one_round("k_center", "outside")
