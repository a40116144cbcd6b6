"""From `next` to a labelling tool and back: no text changes on the way, and none is asked for twice."""

import csv
import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from datayield.cli import main
from datayield.core.spreadsheet import guarded, restored
from datayield.corpora import input_files
from datayield.corpora.input_files import InputFiles
from datayield.study import next_texts
from datayield.study.next_texts import TextToLabel
from tests.conftest import write_csv, written_texts

KNOWN, KNOWN_LABELS = written_texts(60, seed=3)
POOL = [f"{'@-+=’ '[i % 6]}{text}" for i, text in enumerate(written_texts(24, seed=4)[0])]
POOL[0], POOL[1], POOL[2] = "'=1 + 1 of the rain", '"a, b" ; and\na pier', "-- rain\tand wind 中文"
ASKED = [
    TextToLabel(i + 1, i, text, f"=unlike anything labelled, {i} times")
    for i, text in enumerate(POOL)
]
CLASSES = ("harbour", "kitchen", "weather")
GIVEN = {text: CLASSES[i % 3] for i, text in enumerate(POOL)}


def entries() -> list[dict[str, Any]]:
    return [json.loads(line) for line in next_texts.as_jsonl(ASKED).splitlines()]


def tasks() -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(next_texts.as_label_studio(ASKED))
    return found


