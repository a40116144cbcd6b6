"""The cost model: recovers planted costs, orders cells, stands in before anything was computed."""

from dataclasses import asdict, replace

import numpy as np
import pytest

from datayield.cells.draws import FOLDS
from datayield.core.arm import Arm
from datayield.core.types import Cell, Cost, Row, Settings
from datayield.models import speed
from datayield.study import time_estimates

SHAPES = {"a": time_estimates.Shape(20.0, 1000), "b": time_estimates.Shape(10.0, 400)}


def _cell(corpus: str, arm: Arm, n: int, **model: object) -> Cell:
    settings = {"model": {**asdict(Settings()), **model}} if arm.strategies else {}
    return Cell(corpus, n, arm, 0, 0, settings, {})


def _row(cell: Cell, seconds: float) -> Row:
    nothing = np.empty(0, np.int64)
    cost = Cost(cell.n, cell_seconds=seconds)
    return Row(cell, "k", 0, 0, 0, 0, 0, 0, nothing, nothing.astype(bool), "t", cost)


def _cells() -> list[Cell]:
    plain, slow = Arm("lstm", ("plain",)), Arm("lstm", ("el2n",))
    return [
        _cell(corpus, arm, 100, hidden=h, updates=u)
        for corpus in SHAPES
        for arm in (plain, slow)
        for h in (32, 64, 128)
        for u in (100, 200, 400)
    ] + [_cell(corpus, Arm("tfidf"), n) for corpus in SHAPES for n in range(100, 1600, 100)]


def test_planted_costs_are_recovered() -> None:
    rng = np.random.default_rng(0)

    def real(cell: Cell) -> float:
        weights = (0.2, 5e-3, 2e-2, 6e-3) if cell.arm.strategies else (0.1, 3e-5)
        slow = 2.0 if "el2n" in cell.arm.strategies else 1.0
        return slow * float(np.dot(time_estimates.features(cell, SHAPES[cell.corpus]), weights))

    rows = [_row(c, real(c) * float(np.exp(0.05 * rng.standard_normal()))) for c in _cells()]
    model = time_estimates.fit(rows, SHAPES)
    assert model.cells == len(rows)
    unseen = [
        _cell("b", Arm("lstm", ("plain",)), 300, hidden=96, updates=300),
        _cell("a", Arm("lstm", ("el2n",)), 300, hidden=48, updates=150),
        _cell("a", Arm("lstm", ("el2n", "repeat")), 300),  # parts alone were seen, or never
        _cell("a", Arm("tfidf"), 2500),
    ]
    for cell in unseen:
        assert 0.85 < model.seconds(cell, SHAPES[cell.corpus]) / real(cell) < 1.15
    total = sum(real(c) for c in unseen)
    assert 0.8 < time_estimates.wall(unseen, SHAPES, model, 1) * time_estimates.INSIDE / total < 1.2


def test_before_any_cell_the_machine_is_asked_once_how_fast_it_is() -> None:
    cell = _cell("a", Arm("lstm", ("plain",)), 100)
    asked: list[float] = []

    def slower() -> float:
        asked.append(3.0)
        return 3.0

    usual = time_estimates.fit([], SHAPES).seconds(cell, SHAPES["a"])
    assert time_estimates.fit([], SHAPES, slower).seconds(cell, SHAPES["a"]) == 3 * usual
    rows = [_row(c, 1.0) for c in _cells()]
    time_estimates.fit(rows, SHAPES, slower)
    assert len(asked) == 1, "cells of this machine say it better"


GPU = {"device": "cuda", "precision": "fp32", "study_seed": 1}


def test_what_a_gpu_stacks_costs_its_share() -> None:
    """Trials are trained one by one; rows of one device say nothing about another."""
    cell = _cell("a", Arm("lstm", ("plain",)), 300)
    own = replace(cell, identity=GPU)
    model = time_estimates.fit([], SHAPES, device="cuda")
    alone = model.seconds(own, SHAPES["a"], trial=True)
    assert alone == time_estimates.fit([], SHAPES).seconds(cell, SHAPES["a"])
    assert model.seconds(own, SHAPES["a"]) == pytest.approx(time_estimates.STACKED * alone)
    seen = [_row(replace(own, n=300 + k), 0.5) for k in range(20)]
    assert time_estimates.fit(seen, SHAPES).cells == 0
    asked: list[float] = []
    fitted = time_estimates.fit(seen, SHAPES, lambda: asked.append(1) or 7.0, "cuda")
    assert fitted.cells == 20 and fitted.seconds(own, SHAPES["a"]) == pytest.approx(0.5, rel=0.05)
    assert asked, "of networks trained alone nothing was seen here"
    assert fitted.seconds(own, SHAPES["a"], trial=True) == pytest.approx(7 * alone)


