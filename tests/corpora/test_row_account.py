"""Every row of every file is in exactly one place, whatever the file holds; labels and annotators."""

import csv
import io
import json
import tempfile
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as some

from datayield import corpora
from datayield.core.errors import UserError
from datayield.core.spreadsheet import restored
from datayield.corpora import annotators, label_names, tabular
from datayield.corpora.loaders import file
from datayield.corpora.row_labels import NO_LABEL, Absent, Answers
from datayield.corpora.separated import SeparatedOptions
from tests.conftest import written_texts

TEXTS, _ = written_texts(40)
FIELDS = some.text(some.sampled_from("ab \",;\n\r\t'=-é中"), max_size=12)
MARKS = some.sampled_from(["", "pos", "neg", " pos", "1", "1.0", "nan", "none", "odd"])
ROWS = some.lists(some.tuples(FIELDS | some.sampled_from(TEXTS), MARKS), min_size=1, max_size=60)
FORMS = some.sampled_from(["csv", "tsv", "semicolon", "all quoted", "jsonl", "json"])


def written(rows: list[tuple[str, str]], form: str) -> tuple[str, str]:
    """The file's ending and its content, as the writer of each format makes it."""
    if form in ("json", "jsonl"):
        entries = [{"text": text, "label": label or None} for text, label in rows]
        return form, json.dumps(entries) if form == "json" else "\n".join(map(json.dumps, entries))
    separator = {"tsv": "\t", "semicolon": ";"}.get(form, ",")
    quoting = csv.QUOTE_ALL if form == "all quoted" else csv.QUOTE_MINIMAL
    out = io.StringIO()
    csv.writer(out, delimiter=separator, quoting=quoting).writerows([("text", "label"), *rows])
    return "tsv" if form == "tsv" else "csv", out.getvalue()


def _unquoted(path: Path) -> bool:
    layout = tabular.layout_of(path, "utf-8")
    return layout.format in ("csv", "tsv") and not tabular.dialect_of(layout).quotes


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(rows=ROWS, form=FORMS, labels=some.sampled_from([None, "merged", "as-they-are"]))
def test_the_account_adds_up_to_the_rows_of_the_file(
    rows: list[tuple[str, str]], form: str, labels: str | None
) -> None:
    """What a writer wrote is accounted for row by row, or the file is refused; no row is lost or invented."""
    ending, content = written(rows, form)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"a.{ending}"
        path.write_bytes(content.encode())
        try:
            source = file.source_of(path, "text", "label", "utf-8", None, labels=labels)
            loaded = file.read("a", source, Path())
        except UserError as e:
            assert "Traceback" not in str(e)
            return
        if _unquoted(
            path
        ):  # every line could be a row, and no field but these shows that it is none
            assert loaded.report.accounts[0].rows == len([x for x in content.splitlines() if x]) - 1
            return
    assert loaded.report is not None
    (account,) = loaded.report.accounts
    unlabelled, left_out = (
        sum(reason.rows for reason in places.values())
        for places in (account.unlabelled, account.left_out)
    )
    assert account.rows == len(rows) == account.labelled + unlabelled + left_out
    assert account.labelled == len(loaded.texts) == len(loaded.labels)
    assert unlabelled == len(loaded.unlabelled)
    as_read = restored if ending in ("csv", "tsv") else str
    wanted = Counter(as_read(text) for text, _ in rows if as_read(text).strip())
    kept = Counter([*loaded.texts, *loaded.unlabelled])
    rare = sum(reason.rows for why, reason in account.left_out.items() if "class" in why)
    assert kept <= wanted and wanted.total() - kept.total() == rare


@settings(deadline=None, max_examples=300, suppress_health_check=list(HealthCheck))
@given(
    texts=some.lists(some.text(some.sampled_from('ab "\''), min_size=1, max_size=8), min_size=12, max_size=40),
    separator=some.sampled_from([",", "\t"]),
)  # fmt: skip
def test_a_file_that_does_not_quote_loses_nothing(texts: list[str], separator: str) -> None:
    """Lines written without any quoting are all there, or the file is refused."""
    lines = [f"{'pos' if i % 2 else 'neg'}{separator}{text}" for i, text in enumerate(texts)]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / ("a.tsv" if separator == "\t" else "a.csv")
        path.write_text("\n".join([f"label{separator}text", *lines]) + "\n")
        try:
            rows = list(
                tabular.rows(tabular.layout_of(path, "utf-8", "csv" if separator == "," else "tsv"))
            )
        except UserError as e:
            assert "line" in str(e)
            return
    assert len(rows) == len(texts)
    assert [number for number, _ in rows] == list(range(2, len(texts) + 2))


