"""Measures how much accuracy each label buys, and which strategies need fewer labels.

The names below are imported from `datayield.api` when they are first used, so that `import datayield` is
quick; docs/api.md describes them.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from datayield.api import (
        analyse,
        label_texts,
        list_strategies,
        load_corpus,
        multiplier,
        need,
        plan_study,
        read_cells,
        run_study,
        start_project,
        write_report,
    )
    from datayield.core.errors import UserError

__version__ = "0.1.0"
__all__ = [
    "UserError",
    "analyse",
    "label_texts",
    "list_strategies",
    "load_corpus",
    "multiplier",
    "need",
    "plan_study",
    "read_cells",
    "run_study",
    "start_project",
    "write_report",
]


def __getattr__(name: str) -> Any:
    if name in __all__:
        return getattr(import_module("datayield.api"), name)
    raise AttributeError(f"module 'datayield' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