def test_what_was_seen_of_one_kind_serves_the_other() -> None:
    """Trained alone here, a network says what its share of a stack is; a stacked cell with helpers
    says nothing of a trial with the same settings.
    """
    plain, margin, other = (Arm("lstm", (s,)) for s in ("plain", "margin", "label_smoothing"))
    one_by_one = [_row(replace(_cell("a", other, n), identity=GPU), 5.0) for n in range(300, 320)]
    model = time_estimates.fit(one_by_one, SHAPES, device="cuda")
    cell = replace(_cell("a", plain, 300), identity=GPU)
    assert model.seconds(cell, SHAPES["a"]) == pytest.approx(5 * time_estimates.STACKED, rel=0.05)
    helped = replace(_cell("a", margin, 300), identity=GPU)
    more = 5 * (time_estimates.effort(("margin",)) - 1)
    assert model.seconds(helped, SHAPES["a"]) == pytest.approx(
        more + 5 * time_estimates.STACKED, rel=0.05
    )
    mixed = [_row(replace(_cell("a", plain, n), identity=GPU), 0.2) for n in range(300, 320)]
    mixed += [_row(replace(_cell("a", margin, n), identity=GPU), 15.0) for n in range(300, 304)]
    both = time_estimates.fit([*one_by_one, *mixed], SHAPES, device="cuda")
    trial = both.seconds(helped, SHAPES["a"], trial=True)
    assert trial == pytest.approx(5 * time_estimates.effort(("margin",)), rel=0.05)
    assert both.seconds(helped, SHAPES["a"]) == pytest.approx(15, rel=0.3)


def test_a_study_of_stacks_is_as_long_as_its_longest_lot() -> None:
    """Full or not, a stack takes as long."""
    model = time_estimates.fit([], SHAPES, device="cuda")
    cells = [replace(_cell("a", Arm("lstm", ("plain",)), 300 + k), identity=GPU) for k in range(64)]
    one = model.seconds(cells[0], SHAPES["a"])
    assert time_estimates.wall(cells, SHAPES, model, 4) == pytest.approx(32 * one)
    assert time_estimates.wall(cells[:1], SHAPES, model, 4) == pytest.approx(32 * one)
    assert time_estimates.wall(cells, SHAPES, model, 1) == pytest.approx(
        64 * one / time_estimates.INSIDE
    )
    helped = [replace(c, arm=Arm("lstm", ("margin",))) for c in cells[:3]]
    each = model.seconds(helped[0], SHAPES["a"])
    assert time_estimates.wall(helped, SHAPES, model, 1) == pytest.approx(
        (3 * each + 29 * one) / time_estimates.INSIDE
    )
    trials = time_estimates.wall(cells, SHAPES, model, 4, trials=True)
    assert trials == pytest.approx(64 * one / time_estimates.STACKED / 4 / time_estimates.INSIDE)
    folds = [replace(cells[0], n=100)] * FOLDS
    one = model.seconds(folds[0], SHAPES["a"])
    assert time_estimates.wall(folds, SHAPES, model, 1, trials=True) == pytest.approx(
        32 * one / time_estimates.INSIDE
    )


def test_the_probe_takes_a_moment_and_says_a_ratio() -> None:
    assert 0.05 < speed.slower() < 100


def test_without_earlier_cells_the_reference_stands_in() -> None:
    model = time_estimates.fit([], SHAPES)
    assert model.cells == 0
    small, large = (_cell("a", Arm("lstm", ("plain",)), 100, updates=u) for u in (100, 800))
    assert 0 < model.seconds(small, SHAPES["a"]) < model.seconds(large, SHAPES["a"])
    assert time_estimates.wall([], SHAPES, model, 2) == 0
