"""Situations that people report of files of texts and of exports of labelling tools, each as a small file.

What is found here was searched in public issue trackers; `reported` names the thread. A further situation
is one entry of SITUATIONS, and `python -m tests.corpora.test_situations` writes it into the page.
"""

import io
import json
import zipfile
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from tests.corpora.test_cases import CLASSES, PAIRS, TABLE, TEXTS, but, lines, separated, unquoted

NAMES = sorted(CLASSES)


@dataclass(frozen=True)
class Situation:
    """A file that people have, and what becomes of it.

    Attributes:
        what: what is special about the file, in words.
        reported: repository and number of the thread, as owner/name#1.
        file: its name.
        content: its content.
        counts: rows labelled, unlabelled and left out; None: the file is refused.
        says: part of what is said, or of the error.
        text: one of the texts as read.
        classes: as read.
        options: of `InputFiles`.
    """

    what: str
    reported: str
    file: str
    content: str | bytes
    counts: tuple[int, int, int] | None
    says: str = ""
    text: str | None = None
    classes: Iterable[str] = frozenset(CLASSES)
    options: dict[str, Any] = field(default_factory=dict)


ALL = (120, 0, 0)


def objects(make: Callable[[int, str, str], dict[str, Any]]) -> list[dict[str, Any]]:
    return [make(number, text, label) for number, (text, label) in enumerate(PAIRS)]


def jsonl(make: Callable[[int, str, str], dict[str, Any]]) -> str:
    return lines(objects(make))


def marked(make: Callable[[int, str], str]) -> str:
    """A file that puts all texts in quotation marks, as `make` writes them."""
    rows = (f'"{make(i, text)}",{label}\n' for i, (text, label) in enumerate(PAIRS))
    return "text,label\n" + "".join(rows)


def archive(**files: str | bytes) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as packed:
        for name, content in files.items():
            packed.writestr(name.replace("_dot_", "."), content)
    return out.getvalue()


def task(number: int, text: str, *results: dict[str, Any], **more: Any) -> dict[str, Any]:
    annotation = {"completed_by": 1, "was_cancelled": False, "result": list(results)}
    return {"id": number, "data": {"text": text}, "annotations": [annotation], **more}


def result(kind: str, value: Any) -> dict[str, Any]:
    return {"from_name": "topic", "to_name": "text", "type": kind, "value": {kind: value}}


def argilla(number: int, text: str, label: str) -> dict[str, Any]:
    status = "draft" if number % 10 == 0 else "submitted"
    given = [{"value": label, "user_id": "u1", "status": status}]
    return {"id": str(number), "fields": {"text": text}, "responses": {"topic": given}}


SPAN = {"start": 0, "end": 4, "label": "PER"}
PLAIN = {"text": "rain over the harbour", "label": "weather"}