# ---- labels
def counts(*labels: str) -> dict[str, int]:
    return {x: 100 - 10 * i for i, x in enumerate(labels)}


@pytest.mark.parametrize(
    ("labels", "decision", "wanted"),
    [
        (("pos", "neg"), None, {}),
        (("1", "1.0", "2", "2.00"), None, {"1.0": "1", "2.00": "2"}),
        (("1.0", "2.0"), None, {}),
        (("01", "1", "1.5"), None, {}),
        (("pos", " pos", "neg"), None, {" pos": "pos"}),
        (("pos", "POS", "neg"), "merged", {"POS": "pos"}),
        (("pos", "POS", "neg", " neg"), "as-they-are", {" neg": "neg"}),
        (("ok  then", "ok then", "neg"), "merged", {"ok then": "ok  then"}),
    ],
)
def test_labels_that_are_the_same(
    labels: tuple[str, ...], decision: str | None, wanted: dict[str, str]
) -> None:
    assert label_names.names("f", counts(*labels), decision) == wanted


def test_marks_of_missing_labels_name_no_class_unless_they_shall() -> None:
    found = label_names.names("f", counts("pos", "neg", "NaN", "null"), None)
    assert set(found) == {"NaN", "null"} and all(isinstance(x, Absent) for x in found.values())
    assert label_names.names("f", counts("pos", "neg", "NaN"), "as-they-are") == {}
    with pytest.raises(UserError, match='without "none" 90 fewer than two classes are left'):
        label_names.names("f", counts("toxic", "none"), None)


@pytest.mark.parametrize("joint", [",", "; ", " | ", "#"])
def test_cells_with_several_labels_are_refused(joint: str) -> None:
    with pytest.raises(UserError, match="name several classes at once.*Make a file for each class"):
        label_names.names("f", counts("food", "drink", f"food{joint}drink"), None)
    assert not label_names.names("f", counts("food", "food, other things"), None)
    assert not label_names.names("f", counts("food", "drink", f"food{joint}drink"), "as-they-are")


def test_small_classes_are_left_out_or_joined() -> None:
    labels = ["pos"] * 20 + ["neg"] * 20 + ["odd"] * 6 + ["even"] * 5
    left = label_names.without_rare(labels, None)
    assert label_names.counted(left) == {"pos": 20, "neg": 20} and len(left) == len(labels)
    joined = label_names.without_rare(labels, "other")
    assert label_names.counted(joined) == {"pos": 20, "neg": 20, "other": 11}
    assert label_names.counted(label_names.without_rare(labels[:46], "other")) == {
        "pos": 20,
        "neg": 20,
    }
    many = label_names.without_rare([*labels[:40], *"abcdefgh"], None)[40:]
    (reason,) = {x.reason for x in many if isinstance(x, Absent)}
    assert len(many) == 8 and reason.startswith("of 8 classes of fewer than 10 each")
    assert label_names.without_rare(["a"] * 20 + ["b"] * 3, None) == ["a"] * 20 + ["b"] * 3


# ---- annotators
def test_most_annotators_decide_and_ties_are_left_out() -> None:
    texts = ["one text", "One  text", "one text", "two", "two", "three", "three", "four"]
    labels = ["a", "b", "a", "a", "b", "a", "a", "b"]
    who = ["x", "y", "z", "x", "y", "x", "x", None]
    together = annotators.gathered(texts, labels, who)
    assert annotators.voted(together) == [
        "a", annotators.FURTHER, annotators.FURTHER, annotators.TIE, annotators.FURTHER, "a", "a", "b",
    ]  # fmt: skip
    found = annotators.agreement(together)
    assert found is not None and (found.texts, found.unanimous, found.annotators) == (2, 0, 3)
    assert annotators.agreement([NO_LABEL, "a"]) is None


def test_kappa_is_that_of_its_definition() -> None:
    """Cohen's kappa by hand for two annotators: observed and expected agreement."""
    first, second = list("aaaaabbbbb"), list("aaaabbbbba")
    answered = [Answers((("x", a), ("y", b))) for a, b in zip(first, second, strict=True)]
    found = annotators.agreement(answered)
    observed = np.mean([a == b for a, b in zip(first, second, strict=True)])
    assert found is not None and found.kappa == pytest.approx((observed - 0.5) / 0.5)
    alike = annotators.agreement([Answers((("x", "a"), ("y", "a")))] * 3)
    assert alike is not None and alike.kappa is None and alike.unanimous == 3


