"""Shared fixtures: a small written corpus and a project folder around it."""

import csv
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from datayield import environment

environment.prepare()  # before numpy and torch are imported: one thread, no telemetry

import numpy as np  # noqa: E402
import pytest  # noqa: E402
import yaml  # noqa: E402

from datayield.corpora.build import Labelled, build  # noqa: E402
from datayield.types import Corpus  # noqa: E402

if TYPE_CHECKING:
    from tests.postgres import Postgres

REPO = Path(__file__).resolve().parent.parent

SUBJECTS = {
    "weather": "rain wind cloud storm sunshine frost thunder mist breeze drizzle".split(),
    "kitchen": "pan oven dough soup knife onion butter recipe simmer plate".split(),
    "harbour": "boat anchor tide sail pier crane cargo gull rope mast".split(),
}
COMMON = "the a old very today we saw near with some again before".split()


def written_texts(count: int, seed: int = 0) -> tuple[list[str], list[str]]:
    """`count` short texts of three classes, some words shared, all different."""
    rng = np.random.default_rng(seed)
    texts, labels = [], []
    for i in range(count):
        label = sorted(SUBJECTS)[i % 3]
        words = [*rng.choice(SUBJECTS[label], 3), *rng.choice(COMMON, int(rng.integers(3, 9)))]
        other = SUBJECTS[sorted(SUBJECTS)[int(rng.integers(3))]]
        words += [other[int(rng.integers(10))], f"no{i}"]
        texts.append(" ".join(rng.permutation(words)) + ".")
        labels.append(label)
    return texts, labels


@pytest.fixture(scope="session")
def corpus() -> Corpus:
    """600 texts of three classes, 540 of them in the pool."""
    texts, labels = written_texts(600)
    return build("written", Labelled(texts, labels, None, {"loader": "test"}, "written"), 0.1, 7)


def write_csv(path: Path, texts: list[str], labels: list[str]) -> Path:
    with path.open("w", newline="", encoding="utf-8") as out:
        rows = csv.writer(out)
        rows.writerow(["body", "stars"])
        rows.writerows(zip(texts, labels, strict=True))
    return path


def small_params(sha256: str, **study: object) -> dict[str, object]:
    """A study of seconds on the written corpus."""
    return {
        "study": {
            "name": "small",
            "seed": 5,
            "corpora": ["written"],
            "draws": 2,
            "seeds": 1,
            "sampling": "stratified",
            "grid": [
                {
                    "arms": [
                        "lstm:plain",
                        "lstm:eda_nn",
                        "lstm:competence",
                        "lstm:mixup_word",
                        "lstm:twin",
                        "lstm:permuted_labels",
                        "gru:plain",
                        "tfidf",
                        "nbsvm",
                        "majority",
                    ],
                    "budgets": [30, 60],
                },
            ],
            **study,
        },
        "corpora": {
            "written": {
                "loader": "file",
                "path": "written.csv",
                "sha256": sha256,
                "text": "body",
                "label": "stars",
                "format": "csv",
            }
        },
        "model": {"hidden": 8, "embedding": 8, "rounds": 4, "batch": 8},
        "strategies": {},
        "updates": {0: 12},
        "tuning": {"trials": 0},
        "analysis": {"level": 0.95, "metric": "auto"},
        "execution": {"workers": 2, "device": "auto", "precision": "fp32"},
    }


def write_dictionary(folder: Path) -> None:
    """A WordNet of two words."""
    data = {
        "noun": ["00000001 05 n 03 boat 0 small_boat 0 Vessel 1 000 | floats",
                 "00000002 05 n 02 rain 0 rain-fall 0 000 | wets"],
        "verb": ["00000003 30 v 02 rain 0 pour(p) 0 000 | falls"],
    }  # fmt: skip
    index = {"noun": ["boat n 1 0 1 0 00000001", "rain n 1 0 1 0 00000002"],
             "verb": ["rain v 1 0 1 0 00000003"]}  # fmt: skip
    for part in ("noun", "verb", "adj", "adv"):
        head = "  1 licence line\n"
        (folder / f"data.{part}").write_text(head + "\n".join(data.get(part, [])) + "\n")
        (folder / f"index.{part}").write_text(head + "\n".join(index.get(part, [])) + "\n")
        (folder / f"{part}.exc").write_text("boaten boat\n" if part == "noun" else "")


