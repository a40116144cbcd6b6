"""The example of docs/adding-a-strategy.md, followed as a stranger would."""

import re
import sys
from pathlib import Path

from tests.conftest import REPO, call


def test_the_example_passes_the_contract(tmp_path: Path) -> None:
    page = (REPO / "docs/adding-a-strategy.md").read_text(encoding="utf-8")
    for block in re.findall(r"```python\n(.*?)```", page, re.S):
        name = block.splitlines()[0].removeprefix("# ")
        (tmp_path / name).write_text(block, encoding="utf-8")
    done = call(
        tmp_path, sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", "test_headline.py",
        PYTHONPATH=str(REPO / "src"),
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
