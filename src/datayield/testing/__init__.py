"""Provides the contract tests of strategies, to be run by whoever writes one (docs/adding-a-strategy.md).

This package needs pytest, which only developers install (`pip install pytest`).
"""

import pytest

# Before the module is imported: pytest then shows the values behind a failed assertion in it.
pytest.register_assert_rewrite("datayield.testing.strategy_contract")

from datayield.testing.small_corpus import build_tables  # noqa: E402
from datayield.testing.strategy_contract import StrategyContract, check_arm  # noqa: E402

__all__ = ["StrategyContract", "build_tables", "check_arm"]
