"""Files that people report trouble with: each is read rightly or refused with one clear error.

`python -m tests.corpora.test_situations` writes docs/files-that-people-have.md.
"""

from collections.abc import Iterable
from pathlib import Path

import pytest

from datayield.core.errors import UserError
from tests.corpora.situations import EXPORTS, READING, SITUATIONS, Situation
from tests.corpora.test_cases import CLASSES, TABLE, read, separated, unquoted

PAGE = Path(__file__).resolve().parents[2] / "docs" / "files-that-people-have.md"


def written(situation: Situation, folder: Path) -> Path:
    if situation.file.endswith(".xlsx"):
        pytest.importorskip("openpyxl", reason="the extra excel is not installed")
    path = folder / situation.file
    content = situation.content
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


@pytest.mark.parametrize("situation", SITUATIONS, ids=lambda s: s.reported)
def test_what_people_have_is_read_or_refused(situation: Situation, tmp_path: Path) -> None:
    path = written(situation, tmp_path)
    if situation.counts is None:
        with pytest.raises(UserError) as refusal:
            read(path, **situation.options)
        message = str(refusal.value)
        assert situation.says in message
        assert path.name in message or message.startswith("corpus c:")
        assert "\n" not in message and len(message) < 600, "one sentence that fits a terminal"
        return
    _, notices, card, corpus = read(path, **situation.options)
    (rows,) = card["rows"]
    places = [sum(x["rows"] for x in rows[place].values()) for place in ("unlabelled", "left_out")]
    assert (rows["labelled"], *places) == situation.counts
    assert rows["rows"] == sum(situation.counts), "every row is in one place"
    assert situation.says in "\n".join(notices)
    assert set(corpus.classes) == set(situation.classes)
    texts = [*corpus.texts, *corpus.test_texts]
    assert situation.text is None or situation.text in texts
    assert not any(x in text for text in texts for x in ("__label__", "\ufeff"))


def test_hidden_files_of_a_folder_are_no_files_of_texts(tmp_path: Path) -> None:
    """As reported in mist-medical/MIST#33."""
    (tmp_path / "reviews.csv").write_text(separated(TABLE))
    (tmp_path / "._reviews.csv").write_bytes(b"\0\5\x16\7\xff")
    (tmp_path / ".DS_Store").write_bytes(b"\0\0\0\1Bud1")
    assert read(tmp_path)[2]["rows"][0]["labelled"] == len(TABLE) - 1


@pytest.mark.parametrize("place", [2, 60, 120])
@pytest.mark.parametrize("quoted", [True, False])
def test_a_backslash_before_a_mark_keeps_every_row(
    place: int, quoted: bool, tmp_path: Path
) -> None:
    """Wherever it first stands, and whether the labels are in quotation marks too."""
    rows = [[f'"{text}"', f'"{label}"' if quoted else label] for text, label in TABLE[1:]]
    rows[place - 1][0] = '"a \\"word\\", C:\\new"'
    path = tmp_path / "a.csv"
    path.write_text("text,label\n" + unquoted(rows))
    corpus = read(path)[3]
    texts = [*corpus.texts, *corpus.test_texts]
    assert len(texts) == len(rows) and 'a "word", C:\\new' in texts
    assert set(corpus.classes) == CLASSES


# ---- the page
def _link(thread: str) -> str:
    repository, number = thread.split("#")
    return f"[{thread}](https://github.com/{repository}/issues/{number})"


def _outcome(situation: Situation) -> str:
    said = f"`{situation.says}`".replace("|", "\\|") if situation.says else ""
    if situation.counts is None:
        return f"refused: {said}"
    labelled, unlabelled, left_out = situation.counts
    more = f", {unlabelled} unlabelled" * (unlabelled > 0) + f", {left_out} left out" * (
        left_out > 0
    )
    return f"read: {labelled} labelled{more}" + (f"; {said}" if said else "")


def _table(situations: Iterable[Situation]) -> str:
    rows = [f"| {s.what} | {_link(s.reported)} | {_outcome(s)} |\n" for s in situations]
    return "| the file | reported in | what datayield does and says |\n|---|---|---|\n" + "".join(
        rows
    )


def page() -> str:
    """The page of the documentation that lists all situations."""
    return f"""# Files that people have
Texts with labels seldom come as a clean csv. The tables list {len(SITUATIONS)} situations from public issue
trackers of readers and of labelling tools, with a thread where each is described. For each one a test makes
a small file of 120 texts, reads it, and compares the counts and the words below
(`tests/corpora/test_situations.py`, which also writes this page). What holds for all files stands in
[From your file to a decision](own-data.md).

A file is read rightly, with every row counted in one place, or it is refused with one sentence. Refused
files are those that nobody could read for certain, and those without one class for each text.

## Files of rows
{_table(READING)}
## Exports of labelling tools
{_table(EXPORTS)}
The names for the numbers of an old doccano export are not in the file, so the numbers are the classes. `-1`
can be a class (sentiment from -1 to 1), so it stays one: delete such labels where they mark hidden ones.
"""


def test_the_page_lists_these_situations() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), (
        "run: python -m tests.corpora.test_situations"
    )


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
