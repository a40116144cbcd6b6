"""Every writer on a full disk, without rights, killed in mid-write: old or new, and one clear error.

Which fault is which: see writers.py. All are the kernel's own; nothing is injected.
"""

import json
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from datayield.core import files, tables
from tests.conftest import REPO, datayield, flow, tool_environment

FAULTS = ("full", "limit-0", "limit-300", "limit-3000", "denied")
WRITERS = (
    "text", "bytes", "JSON", "table", "mapped table", "rows", "corpus", "cell",
    "dynamics", "word vectors", "exported model", "language model", "predictions csv",
    "predictions jsonl", "predictions parquet", "params.yaml", "spool of texts", "spool of standard input",
    "download",
)  # fmt: skip
LARGER_THAN_3000 = (
    "text", "bytes", "table", "mapped table", "corpus", "cell", "language model", "spool of texts",
    "spool of standard input", "download",
)  # fmt: skip


@pytest.fixture(scope="module")
def outcomes() -> Iterator[dict[str, dict[str, dict[str, object]]]]:
    """Fault → writer → what happened."""
    with tempfile.TemporaryDirectory() as made:  # pytest's own folders are shut to nobody
        base = Path(made)
        base.chmod(0o755)
        command = [sys.executable, "-m", "tests.faults.writers", str(base)]
        done = subprocess.run(
            command, cwd=REPO, env=tool_environment(), capture_output=True, check=False
        )
        assert done.returncode == 0, done.stderr.decode()
        found = json.loads(done.stdout)
        assert set(found) == set(FAULTS)
        yield found


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("writer", WRITERS)
def test_a_file_is_old_or_new(
    outcomes: dict[str, dict[str, dict[str, object]]], writer: str, fault: str
) -> None:
    found = outcomes[fault][writer]
    assert found["wrong"] == [], found
    # Names that nobody knows beforehand: the disk is full for others.
    unfit = fault == "full" and (writer.startswith("spool") or writer == "download")
    small = fault.startswith("limit-3") and not found["raised"]  # what fits is written
    if unfit or small:
        assert found["raised"] == "", found
        return
    assert found["raised"] == "UserError", found
    said = str(found["said"])
    assert said.startswith("cannot write") and "Free some space" in said, said
    reason = {"full": "No space left on device", "denied": "ermission denied"}
    assert reason.get(fault, "File too large") in said or "usable temporary" in said, said


def test_the_limits_meet_writes_in_their_middle(
    outcomes: dict[str, dict[str, dict[str, object]]],
) -> None:
    assert set(outcomes["full"]) == set(WRITERS)
    for writer in LARGER_THAN_3000:
        assert outcomes["limit-3000"][writer]["raised"] == "UserError", writer


# ---- killed in mid-write
LOOP = """
import sys
from pathlib import Path
import pyarrow as pa
from datayield.core import files, tables
folder = Path(sys.argv[1])
made = [pa.table({"a": list(range(k, k + 60_000))}) for k in (0, 7)]
print("ready", flush=True)
while True:
    for k in (0, 1):
        files.write_bytes(bytes([65 + k]) * 3_000_000, folder / "a.bin")
        tables.write_table(made[k], folder / "a.parquet")
        files.write_json({"a": [k] * 50_000}, folder / "a.json")
"""


@pytest.mark.parametrize("number", range(12))
def test_killed_in_mid_write(number: int, tmp_path: Path) -> None:
    """SIGKILL and SIGTERM at random moments; later writes and readers do not mind what is left."""
    process = subprocess.Popen(
        [sys.executable, "-c", LOOP, str(tmp_path)], env=tool_environment(), stdout=subprocess.PIPE
    )
    assert process.stdout is not None and process.stdout.readline() == b"ready\n"
    while not (tmp_path / "a.json").exists():
        time.sleep(0.001)
    time.sleep(random.Random(number).uniform(0, 0.15))
    process.send_signal((signal.SIGKILL, signal.SIGTERM)[number % 2])
    process.wait(30)
    process.stdout.close()
    content = (tmp_path / "a.bin").read_bytes()
    assert len(content) == 3_000_000 and len(set(content)) == 1
    assert tables.read_table(tmp_path / "a.parquet")["a"][0].as_py() in (0, 7)
    assert set(files.read_json(tmp_path / "a.json")["a"]) in ({0}, {1})
    left = [p.name for p in tmp_path.iterdir() if p.name not in ("a.bin", "a.parquet", "a.json")]
    assert all(name.startswith(".a.") and name.endswith(str(process.pid)) for name in left)
    files.write_bytes(b"new", tmp_path / "a.bin")
    assert (tmp_path / "a.bin").read_bytes() == b"new"


