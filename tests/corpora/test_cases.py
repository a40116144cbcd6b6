"""The files that people really have: the shared cases, and small files of the same kinds made here."""

import csv
import gzip
import io
import json
import sys
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datayield import corpora
from datayield.config import FileSource
from datayield.core.errors import UserError
from datayield.corpora import input_files
from datayield.corpora.input_files import InputFiles
from datayield.corpora.separated import SeparatedOptions
from tests.conftest import need, written_texts

SHARED = Path(__file__).resolve().parents[3] / "shared" / "cases"
TEXTS, LABELS = written_texts(120)
CLASSES = {"harbour", "kitchen", "weather"}


@dataclass(frozen=True)
class Wanted:
    """What is read: rows by place, classes, test texts if the file sets them apart, what is said."""

    labelled: int
    unlabelled: int = 0
    left_out: int = 0
    classes: set[str] = field(default_factory=lambda: {"neg", "pos"})
    test: int | None = None
    says: tuple[str, ...] = ()
    options: dict[str, Any] = field(default_factory=dict)


def read(path: Path, **options: Any) -> tuple[FileSource, tuple[str, ...], dict[str, Any], Any]:
    source, notices = input_files.corpus_entry(InputFiles([str(path)], **options))
    assert isinstance(source, FileSource)
    corpus, card = corpora.build("c", source, 1, Path())
    return source, notices, card, corpus


def check(path: Path, wanted: Wanted) -> None:
    _, notices, card, corpus = read(path, **wanted.options)
    (rows,) = card["rows"]
    unlabelled, left_out = (
        sum(reason["rows"] for reason in rows[place].values())
        for place in ("unlabelled", "left_out")
    )
    found = (rows["labelled"], unlabelled, left_out)
    assert found == (wanted.labelled, wanted.unlabelled, wanted.left_out)
    assert rows["rows"] == sum(found), "every row is in one place"
    assert set(corpus.classes) == wanted.classes
    assert len(corpus.texts) + len(corpus.test_texts) == wanted.labelled
    assert wanted.test is None or len(corpus.test_texts) == wanted.test
    said = "\n".join(notices)
    assert f"{rows['rows']:,} rows = {found[0]:,} labelled + {found[1]:,} unlabelled" in said
    for sentence in wanted.says:
        assert sentence in said