READING = (
    Situation("a byte order mark before the first name", "baserow/baserow#483", "bom.csv",
              "\ufeff" + separated(TABLE), ALL),
    Situation("UTF-16 and tabs (“Unicode text” of a spreadsheet)", "harelba/q#98", "unicode.csv",
              separated(TABLE, "\t").encode("utf-16"), ALL),
    Situation("UTF-16 without a byte order mark", "genspark-ai/genoffice#438", "utf16.csv",
              separated(TABLE).encode("utf-16-le"), ALL),
    Situation("a NUL character in a text", "pandas-dev/pandas#19886", "nul.csv",
              separated(but(9, "rain\0over the harbour", "weather")), ALL, text="rain\0over the harbour"),
    Situation("lines that end with a carriage return alone", "mholt/PapaParse#43", "mac.csv",
              separated(TABLE).replace("\n", "\r"), ALL),
    Situation("a carriage return in a text without quotation marks", "BurntSushi/xsv#233", "cr.csv",
              unquoted(but(9, "rain over\rthe harbour", "weather")), None, "line 10: 1 fields, the header has 2"),
    Situation("a comma in a text without quotation marks", "pandas-dev/pandas#11493", "ragged.csv",
              unquoted(but(9, "rain, wind and cloud", "weather")), None, "line 10: 3 fields, the header has 2"),
    Situation("a quotation mark that is never closed", "pandas-dev/pandas#22140", "open.csv",
              unquoted(but(9, '"rain over the harbour', "weather")), ALL,
              "the quotation mark in line 10 is part of a text", text='"rain over the harbour'),
    Situation("two columns of the same name", "pandas-dev/pandas#19383", "names.csv",
              separated([["text", "label", "label"], *[[t, x, x] for t, x in PAIRS]]), None,
              "a column name occurs twice in the header"),
    Situation("remarks above the header", "cosmocode/csv#29", "remarks.csv",
              "# exported in June\n# by two people\n" + separated(TABLE), None,
              "line 3: 2 fields, the header has 1"),
    Situation("a backslash before quotation marks in quoted texts", "pandas-dev/pandas#21862", "backslash.csv",
              marked(lambda i, t: t if i != 9 else 'she said \\"rain\\", then left'), ALL,
              "quotation marks after a backslash are part of a text", text='she said "rain", then left'),
    Situation("a backslash before quotation marks, no comma in any text", "mholt/PapaParse#459", "escaped.csv",
              marked(lambda i, t: t if i else 'she said \\"rain\\" and left'), ALL,
              "quotation marks after a backslash are part of a text", text='she said "rain" and left'),
    Situation("a backslash before a comma, no quotation marks", "adaltas/node-csv-parse#102", "comma.csv",
              unquoted(but(9, "rain\\, wind", "weather")), None, "line 10: 3 fields, the header has 2"),
    Situation("a blank between comma and quotation mark", "BurntSushi/rust-csv#337", "blank.csv",
              "label, text\n" + "".join(f'{x}, "{t}, then"\n' for t, x in PAIRS), ALL,
              text=f"{TEXTS[0]}, then"),
    Situation("a blank between comma and quotation mark, no comma in any text", "JoshClose/CsvHelper#204",
              "blanks.csv", "text, label\n" + "".join(f'"{t}", "{x}"\n' for t, x in PAIRS), ALL),
    Situation("joined files: the header again between the rows", "whitfin/s3-concat#3", "joined.csv",
              "".join(separated([TABLE[0], *PAIRS[i : i + 10]]) for i in range(0, 120, 10)), (120, 0, 11),
              "11 that repeat the names of the columns (lines 12, 23, 34, 45, 56, ...)"),
    Situation("a text of more than 131,072 characters in csv", "simonw/datasette-lite#84", "long.csv",
              separated(but(9, "rain " * 30_000, "weather")), None, "line 10: field larger than field limit"),
    Situation("a text of 150,000 characters on one line of JSON", "huggingface/datasets#2181", "long.jsonl",
              lines({"text": "rain " * 30_000 if i == 9 else t, "label": x} for i, (t, x) in enumerate(PAIRS)),
              ALL, text="rain " * 30_000),
    Situation("the label NA", "pandas-dev/pandas#55032", "na.csv",
              separated([*TABLE, *[[f"{t} more", "NA"] for t in TEXTS[:12]]]), (120, 12, 0),
              '12 whose label is "NA" (if it is a class: --labels as-they-are)'),
    Situation("labels that are lists written as text", "pandas-dev/pandas#10813", "lists.csv",
              separated([TABLE[0], *[[t, f"['{x}']" if i else "['kitchen', 'weather']"]
                                     for i, (t, x) in enumerate(PAIRS)]]), (119, 0, 1),
              """labels: "['kitchen']" is read as "kitchen" (otherwise: --labels as-they-are)"""),
    Situation("lists written as text without commas", "huggingface/datasets#6778", "arrays.csv",
              separated([TABLE[0], *[[t, f"['{x}']" if i else "['kitchen' 'weather']"]
                                     for i, (t, x) in enumerate(PAIRS)]]), (119, 0, 1),
              "1 with several labels (line 2)"),
    Situation("-1 where a label is hidden", "huggingface/datasets#5624", "hidden.jsonl",
              jsonl(lambda i, t, x: {"text": t, "label": NAMES.index(x) if i % 10 else -1}), ALL,
              'labels: "label"', classes=("-1", "0", "1", "2")),
    Situation("rows with an empty text", "minimaxir/gpt-2-simple#162", "empty.tsv",
              separated([*TABLE, ["", "weather"], [" ", "kitchen"]], "\t"), (120, 0, 2),
              "2 without a text (lines 122, 123)"),
    Situation("zeros before numbers that are labels", "pandas-dev/pandas#46895", "zeros.csv",
              separated([TABLE[0], *[[t, "0" * NAMES.index(x) + "7"] for t, x in PAIRS]]), ALL,
              classes=("7", "07", "007")),
    Situation("line separators (U+2028, U+0085) in a line of JSON", "wbolster/jsonlines#53", "separators.jsonl",
              jsonl(lambda i, t, x: {"text": t if i else "rain\u2028over\x85it", "label": x}), ALL,
              text="rain\u2028over\x85it"),
    Situation("half a character (\\ud83d alone)", "ThomasKliszowski/json_reindent#12", "half.jsonl",
              jsonl(lambda i, t, x: {"text": t, "label": x}) + '{"text": "\\ud83d", "label": "weather"}\n', None,
              "line 121: half a character"),
    Situation("an emoji as two escapes", "agent0ai/agent-zero#1773", "emoji.jsonl",
              "".join(json.dumps({"text": f"{t} \U0001f378", "label": x}) + "\n" for t, x in PAIRS), ALL,
              text=f"{TEXTS[0]} \U0001f378"),
    Situation("a name twice in one object", "serde-rs/json#762", "twice.jsonl",
              '{"text": "rain", "label": "weather", "label": "kitchen"}\n', None,
              'line 1: not JSON that can be read (the name "label" occurs twice in one object)'),
    Situation("the rows inside of another object", "huggingface/datasets#369", "squad.json",
              json.dumps({"version": 1, "data": objects(lambda i, t, x: {"text": t, "label": x})}), None,
              "data (1 lists or objects)"),
    Situation("a comma after the last value of an object", "zai-org/GLM-4#591", "comma.jsonl",
              lines([PLAIN] * 9) + '{"text": "rain", "label": "weather",}\n', None, "line 10: not JSON ("),
    Situation("commas on lines of their own", "phenotips/phenotips#1401", "commas.json",
              "[" + "\n,\n".join(json.dumps({"text": t, "label": x}) for t, x in PAIRS) + "\n]", ALL),
    Situation("no line end after the last line", "apache/arrow#45394", "end.jsonl",
              lines(objects(lambda i, t, x: {"text": t, "label": x})).rstrip(), ALL),
    Situation("spans as lists in JSON lines", "huggingface/datasets#6460", "ner.jsonl",
              jsonl(lambda i, t, x: {"text": t, "ner": [[[0, 4, "Protein"]]]}), None,
              "ner (120 lists or objects)"),
    Situation("hidden files of macOS in a zip archive", "pandas-dev/pandas#37098", "mac.zip",
              archive(reviews_dot_csv=separated(TABLE), _dot_DS_Store=b"\0\0\0\1Bud1"), ALL),
    Situation("a pointer of Git LFS in place of the file", "git-lfs/git-lfs#4278", "pointer.csv",
              "version https://git-lfs.github.com/spec/v1\noid sha256:df219bbc\nsize 175385569\n", None,
              "There are: version https://git-lfs.github.com/spec/v1"),
    Situation("an old Excel file (.xls)", "dilshod/xlsx2csv#25", "old.xls",
              b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), None, "wanted a file ending in .csv, .json, "),
    Situation("an old Excel file that is named .csv", "pandas-dev/pandas#42071", "renamed.csv",
              b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600), None, "is not text but an old Excel file (.xls)"),
    Situation("a page of HTML that is named .csv", "python-excel/xlrd#350", "page.csv",
              "<div>\n<table><tr><td>rain over the harbour</td></tr></table>\n</div>\n", None,
              "no column looks like it holds the labels"),
    Situation("csv that is named .xlsx", "equinor/pyscal#240", "named.xlsx", separated(TABLE), None,
              "is not a readable Excel file"),
)  # fmt: skip

