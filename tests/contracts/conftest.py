"""The written corpus with every table that any registered strategy reads."""

import shutil
from pathlib import Path

import pytest

from datayield import config, stages, strategies
from datayield.desk import Data
from tests.conftest import read_params, write_dictionary, write_params

NAMES = list(strategies.registry())
N = 60


def having(verb: str) -> list[str]:
    """The strategies that use a verb."""
    return [n for n in NAMES if getattr(strategies.make(n), verb) is not None]


@pytest.fixture(scope="module")
def data(staged: Path, tmp_path_factory: pytest.TempPathFactory) -> Data:
    """The written corpus with variants for every strategy that rewrites."""
    folder = tmp_path_factory.mktemp("contracts") / "project"
    shutil.copytree(staged, folder)
    changed = read_params(folder)
    # Beside k_center any text of the pool may be asked for.
    block = {"arms": [f"lstm:k_center+{n}" for n in having("rewrite")], "budgets": [N]}
    changed["study"]["grid"] = [block]
    write_params(folder, changed)
    dictionary = tmp_path_factory.mktemp("wordnet")
    write_dictionary(dictionary)
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("DATAYIELD_WORDNET", str(dictionary))
        stages.augment(config.load(folder / "params.yaml"), "written", folder)
    return Data.load(folder / "data" / "written")