def make_project(folder: Path, **study: object) -> Path:
    """A datayield folder with the written corpus and the repository's own dvc.yaml and flows."""
    from datayield.corpora import files

    folder.mkdir(parents=True, exist_ok=True)
    texts, labels = written_texts(600)
    write_csv(folder / "written.csv", texts, labels)
    digest = files.describe(folder / "written.csv", "body", "stars", "utf-8", None).sha256
    write_params(folder, small_params(digest, **study))
    shutil.copytree(REPO / "flows", folder / "flows", dirs_exist_ok=True)
    return folder


def write_params(folder: Path, params: dict[str, object]) -> None:
    (folder / "params.yaml").write_text(yaml.safe_dump(params, sort_keys=False))


def read_params(folder: Path) -> dict:
    return yaml.safe_load((folder / "params.yaml").read_text())


def tool_environment(**extra: str) -> dict[str, str]:
    """The environment of a user's shell with this virtual environment on the PATH."""
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("PREFECT_", "MLFLOW_"))}
    return {**kept, **environment.QUIET, "PATH": path, **extra}


def call(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run a command in a folder as a user would."""
    return subprocess.run(
        arguments,
        cwd=folder,
        env=tool_environment(**extra),
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


def datayield(folder: Path, *arguments: str, **extra: str) -> subprocess.CompletedProcess[str]:
    return call(folder, sys.executable, "-m", "datayield", *arguments, **extra)


def flow(folder: Path, name: str, **extra: str) -> subprocess.CompletedProcess[str]:
    """Run flows/<name>.py as dvc.yaml does."""
    return call(folder, sys.executable, f"flows/{name}.py", "--corpus", "written", **extra)


def data_stages(folder: Path) -> None:
    """corpus to curriculum, in this process."""
    from datayield import config, stages

    params = config.load(folder / "params.yaml")
    for stage in ("corpus", "audit", "subsample", "vectors", "augment", "curriculum"):
        getattr(stages, stage)(params, "written", folder)


@pytest.fixture(scope="session")
def staged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose data stages are made; copy it before changing it."""
    folder = make_project(tmp_path_factory.mktemp("staged"))
    data_stages(folder)
    return folder


@pytest.fixture(scope="session")
def prepared(staged: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose data stages and settings are made; copy it before changing it."""
    folder = tmp_path_factory.mktemp("prepared") / "project"
    shutil.copytree(staged, folder)
    # One flow also makes Prefect's home, which its copies then need not migrate again.
    done = flow(folder, "tune")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture(scope="session")
def studied(prepared: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study has run, its MLflow log included; copy it before changing it."""
    folder = tmp_path_factory.mktemp("studied") / "project"
    shutil.copytree(prepared, folder)
    done = flow(folder, "study")
    assert done.returncode == 0, done.stderr
    return folder


@pytest.fixture
def project(prepared: Path, tmp_path: Path) -> Path:
    """A fresh copy of the prepared project."""
    folder = tmp_path / "project"
    shutil.copytree(prepared, folder)
    return folder


@pytest.fixture(scope="session")
def postgres_server() -> Iterator["Postgres"]:
    """A real PostgreSQL server on loopback."""
    from tests.postgres import running

    with running() as server:
        yield server


def need(found: bool, what: str) -> None:
    """Skip a test that needs more than Python packages; fail where everything must be there."""
    if not found:
        if os.environ.get("DATAYIELD_REQUIRE_ALL") == "1":
            pytest.fail(f"{what} is required here (DATAYIELD_REQUIRE_ALL=1) and missing")
        pytest.skip(f"needs {what}")