def lines(rows: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def spreadsheet(separator: str) -> str:
    """The file opened, labelled and saved again; a spreadsheet shows the apostrophe, so that it stays."""
    rows = list(csv.DictReader(io.StringIO(next_texts.as_csv(ASKED), newline="")))
    out = io.StringIO()
    writer = csv.DictWriter(out, ["label", "text", "reason", "row", "rank"], delimiter=separator)
    writer.writeheader()
    for row, text in zip(rows, POOL, strict=True):
        writer.writerow(row | {"label": GIVEN[text]})
    return out.getvalue()


def label_studio() -> str:
    """Tasks with one annotation each, as its JSON export."""
    done = []
    for number, task in enumerate(tasks()):
        value = {"choices": [GIVEN[task["data"]["text"]]]}
        result = {
            "id": "x",
            "from_name": "topic",
            "to_name": "text",
            "type": "choices",
            "value": value,
        }
        annotation = {"id": number, "completed_by": 1, "was_cancelled": False, "result": [result]}
        done.append(
            {"id": number, **task, "annotations": [annotation], "predictions": [], "meta": {}}
        )
    return json.dumps(done)


def label_studio_rows() -> list[dict[str, Any]]:
    return [
        {"id": n, **task["data"], "topic": GIVEN[task["data"]["text"]], "annotator": 1, "annotation_id": n,
         "created_at": "2026", "updated_at": "2026", "lead_time": 1.5}
        for n, task in enumerate(tasks())
    ]  # fmt: skip


def label_studio_csv() -> str:
    """What it exports if next.csv was imported: it keeps the apostrophes."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(label_studio_rows()[0]))
    writer.writeheader()
    writer.writerows({**row, "text": guarded(row["text"])} for row in label_studio_rows())
    return out.getvalue()


def label_studio_tsv() -> str:
    """What it exports if next.json was imported."""
    out = io.StringIO()
    writer = csv.DictWriter(out, list(label_studio_rows()[0]), delimiter="\t")
    writer.writeheader()
    writer.writerows(label_studio_rows())
    return out.getvalue()


def doccano_csv() -> str:
    """What doccano exports as CSV if next.jsonl was imported."""
    out = io.StringIO()
    writer = csv.DictWriter(out, ["id", "text", "label", "Comments"], quoting=csv.QUOTE_ALL)
    writer.writeheader()
    for number, x in enumerate(entries()):
        row = {"id": number, "text": x["text"], "label": GIVEN[x["text"]], "Comments": "[]"}
        writer.writerow(row)
    return out.getvalue()


def spacy() -> str:
    """Examples for a text classifier of spaCy, as scripts write them."""
    return lines(
        [
            {**x, "cats": {c: float(GIVEN[x["text"]] == c) for c in CLASSES}, "meta": {}}
            for x in entries()
        ]
    )


def doccano() -> str:
    """Further fields of an import come back as they were."""
    return lines(
        [
            {**x, "id": n, "label": [GIVEN[x["text"]]], "Comments": []}
            for n, x in enumerate(entries())
        ]
    )


def prodigy() -> str:
    options = [{"id": x, "text": x} for x in CLASSES]
    more = {"options": options, "answer": "accept", "_view_id": "choice", "_annotator_id": "me"}
    return lines([{**x, **more, "accept": [GIVEN[x["text"]]], "_task_hash": 1} for x in entries()])


def argilla() -> str:
    records = [
        {"id": str(n), "status": "completed", "fields": {"text": x["text"]}, "suggestions": {},
         "metadata": {"reason": x["reason"]}, "vectors": {},
         "responses": {"topic": [{"value": GIVEN[x["text"]], "user_id": "u", "status": "submitted"}]}}
        for n, x in enumerate(entries())
    ]  # fmt: skip
    return json.dumps(records)


EXPORTS: dict[str, tuple[str, Callable[[], str]]] = {
    "spreadsheet": ("done.csv", lambda: spreadsheet(",")),
    "spreadsheet of another language": ("done.csv", lambda: spreadsheet(";")),
    "JSON lines": (
        "done.jsonl",
        lambda: lines([x | {"label": GIVEN[x["text"]]} for x in entries()]),
    ),
    "Label Studio": ("done.json", label_studio),
    "Label Studio, JSON_MIN": ("done.json", lambda: json.dumps(label_studio_rows())),
    "Label Studio, CSV": ("done.csv", label_studio_csv),
    "Label Studio, TSV": ("done.tsv", label_studio_tsv),
    "doccano": ("done.jsonl", doccano),
    "doccano, CSV": ("done.csv", doccano_csv),
    "spaCy": ("done.jsonl", spacy),
    "Prodigy": ("done.jsonl", prodigy),
    "Argilla": ("done.json", argilla),
}


UNGUARDED = ("Label Studio, TSV", "doccano, CSV")
"""These write texts as they are, so that the apostrophe of the text "'=1 + 1 ..." is taken off."""


@pytest.mark.parametrize("tool", EXPORTS)
def test_what_a_tool_exports_is_read_as_it_was_asked(tool: str, tmp_path: Path) -> None:
    """Added to the labelled texts, whose columns have other names: every text with its label, none left."""
    name, export = EXPORTS[tool]
    mine = write_csv(tmp_path / "mine.csv", KNOWN, KNOWN_LABELS)
    (tmp_path / name).write_text(export(), newline="")
    inputs = InputFiles([str(mine), str(tmp_path / name)], guess_split=False)
    labelled, _, notices = input_files.labelled_texts(inputs)
    as_read = restored if tool in UNGUARDED else str
    found = dict(zip(labelled.texts, labelled.labels, strict=True))
    assert {text: found.get(as_read(text)) for text in POOL} == GIVEN
    assert len(found) == len(KNOWN) + len(POOL)
    assert next_texts.distinct(labelled.texts, POOL)[1:] == (len(POOL), 0)
    assert any(f"{len(POOL)} rows = {len(POOL)} labelled" in sentence for sentence in notices)


@pytest.mark.parametrize("encoding", ["cp1252", "utf-16", "mac-roman"])
def test_a_spreadsheet_may_save_it_in_another_encoding(encoding: str, tmp_path: Path) -> None:
    """Excel in Western Europe writes windows-1252 as "CSV", and UTF-16 with tabs as "Unicode text"."""
    texts = [f"{'=+-@'[i % 4]}une forêt près du café d'été n° {i}" for i in range(24)]
    asked = [TextToLabel(i + 1, i, text, "naïve") for i, text in enumerate(texts)]
    rows = list(csv.DictReader(io.StringIO(next_texts.as_csv(asked), newline="")))
    out = io.StringIO()
    separator = "\t" if encoding == "utf-16" else ";"
    writer = csv.DictWriter(out, list(rows[0]), delimiter=separator)
    writer.writeheader()
    writer.writerows(row | {"label": CLASSES[n % 3]} for n, row in enumerate(rows))
    mine = write_csv(tmp_path / "mine.csv", KNOWN, KNOWN_LABELS)
    done = tmp_path / ("done.txt" if encoding == "utf-16" else "done.csv")
    done.write_bytes(out.getvalue().encode(encoding))
    form = {"format": "tsv"} if encoding == "utf-16" else {}
    files = [str(done)] if form else [str(mine), str(done)]
    inputs = InputFiles(files, guess_split=False, rare=True, **form)
    labelled, *_ = input_files.labelled_texts(inputs)
    assert set(texts) <= set(labelled.texts)
    assert next_texts.distinct(labelled.texts, texts)[1:] == (len(texts), 0)


def test_a_spreadsheet_may_save_it_as_xlsx(tmp_path: Path) -> None:
    """The apostrophes that hide formulas come back in its cells."""
    openpyxl = pytest.importorskip("openpyxl")
    book = openpyxl.Workbook()
    for row in csv.reader(io.StringIO(spreadsheet(","), newline="")):
        book.active.append(row)
        for cell in book.active[book.active.max_row]:
            cell.data_type = "s"
    book.save(tmp_path / "done.xlsx")
    mine = write_csv(tmp_path / "mine.csv", KNOWN, KNOWN_LABELS)
    inputs = InputFiles([str(mine), str(tmp_path / "done.xlsx")], guess_split=False)
    labelled, *_ = input_files.labelled_texts(inputs)
    found = dict(zip(labelled.texts, labelled.labels, strict=True))
    assert {text: found.get(text) for text in POOL} == GIVEN


@pytest.mark.slow
def test_no_text_is_asked_for_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Texts that begin as formulas do: chosen, labelled in a spreadsheet, read again by the command."""
    monkeypatch.chdir(tmp_path)
    pool = [f"{'@-+='[i % 4]}{text}" for i, text in enumerate(written_texts(40, seed=5)[0])]
    write_csv(Path("mine.csv"), KNOWN, KNOWN_LABELS)
    write_csv(Path("pool.csv"), pool, [""] * len(pool))
    ask = ("next", "--unlabelled", "pool.csv", "--n", "20", "--labelled", "mine.csv")
    assert main.main(ask) == 0
    rows = list(csv.DictReader(Path("next.csv").read_text().splitlines()))
    assert all(row["text"][0] == "'" for row in rows)
    for number, row in enumerate(rows):
        row["label"] = CLASSES[number % 3]
    with Path("done.csv").open("w", newline="") as out:
        writer = csv.DictWriter(out, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    assert main.main((*ask, "done.csv", "--out", "more.jsonl")) == 0
    assert "fields read without the apostrophe that hides a formula: " in capsys.readouterr().err
    again = {json.loads(x)["text"] for x in Path("more.jsonl").read_text().splitlines()}
    assert again | {row["text"][1:] for row in rows} == set(pool), "all 40 in two rounds of 20"


def test_small_classes_stay_where_texts_are_chosen(tmp_path: Path) -> None:
    """A study leaves out a class of five texts; `next` knows that they are labelled."""
    labels = ["rare"] * 5 + ["harbour", "kitchen"] * 15
    path = write_csv(tmp_path / "mine.csv", KNOWN[:35], labels)
    for rare, wanted in ((False, 30), (True, 35)):
        loaded, *_ = input_files.labelled_texts(InputFiles([str(path)], "body", "stars", rare=rare))
        assert len(loaded.texts) == wanted
