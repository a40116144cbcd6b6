"""The written corpus with every table that any registered strategy reads."""

import pytest

from datayield.cells.context import CorpusTables
from datayield.strategies import registry
from datayield.testing import build_tables

NAMES = list(registry.registered())


@pytest.fixture(scope="session")
def data(tmp_path_factory: pytest.TempPathFactory) -> CorpusTables:
    """The written corpus with variants for every strategy that rewrites."""
    made = [registry.make_strategy(name) for name in NAMES]
    return build_tables(tmp_path_factory.mktemp("contracts"), made)
