"""datayield: how much accuracy does each label buy, and what stretches the labels furthest?

The names below are taken from `datayield.api` when they are first asked for, so that `import datayield`
is quick; docs/api.md describes them.
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
    from datayield.errors import UserError

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
