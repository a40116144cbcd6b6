"""Predicts the seconds of cells from their settings, fitted on cells that this machine computed.

The seconds of a cell are linear in a few counts (updates, multiply-adds of training and of scoring,
rows of a linear model); the coefficients come from non-negative least squares on relative errors. A
strategy multiplies them by a factor: the mean ratio of its cells, or `Strategy.effort` if there are
none. Without earlier cells the coefficients of `REFERENCE` serve, multiplied by how much slower this
machine trains (`datayield.models.speed`). Cells that a GPU trains as one stack are a kind of their
own: each has its share of the stack's time.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np
from scipy.optimize import nnls

from datayield.cells.draws import FOLDS, FOLDS_UP_TO
from datayield.cells.stacking import stack_key, work_units
from datayield.core.types import Cell, Floats, Row, Settings
from datayield.models.stacked import STACK_SIZE
from datayield.strategies.registry import compose

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
STACK = "stacked "  # prefix of the kind of cells that are trained in a stack
# Share of the workers' time that cells take; the rest is overhead between cells.
INSIDE = 0.9


@dataclass(frozen=True, slots=True)
class Shape:
    """The properties of a corpus that the seconds of its cells depend on."""

    tokens: float  # mean tokens per text
    test: int  # test texts
    share_read: Callable[[int], float] | None = None
    """Tokens of a text that are read -> share of all tokens; None: texts are of one length."""

    def tokens_read(self, limit: int) -> float:
        """Return the mean tokens per text that are read if at most `limit` are."""
        if self.share_read is None:
            return min(self.tokens, limit)
        return self.tokens * self.share_read(limit)


@dataclass(frozen=True, slots=True)
class TimeModel:
    """Predicts the seconds of a cell in one worker."""

    coefficients: Mapping[str, tuple[float, ...]] = field(default_factory=lambda: dict(REFERENCE))
    factors: Mapping[tuple[str, tuple[str, ...]], float] = field(default_factory=dict)
    """Factor of a kind with these strategies."""
    cells: int = 0  # number of cells that the model was fitted on
    slower: float = 1.0  # time of this machine over that of REFERENCE; used for kinds not fitted
    fitted: frozenset[str] = frozenset()  # kinds with fitted coefficients

    def seconds(self, cell: Cell, shape: Shape, trial: bool = False) -> float:
        """Predict the seconds of a cell, or of one training of a trial with its settings; > 0."""
        factor = self._factor(_kind(cell, trial), cell.arm.strategies)
        return self.training(cell, shape, trial) * factor

    def training(self, cell: Cell, shape: Shape, trial: bool = False) -> float:
        """Predict the seconds of a plain cell with these settings; in a stack, its share of the time."""
        kind = _kind(cell, trial)
        alone = kind.removeprefix(STACK)
        coefficients = self.coefficients.get(kind) or tuple(
            STACKED * c for c in self.coefficients[alone]
        )
        base = float(np.dot(features(cell, shape, trial), coefficients))
        machine = 1.0 if self.fitted & {kind, alone} else self.slower
        # The folds of a trial are a stack of few, which takes as long as a full one.
        share = STACK_SIZE / FOLDS if trial and kind != alone else 1.0
        return max(base, 0.01) * machine * share

    def _factor(self, kind: str, names: tuple[str, ...]) -> float:
        """Return the factor of a composition: the measured one, or the product of its parts' factors."""
        if (kind, names) in self.factors or len(names) == 1:
            return self.factors.get((kind, names), _declared(kind, names))
        return prod(self._factor(kind, (name,)) for name in names)


def _declared(kind: str, names: Sequence[str]) -> float:
    """Return the declared factor of a kind; helper fits and the like are never stacked."""
    more = effort(names) - 1
    return 1 + (more / STACKED if kind.startswith(STACK) and more > 0 else more)


def effort(names: Sequence[str]) -> float:
    """Return the declared seconds of cells with these strategies, relative to plain cells."""
    return prod(p.effort for p in compose(names, {}).parts)


