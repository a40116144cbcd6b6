"""What fuzz targets share."""

from collections.abc import Sequence
from typing import Any

from tests.conftest import written_texts

TEXTS, LABELS = written_texts(66)


def picked(data: bytes, among: Sequence[Any]) -> tuple[Any, bytes]:
    """One of some things by the first byte, and the other bytes."""
    return among[(data[0] if data else 0) % len(among)], data[1:]
