"""Bad files of labelled texts: one clear error each, with the place and what to do."""

from pathlib import Path

import pytest

from datayield.corpora import files
from datayield.errors import UserError
from tests.conftest import datayield, write_csv, written_texts

GOOD = "body,stars\n" + "".join(f"text {i} of rain,{'ab'[i % 2]}\n" for i in range(80))

BAD = {
    "empty": (b"", "is empty"),
    "blank": (b"  \n\n", "is empty"),
    "header only": (b"body,stars\n", "no rows below its header"),
    "missing column": (b"bodies,stars\nx,y\n", 'no column "body": did you mean "bodies"'),
    "empty texts": (GOOD.encode() + b" ,a\n,b\n", r"2 rows without a text \(line 82, 83\)"),
    "empty label": (GOOD.encode() + b"text,\n", r"1 rows without a label \(line 82\)"),
    "one class": (b"body,stars\n" + b"x y,a\n" * 80, "every text has the same label"),
    "small class": (GOOD.encode() + b"lonely,c\n", r"at least 10 texts.*'c' has 1"),
    "few texts": (b"body,stars\n" + b"x,a\ny,b\n" * 12, "at least 50 and 1 are needed"),
    "not utf-8": (GOOD.encode() + "café,a\n".encode("latin-1"), "line 82: byte 0xe9 is not utf-8"),
    "ragged": (GOOD.encode() + b"one,two,three\n", "line 82: 3 fields, the header has 2"),
    "open quote": (GOOD.encode() + b'"never closed,a\n', "line 8"),
    "twice": (b"body,body\nx,y\n", "occurs twice in the header"),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_csv(case: str, tmp_path: Path) -> None:
    content, message = BAD[case]
    path = tmp_path / "a.csv"
    path.write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        source = files.describe(path, "body", "stars", "utf-8", None)
        from datayield import corpora

        corpora.build("a", source, 1, Path())
    assert "a.csv" in str(caught.value) or "corpus a" in str(caught.value)


def test_other_bad_files(tmp_path: Path) -> None:
    def describe(name: str, content: bytes | None, **options: str | None) -> str:
        path = tmp_path / name
        if content is not None:
            path.write_bytes(content)
        wanted = {"text": "body", "label": "stars", "encoding": "utf-8", "split": None, **options}
        with pytest.raises(UserError) as caught:
            files.describe(path, **wanted)
        return str(caught.value)

    assert "does not exist" in describe("none.csv", None)
    assert "wanted a file ending in" in describe("a.docx", b"x")
    assert "unknown encoding 'utf-9'" in describe("b.csv", GOOD.encode(), encoding="utf-9")
    assert "line 2: not JSON" in describe("a.jsonl", b'{"body": "x", "stars": "a"}\n{oops\n')
    assert "line 1: wanted a JSON object, got list" in describe("b.jsonl", b"[1]\n")
    assert "holds a list" in describe("c.jsonl", b'{"body": ["x"], "stars": "a"}\n')
    assert "not a readable parquet" in describe("a.parquet", b"PAR1 nonsense")
    assert "wanted train or test" in describe("c.csv", b"body,stars,s\nx,a,dev\n", split="s")


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", *written_texts(90))
    source = files.describe(path, "body", "stars", "utf-8", None)
    with path.open("a") as out:
        out.write("one more text,harbour\n")
    with pytest.raises(UserError, match="changed since it was added: wanted sha256"):
        files.load("a", source, 1, Path())


def test_the_command_line_prints_one_error_and_nothing_else(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_bytes(BAD["missing column"][0])
    done = datayield(tmp_path, "corpora", "add", "a.csv", "--text", "body", "--label", "stars")
    assert done.returncode == 2 and done.stdout == ""
    assert (
        done.stderr.startswith("datayield: a.csv has no column") and "Traceback" not in done.stderr
    )


def test_corpora_add_prints_an_entry_that_params_accept(tmp_path: Path) -> None:
    import yaml

    from datayield.config import parse

    write_csv(tmp_path / "My Reviews.csv", *written_texts(90))
    done = datayield(
        tmp_path, "corpora", "add", "My Reviews.csv", "--text", "body", "--label", "stars"
    )
    assert done.returncode == 0, done.stderr
    entry = yaml.safe_load(done.stdout)
    assert list(entry) == ["my_reviews"]
    block = {"arms": ["majority"], "budgets": [20]}
    study = {"name": "s", "seed": 1, "corpora": ["my_reviews"], "draws": 1, "grid": [block]}
    assert parse({"study": study, "corpora": entry, "updates": {0: 5}}).corpora["my_reviews"]
