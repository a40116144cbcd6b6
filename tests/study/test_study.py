"""The study flow on a real in-process Prefect: resumable, repeatable, one at a time."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest
from filelock import FileLock

from datayield import config
from datayield.core import dynamics_rows, tables
from datayield.core.probability_rows import read_probabilities
from datayield.core.rows import unpack_hits
from datayield.core.system import machine
from datayield.core.tables import CELLS, HISTORY
from datayield.core.types import Cost
from datayield.study import grid
from datayield.study.data_stages import scope
from tests.conftest import call, data_stages, flow, read_params, tool_environment, write_params

pytestmark = pytest.mark.slow


def rows(folder: Path) -> list[dict]:
    """The rows of a project without measured columns."""
    results = folder / "results" / "written"
    cells = tables.read_table(results / "cells.parquet", CELLS).drop_columns(list(Cost.MEASURED))
    return [
        *cells.to_pylist(),
        *tables.read_table(results / "history.parquet", HISTORY).to_pylist(),
    ]


def same(a: list[dict], b: list[dict]) -> bool:
    return repr(a) == repr(b)  # repr: NaN equals NaN


@pytest.fixture(scope="module")
def studied(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study has run through, with two workers."""
    import shutil

    folder = tmp_path_factory.mktemp("studied") / "project"
    shutil.copytree(prepared, folder)
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def copy(studied: Path, tmp_path: Path) -> Path:
    import shutil

    shutil.copytree(studied, tmp_path / "copy")
    return tmp_path / "copy"


def planned(folder: Path) -> grid.Grid:
    params = config.load(folder / "params.yaml")
    chosen = json.loads((folder / "results/written/settings.json").read_text())
    return grid.make_grid(params, scope(params, "written", folder), chosen)


def test_every_cell_has_its_row(studied: Path) -> None:
    cells = tables.read_table(studied / "results/written/cells.parquet", CELLS).to_pylist()
    assert {c["cell"] for c in cells} == {c.key for c in planned(studied).cells}
    for c in cells:
        hits = unpack_hits(c["hits"], c["test_size"])
        assert c["accuracy"] == pytest.approx(hits.mean())
        assert c["n_train"] == c["n"] == c["labels_paid"] and c["n_validation"] == c["n"] / 5
        assert c["examples"] <= c["n_train"]
        assert (c["updates"] > 0) == (c["tokens"] > 0) == bool(c["strategies"])
        assert c["peak_memory_mib"] > 10 and c["train_seconds"] >= 0
    summary = json.loads((studied / "results/written/study.json").read_text())
    assert summary["missing"] == [] and summary["planned"] == len(cells)


def test_samples_and_first_weights_are_shared_by_arms(studied: Path) -> None:
    cells = tables.read_table(studied / "results/written/cells.parquet", CELLS).to_pylist()
    by = {(c["arm"], c["n"], c["draw"]): c for c in cells}
    kept = read_probabilities(studied / "results/written/probabilities.parquet")
    for n in (30, 60):
        for draw in (0, 1):
            sizes = {c["n_train"] for (_, m, d), c in by.items() if (m, d) == (n, draw)}
            assert len(sizes) == 1
            twin, plain = (kept[by[a, n, draw]["cell"]] for a in ("lstm:twin", "lstm:plain"))
            assert not np.array_equal(twin.test, plain.test), "other first weights"
            assert np.array_equal(twin.held_out_ids, plain.held_out_ids), "the same fold"


def test_one_worker_and_another_hash_seed_give_the_same_rows(project: Path, studied: Path) -> None:
    params = read_params(project)
    write_params(project, {**params, "execution": {"workers": 1}})
    done = flow(project, "study", PYTHONHASHSEED="77")
    assert done.returncode == 0, done.stderr
    assert same(rows(project), rows(studied))


