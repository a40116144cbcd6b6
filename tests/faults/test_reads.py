"""Files that end early or have a flipped bit: one clear error, or the same result, or computed again.

`pytest tests/faults/test_reads.py -s` prints what was noticed of how many damages, per kind of file.
"""

import hashlib
import random
import re
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from datayield import config
from datayield.core import files, tables
from datayield.core.errors import UserError
from datayield.core.system import download
from datayield.corpora import tabular
from datayield.study import arms, grid, study_stage
from datayield.tuning import tune_stage
from tests.conftest import data_stages, make_project
from tests.faults.damage import flip, flipped
from tests.faults.readers import READERS, Reader

REMEDY = re.compile(
    r"Delete it|Run `dvc repro`|Copy it again|export the model again|[Nn]ame a folder that"
)


def outcome(reader: Reader, folder: Path, good: object) -> str:
    """What came of reading a damaged file: "refused", "again", "same", or "other"."""
    try:
        found = reader.read(folder)
    except UserError as e:
        assert reader.file in str(e) or str(folder) in str(e), e
        assert REMEDY.search(str(e)) and "\n" not in str(e), e
        return "refused"
    if found is None:
        return "again"
    return "same" if found == good else "other"


def swept(name: str, folder: Path, flips: int, cuts: int) -> dict[str, int]:
    """Counts of outcomes; damage that goes unseen where it must not fails."""
    reader = READERS[name]
    reader.write(folder)
    path = folder / reader.file
    good, content = reader.read(folder), path.read_bytes()
    rng = random.Random(name)
    told = dict.fromkeys(("refused", "again", "same", "other"), 0)
    for _ in range(flips):
        at = rng.randrange(len(content))
        path.write_bytes(flipped(content, at, rng.randrange(8)))
        came = outcome(reader, folder, good)
        told[came] += 1
        assert came != "other" or reader.silent(at, content), f"byte {at} of {len(content)}"
    for size in (0, 1, len(content) - 1, *(rng.randrange(len(content)) for _ in range(cuts))):
        path.write_bytes(content[:size])
        came = outcome(reader, folder, good)
        told[came] += 1
        assert came in ("refused", "again") or size == len(content) - 1, size
    print(f"{name:22} {len(content):7,} bytes  {told}")
    return told


@pytest.mark.parametrize("name", READERS)
def test_damage_is_seen(name: str, tmp_path: Path) -> None:
    told = swept(name, tmp_path, flips=60, cuts=12)
    assert told["refused"] + told["again"] > 20


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_much_damage_is_seen(name: str, tmp_path: Path) -> None:
    told = swept(name, tmp_path, flips=1500, cuts=40)
    assert told["other"] <= 0.02 * sum(told.values())


def test_a_damaged_download_is_fetched_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From the cache alone there is nothing to fetch: with the mirror it comes back, without it is an error."""
    content = b"a\tthe rain\n" * 100
    sha = hashlib.sha256(content).hexdigest()
    told = {"name": "a.txt", "url": "http://127.0.0.1:9/a", "sha256": sha, "bytes": len(content)}
    file = config.RemoteFileEntry.model_validate(told).remote
    monkeypatch.delenv("DATAYIELD_MIRROR", raising=False)
    monkeypatch.setattr(download, "RETRIES", 0)
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / sha).write_bytes(content)
    assert download.fetch(file, cache) == content
    for damage in (content[:-1], flipped(content, 7, 1), b""):
        (cache / sha).write_bytes(damage)
        with pytest.raises(UserError, match="cannot be downloaded"):
            download.fetch(file, cache)
        assert not list(cache.iterdir())
    (tmp_path / "a.txt").write_bytes(content)
    monkeypatch.setenv("DATAYIELD_MIRROR", str(tmp_path))
    assert download.fetch(file, cache) == content


def test_a_damaged_table_has_no_hash(tmp_path: Path) -> None:
    """The hash is part of the identity of cells, so damage must not look like another table."""
    tables.write_table(pa.table({"word": ["rain", "boat"] * 500}), tmp_path / "a")
    before = tables.hash_of(tmp_path / "a")
    assert before == hashlib.sha256((tmp_path / "a").read_bytes()).hexdigest()
    flip(tmp_path / "a", 0.1)
    with pytest.raises(UserError, match="a is damaged"):
        tables.hash_of(tmp_path / "a")


def test_no_cell_is_computed_with_another_draw(tmp_path: Path) -> None:
    """The study and tune stages end before any cell is computed."""
    project = make_project(tmp_path / "project")
    data_stages(project)
    params = config.load(project / "params.yaml")
    chosen: dict[str, dict[str, object]] = {}
    for arm, n in grid.arms_and_budgets(params, 540)[0]:
        chosen.setdefault(str(n), {})[str(arm)] = {grid.ALL: arms.default_settings(params, arm, n)}
    files.write_json(chosen, project / "results" / "written" / "settings.json")
    flip(project / "data" / "written" / "draws.arrow", 0.4)
    with pytest.raises(UserError, match="draws.arrow is damaged"):
        pool = SimpleNamespace(size=1)
        study_stage.compute("written", params, project, None, pool, None, None)  # type: ignore[arg-type]
    searching = params.model_copy(update={"tuning": config.Tuning(trials=1)})
    with pytest.raises(UserError, match="draws.arrow is damaged"):
        tune_stage.tune("written", searching, project, None, None, None)  # type: ignore[arg-type]


# ---- a parquet file of the user's
def _users(folder: Path) -> Path:
    path = folder / "a.parquet"
    pq.write_table(pa.table({"body": ["the rain"] * 50, "stars": ["a", "b"] * 25}), path)
    return path


def test_no_damaged_parquet_ends_the_process(tmp_path: Path) -> None:
    """Every byte of its head once: pyarrow aborts at some of them when columns are looked at."""
    path = _users(tmp_path)
    content = path.read_bytes()
    start = len(content) - 8 - int.from_bytes(content[-8:-4], "little")
    refused = 0
    for at in range(start, len(content)):
        path.write_bytes(flipped(content, at, at % 8))
        try:
            list(tabular.rows(tabular.layout_of(path, "utf-8")))
        except UserError as e:
            assert "a.parquet" in str(e)
            refused += 1
    assert refused > 50
