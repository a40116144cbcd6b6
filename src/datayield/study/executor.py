"""Defines the protocols that keep the stages of a study independent of Prefect and MLflow."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, Protocol, TypeAlias

from datayield.core.types import Row

Outcome: TypeAlias = tuple[str, Any]  # a key with None, or with the exception that ended its work


class Executor(Protocol):
    """Runs one function for many keys in parallel, on Prefect's tasks or on plain threads."""

    def __call__(self, labels: Mapping[str, str], work: Callable[[str], None]) -> Iterator[Outcome]:
        """Call `work(key)` for every key of `labels`; yield an outcome for each key as it ends.

        Args:
            labels: for each key a name that people can read, in the order of starting.
            work: does the work of one key. An exception becomes the outcome of that key.
        """


class RunLog(Protocol):
    """Records results while a study runs; must never slow it or stop it."""

    def row(self, row: Row) -> None:
        """Log a finished cell."""

    def curves(self, rows: Sequence[Row]) -> None:
        """Log the learning curves of the finished cells."""

    def trials(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Log a finished search with its trials."""
