"""Corpora: what is built is checked, split by units, and the same in every process."""

import json
import sys
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datayield import corpora
from datayield.config import FileSource, PydocsSource
from datayield.core.errors import UserError
from datayield.corpora import tabular
from datayield.corpora.loaders import docstrings, file, pydocs
from tests.conftest import call, write_csv, written_texts


def _source(path: Path, **more: str) -> FileSource:
    return file.describe(path, "body", "stars", "utf-8", None).model_copy(update=more)


@pytest.mark.parametrize("ending", ["csv", "tsv", "jsonl", "parquet"])
def test_every_format_gives_the_same_corpus(tmp_path: Path, ending: str) -> None:
    texts, labels = written_texts(120)
    texts[0] = 'a "quoted", old\nboat of rain'
    reference = write_csv(tmp_path / "a.csv", texts, labels)
    path = tmp_path / f"b.{ending}"
    if ending == "parquet":
        pq.write_table(pa.table({"body": texts, "stars": labels}), path)
    elif ending == "jsonl":
        lines = [json.dumps({"stars": b, "body": a}) for a, b in zip(texts, labels, strict=True)]
        path.write_text("\n".join(lines) + "\n")
    else:
        content = reference.read_text()
        path.write_text(content if ending == "csv" else _tabbed(texts, labels))
    one, _ = corpora.build("c", _source(reference), 1, Path())
    two, _ = corpora.build("c", _source(path), 1, Path())
    assert one.digest == two.digest and 'a "quoted", old\nboat of rain' in (
        *one.texts,
        *one.test_texts,
    )


def _tabbed(texts: list[str], labels: list[str]) -> str:
    quoted = ['"' + t.replace('"', '""') + '"' for t in texts]
    return "body\tstars\n" + "".join(f"{a}\t{b}\n" for a, b in zip(quoted, labels, strict=True))


def test_every_format_yields_numbered_rows(tmp_path: Path) -> None:
    """One layout and one reader: the same rows by name, whatever the format."""
    contents = {
        "csv": 'a;b\n"x;\ny";1\nz;2\n', "tsv": 'a\tb\n"x;\ny"\t1\nz\t2\n',
        "jsonl": '{"a": "x;\\ny", "b": 1}\n\n{"a": "z", "b": 2}\n',
    }  # fmt: skip
    pq.write_table(pa.table({"a": ["x;\ny", "z"], "b": [1, 2]}), tmp_path / "t.parquet")
    for ending, content in contents.items():
        (tmp_path / f"t.{ending}").write_text(content)
    numbers = {"csv": [3, 4], "tsv": [3, 4], "jsonl": [1, 3], "parquet": [1, 2]}
    for ending, lines in numbers.items():
        layout = tabular.layout_of(tmp_path / f"t.{ending}", "utf-8")
        assert layout.format == ending and tabular.column_names(layout) == ["a", "b"]
        rows = list(tabular.rows(layout, ["a"]))
        assert [number for number, _ in rows] == lines
        assert [tabular.text_of(layout, n, row, "a") for n, row in rows] == ["x;\ny", "z"]
        with pytest.raises(UserError, match=r't\..* has no column "aa": did you mean "a"'):
            list(tabular.rows(layout, ["aa"]))
    (tmp_path / "t.txt").write_bytes(b"\xef\xbb\xbfone\r\ntwo")
    plain = tabular.Layout(tmp_path / "t.txt", tabular.LINES)
    assert list(tabular.rows(plain)) == [(1, {"text": "one"}), (2, {"text": "two"})]


def test_save_and_load_keep_everything(tmp_path: Path) -> None:
    texts, labels = written_texts(120)
    built, card = corpora.build(
        "c", _source(write_csv(tmp_path / "a.csv", texts, labels)), 1, Path()
    )
    corpora.save(built, card, tmp_path / "c")
    loaded = corpora.load(tmp_path / "c")
    assert loaded.texts == built.texts and loaded.classes == built.classes
    assert np.array_equal(loaded.labels, built.labels) and loaded.digest == built.digest
    first = (tmp_path / "c" / "corpus.arrow").read_bytes()
    corpora.save(built, card, tmp_path / "c")
    assert (tmp_path / "c" / "corpus.arrow").read_bytes() == first
    assert not list((tmp_path / "c").glob(".*")), "no temporary file is left"


