"""An S3-compatible remote: push, a fresh clone pulls, extends the study and computes nothing again.

The remote is moto's server on loopback: a real HTTP service that DVC reaches through s3fs and boto.
"""

import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import REPO, call, make_project, read_params, tool_environment, write_params
from tests.integrations.test_servers import end, free_port, start, wait_for

pytestmark = pytest.mark.slow

CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_EC2_METADATA_DISABLED": "true",
}
BUCKET = "datayield"


@pytest.fixture(scope="module")
def remote(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of an S3 service with one empty bucket."""
    folder = tmp_path_factory.mktemp("s3")
    port = free_port()
    command = ["-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
    process = start(folder, sys.executable, *command)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/moto-api/")
        making = f"import boto3; boto3.client('s3', endpoint_url='{address}').create_bucket(Bucket='{BUCKET}')"
        subprocess.run(
            [sys.executable, "-c", making], env=tool_environment(**CREDENTIALS), check=True
        )
        yield address
    finally:
        end(process)


def run(folder: Path, *command: str) -> str:
    done = call(folder, *command, **CREDENTIALS)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


def dvc(folder: Path, *arguments: str) -> str:
    return run(folder, sys.executable, "-m", "dvc", *arguments)


def git(folder: Path, *arguments: str) -> str:
    return run(folder, "git", "-c", "user.name=a", "-c", "user.email=a@b.c", *arguments)


def cells(folder: Path) -> dict[str, float]:
    """Seconds of every cell by its key: a cell computed again would take another time."""
    rows = pq.read_table(folder / "results/written/cells.parquet", columns=["cell", "cell_seconds"])
    return dict(zip(rows["cell"].to_pylist(), rows["cell_seconds"].to_pylist(), strict=True))


@pytest.fixture(scope="module")
def pushed(remote: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A project whose study has run, committed to git and pushed to the remote."""
    folder = make_project(
        tmp_path_factory.mktemp("pushed") / "project",
        grid=[{"arms": ["lstm:plain", "lstm:eda_nn", "tfidf"], "budgets": [30, 60]}],
    )
    for name in ("dvc.yaml", "requirements.lock", ".gitignore"):
        shutil.copy(REPO / name, folder / name)
    shutil.copytree(REPO / "src", folder / "src", ignore=shutil.ignore_patterns("__pycache__"))
    git(folder, "init", "-q")
    dvc(folder, "init", "-q")
    dvc(folder, "remote", "add", "-d", "team", f"s3://{BUCKET}/study")
    dvc(folder, "remote", "modify", "team", "endpointurl", remote)
    dvc(folder, "repro")
    git(folder, "add", "-A")
    git(folder, "commit", "-qm", "study")
    said = dvc(folder, "push")
    assert "pushed" in said, said
    return folder


def test_a_fresh_clone_pulls_reports_and_extends(pushed: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(pushed.parent, "clone", "-q", str(pushed), str(clone))
    assert not (clone / "results").exists() and not (clone / "state").exists()
    dvc(clone, "pull")
    assert cells(clone) == cells(pushed) and len(cells(clone)) == 12
    assert "up to date" in dvc(clone, "repro"), "what was pulled is what the pipeline would make"

    report = clone / "reports" / "small"
    before = {p.name: p.read_bytes() for p in report.glob("*.md")}
    shutil.rmtree(report)
    said = dvc(clone, "repro", "report")
    assert "to compute" not in said, "a report needs no training"
    assert {p.name: p.read_bytes() for p in report.glob("*.md")} == before

    params = read_params(clone)
    params["study"]["draws"] = 3  # type: ignore[index]
    write_params(clone, params)
    said = dvc(clone, "repro")
    assert "18 cells, 12 done, 6 to compute" in said
    old, new = cells(pushed), cells(clone)
    assert len(new) == 18 and {k: new[k] for k in old} == old, "no finished cell is computed anew"
    assert "up to date" in dvc(clone, "repro")


def test_a_remote_out_of_reach_is_said(pushed: Path, tmp_path: Path) -> None:
    clone = tmp_path / "clone"
    git(pushed.parent, "clone", "-q", str(pushed), str(clone))
    dvc(
        clone,
        "remote",
        "modify",
        "--local",
        "team",
        "endpointurl",
        f"http://127.0.0.1:{free_port()}",
    )
    once = {"AWS_MAX_ATTEMPTS": "1"}
    done = call(clone, sys.executable, "-m", "dvc", "pull", **CREDENTIALS, **once)
    assert done.returncode != 0 and "127.0.0.1" in done.stdout + done.stderr