def test_unchanged_study_computes_nothing_and_exports_the_same_bytes(copy: Path) -> None:
    results = copy / "results" / "written"
    before = {p.name: p.read_bytes() for p in results.iterdir()}
    done = flow(copy, "study")
    assert "0 to compute" in done.stderr
    assert {p.name: p.read_bytes() for p in results.iterdir()} == before


def test_finished_cells_come_from_the_table_alone(copy: Path) -> None:
    import shutil

    results = copy / "results" / "written"
    before = (results / "dynamics.parquet").read_bytes()
    shutil.rmtree(copy / "state" / "cells")
    done = flow(copy, "study")
    assert "40 done, 0 to compute" in done.stderr, done.stderr
    assert (results / "dynamics.parquet").read_bytes() == before


def test_dynamics_are_kept_of_plain_arms_at_their_largest_budget(studied: Path) -> None:
    lines = tables.read_table(studied / "results/written/dynamics.parquet", dynamics_rows.DYNAMICS)
    kept = {(x["arm"], x["n"], x["draw"]) for x in lines.to_pylist()}
    assert kept == {(f"{a}:plain", 60, d) for a in ("lstm", "gru") for d in (0, 1)}
    cells = tables.read_table(studied / "results/written/cells.parquet", CELLS).to_pylist()
    trained = {c["cell"]: c["n_train"] for c in cells}
    for cell, d in dynamics_rows.dynamics_by_cell(lines).items():
        assert len(d) <= trained[cell] and d.presentations.sum() == 12 * 8  # updates of 8 rows each
    stored = [p.read_text() for p in (studied / "state" / "cells").glob("*.json")]
    assert sum('"dynamics"' in text for text in stored) == 4


def test_one_more_draw_computes_only_the_new_cells(copy: Path) -> None:
    before = rows(copy)
    params = read_params(copy)
    params["study"]["draws"] = 3
    write_params(copy, params)
    data_stages(copy)
    assert flow(copy, "tune").returncode == 0
    done = flow(copy, "study")
    assert "60 cells, 40 done, 20 to compute" in done.stderr, done.stderr
    old = [r for r in rows(copy) if r["draw"] < 2]
    assert same(old, before)


def test_a_damaged_cell_is_set_aside_and_computed_again(copy: Path) -> None:
    before = rows(copy)
    results = copy / "results" / "written"
    for name in ("cells.parquet", "history.parquet", "dynamics.parquet"):
        (results / name).unlink()
    victims = sorted((copy / "state" / "cells").glob("*.json"))[:2]
    victims[0].write_text(victims[0].read_text()[:-40])
    victims[1].write_text(victims[1].read_text().replace('"n_train": ', '"n_train": 1'))
    done = flow(copy, "study")
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("was damaged") == 2 and "2 to compute" in done.stderr
    assert len(list((copy / "state" / "cells" / "damaged").iterdir())) == 2
    assert same(rows(copy), before)


def test_two_studies_in_one_folder_are_refused(copy: Path) -> None:
    with FileLock(copy / "state" / "study.lock"):
        done = flow(copy, "study")
    assert done.returncode == 2
    assert done.stderr.count("datayield: another study runs in") == 1
    assert "Wait until it has ended, or end it." in done.stderr and "Traceback" not in done.stderr


