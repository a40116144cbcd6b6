"""docs/how-the-statistics-work.md shows what the simulated studies and the stored tables say."""

import re

import numpy as np
import pytest

from docs import statistics_figures
from tests.conftest import REPO

PAGE = (REPO / "docs/how-the-statistics-work.md").read_text()
NUMBER = re.compile(r"-?\d+\.\d+")


def _drawn(svg: str) -> tuple[str, list[float]]:
    """Return a picture without its numbers and without ids made from them, and the numbers."""
    bare = re.sub(r"\b[a-z][0-9a-f]{10}\b", "id", svg)
    return NUMBER.sub("number", bare), [float(x) for x in NUMBER.findall(bare)]


@pytest.mark.slow
def test_pictures_and_captions_are_drawn_again() -> None:
    made = statistics_figures.made()
    assert statistics_figures.captioned(PAGE, {k: c for k, (_, c) in made.items()}) == PAGE
    for name, (svg, _) in made.items():
        kept = (REPO / f"docs/pictures/statistics-{name}.svg").read_text()
        (form, numbers), (form_kept, numbers_kept) = _drawn(svg), _drawn(kept)
        assert form == form_kept, f"{name}: run `python -m docs.statistics_figures`"
        np.testing.assert_allclose(numbers, numbers_kept, atol=0.01)


def test_every_picture_has_its_place() -> None:
    shown = re.findall(r"pictures/statistics-(\w+)\.svg", PAGE)
    assert shown == list(statistics_figures.FIGURES)