def test_card_counts_what_matters(tmp_path: Path) -> None:
    texts, labels = written_texts(120)
    texts += [texts[0].upper(), texts[3], "broken \ufffd mark of rain"]
    labels += [labels[0], labels[4], labels[0]]
    path = write_csv(tmp_path / "a.csv", texts, labels)
    built, card = corpora.build("c", _source(path), 1, Path())
    assert card["texts"] == {"pool": len(built.texts), "test": len(built.test_texts)}
    in_pool = {0, 3} & {i for i, t in enumerate(texts) if t in built.texts}
    assert card["duplicates in the pool"] == len(in_pool)
    assert card["texts with two labels in the pool"] == (3 in in_pool)
    assert card["test texts that also occur in the pool"] == 0, "units never straddle the split"
    assert card["texts with undecodable characters"] == 1
    assert "path" not in json.dumps(card) and str(tmp_path) not in json.dumps(card)


def test_a_given_split_is_kept_and_overlap_counted(tmp_path: Path) -> None:
    texts, labels = written_texts(100)
    path = tmp_path / "a.jsonl"
    rows = [
        {"body": t, "stars": c, "part": "test" if i % 5 == 0 else "train"}
        for i, (t, c) in enumerate(zip(texts, labels, strict=True))
    ]
    rows.append({"body": texts[0], "stars": labels[0], "part": "train"})
    path.write_text("\n".join(map(json.dumps, rows)))
    built, card = corpora.build(
        "c", file.describe(path, "body", "stars", "utf-8", "part"), 1, Path()
    )
    assert len(built.test_texts) == 20 and card["test texts that also occur in the pool"] == 1


def test_pydocs_reads_masks_and_balances() -> None:
    source = PydocsSource(loader="pydocs", libraries=("jinja2", "networkx"), per_class=100)
    built, card = corpora.build("docs", source, 1, Path())
    everything = (*built.texts, *built.test_texts)
    assert len(everything) == len(set(everything)) == 200
    assert not any("jinja" in t.lower() or "networkx" in t.lower() for t in everything)
    assert any(pydocs.MASK in t for t in everything)
    assert sorted(card["source"]["versions"]) == ["jinja2", "networkx"]
    again, _ = corpora.build("docs", source, 1, Path())
    assert again.digest == built.digest


def test_pydocs_is_loaded_by_a_script_without_a_main_guard(tmp_path: Path) -> None:
    """A plain script, as in docs/api.md: its lines run once."""
    (tmp_path / "script.py").write_text(
        "print('begun')\n"
        "from pathlib import Path\n"
        "from datayield import config, corpora\n"
        "entry = {'loader': 'pydocs', 'libraries': ('jinja2', 'networkx'), 'per_class': 60}\n"
        "source = config.PydocsSource.model_validate(entry)\n"
        "print(len(corpora.build('docs', source, 1, Path())[0].texts))\n"
    )
    done = call(tmp_path, sys.executable, "script.py")
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == ["begun", "108"]


def test_pydocs_names_what_is_missing() -> None:
    lacking = PydocsSource(loader="pydocs", libraries=("jinja2", "no_such_library"), per_class=50)
    with pytest.raises(UserError, match="no_such_library.*not installed"):
        corpora.build("docs", lacking, 1, Path())
    greedy = PydocsSource(loader="pydocs", libraries=("jinja2", "networkx"), per_class=50_000)
    with pytest.raises(UserError, match=r"jinja2 has \d+ usable paragraphs.*50000"):
        corpora.build("docs", greedy, 1, Path())


def test_docstrings_are_read_as_paragraphs() -> None:
    source = b'"""One two three\nfour five.\n\nNot this."""\ndef f():\n    "one two three four"\n'
    assert list(docstrings.first_paragraphs(source)) == [
        "One two three four five.",
        "one two three four",
    ]
    assert list(docstrings.first_paragraphs(b"def f(:")) == []
