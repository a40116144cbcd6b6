"""What is left out with a notice, and a disk that cannot be written (bad params.yaml: bad_inputs.py)."""

import shutil
from pathlib import Path

import pytest

from datayield import config
from datayield.core.errors import UserError
from datayield.study import grid
from tests.conftest import datayield, small_params


def _params(**study: object) -> config.Params:
    raw = small_params("0" * 64)
    raw["study"].update(study)
    return config.parse(raw)


def test_budgets_beyond_the_pool_are_left_out_with_a_notice() -> None:
    params = _params(grid=[{"arms": ["tfidf", "lstm:double"], "budgets": [30, 60, 5000]}])
    found, notices = grid.arms_and_budgets(params, 100)
    assert {n for _, n in found} == {30, 60}
    assert "5000 labels is larger than the pool of 100" in notices[0]
    assert "lstm:double at 60 labels needs 120 texts" in notices[1]
    with pytest.raises(UserError, match="every budget"):
        grid.arms_and_budgets(_params(grid=[{"arms": ["tfidf"], "budgets": [5000]}]), 100)


def test_an_unwritable_disk(project: Path) -> None:
    folder = project / "data" / "written"
    for name in ("corpus.arrow", "card.json"):
        (folder / name).replace(project / name)
    shutil.rmtree(folder)
    folder.symlink_to("/proc")  # nothing can be written there, not even by root
    done = datayield(project, "stage", "corpus", "--corpus", "written")
    assert done.returncode == 2 and "Traceback" not in done.stderr
    assert "cannot write" in done.stderr and done.stderr.count("datayield: ") == 1
