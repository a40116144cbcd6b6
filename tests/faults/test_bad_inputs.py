"""Every bad input of the table is one clear message: its exit code, no traceback, nothing half-written."""

import hashlib
import shlex
import shutil
from pathlib import Path

import pytest

from datayield.cli import main
from datayield.core.system import download, subprocesses
from tests.cli.test_own_data import write_bad_files
from tests.conftest import data_stages, make_project, written_texts
from tests.faults.bad_inputs import CASES, TABLES, Bad

WANTED = 60  # bad inputs at least (issue of this table)


@pytest.fixture(scope="session")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A folder of each kind; copied before anything in it is changed."""
    from tests.calibration.simulate import Study, simulate
    from tests.fuzz.stored import exported_files
    from tests.report_data import tables

    made = {k: tmp_path_factory.mktemp(k) for k in ("files", "project", "finished")}
    write_bad_files(made["files"])
    data_stages(make_project(made["project"]))
    finished = make_project(made["finished"])
    tables(finished, simulate(Study(draws=3, effects={"eda_nn": 0.02, "tfidf": 0.9}), seed=2))
    (finished / "model").mkdir()
    for name, content in exported_files("tfidf").items():
        (finished / "model" / name).write_bytes(content)
    texts, _ = written_texts(20)
    (finished / "texts.csv").write_text("body\n" + "".join(f"{t}\n" for t in texts))
    return made


def listing(folder: Path) -> dict[str, str]:
    """Every file with the hash of its content, and every folder, but state/, which holds caches."""
    return {
        str(p.relative_to(folder)): hashlib.sha256(p.read_bytes()).hexdigest()
        if p.is_file()
        else ""
        for p in sorted(folder.rglob("*"))
        if p.relative_to(folder).parts[0] != "state"
    }


def ended(bad: Bad) -> int:
    """What the program ends with, as the shell would see it."""
    if not isinstance(bad.typed, str):
        return subprocesses.exit_code_of(bad.typed)
    try:
        return main.main(shlex.split(bad.typed))
    except SystemExit as e:  # argparse
        return int(e.code or 0)


def test_the_table_is_as_long_as_it_should_be() -> None:
    assert len(CASES) == sum(map(len, TABLES)), "a name stands twice"
    kinds = {(b.typed, b.says, b.where) for b in CASES.values()}
    print(f"{len(CASES)} bad inputs, {len(kinds)} of them with a message of their own")
    assert len(kinds) >= WANTED


@pytest.mark.parametrize("name", CASES)
def test_one_clear_message(
    name: str,
    folders: dict[str, Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bad = CASES[name]
    folder = tmp_path / "here"
    shutil.copytree(folders[bad.where], folder)
    bad.change(folder)
    before = listing(folder)
    monkeypatch.chdir(folder)
    monkeypatch.delenv("DATAYIELD_MIRROR", raising=False)
    monkeypatch.setattr(download, "RETRIES", 0)
    for key, value in bad.env.items():
        monkeypatch.setenv(key, value)
    code = ended(bad)
    out, said = capsys.readouterr()
    assert code == bad.code, said
    assert bad.says in said
    assert "Traceback" not in said + out
    own = [x for x in said.splitlines() if x.startswith("datayield")]
    assert len(own) == 1 and said.splitlines()[-1] == own[0], f"not one line, at the end: {said}"
    assert len(own[0]) > len("datayield: ") + 20 and len(own[0]) < 1000, own[0]
    assert listing(folder) == before