EXPORTS = (
    Situation("doccano: numbers of labels in place of names", "doccano/doccano#156", "annotations.jsonl",
              jsonl(lambda i, t, x: {"id": i, "text": t, "meta": {},
                                     "annotations": [{"label": 3 + NAMES.index(x), "user": 1}]}), ALL,
              "read as an export of doccano", classes=("3", "4", "5")),
    Situation("doccano: spans", "doccano/doccano#454", "spans.json",
              json.dumps(objects(lambda i, t, x: {"text": t, "labels": [[0, 4, "PER"]]})), None,
              "label (120 whose labels are spans of text, not classes)"),
    Situation("doccano: several labels of most texts", "doccano/doccano#1537", "several.jsonl",
              jsonl(lambda i, t, x: {"text": t, "labels": [x, "Type 2"] if i % 3 else [x]}), None,
              "80 of 120 labelled texts have several labels"),
    Situation("Label Studio: predictions, and annotations of some tasks", "HumanSignal/label-studio#5654",
              "predictions.json",
              json.dumps(objects(lambda i, t, x: task(i, t, result("choices", [x]), predictions=[7])
                                 if i % 10 else {"data": {"text": t}, "annotations": [], "predictions": [7]})),
              (108, 12, 0), "12 without a label"),
    Situation("Label Studio: predictions alone", "HumanSignal/label-studio#5654", "predicted.json",
              json.dumps(objects(lambda i, t, x: {"data": {"text": t}, "annotations": [], "predictions": [
                  {"result": [result("choices", [x])]}]})), None,
              "no answer of this export of Label Studio is a class (spans, drafts, predictions are not)"),
    Situation("Label Studio: annotations that were imported", "HumanSignal/label-studio#889", "imported.json",
              json.dumps(objects(lambda i, t, x: {"data": {"text": t, "metadata": {}}, "predictions": [],
                                                  "annotations": [{"ground_truth": False,
                                                                   "result": [result("choices", [x])]}]})), ALL),
    Situation("Label Studio: skipped tasks", "HumanSignal/label-studio#347", "skipped.json",
              json.dumps(objects(lambda i, t, x: task(i, t, result("choices", [x])) if i % 10 else
                                 {"data": {"text": t}, "annotations": [{"was_cancelled": True, "result": []}]})),
              (108, 12, 0), "12 without a label"),
    Situation("Label Studio: ratings", "HumanSignal/label-studio#4699", "ratings.json",
              json.dumps(objects(lambda i, t, x: task(i, t, result("rating", 1 + i % 3)))), ALL,
              'labels: "topic"', classes=("1", "2", "3")),
    Situation("Label Studio: classes by the tag Labels, without an answer", "HumanSignal/label-studio#2954",
              "tags.json", json.dumps(objects(lambda i, t, x: task(i, t))), None,
              "no answer of this export of Label Studio is a class"),
    Situation("Label Studio: spans", "HumanSignal/label-studio#6027", "recipes.json",
              json.dumps(objects(lambda i, t, x: task(i, t, {"from_name": "label", "type": "labels", "value": {
                  "start": 0, "end": 4, "labels": ["Recipe"]}}))), None,
              "no answer of this export of Label Studio is a class"),
    Situation("Argilla: drafts", "argilla-io/argilla#3008", "drafts.json",
              json.dumps(objects(argilla)), (108, 12, 0), "12 with a draft in Argilla, so without a label"),
    Situation("Prodigy: spans", "jdkato/prose#33", "prodigy.jsonl",
              jsonl(lambda i, t, x: {"text": t, "spans": [SPAN], "answer": "accept", "_input_hash": i}), None,
              "label (120 whose labels are spans of text, not classes)"),
    Situation("spaCy: true and false, a prefix in the names", "explosion/spaCy#1562", "bool.jsonl",
              jsonl(lambda i, t, x: {"text": t, "cats": {f"__label__{c}": c == x for c in NAMES}}), ALL,
              classes=[f"__label__{c}" for c in NAMES]),
    Situation("spaCy: only the class that applies", "explosion/spaCy#1997", "positive.jsonl",
              jsonl(lambda i, t, x: {"text": t, "cats": {x: 1}}), ALL),
    Situation("spaCy: a word in place of a score", "explosion/spaCy#1723", "topics.jsonl",
              jsonl(lambda i, t, x: {"text": t, "cats": {"TOPIC": x}}), None,
              "label (120 without a class above 0.5)"),
    Situation("spaCy: the number of the class in place of a score", "explosion/spaCy#11757", "numbers.jsonl",
              jsonl(lambda i, t, x: {"text": t, "cats": {c: NAMES.index(x) if c == x else 0 for c in NAMES}}),
              None, "every text has the same label (kitchen)"),
    Situation("fastText: several labels of a text", "facebookresearch/fastText#185", "several.txt",
              "".join(f"__label__{x} {'' if i else '__label__C '}{t}\n" for i, (t, x) in enumerate(PAIRS)),
              (119, 0, 1), "1 with several labels (line 1)"),
    Situation("fastText: commas after labels", "facebookresearch/fastText#72", "commas.txt",
              "".join(f"__label__{x}, {t}\n" for t, x in PAIRS), ALL),
    Situation("fastText: labels written as one word", "facebookresearch/fastText#363", "glued.txt",
              "".join(f"__label__{x}{'' if i else '__label__insult'} {t}\n" for i, (t, x) in enumerate(PAIRS)),
              (119, 0, 1), "1 with several labels (line 1)"),
    Situation("fastText: labels at the end of the line", "mayabot/fastText4j#8", "end.txt",
              "".join(f"{t} __label__{x}\n" for t, x in PAIRS), ALL, text=TEXTS[0]),
    Situation("flair: label and a quoted text of several lines", "flairNLP/flair#1312", "flair.tsv",
              "".join(f'__label__{x}\t"From: a\n\t{t}\n"\n' for t, x in PAIRS), ALL,
              "the first line holds a text, no names", classes=[f"__label__{c}" for c in NAMES]),
)  # fmt: skip

SITUATIONS = (*READING, *EXPORTS)
