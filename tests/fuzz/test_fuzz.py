"""Readers under inputs that hypothesis changes from good ones: success or UserError, nothing else.

`python -m tests.fuzz.run --minutes 15` does the same for longer, led by coverage.
"""

import shutil
import warnings
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from datayield.core.errors import UserError
from tests.fuzz.targets import TARGETS

EXAMPLES = {"model": 60, "params": 60}  # of the others: 150


@st.composite
def changed(draw: st.DrawFn, seeds: tuple[bytes, ...]) -> bytes:
    """A seed with up to six edits, or any bytes."""
    if draw(st.integers(0, 9)) == 0:
        return draw(st.binary(max_size=200))
    data = bytearray(draw(st.sampled_from(seeds)))
    for _ in range(draw(st.integers(0, 6))):
        at = draw(st.integers(0, max(0, len(data) - 1)))
        kind = draw(st.sampled_from(["flip", "put", "cut", "twice", "end"]))
        size = draw(st.integers(1, 40))
        if kind == "flip" and data:
            data[at] ^= 1 << draw(st.integers(0, 7))
        elif kind == "put":
            data[at : at + draw(st.integers(0, 3))] = draw(st.binary(min_size=1, max_size=6))
        elif kind == "cut":
            del data[at : at + size]
        elif kind == "twice":
            data[at:at] = data[at : at + size]
        elif kind == "end":
            del data[at:]
    return bytes(data)


@pytest.mark.parametrize("name", TARGETS)
def test_success_or_one_clear_error(name: str, tmp_path: Path) -> None:
    target = TARGETS[name]
    told = {"good": 0, "refused": 0}

    @settings(
        max_examples=EXAMPLES.get(name, 150),
        deadline=None,
        database=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(changed(tuple(target.seeds())))
    def check(data: bytes) -> None:
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of overflows in hostile numbers
            try:
                target.run(data, tmp_path)
                told["good"] += 1
            except UserError as e:
                assert str(e)
                told["refused"] += 1

    check()
    assert told["good"] and bool(told["refused"]) == target.refuses, told


@pytest.mark.parametrize("name", TARGETS)
def test_seeds_are_accepted(name: str, tmp_path: Path) -> None:
    refused = 0
    seeds = TARGETS[name].seeds()
    for data in seeds:
        shutil.rmtree(tmp_path)
        tmp_path.mkdir()
        try:
            TARGETS[name].run(data, tmp_path)
        except UserError:
            refused += 1
    assert refused <= len(seeds) // 2, f"{refused} of {len(seeds)} refused"