def test_what_kills_leave_is_read_by_nobody(tmp_path: Path) -> None:
    """Names of temporary files are hidden and end in no ending that a reader looks for."""
    from datayield.cells.store import CellStore
    from datayield.core.errors import UserError
    from datayield.corpora.incoming import _dropped
    from datayield.corpora.input_files import expand

    for name in ("a.json", "a.csv", "a.parquet"):
        (tmp_path / f".{name}.{os.getpid()}").write_text("half")
    assert not list(CellStore(tmp_path).rows()) and not _dropped(tmp_path)
    with pytest.raises(UserError, match="folder without a file"):
        expand([str(tmp_path)])


# ---- what other tools write for us
TRIALS = """
import json, random, resource, sys
from dataclasses import replace
from pathlib import Path
from datayield.tuning import optuna_search as tune
from datayield.core.errors import UserError
from tests.tuning.test_searches import planted, searches_of, told

project, root = Path(sys.argv[1]), Path(sys.argv[2])
search = replace(searches_of(project, trials=8)[0], prune=True)
soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
whole = tune.storage(root / "whole")
tune.run(search, whole, planted)
size = (root / "whole/state/optuna.journal").stat().st_size
outcomes = []
for number in range(12):
    here = root / str(number)
    limit = random.Random(number).randrange(size // 10, size)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    try:
        tune.run(search, tune.storage(here, alone=True), planted)
        said = ""
    except UserError as e:
        said = str(e)
    resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    again = tune.storage(here, alone=True)
    tune.run(search, again, planted)
    outcomes.append((said, told(search, again) == told(search, whole)))
print(json.dumps(outcomes))
"""


def test_a_search_goes_on_where_the_disk_was_full(project: Path, tmp_path: Path) -> None:
    """The journal's writes end in the middle of a line; the trials are those of a whole search."""
    command = [sys.executable, "-c", TRIALS, str(project), str(tmp_path)]
    done = subprocess.run(
        command, cwd=REPO, env=tool_environment(), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    outcomes = json.loads(done.stdout)
    assert len(outcomes) == 12
    for said, same in outcomes:
        assert same and "trials' storage" in said and "File too large" in said, said


PROJECT = """
import resource, sys
from pathlib import Path
from datayield import config
from datayield.config import project
from datayield.core.errors import UserError
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]),) * 2)
try:
    project.make(Path(sys.argv[1]), config.preset("default"), "own")
except UserError as e:
    sys.exit(str(e))
"""


@pytest.mark.parametrize("there", [True, False], ids=["an empty folder", "a new folder"])
@pytest.mark.parametrize("limit", [0, 100, 1500, 10_000])
def test_a_project_is_made_whole_or_not_at_all(limit: int, there: bool, tmp_path: Path) -> None:
    """git, DVC or our own files stop at the limit."""
    folder = tmp_path / "own"
    if there:
        folder.mkdir()
    done = subprocess.run(
        [sys.executable, "-c", PROJECT, str(folder), str(limit)],
        env=tool_environment(PYTHONDONTWRITEBYTECODE="1"), capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 1 and "Traceback" not in done.stderr, done.stderr
    assert "ended with an error" in done.stderr or "cannot write" in done.stderr
    assert folder.exists() == there and not (there and list(folder.iterdir()))


def test_a_log_that_cannot_be_written_waits(studied: Path, tmp_path: Path) -> None:
    """MLflow's file on a full disk: the study ends well, and `record` fills the log later."""
    folder = tmp_path / "project"
    shutil.copytree(studied, folder)
    log = folder / "state/mlflow.db"
    log.unlink()
    log.symlink_to("/dev/full")
    before = (folder / "results/written/cells.parquet").read_bytes()
    done = flow(folder, "study")
    assert done.returncode == 0 and "Traceback" not in done.stderr, done.stderr
    assert "datayield record" in done.stderr, done.stderr
    assert (folder / "results/written/cells.parquet").read_bytes() == before
    log.unlink()
    done = datayield(folder, "record")
    assert done.returncode == 0, done.stderr
    rows = tables.read_table(folder / "results/written/cells.parquet")
    with closing(sqlite3.connect(log)) as kept:
        found = kept.execute("select count(*) from tags where key = 'cell'").fetchone()[0]
    assert found == len(rows)
