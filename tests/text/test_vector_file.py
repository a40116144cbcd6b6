"""Files of word vectors in the formats of GloVe and fastText."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from datayield.core.errors import UserError
from datayield.text import vector_file
from datayield.text.vector_file import open_vectors


def opened(folder: Path, content: str) -> vector_file.VectorFile:
    path = folder / "words.txt"
    path.write_text(content, encoding="utf-8")
    open_vectors.cache_clear()
    return open_vectors(path)


def test_words_have_their_numbers_and_others_none(tmp_path: Path) -> None:
    content = "rain 1 0 0.5\nboat 0 1 0\nrain 9 9 9\n"
    file = opened(tmp_path, content)
    assert file.digest == hashlib.sha256(content.encode()).hexdigest() and file.dimensions == 3
    found = file.vectors(["boat", "soup", "rain"])
    assert found[0].tolist() == [0, 1, 0] and np.isnan(found[1]).all()
    assert found[2].tolist() == [1, 0, 0.5], "the first line of a word counts"


def test_the_first_line_of_fasttext_is_skipped(tmp_path: Path) -> None:
    file = opened(tmp_path, "2 3\nrain 1 0 0.5 \nschön 0 1 0 \n")
    assert file.dimensions == 3 and set(file.places) == {"rain", "schön"}
    assert file.vectors(["schön"]).tolist() == [[0, 1, 0]]


def test_a_line_of_a_phrase_is_no_line_of_its_first_word(tmp_path: Path) -> None:
    file = opened(tmp_path, "rain 1 0\nboat house 5 5\n")
    assert np.isnan(file.vectors(["boat"])).all() and not np.isnan(file.vectors(["rain"])).any()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("rain 1 0\nboat 1\n", "line 2: wanted 2 numbers as in the first line, got 1"),
        ("rain 1 0\nboat 1 2 3\n", "line 2: wanted 2 numbers as in the first line, got 3"),
        ("rain 1 0\nboat 1 wet\n", "line 2: wanted a word and numbers"),
        ("rain 1 0\nboat 1 inf\n", "line 2: wanted finite numbers"),
        ("", "found no such line"),
        ("\n\n", "found no such line"),
    ],
)
def test_a_damaged_file_is_one_error(tmp_path: Path, content: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        opened(tmp_path, content).vectors(["boat"])


def test_a_file_without_lines_is_not_read_to_its_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(vector_file, "LONGEST", 20)
    with pytest.raises(UserError, match="a line of more than 20 bytes"):
        opened(tmp_path, "rain 1 0 1 0 1 0 1 0 1 0 1 0")


def test_a_missing_file_is_one_error(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="cannot be read"):
        open_vectors(tmp_path / "nowhere.txt")
