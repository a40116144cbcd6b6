"""Benchmarks are run by hand; here each is imported, and says its arguments, so that none rots unseen."""

import subprocess
import sys

import pytest

from tests.conftest import REPO, tool_environment

BENCHMARKS = sorted(p.name for p in (REPO / "benchmarks").glob("*.py"))
# A process of its own: benchmarks set the threads of their process, and import torch before they say so.
CODE = """
import runpy, sys
folder, *names = sys.argv[1:]
sys.path.insert(0, folder)
for name in names:
    path = f"{folder}/{name}"
    sys.argv = [path, "--help"]
    loaded = runpy.run_path(path, run_name="imported")
    if "argparse" in loaded:
        try:
            runpy.run_path(path, run_name="__main__")
        except SystemExit as e:
            assert e.code == 0, (name, e.code)
        else:
            raise AssertionError(f"{name} --help ran the benchmark")
    print("imported", name)
"""


@pytest.fixture(scope="module")
def imported() -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-c", CODE, str(REPO / "benchmarks"), *BENCHMARKS],
        env=tool_environment(), capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


def test_every_benchmark_can_be_imported(imported: "subprocess.CompletedProcess[str]") -> None:
    assert imported.returncode == 0, imported.stderr[-2000:]
    assert imported.stdout.count("imported ") == len(BENCHMARKS) > 10


def test_every_benchmark_that_takes_options_explains_them(
    imported: "subprocess.CompletedProcess[str]",
) -> None:
    parsing = [n for n in BENCHMARKS if "ArgumentParser(" in (REPO / "benchmarks" / n).read_text()]
    assert imported.stdout.count("usage: ") == len(parsing) > 3
