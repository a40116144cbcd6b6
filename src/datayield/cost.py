"""What cells cost: seconds predicted from their settings, fitted on cells that were computed here.

A cell's seconds are linear in a few counts (updates, multiply-adds of training and of scoring, rows
of a linear model); the coefficients come from non-negative least squares on relative errors. What a
strategy adds is a factor, the mean ratio seen with it, or what it declares (`Strategy.effort`) where it
was never seen. Without earlier cells the coefficients of `REFERENCE` stand in, times how much slower
this machine trains (`datayield.probe`), and the prediction says so. Cells that a GPU trains as one stack
are a kind of their own: each bears its share.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from scipy.optimize import nnls

from datayield.draws import FOLDS, FOLDS_UP_TO
from datayield.strategies import compose
from datayield.together import PLACES, company, lots
from datayield.types import Cell, Floats, Row

FEWEST = 12  # cells of a kind before its coefficients are fitted
# Seconds per feature on two cores of a server processor without matrix instructions.
REFERENCE: Mapping[str, tuple[float, ...]] = {
    "lstm": (0.3, 4.0e-3, 3.5e-2, 8.0e-3),
    "gru": (0.3, 4.0e-3, 9.0e-2, 2.0e-2),
    "linear": (0.1, 2.0e-5),
}
# Seconds of a cell in a full stack over those of one alone where processes share the same GPU: 0.03 at
# the default widths, 0.06 at wide ones (benchmarks/gpu.py).
STACKED = 0.05
STACK = "stacked "  # before the kind of a cell that is trained in one
# Of the wall time of a study in all workers' hands, the share that is inside cells.
INSIDE = 0.9


@dataclass(frozen=True, slots=True)
class Shape:
    """What the cost of a corpus's cells depends on."""

    tokens: float  # mean tokens per text
    test: int  # test texts


@dataclass(frozen=True, slots=True)
class CostModel:
    """Predicts the seconds of a cell in one worker."""

    coefficients: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: dict(REFERENCE))
    factors: Mapping[tuple[str, tuple[str, ...]], float] = field(default_factory=dict)
    """By kind and strategies."""
    cells: int = 0  # that it was fitted on
    slower: float = 1.0  # than the machine of REFERENCE, for kinds that were not fitted
    fitted: frozenset[str] = frozenset()  # kinds

    def seconds(self, cell: Cell, shape: Shape, trial: bool = False) -> float:
        """Predicted seconds of a cell, or of one training of a trial with its settings; > 0."""
        factor = self._factor(_kind(cell, trial), cell.arm.strategies)
        return self.training(cell, shape, trial) * factor

    def training(self, cell: Cell, shape: Shape, trial: bool = False) -> float:
        """Of them what a plain cell would take: of a stacked one its share of the stack."""
        kind = _kind(cell, trial)
        alone = kind.removeprefix(STACK)
        own = self.coefficients.get(kind)
        known = own or tuple(STACKED * c for c in self.coefficients[alone])
        base = float(np.dot(features(cell, shape), known))
        machine = 1.0 if self.fitted & {kind, alone} else self.slower
        # The folds of a trial are a stack of few, which takes as long as a full one.
        share = PLACES / FOLDS if trial and kind != alone else 1.0
        return max(base, 0.01) * machine * share

    def _factor(self, kind: str, names: tuple[str, ...]) -> float:
        """Of a composition: as seen, or its parts' factors multiplied."""
        if (kind, names) in self.factors or len(names) == 1:
            return self.factors.get((kind, names), _declared(kind, names))
        return prod(self._factor(kind, (name,)) for name in names)


def _declared(kind: str, names: Sequence[str]) -> float:
    """Of cells of a kind; what comes on top of a training, helper fits above all, is not stacked."""
    more = effort(names) - 1
    return 1 + (more / STACKED if kind.startswith(STACK) and more > 0 else more)


def effort(names: Sequence[str]) -> float:
    """The declared seconds of cells with these strategies over those of plain cells."""
    return prod(p.effort for p in compose(names, {}).parts)


def fit(
    rows: Iterable[Row],
    shapes: Mapping[str, Shape],
    slower: Callable[[], float] = lambda: 1.0,
    device: str = "cpu",
) -> CostModel:
    """The model of the cells that were computed on this machine.

    Args:
        rows: finished cells; those of other corpora, and networks of another device, are left out.
        shapes: corpus → shape.
        slower: how many times slower than the machine of REFERENCE this one is; asked where no
            network was trained on its own here.
        device: of networks, "cpu" or "cuda".
    """
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        own = row.cell.identity.get("device", device) if row.cell.arm.strategies else device
        if row.cell.corpus in shapes and own == device:
            by_kind[_kind(row.cell)].append(row)
    coefficients = dict(REFERENCE)
    fitted: set[str] = set()
    factors: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)
    used = 0
    for kind, own in by_kind.items():
        if len(own) < FEWEST:
            continue
        used += len(own)
        fitted.add(kind)
        x = np.array([features(r.cell, shapes[r.cell.corpus]) for r in own])
        y = np.array([max(r.account.cell_seconds, 0.01) for r in own])
        plain = y / np.array([_declared(kind, r.cell.arm.strategies) for r in own])
        found, _ = nnls(x / plain[:, None], np.ones(len(y)))
        coefficients[kind] = tuple(float(c) for c in found)
        for row, predicted, real in zip(own, x @ found, y, strict=True):
            factors[kind, row.cell.arm.strategies].append(real / max(float(predicted), 0.01))
    means = {k: float(np.mean(v)) for k, v in factors.items()}
    machine = 1.0 if fitted & {"lstm", "gru"} else slower()
    return CostModel(coefficients, means, used, machine, frozenset(fitted))


def features(cell: Cell, shape: Shape) -> Floats:
    """Counts that the seconds are linear in: (4,) for networks, (2,) for linear models."""
    model = cell.settings.get("model")
    if model is None:
        return np.array([1.0, cell.n * shape.tokens])
    tokens = min(shape.tokens, model["max_tokens"])
    directions = 2 if model["bidirectional"] else 1
    width = model["embedding"] + (model["layers"] - 1) * directions * model["hidden"]
    gates = {"lstm": 4, "gru": 3}[model["cell"]]
    giga = gates * model["hidden"] * (width + model["layers"] * model["hidden"]) * directions / 1e9
    trained = model["updates"] * model["batch"] * tokens
    return np.array([1.0, model["updates"], trained * giga, shape.test * tokens * giga])


def _kind(cell: Cell, trial: bool = False) -> str:
    model = cell.settings.get("model")
    if model is None:
        return "linear"
    stacked = company(cell) is not None and (not trial or cell.n <= FOLDS_UP_TO)
    return STACK + model["cell"] if stacked else str(model["cell"])


def wall(
    cells: Sequence[Cell],
    shapes: Mapping[str, Shape],
    model: CostModel,
    workers: int,
    trials: bool = False,
) -> float:
    """Predicted seconds of cells, or of trials' trainings, shared by so many workers."""

    def seconds(cell: Cell) -> float:
        return model.seconds(cell, shapes[cell.corpus], trials)

    each = [[c] for c in cells] if trials else lots(cells, seconds)
    spent = [sum(map(seconds, lot)) for lot in each]
    for k, lot in enumerate(each):
        if not trials and company(lot[0]) is not None:  # a stack of few takes as long as a full one
            spent[k] += (PLACES - len(lot)) * model.training(lot[0], shapes[lot[0].corpus])
    return max(sum(spent) / (workers * INSIDE), max(spent, default=0.0))
