"""Several text columns are one text, whose fields networks and TF-IDF see."""

import json
from pathlib import Path

import pytest

from datayield.core.errors import UserError
from datayield.corpora import columns, input_files, tabular, text_fields, unlabelled
from datayield.corpora.input_files import InputFiles, corpus_entry
from datayield.corpora.loaders import file
from datayield.text import tokens
from tests.conftest import written_texts


def titled(path: Path, count: int = 60, label: bool = True) -> Path:
    """Rows with a title, which every third lacks, a body and a label."""
    texts, labels = written_texts(count)
    rows = [
        {"Subject line": "" if i % 3 == 0 else f"about {x}", "body": t}
        | ({"topic": x} if label else {})
        for i, (t, x) in enumerate(zip(texts, labels, strict=True))
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    return path


def test_fields_are_joined_in_order_and_marked(tmp_path: Path) -> None:
    path = titled(tmp_path / "a.jsonl")
    source, _ = corpus_entry(InputFiles([str(path)], "Subject line, body", "topic"))
    texts = file.load("a", source, 1, Path()).texts
    bodies, labels = written_texts(60)
    assert texts[1] == f"field_subject_line about {labels[1]}\nfield_body {bodies[1]}"
    assert texts[0] == f"field_body {bodies[0]}", "an empty field has no mark"
    assert tokens.tokens(texts[1])[:2] == ["field_subject_line", "about"]
    other = corpus_entry(InputFiles([str(path)], "body,Subject line", "topic"))[0]
    assert file.load("a", other, 1, Path()).texts[1].startswith(f"field_body {bodies[1]}\nfield_")


def test_texts_without_labels_are_joined_alike(tmp_path: Path) -> None:
    path, more = titled(tmp_path / "a.jsonl"), titled(tmp_path / "more.jsonl", label=False)
    asked = InputFiles([str(path)], "Subject line,body", "topic", unlabelled=str(more))
    source, _ = corpus_entry(asked)
    labelled = list(file.load("a", source, 1, Path()).texts)
    assert source.unlabelled is not None and source.unlabelled.text == "Subject line,body"
    read, _, _ = input_files.unlabelled_texts([str(more)], None, None, source.text)
    assert list(read) == labelled
    with unlabelled.open_texts(more, None, "Subject line,body") as texts:
        assert list(texts) == labelled


def test_a_column_may_have_a_comma_in_its_name(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    rows = [
        {"title,body": f"some words {i} to read", "body": "b", "y": "xy"[i % 2]} for i in range(60)
    ]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    source, _ = corpus_entry(InputFiles([str(path)], "title,body", "y"))
    assert file.load("a", source, 1, Path()).texts[3] == "some words 3 to read"


@pytest.mark.parametrize(
    ("named", "message"),
    [
        ("body,titel", 'has no column "titel"'),
        ("body,body", "occurs twice"),
        ("body,", "empty name"),
    ],
)
def test_wrong_fields_are_named(tmp_path: Path, named: str, message: str) -> None:
    path = titled(tmp_path / "a.jsonl")
    with pytest.raises(UserError, match=message):
        corpus_entry(InputFiles([str(path)], named, "topic"))
    with pytest.raises(UserError, match=message):
        columns.text_column(tabular.layout_of(path, "utf-8"), named, "body")


def test_who_could_join_columns_is_told_how(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    texts, labels = written_texts(60)
    rows = [{"a": t, "b": f"more {t}", "y": x} for t, x in zip(texts, labels, strict=True)]
    path.write_text("".join(json.dumps(r) + "\n" for r in rows))
    with pytest.raises(UserError, match="are joined: --text title,body"):
        columns.choose(tabular.layout_of(path, "utf-8"), None, None, None, False)
    assert text_fields.mark("Was? – (kurz)") == "field_was_kurz"