def fit(
    rows: Iterable[Row],
    shapes: Mapping[str, Shape],
    slower: Callable[[], float] = lambda: 1.0,
    device: str = "cpu",
) -> TimeModel:
    """Fit the model on the cells that this machine computed.

    Args:
        rows: finished cells; cells of other corpora and networks of other devices are left out.
        shapes: corpus → shape.
        slower: measures how many times slower than the machine of REFERENCE this machine is; called
            if no network was trained by itself here.
        device: device of networks, "cpu" or "cuda".
    """
    by_kind: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        used = row.cell.identity.get("device", device) if row.cell.arm.strategies else device
        if row.cell.corpus in shapes and used == device:
            by_kind[_kind(row.cell)].append(row)
    coefficients = dict(REFERENCE)
    fitted: set[str] = set()
    factors: dict[tuple[str, tuple[str, ...]], list[float]] = defaultdict(list)
    count = 0
    for kind, group in by_kind.items():
        if len(group) < FEWEST:
            continue
        count += len(group)
        fitted.add(kind)
        x = np.array([features(r.cell, shapes[r.cell.corpus]) for r in group])
        y = np.array([max(r.cost.cell_seconds, 0.01) for r in group])
        plain = y / np.array([_declared(kind, r.cell.arm.strategies) for r in group])
        solution, _ = nnls(x / plain[:, None], np.ones(len(y)))
        coefficients[kind] = tuple(float(c) for c in solution)
        for row, predicted, real in zip(group, x @ solution, y, strict=True):
            factors[kind, row.cell.arm.strategies].append(real / max(float(predicted), 0.01))
    means = {k: float(np.mean(v)) for k, v in factors.items()}
    machine = 1.0 if fitted & {"lstm", "gru"} else slower()
    return TimeModel(coefficients, means, count, machine, frozenset(fitted))


def features(cell: Cell, shape: Shape, trial: bool = False) -> Floats:
    """Return the counts that the seconds are linear in: (4,) for networks, (2,) for linear models.

    A cell trains once and once more for each fold that it holds out; a training of a trial is one.
    """
    trainings = 1 if trial else 1 + cell.identity.get("validation_folds", 0)
    model = cell.settings.get("model")
    if model is None:
        return np.array([1.0, trainings * cell.n * shape.tokens])
    tokens = shape.tokens_read(Settings.from_dict(model).tokens_read)
    directions = 2 if model["bidirectional"] else 1
    width = model["embedding"] + (model["layers"] - 1) * directions * model["hidden"]
    gates = {"lstm": 4, "gru": 3}[model["cell"]]
    giga = gates * model["hidden"] * (width + model["layers"] * model["hidden"]) * directions / 1e9
    updates = trainings * model["updates"]
    trained = updates * model["batch"] * tokens
    return np.array([1.0, updates, trained * giga, shape.test * tokens * giga])


def _kind(cell: Cell, trial: bool = False) -> str:
    model = cell.settings.get("model")
    if model is None:
        return "linear"
    stacked = stack_key(cell) is not None and (not trial or cell.n <= FOLDS_UP_TO)
    return STACK + model["cell"] if stacked else str(model["cell"])


def wall(
    cells: Sequence[Cell],
    shapes: Mapping[str, Shape],
    model: TimeModel,
    workers: int,
    trials: bool = False,
) -> float:
    """Predict the wall time in seconds of cells, or of the trainings of trials, on some workers."""

    def seconds(cell: Cell) -> float:
        return model.seconds(cell, shapes[cell.corpus], trials)

    units = [[c] for c in cells] if trials else work_units(cells, seconds)
    spent = [sum(map(seconds, unit)) for unit in units]
    for k, unit in enumerate(units):
        first = unit[0]
        if not trials and stack_key(first) is not None:
            # A stack of few networks takes as long as a full one.
            free = STACK_SIZE - len(unit)
            spent[k] += free * model.training(first, shapes[first.corpus])
    return max(sum(spent) / (workers * INSIDE), max(spent, default=0.0))