def test_kill_and_resume(project: Path, studied: Path) -> None:
    """kill -9 of the whole group in mid-study; no finished cell is computed again."""
    store = project / "state" / "cells"
    process = subprocess.Popen(
        [sys.executable, "flows/study.py", "--corpus", "written"],
        cwd=project,
        env=tool_environment(),
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    deadline = time.monotonic() + 120
    while len(list(store.glob("*.json"))) < 5 and time.monotonic() < deadline:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    time.sleep(0.5)
    finished = {p.name: p.stat().st_mtime_ns for p in store.glob("*.json")}
    assert 5 <= len(finished) < 40
    done = flow(project, "study")
    assert done.returncode == 0, done.stderr
    assert f"{len(finished)} done, {40 - len(finished)} to compute" in done.stderr
    assert all((store / name).stat().st_mtime_ns == t for name, t in finished.items())
    assert same(rows(project), rows(studied))


def test_a_failing_cell_fails_once_and_is_named(project: Path) -> None:
    """A strategy that raises: its cells are missing with their error, the others are there."""
    plugin = project / "plugin"
    (plugin / "faulty-1.dist-info").mkdir(parents=True)
    (plugin / "faulty-1.dist-info" / "METADATA").write_text("Name: faulty\nVersion: 1\n")
    (plugin / "faulty-1.dist-info" / "entry_points.txt").write_text(
        "[datayield.strategies]\nfaulty = faulty:faulty\ndeadly = faulty:deadly\n"
    )
    (plugin / "faulty.py").write_text(
        "import os\n"
        "from datayield.strategies.base import Strategy\n"
        "def fail(rows, context): raise ValueError('never works')\n"
        "def die(rows, context): os._exit(9)\n"
        "def faulty(): return Strategy('faulty', 'raises', transform=fail)\n"
        "def deadly(): return Strategy('deadly', 'ends its process', transform=die)\n"
    )
    params = read_params(project)
    arms = ["lstm:plain", "lstm:faulty", "lstm:deadly", "majority"]
    params["study"] |= {"draws": 1, "grid": [{"arms": arms, "budgets": [30]}]}
    write_params(project, params)
    paths = {"PYTHONPATH": f"{plugin}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    assert flow(project, "tune", **paths).returncode == 0
    done = flow(project, "study", **paths)
    assert done.returncode == 0, done.stderr
    assert done.stderr.count("failed: written lstm:faulty") == 1
    summary = json.loads((project / "results/written/study.json").read_text())
    errors = {m["arm"]: m["error"] for m in summary["missing"]}
    assert errors["lstm:faulty"] == "ValueError: never works"
    assert "ended with status" in errors["lstm:deadly"]
    assert len(rows(project)) == 2 + 4


def test_a_full_disk_stops_the_study_with_one_error(project: Path) -> None:
    (project / "state" / "cells").symlink_to("/proc")
    done = flow(project, "study")
    assert done.returncode == 2, done.stderr
    assert "cannot write" in done.stderr and "Traceback" not in done.stderr
    assert not (project / "results/written/cells.parquet").exists()


def test_permuted_labels_are_noise_and_the_sample_is_untouched(prepared: Path) -> None:
    from datayield.cells.context import CorpusTables
    from datayield.cells.run import permute_labels

    data = CorpusTables.load(prepared / "data" / "written")
    sample = data.draws.sample(0, 60)
    labels = permute_labels(data.corpus, sample, (1,)).labels
    ids = sample.train
    assert sorted(labels[ids]) == sorted(data.corpus.labels[ids])
    assert not np.array_equal(labels[ids], data.corpus.labels[ids])
    assert np.array_equal(labels[sample.rest], data.corpus.labels[sample.rest])
    held_out = permute_labels(data.corpus, data.draws.sample(0, 60, 1), (1,)).labels
    assert np.array_equal(labels, held_out), "a training without a fold sees the same permutation"


def test_environment_turns_telemetry_off() -> None:
    done = call(
        Path(),
        sys.executable,
        "-c",
        "import os; from datayield.core.system import machine;"
        "machine.prepare_process(); print(os.environ['MLFLOW_DISABLE_TELEMETRY'],"
        "os.environ['PREFECT_SERVER_ANALYTICS_ENABLED'], os.environ['DVC_NO_ANALYTICS'])",
    )
    assert done.stdout.split() == ["true", "false", "1"]
    assert machine.workers(3) == 3 and machine.workers("auto") >= 1


def test_parquet_schema_is_the_documented_one(studied: Path) -> None:
    assert pq.read_schema(studied / "results/written/cells.parquet").names == CELLS.names
