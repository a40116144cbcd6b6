"""Files of labelled texts: what is added is accepted, what changed is not (bad ones: bad_inputs.py)."""

import errno
from pathlib import Path

import pytest

from datayield.core.errors import UserError
from datayield.core.system import subprocesses
from datayield.corpora.loaders import file
from tests.conftest import datayield, write_csv, written_texts


def test_a_changed_file_is_refused(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "a.csv", *written_texts(90))
    source = file.describe(path, "body", "stars", "utf-8", None)
    with path.open("a") as out:
        out.write("one more text,harbour\n")
    with pytest.raises(UserError, match="changed since it was added: wanted sha256"):
        file.load("a", source, 1, Path())


def test_the_command_line_prints_one_error_and_nothing_else(tmp_path: Path) -> None:
    """In a process of its own, as a shell starts it."""
    (tmp_path / "a.csv").write_text("bodies,stars\nx,y\n")
    done = datayield(tmp_path, "corpora", "add", "a.csv", "--text", "body", "--label", "stars")
    assert done.returncode == 2 and done.stdout == ""
    assert done.stderr.startswith("datayield: a.csv has no column")
    assert done.stderr.count("\n") == 1


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


def test_an_error_of_the_file_system_is_one_line_that_promises_nothing(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    assert subprocesses.exit_code_of((tmp_path / "none").read_text) == 2
    assert (
        capsys.readouterr().err == f"datayield: No such file or directory: {tmp_path / 'none'}.\n"
    )

    def fill() -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    assert subprocesses.exit_code_of(fill) == 2
    assert capsys.readouterr().err == "datayield: No space left on device.\n"


def test_an_error_of_the_network_keeps_its_traceback() -> None:
    def connect() -> None:
        raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")

    with pytest.raises(ConnectionResetError):
        subprocesses.exit_code_of(connect)