MERGED = {"options": {"labels": "merged"}}
CASES = {
    "silent.csv": Wanted(300, says=("the quotation mark in line 12 is part of a text",)),
    "silent.tsv": Wanted(300, says=("the quotation mark in line 12 is part of a text",)),
    "casing.csv": Wanted(300, says=('"POS" is read as "pos"', '" neg" is read as "neg"'), **MERGED),
    "floats.csv": Wanted(300, classes={"1", "2"}, says=('"1.0" is read as "1"',)),
    "nanlabel.csv": Wanted(279, 21, says=('21 whose label is "nan" (if it is a class: --labels as-',)),
    "partly.csv": Wanted(250, 50, says=("50 without a label (lines 252, 253, 254, 255, 256, ...)",)),
    "split3.csv": Wanted(300, test=100, says=("the pool is train and validation",)),
    "rare.csv": Wanted(294, 0, 6, says=('6 of the class "other", which has 6 where 10 are needed',)),
    "doccano.jsonl": Wanted(300, says=("an export of doccano",)),
    "doccano_text.jsonl": Wanted(300, says=("an export of doccano",)),
    "ls.json": Wanted(300, says=("an export of Label Studio",)),
    "ls.csv": Wanted(290, 10, says=("an export of Label Studio", 'labels: "sentiment"')),
    "prodigy3.jsonl": Wanted(98, 202, classes={"aaa", "bbb", "ccc"}, says=("109 rejected in Prodigy",)),
    "prodigy_manual.jsonl": Wanted(285, 15, says=("15 ignored in Prodigy",)),
    "spacy.jsonl": Wanted(300, says=("an export of spaCy",)),
    "spam.csv": Wanted(
        300, classes={"ham", "spam"},
        says=(
            "columns without any value, not read: column 3, column 4, column 5",
            'read as windows-1252 (Western European): 300 bytes are not utf-8, the first in line 2; it reads "£5"',
        ),
    ),
    "sepline.csv": Wanted(300),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_every_shared_case_is_read(name: str) -> None:
    need((SHARED / name).exists(), f"the shared case {name}")
    check(SHARED / name, CASES[name])


def test_no_shared_case_is_forgotten() -> None:
    need(SHARED.is_dir(), "the shared cases")
    assert {p.name for p in SHARED.iterdir()} == {*CASES, "README.md"}


def test_the_questions_that_shared_cases_raise() -> None:
    need(SHARED.is_dir(), "the shared cases")
    with pytest.raises(UserError, match=r'\("NEG" 40, .*" neg" 37; .*--labels merged.*as-they-are'):
        read(SHARED / "casing.csv")
    assert len(read(SHARED / "casing.csv", labels="as-they-are")[3].classes) == 6
    assert set(read(SHARED / "nanlabel.csv", labels="as-they-are")[3].classes) == {
        "nan",
        "neg",
        "pos",
    }


# ---- the same kinds, made here
def separated(rows: Iterable[Iterable[object]], separator: str = ",", **how: Any) -> str:
    out = io.StringIO()
    csv.writer(out, delimiter=separator, lineterminator="\n", **how).writerows(rows)
    return out.getvalue()


def lines(rows: Iterable[dict[str, Any]]) -> str:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


PAIRS = list(zip(TEXTS, LABELS, strict=True))
TABLE = [["text", "label"], *map(list, PAIRS)]


def but(place: int, *row: object) -> list[list[object]]:
    """The table with another row at a place, counted from 1."""
    return [*TABLE[:place], list(row), *TABLE[place + 1 :]]


def unquoted(rows: Iterable[Iterable[object]], separator: str = ",") -> str:
    return "".join(separator.join(map(str, row)) + "\n" for row in rows)


def prodigy(number: int, text: str, label: str) -> dict[str, Any]:
    answer = ("accept", "accept", "accept", "reject", "ignore")[number % 5]
    return {"text": text, "label": label, "answer": answer, "_input_hash": number, "meta": {"a": 1}}


def choice(number: int, text: str, label: str) -> dict[str, Any]:
    given = ([label], [label], [], [label, "other"])[number % 4 if number < 40 else 0]
    options = [{"id": x, "text": x} for x in sorted(CLASSES)]
    return {
        "text": text,
        "options": options,
        "accept": given,
        "answer": "accept",
        "_view_id": "choice",
    }


def task(number: int, text: str, label: str) -> dict[str, Any]:
    """Cancelled, without an annotation, and with two annotations, in turn."""
    result = {"from_name": "topic", "type": "choices", "value": {"choices": [label]}}
    done = {"completed_by": {"id": 7}, "was_cancelled": False, "result": [result]}
    given: list[dict[str, Any]] = [done]
    if number % 20 == 1:
        given = [{**done, "was_cancelled": True}]
    elif number % 20 == 2:
        given = []
    elif number % 20 == 3:
        given = [done, {**done, "completed_by": 8}]
    return {"id": number, "data": {"body": text, "url": "http://x"}, "annotations": given}


def argilla(number: int, text: str, label: str) -> dict[str, Any]:
    status = "discarded" if number % 10 == 0 else "submitted"
    given = [{"value": label, "user_id": "u1", "status": status}] if number % 10 != 1 else []
    return {"id": str(number), "status": "completed", "fields": {"text": text}, "metadata": {},
            "suggestions": {"topic": {"value": "wrong", "score": 0.9}}, "responses": {"topic": given}}  # fmt: skip


def flat_argilla(number: int, text: str, label: str) -> dict[str, Any]:
    return {"id": str(number), "status": "completed", "text": text, "topic.suggestion": "wrong",
            "topic.responses": [label], "topic.responses.users": ["u1"],
            "topic.responses.status": ["submitted" if number % 10 else "draft"]}  # fmt: skip


def old_argilla(number: int, text: str, label: str) -> dict[str, Any]:
    return {"text": text, "inputs": {"text": text}, "prediction": [{"label": "wrong", "score": 1}],
            "annotation": label if number % 10 else None, "annotation_agent": "me",
            "status": "Validated" if number % 10 else "Default", "id": number}  # fmt: skip


def each(make: Callable[[int, str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    return [make(number, text, label) for number, (text, label) in enumerate(PAIRS)]


def label_studio_rows() -> list[list[object]]:
    head = [
        "annotation_id",
        "annotator",
        "created_at",
        "id",
        "lead_time",
        "text",
        "topic",
        "updated_at",
    ]
    rows: list[list[object]] = [head]
    for number, (text, label) in enumerate(PAIRS):
        given = "" if number % 20 == 1 else label
        given = '{"choices": ["kitchen", "weather"]}' if number == 5 else given
        rows.append([number, number % 3, "2026", number, 1.5, text, given, "2026"])
    return rows


def json_min() -> list[dict[str, Any]]:
    head, *rows = label_studio_rows()
    return [{str(k): v for k, v in zip(head, row, strict=True) if v != ""} for row in rows]


PARTS = ("Train", "dev", "test")

MADE: dict[str, tuple[str | bytes, Wanted]] = {
    "quotes in one text.csv": (unquoted(but(9, '"Rain" says the harbour', "weather")), Wanted(120)),
    "quote that begins a text.tsv": (
        unquoted(but(9, '"rain over the harbour', "weather"), "\t"),
        Wanted(120, says=("the quotation mark in line 10 is part of a text",)),
    ),
    "lines in quotes.csv": (separated(but(9, "rain,\nwind\nand, cloud", "weather")), Wanted(120)),
    "all in quotes.csv": (
        separated(but(9, "rain\nwind, cloud", "weather"), quoting=csv.QUOTE_ALL), Wanted(120),
    ),
    "half labelled.csv": (separated([[t, "" if i % 2 else x] for i, (t, x) in enumerate(TABLE)]),
                          Wanted(60, 60, options={"header": True})),
    "no text.csv": (separated(but(9, " ", "weather")), Wanted(119, 0, 1, says=("1 without a text (line 10)",))),
    "none.csv": (separated([*TABLE, *[[t + " more", "None"] for t in TEXTS[:7]]]), Wanted(120, 7)),
    "no header.csv": (separated(TABLE[1:]), Wanted(120, says=("the first line holds a text, no names",))),
    "index.csv": (separated([["", *TABLE[0]], *[[i, *row] for i, row in enumerate(TABLE[1:])]]), Wanted(120)),
    "trailing.csv": (unquoted([["text", "label", "", ""], *[[*r, "", ""] for r in TABLE[1:]]]), Wanted(120)),
    "trailing rows.csv": (unquoted([TABLE[0], *[[*row, ""] for row in TABLE[1:]]]), Wanted(120)),
    "sep.csv": ("sep=;\r\n" + separated(TABLE, ";"), Wanted(120)),
    "sep comma.csv": ("\ufeffsep=,\n" + separated(TABLE), Wanted(120)),
    "parts.csv": (
        separated([[*TABLE[0], "part"], *[[*r, PARTS[i % 3]] for i, r in enumerate(TABLE[1:])]]),
        Wanted(120, test=40, says=("the pool is Train and dev",)),
    ),
    "no test.csv": (
        separated([[*TABLE[0], "part"], *[[*r, ("train", "val")[i % 2]] for i, r in enumerate(TABLE[1:])]]),
        Wanted(120, says=('"part" names parts, but no test: a test set is drawn',)),
    ),
    "rare.csv": (separated([*TABLE, *[[f"{t} rare", "odd"] for t in TEXTS[:4]]]), Wanted(120, 0, 4)),
    "an array.json": (json.dumps([{"text": t, "label": x} for t, x in PAIRS], indent=1), Wanted(120)),
    "lines.json": (lines({"text": t, "label": x} for t, x in PAIRS), Wanted(120)),
    "an array.jsonl": (json.dumps([{"text": t, "label": x} for t, x in PAIRS]), Wanted(120)),
    "late label.jsonl": (lines({"text": t} | ({"label": x} if i > 9 else {}) for i, (t, x) in enumerate(PAIRS)),
                         Wanted(110, 10)),
    "doccano.jsonl": (
        lines({"id": i, "text": t, "label": [x] if i % 5 else [], "why": f"because of {t}"}
              for i, (t, x) in enumerate(PAIRS)),
        Wanted(96, 24, says=('texts: "text", by its name',)),
    ),
    "doccano several.jsonl": (
        lines({"data": t, "labels": [x] if i else [x, "odd"]} for i, (t, x) in enumerate(PAIRS)),
        Wanted(119, 0, 1, says=("1 with several labels (line 1)",)),
    ),
    "prodigy.jsonl": (lines(each(prodigy)), Wanted(72, 48, says=("24 rejected in Prodigy", "24 ignored"))),
    "choices.jsonl": (lines(each(choice)), Wanted(100, 10, 10, says=("10 with several labels",))),
    "spacy.jsonl": (
        lines({"text": t, "cats": {c: float(c == x and i > 5) for c in CLASSES} | ({"odd": 0.9} if i == 9 else {})}
              for i, (t, x) in enumerate(PAIRS)),
        Wanted(113, 6, 1, says=("6 without a class above 0.5",)),
    ),
    "fast.txt": (
        "".join(f"__label__{x} {t}\n" for t, x in PAIRS[10:]) + "".join(f"{t}\n" for t in TEXTS[:10]),
        Wanted(110, 10, says=("an export of fastText",)),
    ),
    "tasks.json": (json.dumps(each(task)), Wanted(108, 12, says=("annotators: 2 labelled 6 texts",))),
    "annotations.csv": (separated(label_studio_rows()), Wanted(113, 6, 1)),
    "annotations.tsv": (separated(label_studio_rows(), "\t"), Wanted(113, 6, 1)),
    "annotations.json": (json.dumps(json_min()), Wanted(113, 6, 1)),
    "records.json": (json.dumps(each(argilla)), Wanted(96, 24, says=("12 discarded in Argilla",))),
    "flat records.jsonl": (lines(each(flat_argilla)), Wanted(108, 12)),
    "old records.json": (json.dumps(each(old_argilla)), Wanted(108, 12)),
    "packed.csv.gz": (gzip.compress(separated(TABLE).encode()), Wanted(120)),
}  # fmt: skip


@pytest.mark.parametrize("name", MADE)
def test_a_file_of_every_kind_is_read(name: str, tmp_path: Path) -> None:
    content, wanted = MADE[name]
    path = tmp_path / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    options = dict(wanted.options)
    if "header" in options:
        options = {"options": SeparatedOptions(header=options["header"])}
    check(path, Wanted(**(vars(wanted) | {"classes": CLASSES, "options": options})))


def test_a_zip_with_one_file_is_read(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "download.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("inner/reviews.tsv", separated(TABLE, "\t"))
        archive.writestr("__MACOSX/._reviews.tsv", "x")
    check(tmp_path / "download.zip", Wanted(120, classes=CLASSES))


@pytest.mark.parametrize("ending", ["csv.gz", "csv.zip"])
def test_a_damaged_archive_is_refused_or_read(tmp_path: Path, ending: str) -> None:
    """Every byte of the archive is changed in turn."""
    from datayield.corpora import tabular

    content, out = separated(TABLE[:4]).encode(), io.BytesIO()
    with zipfile.ZipFile(out, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(zipfile.ZipInfo("a.csv"), content)
    whole = gzip.compress(content) if ending == "csv.gz" else out.getvalue()
    path, refused = tmp_path / f"a.{ending}", 0
    for place in range(len(whole)):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 0x55]) + whole[place + 1 :])
        try:
            list(tabular.rows(tabular.layout_of(path, "utf-8")))
        except UserError:
            refused += 1
    assert refused > len(whole) / 3


def test_an_unpacked_file_has_a_limit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from datayield.corpora import packed

    path = tmp_path / "a.csv.gz"
    path.write_bytes(gzip.compress(separated(TABLE).encode()))
    monkeypatch.setattr(packed, "LARGEST", 1000)
    with pytest.raises(UserError, match="more than 0 GiB when unpacked"):
        read(path)
    path.write_bytes(path.read_bytes()[:-20])
    monkeypatch.undo()
    with pytest.raises(UserError, match="cannot be unpacked as gzip"):
        read(path)


def workbook(path: Path, *sheets: list[list[Any]]) -> Path:
    openpyxl = pytest.importorskip("openpyxl", reason="the extra excel is not installed")
    book = openpyxl.Workbook()
    for number, rows in enumerate(sheets):
        sheet = book.active if number == 0 else book.create_sheet()
        for row in rows:
            sheet.append(row)
    book.save(path)
    return path


def test_a_sheet_of_excel_is_read(tmp_path: Path) -> None:
    rows: list[list[Any]] = [["", *TABLE[0]], *([i, *row] for i, row in enumerate(TABLE[1:]))]
    rows[3][2] = None
    path = workbook(tmp_path / "a.xlsx", [*rows, [None, None, None]], [])
    check(path, Wanted(119, 1, classes=CLASSES, says=("1 without a label (line 4)",)))
    with pytest.raises(
        UserError, match='has 2 sheets with rows \\("Sheet", "Sheet1"\\); wanted one'
    ):
        read(workbook(tmp_path / "two.xlsx", rows, rows))


def test_excel_files_without_the_package_or_content(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.xlsx"
    path.write_bytes(b"PK nonsense")
    monkeypatch.setitem(sys.modules, "openpyxl", None)
    with pytest.raises(
        UserError, match=r"need the package openpyxl: pip install 'datayield\[excel\]'"
    ):
        read(path)
    monkeypatch.undo()
    pytest.importorskip("openpyxl", reason="the extra excel is not installed")
    with pytest.raises(UserError, match="is not a readable Excel file"):
        read(path)


def test_named_classes_of_the_hub_are_read_from_parquet(tmp_path: Path) -> None:
    names = sorted(CLASSES)
    feature = {"names": names, "_type": "ClassLabel"}
    metadata = {"huggingface": json.dumps({"info": {"features": {"label": feature}}})}
    numbers = [names.index(x) if i else -1 for i, x in enumerate(LABELS)]
    made = pa.table({"text": TEXTS, "label": numbers}).replace_schema_metadata(metadata)
    pq.write_table(made, tmp_path / "a.parquet")
    check(tmp_path / "a.parquet", Wanted(119, 1, classes=CLASSES))


def test_files_of_the_hub_are_divided_by_their_names(tmp_path: Path) -> None:
    for name, part in (
        ("train-00000-of-00001", slice(60)),
        ("validation", slice(60, 90)),
        ("test", slice(90, 120)),
    ):
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"{name}.csv").write_text(separated([TABLE[0], *TABLE[1:][part]]))
    source, notices, card, corpus = read(tmp_path)
    assert len(corpus.test_texts) == 30 and [p.test for p in source.more] == [False, True]
    assert (
        "by their names: test set test.csv; pool train-00000-of-00001.csv, validation.csv"
        in notices
    )
    assert [x["rows"] for x in card["rows"]] == [60, 30, 30]


@pytest.mark.parametrize(("quotes", "rows"), [(True, 118), (False, 120)])
def test_what_a_quotation_mark_means_can_be_said(tmp_path: Path, quotes: bool, rows: int) -> None:
    """One row quotes a comma; another field runs over lines that look like rows."""
    table = [
        *TABLE[:40],
        ['"it begins', "weather"],
        *TABLE[41:43],
        ['it ends"', "weather"],
        *TABLE[44:],
    ]
    path = tmp_path / "a.csv"
    path.write_text(unquoted(but(2, '"rain"', "weather")[:3] + table[3:]))
    with pytest.raises(UserError, match="lines 41 to 44: .*--quotes yes if .*--quotes no if"):
        read(path)
    _, _, card, _ = read(path, options=SeparatedOptions(quotes))
    assert card["rows"][0]["rows"] == (rows if not quotes else 120 - 3)


def test_what_is_said_stands_in_the_entry_and_is_done_again(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text(separated([[t, x.upper() if i % 2 else x] for i, (t, x) in enumerate(TABLE)]))
    source, _, card, corpus = read(path, labels="merged", options=SeparatedOptions(header=True))
    entry = input_files.entry_in(source, Path())
    assert entry["labels"] == "merged" and entry["header"] is True
    again, other = corpora.build("c", FileSource.model_validate(entry), 1, Path())
    assert again.digest == corpus.digest and other["labels read as"] == card["labels read as"]


def test_a_form_can_be_named(tmp_path: Path) -> None:
    path = tmp_path / "a.txt"
    path.write_text(separated(TABLE))
    source, *_ = read(path, format="csv")
    assert (source.format, source.tool) == ("csv", None)
    path.write_text(
        "".join(f"{t}\n" for t in TEXTS[:60])
        + "".join(f"__label__{x} {t}\n" for t, x in PAIRS[60:])
    )
    source, *_ = read(path, format="fasttext")
    assert (source.format, source.tool) == ("lines", "fasttext")


def test_the_tools_of_an_entry_are_those_that_are_read() -> None:
    from typing import get_args

    from datayield.cli import common
    from datayield.config import sources
    from datayield.corpora import exports, tabular

    assert get_args(sources.Tool) == tuple(sorted(exports.TOOLS))
    assert set(get_args(sources.Format)) == set(tabular.READERS)
    assert set(common.FORMATS) == {*tabular.READERS, *exports.TOOLS}