def test_annotators_of_a_table(tmp_path: Path) -> None:
    """A column that names them: one label a text, the account adds up, the agreement is in the card."""
    texts, labels = written_texts(70)
    rows = [(t, x, who) for t, x in zip(texts, labels, strict=True) for who in ("ann", "bob", "cy")]
    rows[0] = (texts[0], "kitchen" if labels[0] != "kitchen" else "weather", "ann")
    rows[3:6] = [
        (texts[1], x, who) for x, who in zip(sorted(set(labels)), ("ann", "bob", "cy"), strict=True)
    ]
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as out:
        csv.writer(out).writerows([("body", "stars", "who"), *rows])
    source = file.source_of(path, "body", "stars", "utf-8", None, annotator="who")
    corpus, card = corpora.build("a", source, 1, Path())
    assert len(corpus.texts) + len(corpus.test_texts) == 69
    (account,) = card["rows"]
    assert {why.split()[-1]: x["rows"] for why, x in account["left_out"].items()} == {
        "majority": 141,
    } or sum(x["rows"] for x in account["left_out"].values()) == 141
    assert account["rows"] == 210 == account["labelled"] + 141
    agreed = card["agreement of annotators"]
    assert (agreed["texts"], agreed["unanimous"], agreed["annotators"]) == (70, 68, 3)
    assert 0.9 < agreed["kappa"] < 1


def test_what_the_card_says_stands_in_the_audit(tmp_path: Path) -> None:
    from datayield.corpora import row_account

    texts, labels = written_texts(120)
    path = tmp_path / "a.csv"
    with path.open("w", newline="") as out:
        marked = [
            (t, x if i > 9 else "") for i, (t, x) in enumerate(zip(texts, labels, strict=True))
        ]
        csv.writer(out).writerows([("body", "stars"), *marked, ("", "weather"), ("rain", "odd")])
    source = file.source_of(path, "body", "stars", "utf-8", None)
    corpus, card = corpora.build("a", source, 1, Path())
    found = {x["what"]: (x["count"], x["of"]) for x in row_account.findings(card)}
    assert found == {
        "labelled rows of the files": (110, 122),
        "unlabelled rows of the files: without a label": (10, 122),
    }
    assert card["removed"]["rows without a text"] == 1
    assert sum(card["removed"][k] for k in card["removed"] if "odd" in k) == 1
    assert len(corpus.unlabelled) == card["texts"]["unlabelled"] == 10


def test_a_choice_of_quotes_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    path.write_text('text,label\n"rain",pos\n')
    for quotes, text in ((None, "rain"), (True, "rain"), (False, '"rain"')):
        layout = tabular.layout_of(path, "utf-8", None, SeparatedOptions(quotes))
        assert [row["text"] for _, row in tabular.rows(layout)] == [text]


def test_a_project_says_counts_and_reports_where_rows_went(tmp_path: Path) -> None:
    """The same counts on the terminal, in the corpus card and in the audit that the report shows."""
    from datayield import config
    from datayield.config.own_data import OwnStudyOptions
    from datayield.corpora.input_files import InputFiles
    from datayield.study import new_project
    from datayield.study.stages import audit_corpus, build_corpus

    texts, labels = written_texts(120)
    path, folder = tmp_path / "a.csv", tmp_path / "project"
    with path.open("w", newline="") as out:
        marked = [
            (t, x if i > 19 else "") for i, (t, x) in enumerate(zip(texts, labels, strict=True))
        ]
        csv.writer(out).writerows([("text", "label"), *marked, ("", "weather")])
    announced: list[str] = []
    new_project.create_own_project(
        InputFiles([str(path)]), OwnStudyOptions("a", 60, 2), folder, announced.append
    )
    assert "a.csv: 121 rows = 100 labelled + 20 unlabelled + 1 left out" in announced
    params = config.load(folder / "params.yaml")
    build_corpus.run(params, "a", folder)
    audit_corpus.run(params, "a", folder)
    card = json.loads((folder / "data" / "a" / "card.json").read_text())
    assert card["rows"][0]["unlabelled"]["without a label"] == {
        "lines": [2, 3, 4, 5, 6],
        "rows": 20,
    }
    found = json.loads((folder / "data" / "a" / "audit.json").read_text())["findings"]
    counts = {x["what"]: x["count"] for x in found}
    assert counts["labelled rows of the files"] == 100
    assert counts["unlabelled rows of the files: without a label"] == 20
    assert counts["left out: rows without a text"] == 1
