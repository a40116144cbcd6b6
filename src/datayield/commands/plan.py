"""`plan`: cells, trials and the time they take, before anything runs."""

import argparse
import json
from collections import Counter, defaultdict
from functools import partial
from typing import TYPE_CHECKING, Any

from datayield import environment
from datayield.commands import common
from datayield.errors import UserError

if TYPE_CHECKING:
    from datayield.commands.common import Commands
    from datayield.config import Params
    from datayield.grid import Scope
    from datayield.types import Cell


def add(commands: "Commands") -> None:
    """The planning command."""
    plan = commands.add_parser("plan", help="what would be computed, before anything runs")
    plan.set_defaults(run=_plan)


def _plan(options: argparse.Namespace) -> None:
    from datayield import corpora, cost, grid, probe, stages
    from datayield.cells import CellStore
    from datayield.progress import duration

    params = common.checked_params()
    store = CellStore(common.ROOT / "state" / "cells")
    missing: list[Cell] = []
    trials: list[Cell] = []
    for name in params.study.corpora:
        folder = stages.folder(common.ROOT, name)
        if not (folder / "corpus.arrow").exists():
            raise UserError(f"{folder} is not built yet. Run `dvc repro corpus@{name}` first.")
        planned, notices = grid.entries(params, len(corpora.load(folder).texts))
        each = params.study.draws * params.study.seeds
        counts = Counter(str(arm) for arm, _ in planned)
        cells = _cells(params, name)
        open_cells = [c for c in cells if not store.has(grid.key(c))]
        missing += open_cells
        done = len(cells) - len(open_cells)
        print(f"{name}: {len(cells)} cells ({each} per arm and budget), {done} done")
        for arm, budgets in counts.items():
            print(f"  {arm:24} {budgets:3} budgets  {budgets * each:4} cells")
        for sentence in notices:
            print(f"  notice: {sentence}")
        trials += _trials(params, name)
    device = environment.device(params.execution.device)
    workers = environment.workers(params.execution.workers, device)
    machine = partial(probe.slower, device, params.execution.precision)
    model = cost.fit(store.rows(), stages.shapes(common.ROOT), machine)
    seconds = cost.wall(missing, stages.shapes(common.ROOT), model, workers)
    source = f"fitted on {model.cells} cells" if model.cells else "from a short training"
    print(
        f"to compute: {len(missing)} cells, about {duration(seconds)} with {workers} workers ({source})"
    )
    if trials:
        seconds = cost.wall(trials, stages.shapes(common.ROOT), model, workers)
        print(f"before that: the searches' trainings, at most about {duration(seconds)}")


def _scope(params: "Params", name: str) -> "Scope":
    """Of a corpus; before its data stages one of which no cell counts as done."""
    from datayield import corpora, grid, stages

    try:
        return stages.scope(params, name, common.ROOT)
    except UserError:
        pool = len(corpora.load(stages.folder(common.ROOT, name)).texts)
        return grid.Scope(name, pool, "not built", defaultdict(str))


def _cells(params: "Params", name: str) -> "tuple[Cell, ...]":
    """The cells of a corpus with the settings that were searched, untuned where none are known."""
    from datayield import grid

    scope = _scope(params, name)
    path = common.ROOT / "results" / name / "settings.json"
    known = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    chosen: dict[str, dict[str, Any]] = {}
    for arm, n in grid.entries(params, scope.pool)[0]:
        found = known.get(str(n), {}).get(str(arm))
        untuned = {grid.ALL: grid.default_settings(params, arm, n)}
        chosen.setdefault(str(n), {})[str(arm)] = found or untuned
    return grid.make(params, scope, chosen).cells


def _trials(params: "Params", name: str) -> "list[Cell]":
    """The trainings of a corpus's searches, with untuned settings, unless they are done."""
    from datayield import regimes

    found = regimes.searches(params, _scope(params, name), "accuracy")
    if found:
        print(f"  tuning: {len(found)} searches of {params.tuning.trials} trials")
    if (common.ROOT / "results" / name / "trials.parquet").exists():
        return []
    return [s.cell for s in found for _ in range(s.trials * regimes.trainings(s.cell.n))]
